package uploader

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
	"recording-agent/uploader/s3/s3test"
)

// forgetful is the ledger of a host that burned.
type forgetful struct{ open *spool.Upload }

func (f *forgetful) Open() *spool.Upload { return f.open }
func (f *forgetful) Opened(_ context.Context, u spool.Upload) error {
	f.open = &u
	return nil
}
func (f *forgetful) PartSent(context.Context, spool.UploadPart) error   { return nil }
func (f *forgetful) PartLost(context.Context, int) error                { return nil }
func (f *forgetful) Abandoned(context.Context) error                    { return nil }
func (f *forgetful) Turn(context.Context, int64) (done func(), e error) { return func() {}, nil }

// leave begins an upload with some parts, and returns its id.
func leave(t *testing.T, store *s3.Store, key string, parts ...int) string {
	t.Helper()
	data := make([]byte, 15<<20)
	_, _ = rand.Read(data)
	f := &forgetful{}
	for _, n := range parts {
		if err := store.SendPart(t.Context(), s3.Object{Key: key, Segment: "lost", Body: bytes.NewReader(data)}, n, f); err != nil {
			t.Fatal(err)
		}
	}
	if len(parts) == 0 { // it was opened, and no part came
		stopped, cancel := context.WithCancel(t.Context())
		if err := store.SendPart(stopped, s3.Object{Key: key, Segment: "lost", Body: &unreadable{cancel}}, 1, f); err == nil || f.open == nil {
			t.Fatalf("a part was sent: %v", err)
		}
	}
	return f.open.ID
}

type unreadable struct{ cancel func() }

func (u *unreadable) Read([]byte) (int, error)          { u.cancel(); return 0, errors.New("gone") }
func (u *unreadable) ReadAt([]byte, int64) (int, error) { u.cancel(); return 0, errors.New("gone") }
func (u *unreadable) Seek(int64, int) (int64, error)    { return 0, nil }

// What a lost host has left under our keys becomes an object when it can be
// played; what is known, young, or another client's is not touched.
func TestHousekeeping(t *testing.T) {
	server := s3test.Run(t, false, "footage")
	store := s3.New(s3.Options{
		Bucket: "footage", Region: s3test.Region, Endpoint: server.Endpoint, PathStyle: true, AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey,
	})
	ledger, err := spool.Open(t.Context(), spool.Options{
		Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now,
		Destinations: []spool.Destination{{Name: "primary", Bucket: "footage", Key: func(seg spool.Segment) string { return "ours/" + seg.CameraID + ".mp4" }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	begin := func(n int, name, uploadID string) (segment string) {
		t.Helper()
		seg := spool.Segment{ID: id(n), CameraID: name, ClientName: "host", Path: "segments/" + name + "/x.mp4", Start: time.Now()}
		if err := ledger.Begun(t.Context(), seg); err != nil {
			t.Fatal(err)
		}
		if err := ledger.UploadOpened(t.Context(), seg.ID, "primary", spool.Upload{ID: uploadID, PartSize: 5 << 20}); err != nil {
			t.Fatal(err)
		}
		return seg.ID
	}
	begin(1, "known", leave(t, store, "ours/known.mp4", 1, 2))
	begin(2, "second", "another upload of this key")
	leave(t, store, "ours/second.mp4", 1)
	lost := begin(3, "lost", leave(t, store, "ours/lost.mp4", 1))
	if err := ledger.FileMissing(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	verified := begin(4, "verified", "an upload that is done")
	if err := ledger.Verified(t.Context(), verified, "primary", "size", time.Now()); err != nil {
		t.Fatal(err)
	}
	leave(t, store, "ours/verified.mp4", 1) // its object was removed since, which is not undone
	leave(t, store, "ours/whole.mp4", 1, 2)
	leave(t, store, "ours/hole.mp4", 1, 3)
	leave(t, store, "ours/headless.mp4", 2, 3)
	leave(t, store, "ours/empty.mp4")
	leave(t, store, "theirs/whole.mp4", 1)
	leave(t, store, "theirs/empty.mp4")
	leave(t, store, "ours/taken.mp4", 1)
	data := []byte("an object")
	if err := store.Upload(t.Context(), s3.Object{Key: "ours/taken.mp4", Size: int64(len(data)), Segment: "another", Body: bytes.NewReader(data)}, &forgetful{}); err != nil {
		t.Fatal(err)
	}

	ahead := time.Duration(0)
	var log bytes.Buffer
	h := &Housekeeper{
		Store: store, Ledger: ledger, Destination: "primary", Prefix: "", Owner: func(context.Context) (func(key string) bool, error) {
			return func(key string) bool { return strings.HasPrefix(key, "ours/") }, nil
		},
		Log: zerolog.New(&log), Now: func() time.Time { return time.Now().Add(ahead) },
	}
	look := func() (keys []string) {
		t.Helper()
		if err := h.look(t.Context(), h.Log); err != nil {
			t.Fatal(err)
		}
		left, err := store.Leftovers(t.Context(), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range left {
			keys = append(keys, l.Key)
		}
		slices.Sort(keys)
		return keys
	}
	if left := look(); len(left) != 11 {
		t.Errorf("young uploads were touched, left are: %v", left)
	}
	ahead = leftAfter + time.Minute
	want := []string{"ours/headless.mp4", "ours/hole.mp4", "ours/known.mp4", "ours/second.mp4", "ours/taken.mp4", "ours/verified.mp4", "theirs/empty.mp4", "theirs/whole.mp4"}
	if left := look(); !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v\n%s", left, want, &log)
	}
	object := nowhere{}
	if n, err := store.Fetch(t.Context(), "ours/whole.mp4", object); err != nil || n != 10<<20 {
		t.Errorf("the object of two parts has %d bytes, %v", n, err)
	}
	if n, err := store.Fetch(t.Context(), "ours/taken.mp4", object); err != nil || n != int64(len(data)) {
		t.Errorf("the object that was there has %d bytes, %v", n, err)
	}
}

// nowhere is where an object goes whose length is all that is looked at.
type nowhere struct{}

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

// empty is a store that has nothing, or cannot tell.
type emptyStore struct {
	looks int
	err   error
}

func (s *emptyStore) Leftovers(context.Context, string, func(string) bool) ([]s3.Leftover, error) {
	s.looks++
	return nil, s.err
}
func (s *emptyStore) CompleteLeftover(context.Context, s3.Leftover) error { return nil }
func (s *emptyStore) AbortEmpty(context.Context, s3.Leftover) error       { return nil }

// After a failure it looks again in an hour.
func TestHousekeepingOnceADay(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{{nil, 3}, {errors.New("the line broke"), 72}, {fmt.Errorf("%w: 501", s3.ErrNoListing), 1}} {
		synctest.Test(t, func(t *testing.T) {
			store := &emptyStore{err: tc.err}
			h := &Housekeeper{Store: store, Destination: "primary", Owner: func(context.Context) (func(string) bool, error) { return nil, nil }, Log: zerolog.Nop(), Now: time.Now, First: 10 * time.Minute}
			ctx, cancel := context.WithTimeout(t.Context(), 3*24*time.Hour)
			defer cancel()
			if err := h.Run(ctx); err != nil || store.looks != tc.want {
				t.Errorf("looked %d times in three days, want %d (%v)", store.looks, tc.want, err)
			}
		})
	}
}

// leftStore is a store that has one whole upload.
type leftStore struct {
	emptyStore
	left      s3.Leftover
	completed int
}

func (s *leftStore) Leftovers(context.Context, string, func(string) bool) ([]s3.Leftover, error) {
	return []s3.Leftover{s.left}, nil
}
func (s *leftStore) CompleteLeftover(context.Context, s3.Leftover) error { s.completed++; return nil }

// forgotten is a ledger whose rows from before a moment were pruned.
type forgotten time.Time

func (f forgotten) Claim(_ context.Context, _, _, _ string, opened time.Time) (spool.Claim, error) {
	if opened.Before(time.Time(f)) {
		return spool.Forgotten, nil
	}
	return spool.Unclaimed, nil
}

// An upload that may be of a segment whose row is gone does not become an object: that
// may have been removed since, which is not undone.
func TestForgottenUploadIsLeft(t *testing.T) {
	now := time.Now()
	for opened, want := range map[time.Time]int{now.Add(-100 * 24 * time.Hour): 0, now.Add(-48 * time.Hour): 1} {
		store := &leftStore{left: s3.Leftover{Key: "ours/x.mp4", ID: "x", Opened: opened, Parts: 2}}
		var log bytes.Buffer
		h := &Housekeeper{
			Store: store, Ledger: forgotten(now.Add(-45 * 24 * time.Hour)), Destination: "primary",
			Owner: func(context.Context) (func(string) bool, error) { return nil, nil }, Log: zerolog.New(&log), Now: func() time.Time { return now },
		}
		if err := h.look(t.Context(), h.Log); err != nil {
			t.Fatal(err)
		}
		if store.completed != want || want == 0 && !strings.Contains(log.String(), "older than what the ledger remembers") {
			t.Errorf("opened %v: completed %d times\n%s", opened, store.completed, &log)
		}
	}
}
