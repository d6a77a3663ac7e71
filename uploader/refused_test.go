package uploader

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestRefusalMakesRoom: the system says that enough is free, and takes nothing. Only what
// is safe goes for it, since nobody knows whether it helps.
func TestRefusalMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 4)
		defer s.close()
		s.verify(1)
		s.verify(2)
		s.retain(RetentionOptions{Files: s.spool, Keep: Keep{AfterUpload: true}, Disk: roomy, Refused: s.spool.WasRefused})
		after(time.Minute)
		if got := s.states(4); got != "ffff" {
			t.Errorf("states %s while there is room", got)
		}
		s.spool.Refused()
		after(10 * time.Second)
		if got := s.states(4); got != "fddf" {
			t.Errorf("states %s after recording was refused", got)
		}
	})
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
					Files: s.spool, Keep: c.keep, Disk: roomy, Inodes: inodes, Refused: func() bool { return c.refused },
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
