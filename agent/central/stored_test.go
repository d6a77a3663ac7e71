package central

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKeptName(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cameras.json")
	if name := KeptName(file, "gate"); name != "" {
		t.Errorf("without a file: %q", name)
	}
	text := `{"version":1,"cameras":[{"id":"yard","name":"Yard"},{"id":"gate","name":"Front gate"},7]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"gate": "Front gate", "yard": "Yard", "dock": ""} {
		if got := KeptName(file, id); got != want {
			t.Errorf("%s is called %q, want %q", id, got, want)
		}
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if name := KeptName(file, "gate"); name != "" {
		t.Errorf("of a damaged file: %q", name)
	}
}
