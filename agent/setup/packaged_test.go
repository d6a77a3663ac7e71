package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIsPackaged(t *testing.T) {
	packaged, err := os.ReadFile("../../packaging/agent.toml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(packaged)
	for _, tc := range []struct {
		text string
		want bool
	}{
		{text, true},
		{text + "# a note\n", true},
		{strings.Replace(text, "# client_name", "client_name", 1), false},
		{strings.Replace(text, "# [[camera]]", "[[camera]]", 1), false},
		{strings.Replace(text, "[s3]", "[s3", 1), false},
		{"[agent]\n", false},
		{"", false},
	} {
		file := filepath.Join(t.TempDir(), "agent.toml")
		if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := isPackaged(file); got != tc.want {
			t.Errorf("%v for\n%s", got, tc.text)
		}
	}
	if isPackaged(filepath.Join(t.TempDir(), "agent.toml")) {
		t.Error("a file that is not there")
	}
}

// The packages' configuration gives way in one step, with nothing left beside it; one in
// which somebody has set something does not.
func TestPackagedConfigurationGivesWay(t *testing.T) {
	packaged, err := os.ReadFile("../../packaging/agent.toml")
	if err != nil {
		t.Fatal(err)
	}
	write := func(there string) (string, error) {
		file := filepath.Join(t.TempDir(), "agent.toml")
		if err := os.WriteFile(file, []byte(there), 0o640); err != nil {
			t.Fatal(err)
		}
		d, err := NewDraft("a test", file)
		if err != nil {
			t.Fatal(err)
		}
		d.Set("agent", "client_name", "warehouse-7")
		d.Set("agent", "data_dir", filepath.Join(filepath.Dir(file), "data"))
		d.Set("agent", "storage", "local")
		_, err = Write(d, file, -1)
		text, rerr := os.ReadFile(file)
		entries, derr := os.ReadDir(filepath.Dir(file))
		if rerr != nil || derr != nil || len(entries) != 1 {
			t.Errorf("%v, %v, and there is %v", rerr, derr, entries)
		}
		return string(text), err
	}
	if text, err := write(string(packaged)); err != nil || !strings.Contains(text, `client_name = "warehouse-7"`) {
		t.Errorf("%v:\n%s", err, text)
	}
	mine := strings.Replace(string(packaged), "# client_name", "client_name", 1)
	if text, err := write(mine); err == nil || text != mine {
		t.Errorf("what somebody has set was overwritten: %v", err)
	}
}
