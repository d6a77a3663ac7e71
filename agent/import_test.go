package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recording-agent/agent/config"
)

const predecessorEnv = `# Local client
BACKEND_API_URL=http://central.example.com:8000/v0/api/local-client/
export CLIENT_TOKEN="hunter2#token"
CLIENT_ID=1b4e28ba-2fa1-41d2-883f-0016d3cca427
AWS_ACCESS_KEY_ID=test
AWS_SECRET_ACCESS_KEY=hunter2/$KEY+=   # of the user
AWS_SESSION_TOKEN=
AWS_REGION_NAME=eu-central-1
AWS_BUCKET_NAME=footage
AWS_S3_SIGNATURE_VERSION=s3v4
GCP_CREDENTIALS_PATH=../hunter2.json
GCP_BUCKET_NAME=cctv_feed
GCP_PROJECT_ID=project
RECORDING_BASE_DIR=./recordings
CLEANUP_AFTER_UPLOAD=true
KEEP_LOCAL_DAYS=2
SYNC_INTERVAL_SECONDS=45
HEARTBEAT_INTERVAL_SECONDS=2
MAX_RETRY_ATTEMPTS=5
LOG_LEVEL=WARNING
COLOUR=blue
`

func TestImportEnv(t *testing.T) {
	hmac := []string{"AGENT_GCS_ACCESS_KEY_ID=GOOGTEST", "AGENT_GCS_SECRET_ACCESS_KEY=hunter2-hmac"}
	for name, tc := range map[string]struct {
		replace []string // pairs
		env     []string
		check   func(*testing.T, *config.Config)
		says    []string
	}{
		"AWS": {nil, nil, func(t *testing.T, c *config.Config) {
			if c.Central.URL != "http://central.example.com:8000" || c.Central.Token.Reveal() != "hunter2#token" || !c.Central.Cameras || c.Central.ClientID != siteID ||
				c.Central.SyncInterval != 45*time.Second || c.Central.HeartbeatInterval != 5*time.Second {
				t.Errorf("central: %+v", c.Central)
			}
			if c.S3.Bucket != "footage" || c.S3.Region != "eu-central-1" || c.S3.AccessKeyID.Reveal() != "test" || c.S3.SecretAccessKey.Reveal() != "hunter2/$KEY+=" || c.S3.SessionToken.IsSet() {
				t.Errorf("store: %+v", c.S3)
			}
			if !strings.HasSuffix(c.Agent.DataDir, filepath.Join("old client", "recordings", "recording-agent")) || !filepath.IsAbs(c.Agent.DataDir) || c.Retention.KeepFor != 48*time.Hour || !c.Retention.DeleteAfterUpload || c.Log.Level != "warn" {
				t.Errorf("the rest: %+v %+v %+v", c.Agent, c.Retention, c.Log)
			}
		}, []string{"HEARTBEAT_INTERVAL_SECONDS is 2 s", "AWS_S3_SIGNATURE_VERSION has no counterpart", "GCP_CREDENTIALS_PATH has no counterpart", "GCP_BUCKET_NAME is not taken over",
			"GCP_PROJECT_ID", "MAX_RETRY_ATTEMPTS has no counterpart: what fails is tried again without end", "COLOUR has no counterpart: it is not known", "client_name is this host's name", "inbox/<camera id>/", "status.listen"}},
		"GCP": {[]string{"# Local client", "CLOUD_STORAGE_BACKEND=GCP"}, hmac, func(t *testing.T, c *config.Config) {
			if c.S3.Bucket != "cctv_feed" || c.S3.Endpoint != "https://storage.googleapis.com" || c.S3.AccessKeyID.Reveal() != "GOOGTEST" || c.S3.SecretAccessKey.Reveal() != "hunter2-hmac" || len(c.Mirrors) != 0 {
				t.Errorf("store: %+v", c.S3)
			}
		}, []string{"AWS_BUCKET_NAME is not taken over", "HMAC keys instead of"}},
		"GCP without keys": {[]string{"# Local client", "CLOUD_STORAGE_BACKEND=gcp"}, nil, func(t *testing.T, c *config.Config) {
			if c.S3.Bucket != "cctv_feed" || c.S3.AccessKeyID.IsSet() {
				t.Errorf("store: %+v", c.S3)
			}
		}, []string{"gcloud storage hmac create"}},
		"both": {[]string{"# Local client", "CLOUD_STORAGE_BACKEND=BOTH"}, hmac, func(t *testing.T, c *config.Config) {
			if c.S3.Bucket != "footage" || len(c.Mirrors) != 1 || c.Mirrors[0].Bucket != "cctv_feed" || c.Mirrors[0].Required || c.Mirrors[0].SecretAccessKey.Reveal() != "hunter2-hmac" {
				t.Errorf("stores: %+v %+v", c.S3, c.Mirrors)
			}
		}, []string{"required = false"}},
		"local, and nothing deleted": {[]string{"# Local client", "CLOUD_STORAGE_BACKEND=LOCAL", "UPLOAD=true", "UPLOAD=false"}, nil, func(t *testing.T, c *config.Config) {
			if c.Agent.Storage != "local" || c.S3.Bucket != "" || c.Retention.DeleteAfterUpload {
				t.Errorf("store: %+v %+v", c.S3, c.Retention)
			}
		}, []string{"CLEANUP_AFTER_UPLOAD is not true"}},
		"defaults of the predecessor": {[]string{"AWS_BUCKET_NAME=footage", "", "AWS_REGION_NAME=eu-central-1", "", "AWS_ACCESS_KEY_ID=test", "", "KEEP_LOCAL_DAYS=2", "KEEP_LOCAL_DAYS=two"}, nil, func(t *testing.T, c *config.Config) {
			if c.S3.Bucket != "cctv-footage-bucket" || c.S3.Region != "ap-south-1" || c.S3.AccessKeyID.IsSet() || c.S3.SecretAccessKey.IsSet() || c.Retention.KeepFor != 0 {
				t.Errorf("store: %+v", c.S3)
			}
		}, []string{"should be withdrawn", "KEEP_LOCAL_DAYS is not a number"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			env := filepath.Join(dir, "old client", ".env")
			if err := os.Mkdir(filepath.Dir(env), 0o750); err != nil {
				t.Fatal(err)
			}
			text := "\ufeff" + strings.ReplaceAll(strings.NewReplacer(tc.replace...).Replace(predecessorEnv), "\n", "\r\n")
			if err := os.WriteFile(env, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			said, code := setUp(t, dir, "", tc.env, "import-env", env, "--no-check")
			if code != 0 || strings.Contains(said, "hunter2") {
				t.Fatalf("exit code %d\n%s", code, said)
			}
			for _, want := range tc.says {
				if !strings.Contains(said, want) {
					t.Errorf("%q is missing in\n%s", want, said)
				}
			}
			tc.check(t, written(t, dir))
			if now, err := os.ReadFile(env); err != nil || string(now) != text {
				t.Errorf("the .env was changed: %v", err)
			}
		})
	}
}

func TestImportEnvRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"":                    "BACKEND_API_URL",
		"BACKEND_API_URL=x\n": "AGENT_CENTRAL_TOKEN",
		"BACKEND_API_URL=https://c\nCLIENT_TOKEN=hunter2\n":                  "--client-id",
		"BACKEND_API_URL=hunter2\nCLIENT_TOKEN=hunter3\nCLIENT_ID=" + siteID: "central.url",
		"BACKEND_API_URL=https://c\nCLIENT_TOKEN=hunter3\nCLIENT_ID=hunter3": "central.client_id",
	} {
		dir := t.TempDir()
		env := filepath.Join(dir, ".env")
		if err := os.WriteFile(env, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		said, code := setUp(t, dir, "", nil, "import-env", env, "--no-check")
		if code != exitUnusable || !strings.Contains(said, says) || strings.Contains(said, "hunter3") {
			t.Errorf("%q: exit code %d, want %q in\n%s", text, code, says, said)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("%q: it has written %v", text, left)
		}
	}
}
