package setup

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// notPlain is what cannot be in a camera's id.
var notPlain = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// AddCamera adds a camera that is given as NAME=URL. NAME becomes its id, as far as an id
// can hold it. An address may name a user but no password, which is asked for.
func (d *Draft) AddCamera(given string, secrets *Secrets) error {
	name, address, ok := strings.Cut(given, "=")
	name = strings.TrimSpace(name)
	u, err := url.Parse(strings.TrimSpace(address))
	id := strings.Trim(notPlain.ReplaceAllString(name, "-"), "-.")
	switch {
	case !ok || id == "" || err != nil || u.Host == "": // it is not repeated: there may be a password in it
		return errors.New(`--camera takes NAME=URL, like --camera gate=rtsp://admin@10.0.0.5:554/stream1`)
	case hasPassword(u):
		return fmt.Errorf("camera %s: its address holds a password, and every user of this host can read the command line: leave the password out of it; it is taken from the environment variable %s, from --secrets, or asked for", name, passwordVariable(id))
	}
	camera := d.Add("camera")
	camera["id"] = id
	if name != id {
		camera["name"] = name
	}
	if u.User == nil {
		camera["url"] = u.String()
		return nil
	}
	password, err := secrets.Get(passwordVariable(id), fmt.Sprintf("password of user %s at camera %s", u.User.Username(), name), true)
	if err != nil {
		return err
	}
	u.User = url.UserPassword(u.User.Username(), password)
	camera["url"] = d.Secret("camera-"+id+"-url", u.String())
	return nil
}

func hasPassword(u *url.URL) bool {
	if u.User == nil {
		return false
	}
	_, has := u.User.Password()
	return has
}

// passwordVariable is where a camera's password is looked for.
func passwordVariable(id string) string {
	return "AGENT_CAMERA_PASSWORD_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(id))
}
