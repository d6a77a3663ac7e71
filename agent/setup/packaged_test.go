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
