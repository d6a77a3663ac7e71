package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"recording-agent/agent/config"
)

// The SID that Windows itself has on every host.
func TestServiceSID(t *testing.T) {
	const installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
	for _, name := range []string{"TrustedInstaller", "trustedinstaller"} {
		if sid := serviceSID(name); sid != installer {
			t.Errorf("%s has %s, want %s", name, sid, installer)
		}
	}
}

// The installer makes the service that "install" makes.
func TestInstallerAgrees(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "packaging", "windows", "recording-agent.wxs"))
	if err != nil {
		t.Fatal(err)
	}
	service := map[string]string{}
	d := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		token, err := d.Token()
		if err != nil {
			break
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "ServiceInstall" {
			for _, a := range e.Attr {
				service[a.Name.Local] = a.Value
			}
		}
	}
	for name, want := range map[string]string{
		"Name": serviceName, "DisplayName": serviceDisplayName, "Description": serviceDescription, "Account": serviceAccount, "Start": "auto",
		"Type": "ownProcess", "ErrorControl": "normal",
	} {
		if service[name] != want {
			t.Errorf("%s of the installer's service is %q, want %q", name, service[name], want)
		}
	}
	statements, err := os.ReadFile(filepath.Join("..", "packaging", "windows", "msi.sql"))
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, pause := range serviceRestarts() {
		actions = append(actions, fmt.Sprintf("restart/%d", pause.Milliseconds()))
	}
	for what, want := range map[string]string{
		"restarts":              fmt.Sprintf("failure recording-agent reset= %.0f actions= %s'", serviceForgets.Seconds(), strings.Join(actions, "/")),
		"restarts after errors": "failureflag recording-agent 1'",
		"delayed start":         "('DelayedStart', 'recording-agent', 5, 3, '1', 'Program')",
		"preshutdown":           fmt.Sprintf("('Preshutdown', 'recording-agent', 5, 7, '%d', 'Program')", servicePreshutdown.Milliseconds()),
		"rights":                `"*S-1-5-18:(OI)(CI)F" "*S-1-5-32-544:(OI)(CI)F" "` + serviceAccount + `:(OI)(CI)M"`,
		"owner":                 `/setowner "*S-1-5-32-544"`,
	} {
		if !strings.Contains(string(statements), want) {
			t.Errorf("%s: packaging/windows/msi.sql does not hold %s", what, want)
		}
	}
}

func TestAccountPassword(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	set := func(name string) (string, bool) { return "test", name == "AGENT_SERVICE_PASSWORD" }
	for account, wants := range map[string]bool{
		serviceAccount: false, `nt authority\LocalService`: false, `NT AUTHORITY\NetworkService`: false, "LocalSystem": false, `.\LocalSystem`: false,
		`SITE\recorder$`: false, `SITE\recorder`: true, `.\recorder`: true, "recorder": true, "recorder@site.example": true,
	} {
		password, err := accountPassword(account, set, nil)
		if got := password == "test"; err != nil || got != wants {
			t.Errorf("%s gets a password: %v, %v", account, got, err)
		}
		if _, err := accountPassword(account, none, nil); (err != nil) != wants || err != nil && !strings.Contains(err.Error(), passwordVariable) {
			t.Errorf("%s without a password: %v", account, err)
		}
	}
	asked := ""
	password, err := accountPassword(`.\recorder`, none, func(question string) (string, error) { asked = question; return "typed", nil })
	if err != nil || password != "typed" || !strings.Contains(asked, `.\recorder`) {
		t.Errorf("asked %q: %q, %v", asked, password, err)
	}
	if _, err := accountPassword("recorder", none, func(string) (string, error) { return "", errors.New("closed") }); err == nil {
		t.Error("a terminal that fails is taken for an empty password")
	}
}

func TestServicePlaces(t *testing.T) {
	root := t.TempDir() // absolute on any system
	at := func(names ...string) string { return filepath.Join(append([]string{root}, names...)...) }
	usual, program := at("ProgramData", "RecordingAgent"), at("Program Files", "agent.exe")
	for name, tc := range map[string]struct {
		config, data, log string
		secret            string
		closed            string
		write             []string
		read              []string
		watch             []string
	}{
		"as usual": {
			config: filepath.Join(usual, "agent.toml"), data: filepath.Join(usual, "data"), secret: filepath.Join(usual, "secrets", "token"),
			closed: usual, write: []string{filepath.Join(usual, "data")}, read: []string{program, filepath.Join(usual, "secrets")},
		},
		"data on another disk, log in a place of its own": {
			config: filepath.Join(usual, "agent.toml"), data: at("D", "footage"), log: at("logs", "agent.log"),
			closed: usual, write: []string{at("D", "footage"), at("logs")}, read: []string{program},
		},
		"all elsewhere, secrets of somebody else": {
			config: at("agent", "agent.toml"), data: at("footage"), log: at("logs", "agent.log"), secret: at("keys", "token"),
			write: []string{at("footage"), at("logs")}, read: []string{program, at("agent", "agent.toml")}, watch: []string{at("agent")},
		},
		"only the log as usual": {
			config: at("agent", "agent.toml"), data: at("footage"), secret: at("agent", "secrets", "token"),
			closed: usual, write: []string{at("footage")}, read: []string{program, at("agent", "agent.toml"), at("agent", "secrets")}, watch: []string{at("agent")},
		},
		"a name that begins like the usual one": {
			config: usual + "2/agent.toml", data: at("footage"), log: at("logs", "agent.log"),
			write: []string{at("footage"), at("logs")}, read: []string{program, usual + "2/agent.toml"}, watch: []string{usual + "2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &config.Config{Path: tc.config}
			if tc.secret != "" {
				cfg = withSecret(t, tc.secret)
				cfg.Path = tc.config
			}
			cfg.Agent.DataDir, cfg.Log.File = tc.data, tc.log
			p, err := servicePlaces(cfg, program, usual)
			if err != nil {
				t.Fatal(err)
			}
			if p.closed != tc.closed || !slices.Equal(p.write, tc.write) || !slices.Equal(p.read, tc.read) || !slices.Equal(p.watch, tc.watch) {
				t.Errorf("%+v", p)
			}
		})
	}
	for _, dir := range []string{"data", filepath.VolumeName(root) + string(filepath.Separator)} {
		cfg := &config.Config{Path: filepath.Join(usual, "agent.toml")}
		cfg.Agent.DataDir = dir
		if _, err := servicePlaces(cfg, program, usual); err == nil || !strings.Contains(err.Error(), "agent.data_dir") {
			t.Errorf("data_dir %q: %v", dir, err)
		}
	}
}

// withSecret is a configuration that takes a secret from a file.
func withSecret(t *testing.T, file string) *config.Config {
	t.Helper()
	env := config.System()
	env.WithoutSecrets = true
	c, err := config.Parse("agent.toml", []byte(strings.Replace(validConfig, `"rtsp://user:hunter2@127.0.0.1/x"`, "'file:"+file+"'", 1)), env)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
