package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"recording-agent/agent/config"
)

// The service's group may read the secrets beside the configuration that it names, and
// nothing else.
func TestSecretsReadableByTheService(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files to a group")
	}
	const gid = 64999
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	named, linked := write("secrets/token", "test-test-test-test"), filepath.Join(dir, "secrets", "link")
	other, elsewhere := write("secrets/other", "test"), write("elsewhere/key", "test")
	if err := os.Symlink(elsewhere, linked); err != nil {
		t.Fatal(err)
	}
	file := write("agent.toml", "[agent]\nclient_name = \"w\"\n[status]\ntoken = \"file:"+named+"\"\n[s3]\naccess_key_id = \"file:"+elsewhere+"\"\nsecret_access_key = \"file:"+linked+"\"\nbucket = \"footage\"\n")
	c, err := config.Load(file, config.System())
	if err != nil {
		t.Fatal(err)
	}
	if err := secretsReadableBy(c, "test", gid); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		gid  uint32
		mode os.FileMode
	}{
		filepath.Dir(named): {gid, 0o750}, named: {gid, 0o640},
		other: {0, 0o600}, elsewhere: {0, 0o600}, filepath.Dir(elsewhere): {0, 0o700},
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Gid; got != want.gid || info.Mode().Perm() != want.mode {
			t.Errorf("%s belongs to group %d with mode %v, want %d and %v", path, got, info.Mode().Perm(), want.gid, want.mode)
		}
	}
}
