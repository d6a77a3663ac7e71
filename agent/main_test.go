package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const validConfig = `
[agent]
client_name = "host"
data_dir = "data"
[[camera]]
id = "gate"
url = "rtsp://user:hunter2@127.0.0.1/x"
`

// command runs the program in a directory of its own and returns what it says
// and its exit code.
func command(t *testing.T, files map[string]string, args ...string) (said string, code int) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "RUN_AS_AGENT=1")
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

func TestCommandLine(t *testing.T) {
	valid := map[string]string{"agent.toml": validConfig}
	broken := map[string]string{"agent.toml": strings.NewReplacer("client_name", "klient", `"gate"`, `"../gate"`).Replace(validConfig)}
	secret := map[string]string{"agent.toml": strings.Replace(validConfig, "rtsp://user:hunter2@127.0.0.1/x", "env:NOWHERE_SET", 1)}
	for name, tc := range map[string]struct {
		files map[string]string
		args  []string
		code  int
		says  []string
	}{
		"version":                 {nil, []string{"version"}, 0, []string{"recording-agent "}},
		"help":                    {nil, []string{"--help"}, 0, []string{"run", "check", "segments", "install", "--config"}},
		"nothing to do":           {nil, nil, 2, []string{"recording-agent run"}},
		"unknown command":         {nil, []string{"recrod"}, 2, []string{"recrod", "--help"}},
		"unknown flag":            {nil, []string{"run", "--confg", "x"}, 2, []string{"--confg"}},
		"superfluous argument":    {valid, []string{"run", "now"}, 2, []string{"now", "--help"}},
		"no configuration":        {nil, []string{"run"}, 2, []string{"agent.example.toml", "--config"}},
		"file does not exist":     {nil, []string{"run", "--config", "other.toml"}, 2, []string{"other.toml", "agent.example.toml"}},
		"valid configuration":     {valid, []string{"check", "config"}, 0, []string{"valid", "cameras: 1"}},
		"secrets of the service":  {secret, []string{"check", "config"}, 2, []string{"NOWHERE_SET"}},
		"and without them":        {secret, []string{"check", "config", "--without-secrets"}, 0, []string{"valid", "cameras: 1"}},
		"completion":              {nil, []string{"completion", "bash"}, 0, []string{"__complete", "recording-agent"}},
		"check of a disk":         {valid, []string{"check", "disk"}, 0, []string{"does not exist yet", "free space"}},
		"invalid, nothing tried":  {broken, []string{"check"}, 2, []string{"agent.toml:3: agent.klient", "camera[0].id"}},
		"unknown check":           {valid, []string{"check", "bogus"}, 2, []string{"bogus"}},
		"log that cannot be":      {map[string]string{"agent.toml": strings.Replace(validConfig, "data_dir = \"data\"", "data_dir = \"agent.toml\"\n[log]\nfile = \"agent.toml/x.log\"", 1)}, []string{"run"}, 1, []string{"log.file cannot be written", "data_dir"}},
		"invalid, all at once":    {broken, []string{"check", "config"}, 2, []string{"agent.toml:3: agent.klient", "agent.client_name", "camera[0].id"}},
		"invalid, nothing starts": {broken, []string{"run"}, 2, []string{"agent.toml:3: agent.klient", "camera[0].id"}},
	} {
		t.Run(name, func(t *testing.T) {
			said, code := command(t, tc.files, tc.args...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d\n%s", code, tc.code, said)
			}
			for _, want := range tc.says {
				if !strings.Contains(said, want) {
					t.Errorf("%q is missing in:\n%s", want, said)
				}
			}
			if strings.Contains(said, "hunter2") {
				t.Errorf("the camera's password is shown:\n%s", said)
			}
		})
	}
}
