//go:build system

package systemtest

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/agent/central/centraltest"
	"recording-agent/agent/demo/clips"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/uploader/s3/s3test"
)

const (
	worldBucket = "footage"
	worldCamera = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
)

// world is what an agent needs: a camera, a real S3 server, a central server.
type world struct {
	t       *testing.T
	camera  string
	store   *s3test.Server
	objects *s3.Client
	central *centraltest.Server
	rows    string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, store: s3test.Run(t, false, worldBucket)}
	w.objects = s3.New(s3.Options{
		Region: s3test.Region, BaseEndpoint: &w.store.Endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s3test.AccessKey, s3test.SecretKey, ""),
	})
	w.central = centraltest.New(centraltest.Options{Token: "test", ClientName: "windows", Cameras: []string{worldCamera}})
	server := httptest.NewServer(w.central)
	t.Cleanup(server.Close)
	w.rows = server.URL
	hub, err := rtsptest.NewHub()
	if err != nil {
		t.Fatal(err)
	}
	clip, err := rtsptest.ReadClip(clips.H264, clips.Length)
	if err != nil {
		t.Fatal(err)
	}
	ctx, silence := context.WithCancel(context.Background())
	var playing sync.WaitGroup
	playing.Go(func() { _ = hub.Play(ctx, "camera", clip) })
	t.Cleanup(func() {
		silence()
		hub.Close()
		playing.Wait()
	})
	w.camera = hub.URL("camera")
	return w
}

// config is the agent's, with paths of its own system.
func (w *world) config(dataDir string) string {
	return fmt.Sprintf(`
[agent]
client_name = "windows"
data_dir = '%s'
[central]
url = %q
token = "test"
client_id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
[[camera]]
id = %q
name = "Front gate"
url = %q
[segment]
duration = "10s"
[s3]
bucket = %q
region = %q
endpoint = %q
path_style = true
access_key_id = %q
secret_access_key = %q
[status]
listen = "127.0.0.1:0"
`, dataDir, w.rows, worldCamera, w.camera, worldBucket, s3test.Region, w.store.Endpoint, s3test.AccessKey, s3test.SecretKey)
}

// completed lists the recordings that central has as completed.
func (w *world) completed() []centraltest.Recording {
	var out []centraltest.Recording
	for _, r := range w.central.Recordings() {
		if r.Status == "completed" {
			out = append(out, r)
		}
	}
	return out
}

// check holds an object against what central was told, and has ffprobe read it.
func (w *world) check(r centraltest.Recording) {
	w.t.Helper()
	out, err := w.objects.HeadObject(w.t.Context(), &s3.HeadObjectInput{Bucket: aws.String(worldBucket), Key: &r.FilePath})
	if err != nil || aws.ToInt64(out.ContentLength) != r.FileSize {
		w.t.Errorf("recording %s: central knows %d bytes, the store says %+v, %v", r.ID, r.FileSize, out, err)
		return
	}
	url, err := s3.NewPresignClient(w.objects).PresignGetObject(w.t.Context(), &s3.GetObjectInput{Bucket: aws.String(worldBucket), Key: &r.FilePath})
	if err != nil {
		w.t.Fatal(err)
	}
	said, err := exec.Command("ffprobe", "-v", "error", "-i", url.URL).CombinedOutput()
	if err != nil || len(said) > 0 {
		w.t.Errorf("ffprobe of %s: %v\n%s", r.FilePath, err, said)
	}
}

// segments lists the files of the camera under a data directory.
func segments(t *testing.T, dataDir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir, "segments", "*", "*.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// segmentOf is the id in a file's name.
func segmentOf(file string) string {
	_, id, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".mp4"), "_")
	return id
}

// isFinished looks whether the tables stand in front: the init moov is a free box.
func isFinished(t *testing.T, file string) bool {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head := make([]byte, 64)
	if _, err := f.Read(head); err != nil {
		t.Fatal(err)
	}
	return string(head[52:56]) != "moov"
}

func (w *world) secretKey() string { return s3test.SecretKey }
