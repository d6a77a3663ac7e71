package uploader

import (
	"testing"
	"time"

	"recording-agent/capture/spool"
)

func TestUndatedFootageIsMarked(t *testing.T) {
	for dated, want := range map[spool.Dating]string{spool.Dated: "", spool.Undated: "true"} {
		if got := metadata(spool.Segment{Start: time.Unix(20, 0), Dated: dated})["undated"]; got != want {
			t.Errorf("dated %s: its object says %q", dated, got)
		}
	}
}
