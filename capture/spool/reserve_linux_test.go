package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/mp4"
)

// smallDisk mounts a disk of 64 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("a small disk cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// muchOrBrim takes 12 MiB for enough: the disk is too small to keep 64 of it free.
func muchOrBrim(dir string) (free, total uint64, err error) {
	free, total, err = diskUsage(dir)
	if free >= 12<<20 {
		free = KeptFree
	}
	return free, total, err
}

// fill lets others write to a disk until not a byte is free.
func fill(t *testing.T, dir string) (filler string) {
	t.Helper()
	filler = filepath.Join(dir, "others")
	f, err := os.OpenFile(filler, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return filler
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// After others have filled the disk to its last byte the agent starts, so that what
// is there can be uploaded and deleted, again and again.
func TestOpensOnAFullDisk(t *testing.T) {
	dir := smallDisk(t)
	var log bytes.Buffer
	open := func() (*Spool, error) {
		return Open(t.Context(), Options{Dir: filepath.Join(dir, "data"), ClientName: "host", Log: zerolog.New(&log), Now: time.Now,
			Destinations: []Destination{{Name: "primary", Bucket: "footage", Key: func(s Segment) string { return s.ID }}},
			Disk:         muchOrBrim})
	}
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	seg := Segment{ID: "0190aaaa-7f3e-7d7c-8f7b-000000000001", CameraID: "gate", CameraName: "Gate", ClientName: "host", Start: time.Now()}
	if seg.Path, err = PathFor(seg.CameraID, seg.ID, seg.Start); err != nil {
		t.Fatal(err)
	}
	f, err := s.Create(seg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(make([]byte, 10<<20))
	if err := errors.Join(err, f.Close(), s.Begun(t.Context(), seg)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.RegisterAttempted(t.Context(), seg.ID), s.Registered(t.Context(), seg.ID, "rec-1"), s.Finished(t.Context(), seg.ID, seg.Start, mp4.Result{Size: 10 << 20, Checksum: "AAAAAAAAAAA=", Duration: time.Minute}), s.Close()); err != nil {
		t.Fatal(err)
	}

	filler := fill(t, dir)
	if s, err = open(); err != nil {
		t.Fatalf("on a full disk: %v", err)
	}
	if _, err := s.Recover(t.Context()); err != nil {
		t.Errorf("recover: %v", err)
	}
	if !strings.Contains(log.String(), "the disk is full") {
		t.Errorf("nothing is said of it: %s", &log)
	}
	if err := errors.Join(s.Verified(t.Context(), seg.ID, "primary", "size", time.Now()), s.CentralAcknowledged(t.Context(), seg.ID, CentralCompleted), s.Delete(t.Context(), seg.ID)); err != nil {
		t.Errorf("deliver and delete: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	fill(t, dir)
	if s, err = open(); err != nil {
		t.Fatalf("on a disk that is full again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fill(t, dir)
	if _, err = open(); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("without anything to give up: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if s, err = open(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// An agent that runs while others fill the disk goes on with its ledger.
func TestRunsOnAFullDisk(t *testing.T) {
	dir := smallDisk(t)
	s, err := Open(t.Context(), Options{Dir: filepath.Join(dir, "data"), ClientName: "host", Log: zerolog.Nop(), Now: time.Now, Disk: muchOrBrim})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, dir)
	note := func() (err error) {
		for i := 0; i < 100 && err == nil; i++ {
			err = s.GapBetween(t.Context(), "gate", time.Unix(int64(i), 0), time.Unix(int64(i+1), 0), DiskFull, strings.Repeat("x", 1000))
		}
		return err
	}
	if err := note(); err == nil {
		t.Error("the disk was not full")
	}
	if err := s.Room(); !errors.Is(err, ErrNoRoom) {
		t.Errorf("room: %v", err)
	}
	if err := note(); err != nil {
		t.Errorf("after the reserve was given up: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
