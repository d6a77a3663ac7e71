package uploader

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// With the disk that they are on segments are not lost: they are uploaded when it is
// back, soon. (Other systems do not let go of a directory that is in use.)
func TestDiskThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 3)
		defer s.close()
		dir := s.spool.Dir()
		s.must(os.Rename(dir, dir+".pulled"))
		s.run()
		after(time.Hour)
		if n := strings.Count(s.log.String(), "the data directory is gone"); n < 30 || n > 130 {
			t.Errorf("said %d times in an hour", n)
		}
		s.must(os.Rename(dir+".pulled", dir))
		after(2 * time.Minute)
		if n := s.verified(3); n != 3 || len(s.shelf.stored) != 3 {
			t.Errorf("%d of 3 are verified, stored were %v", n, s.shelf.stored)
		}
	})
}
