package systemd

import (
	"strings"
	"testing"
)

func TestUnit(t *testing.T) {
	unit, err := Unit(Values{
		Executable: "/usr/bin/recording-agent", Config: `/etc/a "b"/100%/$HOME.toml`, User: "recording-agent",
		Writable: []string{"/mnt/big disk", "/var/log/x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`ExecStart="/usr/bin/recording-agent" run --config "/etc/a \"b\"/100%%/$$HOME.toml"` + "\n",
		"Type=notify\n", "Restart=always\n", "RestartSec=2\n", "WatchdogSec=", "User=recording-agent\n",
		`ReadWritePaths="-/mnt/big disk" "-/var/log/x"` + "\n", `RequiresMountsFor="/mnt/big disk" "/var/log/x"` + "\n",
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("%q is missing in:\n%s", want, unit)
		}
	}
	body, _ := strings.CutPrefix(unit, "# Written")
	if i := strings.Index(body, "\n"); strings.Contains(body[i:], "@") {
		t.Errorf("a placeholder was left:\n%s", unit)
	}
	if _, err := Unit(Values{Executable: "/x", Config: "/y\nExecStartPre=/bin/sh"}); err == nil {
		t.Error("a path with a line break was accepted")
	}
}
