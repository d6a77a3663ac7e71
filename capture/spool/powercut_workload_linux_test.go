//go:build !arm && !386

package spool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture"
	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
	"recording-agent/capture/spool/disktest"
)

// The workload is a host with three cameras, for three quarters of a minute of a
// bubble's time: two of them are uploaded while they are recorded and then deleted,
// one hangs up, one is never uploaded and gives up its oldest segment, and a file of
// another recorder is taken over.

const (
	workloadFor   = 45 * time.Second
	segmentFor    = 5 * time.Second
	partFor       = time.Second
	syncEvery     = 2 * time.Second
	frameFor      = 40 * time.Millisecond
	uploadPart    = 32 << 10
	neverUploaded = "dock"
	hangsUp       = "yard"
)

var workloadCameras = []string{"gate", hangsUp, neverUploaded}

// mark is what the program had done, or had been promised, at a point of the log.
type mark struct {
	What     string // a verb; with "…ing", it is about to be done
	Camera   string
	Segment  string
	Wall     time.Time
	Result   *mp4.Result       `json:",omitempty"`
	Upload   string            `json:",omitempty"`
	Part     *spool.UploadPart `json:",omitempty"`
	Size     int64             `json:",omitempty"`
	Checksum string            `json:",omitempty"`
}

// workload is the host. What it has been promised it says in marks.
type workload struct {
	*spool.Spool
	t     *testing.T
	dir   string
	mu    sync.Mutex
	marks io.Writer
	hung  bool
	sent  map[string]int // parts, by segment
	opens int
}

func workloadOptions(dir string, now func() time.Time) spool.Options {
	return spool.Options{
		Dir: dir, ClientName: "warehouse-7", Log: zerolog.Nop(), Now: now,
		Disk: func(string) (free, total uint64, err error) { return 1 << 40, 1 << 41, nil },
		Destinations: []spool.Destination{{Name: "primary", Bucket: "footage", Key: func(s spool.Segment) string {
			return "recordings/" + s.CameraID + "/" + s.ID + ".mp4"
		}}},
	}
}

// TestPowerCutWorkload runs the workload, on a disk of the test's own or on one that
// somebody watches: then it is run as a program of its own.
func TestPowerCutWorkload(t *testing.T) {
	dir := os.Getenv("WORKLOAD_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	if os.Getenv("WORKLOAD_RECOVERS") != "" {
		s, _ := start(t, dir, time.Now())
		if s == nil || s.Close() != nil {
			t.Fatal("what the power cut has left is not recovered")
		}
		return
	}
	marks, err := os.OpenFile(filepath.Join(dir, disktest.Marks), os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer marks.Close()
	synctest.Test(t, func(t *testing.T) {
		w := &workload{t: t, dir: dir, marks: marks, sent: map[string]int{}}
		w.run()
	})
}

func (w *workload) run() {
	var err error
	if w.Spool, err = spool.Open(w.t.Context(), workloadOptions(w.dir, time.Now)); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Recover(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	source := w.bring()
	ctx, stop := context.WithTimeout(context.Background(), workloadFor)
	defer stop()
	var all sync.WaitGroup
	for _, id := range workloadCameras {
		camera := capture.New(capture.Options{
			ID: id, Name: "Camera " + id, ClientName: "warehouse-7", Plan: capture.NewPlan(nil), Spool: w, Buffers: capture.NewBuffers(), Log: zerolog.Nop(), Now: time.Now,
			Stream:     func(ctx context.Context, r *capture.Recorder) error { return w.play(ctx, r, id) },
			Segmenting: capture.Segmenting{Duration: segmentFor, Part: partFor, Sync: syncEvery},
		})
		all.Go(func() { camera.Run(ctx) })
	}
	all.Go(func() {
		for turn := 0; sleep(ctx, 250*time.Millisecond); turn++ {
			w.upload()
			w.delete()
			switch turn {
			case 50:
				w.takeOver(source)
			case 100:
				w.giveUp()
			}
		}
	})
	all.Wait()
	finished, err := w.Segments(w.t.Context(), spool.Finished)
	deleted, derr := w.Segments(w.t.Context(), spool.Deleted)
	if err := errors.Join(err, derr, w.Close()); err != nil {
		w.t.Fatal(err)
	}
	if len(finished) < 10 || len(deleted) < 8 {
		w.t.Errorf("%d segments are here, %d were deleted: that is little work", len(finished), len(deleted))
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (w *workload) say(m mark) {
	line, err := json.Marshal(m)
	if err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.marks.Write(append(line, '\n')); err != nil {
		w.t.Error(err)
	}
}

// done says what a verb has promised, unless it failed.
func (w *workload) done(err error, m mark) bool {
	if err != nil {
		w.t.Errorf("%s %s: %v", m.What, m.Segment, err)
		return false
	}
	w.say(m)
	return true
}

var workloadParams = media.ParameterSets{
	SPS: []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20},
	PPS: []byte{0x68, 0xcb, 0x8c, 0xb2},
}

func workloadTracks() []media.Track {
	return []media.Track{{Codec: media.H264, ClockRate: 90000, Video: workloadParams}}
}

func picture(i int) *media.Sample {
	at := int64(i) * 3600
	return &media.Sample{
		DTS: at, PTS: at, Wall: time.Now(), Sync: i%25 == 0,
		Units: [][]byte{append([]byte{0x41}, bytes.Repeat([]byte{byte(i), byte(i >> 8), 0xa5, 0x5a}, 250)...)},
	}
}

// play is a camera's session.
func (w *workload) play(ctx context.Context, r *capture.Recorder, id string) error {
	if err := r.Start(workloadTracks()); err != nil {
		return err
	}
	for i := 0; sleep(ctx, frameFor); i++ {
		s := picture(i)
		if err := r.Write(s); err != nil {
			return err
		}
		w.say(mark{What: "picture", Camera: id, Wall: s.Wall})
		if id == hangsUp && i == 400 && !w.hung {
			w.hung = true
			return errors.New("the camera hung up")
		}
	}
	return ctx.Err()
}

func (w *workload) Begun(ctx context.Context, seg spool.Segment) error {
	err := w.Spool.Begun(ctx, seg)
	w.done(err, mark{What: "begun", Camera: seg.CameraID, Segment: seg.ID})
	return err
}

func (w *workload) Finished(ctx context.Context, id string, start time.Time, r mp4.Result) error {
	err := w.Spool.Finished(ctx, id, start, r)
	w.done(err, mark{What: "finished", Segment: id, Result: &r})
	return err
}

// upload does what an uploader does, by its order of steps. The store is one that
// never fails.
func (w *workload) upload() {
	ctx := w.t.Context()
	for _, g := range w.Growing() {
		job, err := w.LiveDelivery(ctx, g.SegmentID, "primary")
		if err != nil {
			w.t.Error(err)
		} else if job != nil {
			w.sendBelow(job, g.Watermark, 1)
		}
	}
	due, err := w.DueDeliveries(ctx, spool.Due{Destination: "primary", Now: time.Now(), Limit: 10})
	if err != nil {
		w.t.Error(err)
	}
	for i := range due {
		if w.sendBelow(&due[i], due[i].Segment.Size, 100) {
			w.complete(&due[i])
		}
	}
}

// sendBelow sends at most limit of the parts that end below a place in the file.
func (w *workload) sendBelow(job *spool.Job, end int64, limit int) bool {
	ctx, seg := w.t.Context(), job.Segment
	if seg.CameraID == neverUploaded {
		return false
	}
	f, err := w.Open(seg)
	if err != nil {
		w.t.Error(err)
		return false
	}
	defer f.Close()
	for ; limit > 0; limit-- {
		number := w.sent[seg.ID] + 1
		from := int64(number-1) * uploadPart
		size := min(uploadPart, end-from)
		if size <= 0 || size < uploadPart && seg.State == spool.Recording {
			break
		}
		if number == 1 {
			w.opens++
			u := spool.Upload{ID: fmt.Sprintf("upload-%d", w.opens), PartSize: uploadPart, Algorithm: "CRC64NVME"}
			w.say(mark{What: "opening", Segment: seg.ID, Upload: u.ID})
			if !w.done(w.UploadOpened(ctx, seg.ID, "primary", u), mark{What: "opened", Segment: seg.ID, Upload: u.ID}) {
				return false
			}
		}
		sum, err := mp4.Checksum(io.NewSectionReader(f, from, size), size)
		if err != nil {
			w.t.Error(err)
		}
		p := spool.UploadPart{Number: number, Size: size, Checksum: sum, ETag: sum}
		w.say(mark{What: "sending", Segment: seg.ID, Part: &p})
		if !w.done(w.PartSent(ctx, seg.ID, "primary", p), mark{What: "sent", Segment: seg.ID, Part: &p}) {
			return false
		}
		w.sent[seg.ID]++
	}
	return int64(w.sent[seg.ID])*uploadPart >= end
}

func (w *workload) complete(job *spool.Job) {
	ctx, id := w.t.Context(), job.Segment.ID
	w.say(mark{What: "storing", Segment: id})
	if w.done(w.Stored(ctx, id, "primary"), mark{What: "stored", Segment: id}) {
		w.say(mark{What: "verifying", Segment: id})
		w.done(w.Verified(ctx, id, "primary", "its checksum", time.Now()), mark{What: "verified", Segment: id})
	}
}

func (w *workload) delete() {
	safe, err := w.Safe(w.t.Context(), false, time.Now(), 4*time.Second, 2)
	if err != nil {
		w.t.Error(err)
	}
	for _, seg := range safe {
		w.say(mark{What: "deleting", Segment: seg.ID})
		w.done(w.Delete(w.t.Context(), seg.ID), mark{What: "deleted", Segment: seg.ID})
	}
}

func (w *workload) giveUp() {
	locals, err := w.Locals(w.t.Context(), false, time.Time{}, 1000)
	if err != nil {
		w.t.Error(err)
	}
	for _, l := range locals {
		if l.CameraID == neverUploaded {
			w.say(mark{What: "giving up", Segment: l.ID})
			_, err := w.GiveUp(w.t.Context(), l, "no room")
			w.done(err, mark{What: "given up", Segment: l.ID})
			return
		}
	}
	w.t.Error("there is nothing to give up")
}

// bring puts a file of another recorder into the inbox.
func (w *workload) bring() spool.Segment {
	dir := filepath.Join(w.dir, "inbox")
	if err := os.Mkdir(dir, 0o750); err != nil {
		w.t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "other.mp4"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	start := time.Now().UTC().Truncate(time.Hour).Add(-time.Hour)
	writer, err := mp4.NewWriter(f, mp4.Info{SegmentID: "other", CameraID: "other", Start: start}, workloadTracks(), 4000)
	if err != nil {
		w.t.Fatal(err)
	}
	p := mp4.NewPart()
	p.Reset(media.H264)
	for i := range 50 {
		p.Add(picture(i))
	}
	if err := writer.Append(p); err != nil {
		w.t.Fatal(err)
	}
	r, err := writer.Finish()
	if err == nil {
		err = errors.Join(syncDir(dir), syncDir(w.dir))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	seg := spool.Segment{
		ID: spool.ForeignID("gate", r.Size, r.Checksum), CameraID: "gate", CameraName: "Camera gate", ClientName: "warehouse-7", Start: start, End: start.Add(r.Duration),
		Duration: r.Duration, Recorded: r.Recorded, Size: r.Size, Checksum: r.Checksum, VideoCodec: r.VideoCodec, Width: r.Width, Height: r.Height, Frames: r.Frames,
	}
	if seg.Path, err = spool.PathFor(seg.CameraID, seg.ID, seg.Start); err != nil {
		w.t.Fatal(err)
	}
	w.say(mark{What: "brought", Segment: seg.ID, Size: r.Size, Checksum: r.Checksum})
	return seg
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (w *workload) takeOver(seg spool.Segment) {
	m := mark{What: "taken over", Segment: seg.ID}
	_, err := w.TakeOver(w.t.Context(), seg, filepath.Join(w.dir, "inbox", "other.mp4"), func(string) error { return nil })
	w.done(err, m)
}
