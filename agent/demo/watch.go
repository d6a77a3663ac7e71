package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// segment is what is seen of one from outside the agent: on the disk, in the
// bucket and at central.
type segment struct {
	id, camera string
	localBytes int64 // 0 when it is not on the disk
	key        string
	seconds    float64
	recording  bool   // as the agent says
	completed  bool   // at central
	stored     bool   // in the bucket, with the size that central was told
	etag       string // of the object
}

// upload says how the object came.
func (s segment) upload() string {
	if n := s.parts(); n != "1" {
		return "in " + n + " parts"
	}
	return "in one part"
}

// parts is how many parts the object was uploaded in: S3 appends the number to
// the ETag of a multipart upload.
func (s segment) parts() string {
	if _, n, ok := strings.Cut(s.etag, "-"); ok {
		return n
	}
	return "1"
}

// watcher looks at the agent's work from outside.
type watcher struct {
	servers  *servers
	agent    *agent
	segments map[string]*segment
	order    []string
}

func newWatcher(s *servers, a *agent) *watcher {
	return &watcher{servers: s, agent: a, segments: map[string]*segment{}}
}

// look brings the segments up to date.
func (w *watcher) look(ctx context.Context) {
	for _, s := range w.segments {
		s.localBytes = 0
	}
	for _, c := range w.servers.cameras {
		entries, _ := os.ReadDir(filepath.Join(w.agent.dataDir, "segments", c.id))
		for _, e := range entries {
			_, id, ok := strings.Cut(strings.TrimSuffix(e.Name(), ".mp4"), "_")
			if info, err := e.Info(); ok && err == nil {
				s := w.segment(id)
				s.camera, s.localBytes = c.id, max(info.Size(), 1)
			}
		}
	}
	for _, row := range w.servers.central.Recordings() {
		s := w.segment(row.IdempotencyKey)
		s.camera, s.key, s.completed = row.CameraID, row.FilePath, row.Status == "completed"
		s.seconds, _ = row.Extra["duration_seconds"].(float64)
		if s.completed && !s.stored {
			w.head(ctx, s, row.FileSize)
		}
	}
}

func (w *watcher) segment(id string) *segment {
	s := w.segments[id]
	if s == nil {
		s = &segment{id: id}
		w.segments[id] = s
		w.order = append(w.order, id)
	}
	return s
}

func (w *watcher) head(ctx context.Context, s *segment, size int64) {
	out, err := w.servers.objects.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(bucket), Key: &s.key})
	if err != nil {
		return
	}
	s.etag = strings.Trim(aws.ToString(out.ETag), `"`)
	s.stored = aws.ToInt64(out.ContentLength) == size && size > 0
}

// of returns a camera's segments, oldest first.
func (w *watcher) of(camera string) []*segment {
	var out []*segment
	for _, id := range w.order {
		if s := w.segments[id]; s.camera == camera {
			out = append(out, s)
		}
	}
	return out
}

// cameraState is the part of the agent's /status that is shown.
type cameraState struct {
	ID        string  `json:"id"`
	State     string  `json:"state"`
	Codec     string  `json:"codec"`
	Audio     string  `json:"audio_codec"`
	Width     int     `json:"width"`
	Height    int     `json:"height"`
	BitRate   float64 `json:"bits_per_second"`
	FrameRate float64 `json:"frames_per_second"`
	LastError string  `json:"last_error"`
	Segment   string  `json:"segment"`
}

// states asks the agent for its cameras; it is empty while it does not answer.
func (w *watcher) states(ctx context.Context) map[string]cameraState {
	out := w.ask(ctx)
	for _, s := range w.segments {
		s.recording = out[s.camera].Segment == s.id
	}
	return out
}

func (w *watcher) ask(ctx context.Context) map[string]cameraState {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.agent.status+"/status", nil)
	if err != nil {
		return nil
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	var body struct {
		Cameras []cameraState `json:"camera_status"`
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		return nil
	}
	out := map[string]cameraState{}
	for _, c := range body.Cameras {
		out[c.ID] = c
	}
	return out
}
