package systemd

import (
	"regexp"
	"strings"
	"testing"
)

var values = Values{
	Executable: "/usr/bin/recording-agent", Config: `/etc/a "b"/100%/$HOME.toml`, User: "recording-agent",
	Writable:       []string{"/mnt/big disk", "/var/log/x"},
	CredentialsDir: "/etc/recording-agent/credentials", Credentials: []string{"gate-url", "token"},
}

func TestUnit(t *testing.T) {
	unit, err := Unit(values)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, unit,
		`ExecStart="/usr/bin/recording-agent" run --config "/etc/a \"b\"/100%%/$$HOME.toml"`+"\n",
		"Type=notify\n", "Restart=always\n", "RestartSec=2\n", "StartLimitIntervalSec=0\n", "WatchdogSec=", "User=recording-agent\n",
		`ReadWritePaths="-/mnt/big disk" "-/var/log/x"`+"\n", `RequiresMountsFor="/mnt/big disk" "/var/log/x"`+"\n",
		"LoadCredential=gate-url:/etc/recording-agent/credentials/gate-url\nLoadCredential=token:/etc/recording-agent/credentials/token\n",
	)
	if !strings.HasPrefix(unit, Header) {
		t.Errorf("it does not say who has written it:\n%s", unit)
	}
	if _, err := Unit(Values{Executable: "/x", Config: "/y\nExecStartPre=/bin/sh"}); err == nil {
		t.Error("a path with a line break was accepted")
	}
}

func TestPackagedUnitNamesNoPlaces(t *testing.T) {
	unit, err := Unit(Packaged)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, unit, `ExecStart="/usr/bin/recording-agent" run --config "/etc/recording-agent/agent.toml"`+"\n", "StateDirectory=recording-agent\n")
	for _, none := range []string{"ReadWritePaths", "RequiresMountsFor", "LoadCredential", "\n\n\n"} {
		if strings.Contains(unit, none) {
			t.Errorf("%q stands in\n%s", none, unit)
		}
	}
}

func TestDropIn(t *testing.T) {
	text, err := DropIn(values)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, text,
		"ExecStart=\nExecStart=\"/usr/bin/recording-agent\" run", "User=recording-agent\n", `ReadWritePaths="-/mnt/big disk"`, "LoadCredential=token:")
	if _, err := DropIn(Values{User: "x\nExecStartPre=/bin/sh"}); err == nil {
		t.Error("a user with a line break was accepted")
	}
}

var placeholder = regexp.MustCompile(`@[A-Z]+@`)

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, want := range parts {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if placeholder.MatchString(text) {
		t.Errorf("a placeholder was left:\n%s", text)
	}
}
