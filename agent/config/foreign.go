package config

import (
	"errors"
	"strings"
)

// Foreign is a camera that does not stand in the file: it is validated as if it
// did, with the defaults of all that is not given, and its id has to be a UUID. Its
// URL is taken as it is, and never for a reference to the environment or a file. Its
// error is of type Errors and holds no part of the URL.
func Foreign(id, name, url string) (Camera, error) {
	nothing := Env{
		Lookup:   func(string) (string, bool) { return "", false },
		ReadFile: func(string) ([]byte, error) { return nil, errors.New("not for cameras of others") },
	}
	if strings.HasPrefix(url, "env:") || strings.HasPrefix(url, "file:") || strings.HasPrefix(url, "cred:") {
		url = "a reference"
	}
	p := &parser{file: "camera of the central server", env: nothing}
	c := &Config{Central: Central{URL: "https://central"}}
	values := map[string]any{"id": id, "name": name, "url": url}
	if name == "" {
		delete(values, "name")
	}
	p.cameras([]*section{{p: p, name: "camera", values: values}}, c)
	if len(p.problems) > 0 {
		return Camera{}, p.problems
	}
	return c.Cameras[0], nil
}
