package config

import (
	"errors"
	"os"
	"regexp"
	"testing"
)

// The packages' configuration says nothing yet, and what it suggests is valid.
func TestPackagedConfiguration(t *testing.T) {
	text, err := os.ReadFile("../../packaging/agent.toml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("agent.toml", text, testEnv)
	var problems Errors
	if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Key != "agent.client_name" {
		t.Errorf("as it is: %v", err)
	}
	suggested := regexp.MustCompile(`(?m)^# ([a-z_]+ = |\[\[)`).ReplaceAll(text, []byte("$1"))
	c, err := Parse("agent.toml", suggested, env(map[string]string{
		"/etc/recording-agent/token": "test", "/etc/recording-agent/front-gate-url": "rtsp://cam/1",
		"/etc/recording-agent/s3-key-id": "test", "/etc/recording-agent/s3-key": "test",
	}))
	if err != nil || len(c.Cameras) != 1 || c.S3.Bucket == "" || !c.Central.Cameras {
		t.Errorf("with what it suggests: %v", err)
	}
}
