package spool

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
)

var epoch = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func testOptions(t testing.TB, dir string) Options {
	return Options{
		Dir: dir, ClientName: "warehouse-7", CameraName: func(id string) string { return "Gate " + id }, Log: zerolog.New(zerolog.NewTestWriter(t)), Now: func() time.Time { return epoch },
		Destinations: []Destination{{Name: "primary", Bucket: "footage", Key: func(s Segment) string {
			return "recordings/" + s.CameraID + "/" + s.ID + ".mp4"
		}}},
	}
}

func open(t testing.TB, dir string) *Spool {
	t.Helper()
	s, err := Open(t.Context(), testOptions(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// spoken opens a spool and returns what it logs.
func spoken(t *testing.T, dir string) (*Spool, *bytes.Buffer) {
	t.Helper()
	var said bytes.Buffer
	o := testOptions(t, dir)
	o.Log = zerolog.New(&said)
	s, err := Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s, &said
}

func reopen(t testing.TB, s *Spool) (*Spool, Recovery) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.Dir())
	r, err := s.Recover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// recording is a segment whose file is open and holds parts.
type recording struct {
	Segment
	file   *os.File
	writer *mp4.Writer
}

func begin(t testing.TB, s *Spool, camera string, start time.Time) *recording {
	t.Helper()
	id := uuid.NewString()
	path, err := PathFor(camera, id, start)
	must(t, err)
	rec := &recording{Segment: Segment{ID: id, CameraID: camera, CameraName: "Gate " + camera, ClientName: "warehouse-7", ScheduleID: "weekdays", Path: path, Start: start}}
	rec.file, err = s.Create(rec.Segment)
	must(t, err)
	t.Cleanup(func() { rec.file.Close() })
	rec.writer, err = mp4.NewWriter(rec.file, mp4.Info{SegmentID: id, CameraID: camera, CameraName: rec.CameraName, ClientName: rec.ClientName, ScheduleID: rec.ScheduleID, Start: start}, tracks(), 4000)
	must(t, err)
	return rec
}

func tracks() []media.Track {
	return []media.Track{{Codec: media.H264, ClockRate: 90000, Video: media.ParameterSets{
		SPS: []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20},
		PPS: []byte{0x68, 0xcb, 0x8c, 0xb2},
	}}}
}

// parts appends n parts of one second.
func (rec *recording) parts(t testing.TB, n int) {
	t.Helper()
	p := mp4.NewPart()
	for part := range n {
		p.Reset(media.H264)
		for i := range 25 {
			at := int64(part*25+i) * 3600
			p.Add(&media.Sample{DTS: at, PTS: at, Sync: i == 0, Units: [][]byte{make([]byte, 100)}})
		}
		must(t, rec.writer.Append(p))
	}
	must(t, rec.writer.Sync())
}

func (rec *recording) finish(t testing.TB, s *Spool) {
	t.Helper()
	r, err := rec.writer.Finish()
	must(t, err)
	must(t, rec.file.Close())
	must(t, s.Finished(t.Context(), rec.ID, rec.Start, r))
}

// finished is a segment of n seconds that is ready to be uploaded.
func finished(t testing.TB, s *Spool, camera string, start time.Time, n int) *recording {
	t.Helper()
	rec := begin(t, s, camera, start)
	rec.parts(t, n)
	must(t, s.Begun(t.Context(), rec.Segment))
	rec.finish(t, s)
	return rec
}

func state(t testing.TB, s *Spool, id string) Segment {
	t.Helper()
	seg, err := s.Segment(t.Context(), id)
	must(t, err)
	return seg
}

func TestSecondAgentIsRefused(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := Open(t.Context(), testOptions(t, s.Dir()))
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "stop it first") {
		t.Fatalf("a second agent on the same directory: %v", err)
	}
	must(t, s.Close())
	again, err := Open(t.Context(), testOptions(t, s.Dir()))
	must(t, err)
	must(t, again.Close())
}

func TestUnfinishedSegmentIsRecovered(t *testing.T) {
	s := open(t, t.TempDir())
	rec := begin(t, s, "gate", epoch)
	rec.parts(t, 3)
	must(t, s.Begun(t.Context(), rec.Segment))
	_, err := rec.file.WriteAt([]byte("a torn tail"), rec.writer.Size())
	must(t, err)
	must(t, rec.file.Close())

	s, r := reopen(t, s)
	if r != (Recovery{Recovered: 1}) {
		t.Errorf("recovery: %+v", r)
	}
	seg := state(t, s, rec.ID)
	if seg.State != Finished || seg.Duration != 3*time.Second || seg.Frames != 75 || !seg.End.Equal(epoch.Add(3*time.Second)) || seg.Checksum == "" {
		t.Errorf("recovered segment: %+v", seg)
	}
	if _, r = reopen(t, s); r != (Recovery{}) {
		t.Errorf("a second recovery found something to do: %+v", r)
	}
}

func TestCrashBetweenFinishAndItsRow(t *testing.T) {
	s := open(t, t.TempDir())
	rec := begin(t, s, "gate", epoch)
	rec.parts(t, 3)
	must(t, s.Begun(t.Context(), rec.Segment))
	want, err := rec.writer.Finish()
	must(t, err)
	must(t, rec.file.Close())
	s, r := reopen(t, s)
	seg := state(t, s, rec.ID)
	if r.Recovered != 1 || seg.State != Finished || seg.Checksum != want.Checksum || seg.Size != want.Size {
		t.Errorf("recovery %+v, segment %+v, want %+v", r, seg, want)
	}
}

func TestFileWithoutRowIsAdopted(t *testing.T) {
	s := open(t, t.TempDir())
	rec := begin(t, s, "gate", epoch.Add(123456*time.Microsecond))
	rec.parts(t, 2)
	must(t, rec.file.Close())
	s, r := reopen(t, s)
	if r != (Recovery{Adopted: 1}) {
		t.Errorf("recovery: %+v", r)
	}
	seg := state(t, s, rec.ID)
	if seg.State != Finished || seg.CameraName != "Gate gate" || !seg.Start.Equal(rec.Start) || seg.Duration != 2*time.Second {
		t.Errorf("adopted segment: %+v", seg)
	}
	if d, err := s.Deliveries(t.Context(), rec.ID); err != nil || len(d) != 1 || d[0].Key != "recordings/gate/"+rec.ID+".mp4" {
		t.Errorf("its deliveries: %+v, %v", d, err)
	}
}

func TestLedgerOfAnotherDirectoryIsRefused(t *testing.T) {
	a, b := open(t, t.TempDir()), open(t, t.TempDir())
	must(t, a.Close())
	must(t, b.Close())
	data, err := os.ReadFile(filepath.Join(a.Dir(), "ledger.db"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(b.Dir(), "ledger.db"), data, 0o600))
	if _, err := Open(t.Context(), testOptions(t, b.Dir())); err == nil || !strings.Contains(err.Error(), "another data directory") {
		t.Fatalf("open with a foreign ledger: %v", err)
	}
}

// TestDamagedSpoolID: what a power cut or an editor makes of the file neither keeps the
// agent from recording nor lets in a ledger from elsewhere.
func TestDamagedSpoolID(t *testing.T) {
	other := "0190aaaa-0000-7000-8000-000000000001"
	for name, damage := range map[string]func(id string) string{
		"zeroed":         func(id string) string { return strings.Repeat("\x00", len(id)) },
		"cut":            func(id string) string { return id[:20] },
		"empty":          func(string) string { return "" },
		"a newline more": func(id string) string { return id + "\r\n" },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			rec := finished(t, s, "gate", epoch, 1)
			must(t, s.Close())
			file := filepath.Join(s.Dir(), "spool.id")
			must(t, os.WriteFile(file, []byte(damage(s.id)), 0o600))
			again := open(t, s.Dir())
			defer again.Close()
			if again.id != s.id || state(t, again, rec.ID).State != Finished {
				t.Errorf("the directory is %s, was %s", again.id, s.id)
			}
			if content, err := os.ReadFile(file); err != nil || string(content) != s.id {
				t.Errorf("the file holds %q, %v", content, err)
			}
			if err := again.Present(); err != nil {
				t.Error(err)
			}
		})
	}
	s := open(t, t.TempDir())
	must(t, s.Close())
	must(t, os.WriteFile(filepath.Join(s.Dir(), "spool.id"), []byte(other+"\n"), 0o600))
	if _, err := Open(t.Context(), testOptions(t, s.Dir())); err == nil || !strings.Contains(err.Error(), "another data directory") {
		t.Errorf("open with another directory's id: %v", err)
	}
}

func TestNewerLedgerIsRefused(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := s.ledger.db.Exec("PRAGMA user_version = 99")
	must(t, err)
	must(t, s.Close())
	if _, err := Open(t.Context(), testOptions(t, s.Dir())); err == nil || !strings.Contains(err.Error(), "newer agent") {
		t.Fatalf("open of a newer ledger: %v", err)
	}
}

func TestRowWithoutFile(t *testing.T) {
	s := open(t, t.TempDir())
	lost, safeOne := finished(t, s, "gate", epoch, 1), finished(t, s, "yard", epoch, 1)
	must(t, s.Stored(t.Context(), safeOne.ID, "primary"))
	must(t, s.Verified(t.Context(), safeOne.ID, "primary", "size, crc64nvme", epoch))
	for _, rec := range []*recording{lost, safeOne} {
		must(t, os.Remove(filepath.Join(s.Dir(), rec.Path)))
	}
	s, r := reopen(t, s)
	if r != (Recovery{Missing: 1}) {
		t.Errorf("recovery: %+v", r)
	}
	if got := state(t, s, lost.ID).State; got != Missing {
		t.Errorf("unsafe segment without a file is %s", got)
	}
	if got := state(t, s, safeOne.ID).State; got != Deleted {
		t.Errorf("safe segment without a file is %s", got)
	}
}

func TestCutOffBeforeTheFirstPart(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, s.GapOpened(t.Context(), "gate", epoch.Add(-time.Second), Connecting, ""))
	must(t, s.GapOpened(t.Context(), "yard", epoch.Add(-time.Second), Connecting, ""))
	withRow := begin(t, s, "gate", epoch)
	must(t, s.Begun(t.Context(), withRow.Segment))
	withoutRow := begin(t, s, "yard", epoch)
	must(t, withRow.file.Close())
	must(t, withoutRow.file.Close())
	s, r := reopen(t, s)
	if r != (Recovery{Empty: 2}) {
		t.Errorf("recovery: %+v", r)
	}
	for _, rec := range []*recording{withRow, withoutRow} {
		if got := state(t, s, rec.ID).State; got != Empty {
			t.Errorf("segment without a part is %s", got)
		}
		// What was missing before goes on; the camera notes from where on the agent was stopped.
		if gaps, err := s.Gaps(t.Context(), rec.CameraID); err != nil || len(gaps) != 1 || gaps[0].End.Before(epoch) {
			t.Errorf("gaps of %s: %+v, %v", rec.CameraID, gaps, err)
		}
		if _, err := os.Stat(filepath.Join(s.Dir(), rec.Path)); !os.IsNotExist(err) {
			t.Errorf("the empty file is still there: %v", err)
		}
	}
}

// A power cut can leave a file's length without its content, or a hole in the
// beginning of it.
func TestTornFront(t *testing.T) {
	s := open(t, t.TempDir())
	for _, hole := range []int64{0, 512} {
		rec := begin(t, s, "gate", epoch.Add(time.Duration(hole)*time.Second))
		rec.parts(t, 1)
		_, err := rec.file.WriteAt(make([]byte, 512), hole)
		must(t, errors.Join(err, rec.file.Close()))
	}
	s, r := reopen(t, s)
	if r != (Recovery{Empty: 2}) {
		t.Errorf("recovery: %+v", r)
	}
	if files, err := os.ReadDir(filepath.Join(s.Dir(), "segments", "gate")); err != nil || len(files) > 0 {
		t.Errorf("left: %v, %v", files, err)
	}
}

// A crash between the row of an empty segment and the end of its file leaves both.
func TestEmptyFileThatComesBack(t *testing.T) {
	s := open(t, t.TempDir())
	rec := begin(t, s, "gate", epoch)
	must(t, rec.file.Close())
	s, _ = reopen(t, s)
	name := filepath.Join(s.Dir(), rec.Path)
	must(t, os.WriteFile(name, nil, 0o640))
	s, r := reopen(t, s)
	if _, err := os.Stat(name); !os.IsNotExist(err) || r != (Recovery{}) || state(t, s, rec.ID).State != Empty {
		t.Errorf("recovery %+v, its file: %v", r, err)
	}
}

func TestFileThatComesBack(t *testing.T) {
	s := open(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 2)
	name := filepath.Join(s.Dir(), rec.Path)
	must(t, os.Rename(name, name+".away"))
	s, _ = reopen(t, s)
	must(t, s.CentralAcknowledged(t.Context(), rec.ID, CentralFailed))
	must(t, os.Rename(name+".away", name))
	s, r := reopen(t, s)
	if r != (Recovery{Adopted: 1}) {
		t.Errorf("recovery: %+v", r)
	}
	if got := state(t, s, rec.ID); got.State != Finished || got.Central.State != CentralRecording || got.Size == 0 {
		t.Errorf("the segment is %+v", got)
	}
}

// Central was told that a segment stays on the host. When it goes to a store
// after all, central has to learn of it before the file may go.
func TestDestinationThatComesLater(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(t, dir)
	destinations := o.Destinations
	o.Destinations = nil
	s, err := Open(t.Context(), o)
	must(t, err)
	rec := finished(t, s, "gate", epoch, 1)
	must(t, s.CentralAcknowledged(t.Context(), rec.ID, CentralCompleted))
	must(t, s.Close())
	o.Destinations = destinations
	s, err = Open(t.Context(), o)
	must(t, err)
	defer s.Close()
	_, err = s.Recover(t.Context())
	must(t, err)
	must(t, s.Verified(t.Context(), rec.ID, "primary", "size, crc64nvme", epoch))
	if segs, err := s.Safe(t.Context(), true, epoch.Add(time.Hour), 0, 10); err != nil || len(segs) != 0 {
		t.Errorf("safe before central knows: %+v, %v", segs, err)
	}
	if segs, err := s.Unreported(t.Context(), epoch, 10); err != nil || len(segs) != 1 {
		t.Errorf("to be reported: %+v, %v", segs, err)
	}
}

// What is not verified when the bucket is changed goes to the new one, and central
// is told so.
func TestBucketThatChanges(t *testing.T) {
	s := open(t, t.TempDir())
	rec := finished(t, s, "gate", epoch, 1)
	must(t, s.Close())
	o := testOptions(t, s.Dir())
	o.Destinations[0].Bucket = "another"
	s, err := Open(t.Context(), o)
	must(t, err)
	defer s.Close()
	_, err = s.Recover(t.Context())
	must(t, err)
	if d, err := s.Deliveries(t.Context(), rec.ID); err != nil || len(d) != 1 || d[0].Bucket != "another" {
		t.Errorf("deliveries %+v, %v", d, err)
	}
}

// A disk that has damaged the front of a file has not made its footage worthless.
func TestDamagedFileIsKept(t *testing.T) {
	for name, damage := range map[string][]byte{
		"zeroed":      make([]byte, 512),
		"overwritten": bytes.Repeat([]byte("overwritten"), 50),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			rec := begin(t, s, "gate", epoch)
			must(t, s.Begun(t.Context(), rec.Segment))
			rec.parts(t, 3)
			_, err := rec.file.WriteAt(damage, 0)
			must(t, err)
			must(t, rec.file.Close())
			must(t, s.Close())
			s = prepared(t, open(t, s.Dir()))
			if _, err := os.Stat(filepath.Join(s.Dir(), rec.Path)); err != nil || state(t, s, rec.ID).State != Recording {
				t.Errorf("a glance has the last word about footage: %v", err)
			}
			s, r := reopen(t, s)
			if r != (Recovery{Missing: 1}) {
				t.Errorf("recovery: %+v", r)
			}
			if got := state(t, s, rec.ID).State; got != Missing {
				t.Errorf("the segment is %s", got)
			}
			if _, err := os.Stat(filepath.Join(s.Dir(), rec.Path+".damaged")); err != nil {
				t.Errorf("its file is not kept: %v", err)
			}
			if _, r = reopen(t, s); r != (Recovery{}) {
				t.Errorf("recovery after that: %+v", r)
			}
		})
	}
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	s := open(t, t.TempDir())
	dir := filepath.Join(s.Dir(), "segments", "gate")
	must(t, os.MkdirAll(dir, 0o755))
	for _, name := range []string{"holiday.mp4", "20261123T100000.000Z_x.mp4", "notes.txt"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("not ours at all, but long enough to look into it"), 0o600))
	}
	s, r := reopen(t, s)
	if r != (Recovery{Failed: 2}) {
		t.Errorf("recovery: %+v", r)
	}
	if entries, err := os.ReadDir(filepath.Join(s.Dir(), "segments", "gate")); err != nil || len(entries) != 3 {
		t.Errorf("%d files are left, %v", len(entries), err)
	}
}

func TestContextEndsRecovery(t *testing.T) {
	s := open(t, t.TempDir())
	finished(t, s, "gate", epoch, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Recover(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("recover with a cancelled context: %v", err)
	}
}

func TestSubscribersAreHinted(t *testing.T) {
	s := open(t, t.TempDir())
	a, b := s.Subscribe(), s.Subscribe()
	finished(t, s, "gate", epoch, 1)
	for _, c := range []<-chan struct{}{a, b} {
		select {
		case <-c:
		default:
			t.Error("no hint after a segment was finished")
		}
	}
}
