package config

import (
	"slices"
	"strings"
	"testing"
)

const withCredentials = `
[agent]
client_name = "warehouse-7"
[[camera]]
id = "gate"
url = "cred:gate-url"
[s3]
bucket = "footage"
access_key_id = "cred:key.id"
secret_access_key = "cred:key.id"
`

func TestCredentials(t *testing.T) {
	e := env(map[string]string{"/run/credentials/agent/gate-url": "rtsp://u:very-secret@cam/1\n", "/run/credentials/agent/key.id": "test"})
	e.Credentials = "/run/credentials/agent"
	c, err := Parse("x.toml", []byte(withCredentials), e)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Cameras[0].URL.Reveal(); got != "rtsp://u:very-secret@cam/1" {
		t.Errorf("the camera's URL is %q", got)
	}
	if got := c.Credentials(); !slices.Equal(got, []string{"gate-url", "key.id"}) {
		t.Errorf("names: %v", got)
	}
}

func TestCredentialsThatAreNotThere(t *testing.T) {
	there := env(map[string]string{"/run/credentials/agent/gate-url": "\n"})
	there.Credentials = "/run/credentials/agent"
	elsewhere := env(nil) // as on Windows
	for _, tc := range []struct {
		text string
		env  Env
		want string
	}{
		{withCredentials, there, "the credential gate-url is empty"},
		{withCredentials, there, "the credential key.id cannot be read"},
		{withCredentials, elsewhere, "this host has none"},
		{strings.Replace(withCredentials, "gate-url", "../gate", 1), there, "plain name"},
		{strings.Replace(withCredentials, "gate-url", "", 1), there, "plain name"},
	} {
		if _, err := Parse("x.toml", []byte(tc.text), tc.env); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("want %q, got %v", tc.want, err)
		}
	}
	look := there
	look.WithoutSecrets = true
	if _, err := Parse("x.toml", []byte(withCredentials), look); err != nil {
		t.Errorf("who only looks: %v", err)
	}
}

// What central sends is no way to read this host's credentials.
func TestCamerasOfOthersHaveNoCredentials(t *testing.T) {
	c, err := Foreign("8f14e45f-ceea-467f-9d4c-0a2b3c4d5e6f", "gate", "cred:gate-url")
	if err == nil {
		t.Errorf("accepted, with the URL %q", c.URL.Reveal())
	}
}
