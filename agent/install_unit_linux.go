package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kardianos/service"

	"recording-agent/packaging/systemd"
)

// The unit is the package's, to which a drop-in adds what this host's configuration
// names; or, without a package, one that is written as a whole.
const (
	ownUnit  = "/etc/systemd/system/" + serviceName + ".service"
	ourUnits = ownUnit + ".d"
	dropIn   = ourUnits + "/install.conf"

	optionUnit   = "SystemdScript" // of the library
	optionDropIn = "recording-agent's drop-in"
)

// packagedUnits are where packages have it, also on hosts whose /lib is not /usr/lib.
var packagedUnits = []string{"/usr/lib/systemd/system/" + serviceName + ".service", "/lib/systemd/system/" + serviceName + ".service"}

func isPackaged() bool {
	for _, unit := range packagedUnits {
		if _, err := os.Stat(unit); err == nil {
			return true
		}
	}
	return false
}

// chooseUnit leaves the text for register.
func chooseUnit(sc *service.Config, v systemd.Values) (err error) {
	if isPackaged() && v.Executable == systemd.Packaged.Executable {
		sc.Option[optionDropIn], err = systemd.DropIn(v)
		return err
	}
	unit, err := systemd.Unit(v)
	if err != nil {
		return err
	}
	if strings.Contains(unit, "{{") {
		return errors.New(`a path with "{{" in it cannot be installed`) // the library would take it for a template
	}
	sc.Option[optionUnit] = unit
	return nil
}

// register makes the service known to systemd. What an earlier "install" has written
// gives way.
func register(s service.Service, sc *service.Config) error {
	if err := removeOwnUnit(); err != nil {
		return err
	}
	text, ok := sc.Option[optionDropIn].(string)
	if !ok {
		return s.Install()
	}
	if err := os.MkdirAll(ourUnits, 0o755); err != nil {
		return fmt.Errorf("make the directory of the unit's drop-in: %w", err)
	}
	if err := os.WriteFile(dropIn, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the unit's drop-in: %w", err)
	}
	return errors.Join(systemctl("daemon-reload"), systemctl("enable", serviceName))
}

// removeOwnUnit removes a unit that "install" has written. One of somebody else's stays,
// and the library says that it is in the way.
func removeOwnUnit() error {
	text, err := os.ReadFile(ownUnit)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !strings.HasPrefix(string(text), systemd.Header) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the unit that is there: %w", err)
	}
	if err := os.Remove(ownUnit); err != nil {
		return fmt.Errorf("remove the unit that is there: %w", err)
	}
	return nil
}

// unregister is the way back. The package's unit goes with the package.
func unregister(s service.Service) error {
	if _, err := os.Stat(ownUnit); err == nil || !isPackaged() {
		return s.Uninstall()
	}
	if err := os.Remove(dropIn); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the unit's drop-in: %w", err)
	}
	_ = os.Remove(filepath.Dir(dropIn)) // others may have theirs in it
	return errors.Join(systemctl("disable", serviceName), systemctl("daemon-reload"))
}

func systemctl(args ...string) error {
	if out, err := exec.Command("systemctl", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
