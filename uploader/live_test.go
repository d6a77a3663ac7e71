package uploader

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
)

func TestNextPart(t *testing.T) {
	const mib = 1 << 20
	sent := func(numbers ...int) *spool.Upload {
		u := &spool.Upload{ID: "open", PartSize: 8 * mib}
		for _, n := range numbers {
			u.Parts = append(u.Parts, spool.UploadPart{Number: n, Size: 8 * mib})
		}
		return u
	}
	for _, c := range []struct {
		open      *spool.Upload
		watermark int64
		first     bool
		want      int
	}{
		{nil, 5*mib - 1, true, 0},
		{nil, 5 * mib, true, 1},
		{nil, 5 * mib, false, 0},
		{nil, 10 * mib, false, 2},
		{sent(), 8 * mib, true, 1}, // its own part size counts
		{sent(1), 15 * mib, true, 0},
		{sent(1), 16 * mib, true, 2},
		{sent(2, 3), 24 * mib, true, 1},
		{sent(2, 3), 24 * mib, false, 0},
		{sent(1, 3), 100 * mib, true, 2},
	} {
		if got := nextPart(c.open, 5*mib, c.watermark, c.first); got != c.want {
			t.Errorf("with %+v at %d: part %d, want %d", c.open, c.watermark, got, c.want)
		}
	}
}

// grow lets an open segment have so many whole parts on the disk.
func (s *storage) grow(i, parts int) {
	s.t.Helper()
	start := time.Date(2000, 1, 1, 0, 0, i, 0, time.UTC) // when a bubble's time begins
	path, err := spool.PathFor("gate", id(i), start)
	s.must(err)
	seg := spool.Segment{ID: id(i), CameraID: "gate", CameraName: "Gate", ClientName: "host", Path: path, Start: start}
	if f, err := s.spool.Create(seg); err == nil {
		f.Close()
		s.must(s.spool.Begun(s.t.Context(), seg))
	}
	s.spool.Grown(seg.ID, int64(parts)*s.shelf.PartSize()+1000)
}

func (s *storage) finish(i int) {
	s.t.Helper()
	s.must(s.spool.Finished(s.t.Context(), id(i), time.Now(), mp4.Result{Size: 1000, Checksum: "sum=", Duration: time.Minute, Frames: 1500}))
}

func (s *storage) sent(i int) string {
	s.shelf.mu.Lock()
	defer s.shelf.mu.Unlock()
	var out []string
	for _, p := range s.shelf.parts {
		if number, ok := strings.CutPrefix(p, id(i)+"/"); ok {
			out = append(out, number)
		}
	}
	return strings.Join(out, " ")
}

func TestPartsAreSentWhileRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 0)
		defer s.close()
		s.run()
		s.grow(1, 0)
		after(time.Minute)
		if got := s.sent(1); got != "" {
			t.Errorf("parts %s were sent before there was a whole one", got)
		}
		s.grow(1, 2)
		synctest.Wait()
		if got := s.sent(1); got != "1 2" {
			t.Errorf("with two whole parts on the disk, parts %s were sent", got)
		}
		s.grow(1, 3)
		synctest.Wait()
		s.finish(1)
		synctest.Wait()
		if got := s.sent(1); got != "1 2 3" {
			t.Errorf("parts %s were sent", got)
		}
		if d := s.state(1); d.State != spool.Verified {
			t.Errorf("the finished segment is %+v", d)
		}
		if n := len(s.uploader.live); n != 0 {
			t.Errorf("%d live uploads are remembered", n)
		}
	})
}

// Older footage comes before what will have to be sent again.
func TestFirstPartWaitsForTheBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 1)
		defer s.close()
		s.shelf.upload = func(context.Context, string) error {
			time.Sleep(time.Minute)
			return nil
		}
		s.run()
		synctest.Wait()
		s.grow(1, 3)
		after(30 * time.Second)
		if got := s.sent(1); got != "2 3" {
			t.Errorf("while a backlog waits, parts %s were sent", got)
		}
		after(time.Minute)
		if got := s.sent(1); got != "2 3 1" {
			t.Errorf("when the backlog is gone, parts %s were sent", got)
		}
	})
}

// A part that fails is tried again, less and less often; the segment's end does
// not wait for it.
func TestLivePartThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 0)
		defer s.close()
		tries := 0
		s.shelf.part = func(context.Context, string, int) error {
			tries++
			return errors.New("the store has a bad day")
		}
		s.run()
		s.grow(1, 1)
		after(time.Hour)
		if tries < 5 || tries > 100 {
			t.Errorf("%d tries in an hour", tries)
		}
		if d := s.state(1); d.Attempts != 0 {
			t.Errorf("%d attempts were counted against the delivery", d.Attempts)
		}
		s.finish(1)
		after(time.Second)
		if d := s.state(1); d.State != spool.Verified {
			t.Errorf("the finished segment is %+v", d)
		}
	})
}

// The end of a segment and a part of it are never sent at the same time: each
// would take the other's part for missing.
func TestFinishedWhileAPartIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 0)
		defer s.close()
		s.shelf.part = func(ctx context.Context, _ string, _ int) error {
			time.Sleep(30 * time.Second)
			return nil
		}
		s.run()
		s.grow(1, 1)
		synctest.Wait()
		s.finish(1)
		after(20 * time.Second)
		if n := s.shelf.tries(id(1)); n != 0 {
			t.Fatalf("%d uploads were begun while a part was under way", n)
		}
		after(20 * time.Second)
		if d := s.state(1); d.State != spool.Verified || !slices.Equal(s.shelf.parts, []string{id(1) + "/1"}) {
			t.Errorf("delivery %+v, parts %v", d, s.shelf.parts)
		}
	})
}
