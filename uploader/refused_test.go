package uploader

import (
	"context"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"recording-agent/capture/spool"
)

// TestRefusalMakesRoom: the system says that enough is free, and takes nothing. What is
// not safe goes only for a quota: of anything else nobody knows whether it helps.
func TestRefusalMakesRoom(t *testing.T) {
	for _, c := range []struct {
		name    string
		said    error
		keep    Keep
		want    string
		trouble bool
	}{
		{"nobody knows why", syscall.ENOSPC, Keep{}, "fdff", false},
		{"a quota", &fs.PathError{Op: "write", Path: "x", Err: syscall.EDQUOT}, Keep{}, "mdff", false},
		{"a quota, and recording stops", syscall.EDQUOT, Keep{StopRecording: true}, "fdff", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStorage(t, 0)
				defer s.close()
				s.size = 24 << 20
				for i := range 4 {
					s.add(i)
				}
				s.verify(1)
				c.keep.AfterUpload = true
				r := s.retain(RetentionOptions{Files: s.spool, Keep: c.keep, Disk: roomy, Refused: s.spool.WasRefused})
				after(time.Minute)
				if got := s.states(4); got != "ffff" {
					t.Errorf("states %s while there is room", got)
				}
				s.spool.Refused(c.said)
				after(6 * time.Second)
				if got := s.states(4); got != c.want {
					t.Errorf("states %s after recording was refused, want %s", got, c.want)
				}
				if trouble := r.Status().Trouble; (trouble != "") != c.trouble {
					t.Errorf("trouble %q", trouble)
				}
			})
		})
	}
}

// TestRefusalThatDeletingDoesNotEnd: second names keep the bytes and the inodes of what is
// deleted, or the system gives them back late. Recording is refused at each look, and what
// nothing else has must not all go for that.
func TestRefusalThatDeletingDoesNotEnd(t *testing.T) {
	const n = 300
	left := func(s *storage) uint64 {
		segs, err := s.spool.Locals(context.Background(), false, time.Time{}, n)
		s.must(err)
		return uint64(len(segs))
	}
	few := func() (free, total uint64, err error) { return 0, 100, nil }
	for _, c := range []struct {
		name   string
		why    spool.Refusal
		inodes func() (free, total uint64, err error)
		freed  bool
		least  uint64 // that stay
		most   uint64
	}{
		{"a quota", spool.QuotaUsedUp, nil, false, n - 60, n - 4},
		{"few inodes", spool.RefusedRoom, few, false, n - 150, n - 10},
		{"room comes, and is filled", spool.QuotaUsedUp, nil, true, 0, n - 230},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStorage(t, 0)
				defer s.close()
				s.size = 8 << 20
				for i := range n {
					s.add(i)
				}
				disk := func() (uint64, uint64, error) {
					free := uint64(1 << 40)
					if c.freed {
						free += (n - left(s)) * 8 << 20
					}
					return free, 1 << 41, nil
				}
				s.retain(RetentionOptions{
					Files: s.spool, Keep: Keep{AfterUpload: true}, Disk: disk, Inodes: c.inodes, Refused: func() spool.Refusal { return c.why },
				})
				after(5 * time.Minute)
				if got := left(s); got < c.least || got > c.most {
					t.Errorf("%d of %d segments are left, wanted %d to %d", got, n, c.least, c.most)
				}
			})
		})
	}
}

// TestRoomForFiles: a disk with room for a number of files, of which so many are left.
func TestRoomForFiles(t *testing.T) {
	for _, c := range []struct {
		name    string
		left    uint64 // with all segments there
		keep    Keep
		refused bool
		want    string
		trouble bool
	}{
		{"enough", 4, Keep{}, false, "ffffff", false},
		{"one more is wanted", 3, Keep{}, false, "ffdfff", false},
		{"more than are safe", 1, Keep{}, false, "ffddff", false},
		{"the number means nothing", 0, Keep{}, false, "ffffff", false},
		{"recording is refused", 0, Keep{}, true, "mmddff", false},
		{"recording stops", 0, Keep{StopRecording: true}, true, "ffddff", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStorage(t, 6)
				defer s.close()
				s.verify(2)
				s.verify(3)
				inodes := func() (free, total uint64, err error) {
					segs, err := s.spool.Locals(context.Background(), false, time.Time{}, 10)
					return c.left + 6 - uint64(len(segs)), 40, err
				}
				c.keep.AfterUpload = true
				r := s.retain(RetentionOptions{
					Files: s.spool, Keep: c.keep, Disk: roomy, Inodes: inodes, Refused: func() spool.Refusal {
						if c.refused {
							return spool.RefusedRoom
						}
						return spool.NotRefused
					},
				})
				after(4 * time.Second)
				if got := s.states(6); got != c.want {
					t.Errorf("states %s, want %s", got, c.want)
				}
				if trouble := r.Status().Trouble; (trouble != "") != c.trouble {
					t.Errorf("trouble %q", trouble)
				}
			})
		})
	}
}
