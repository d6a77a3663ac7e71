package rtsp

import (
	"testing"
	"time"

	"recording-agent/capture/media"
)

// Decoding times that follow from how many pictures are held back rise, and lie before
// those at which pictures are shown.
func TestOrder(t *testing.T) {
	for _, tc := range []struct {
		name  string
		shown []int64 // of a group of pictures, in decoding order
		held  int
	}{
		{"none held back", []int64{0, 1, 2, 3}, 0},
		{"P B B", []int64{0, 3, 1, 2}, 1},
		{"pyramid", []int64{0, 4, 2, 1, 3}, 2},
		{"deep pyramid", []int64{0, 8, 4, 2, 1, 3, 6, 5, 7}, 3},
		{"less than is said", []int64{0, 3, 1, 2}, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var o order
			last := int64(-1 << 40)
			for round := range int64(20) {
				for _, n := range tc.shown {
					pts := (round*int64(len(tc.shown)) + n) * 3600
					if n := o.after(pts); n > tc.held {
						t.Fatalf("%d comes behind %d pictures that are shown after it, want %d at most", pts, n, tc.held)
					}
					o.add(pts)
					dts := o.decoded(tc.held)
					if dts <= last || dts > pts {
						t.Fatalf("%d is decoded at %d, the one before at %d", pts, dts, last)
					}
					last = dts
				}
			}
			if len(o.newest) > maxReorder+1 {
				t.Errorf("%d times are kept", len(o.newest))
			}
		})
	}
}

// What a stream holds back is read from its parameter sets.
func TestHeldBack(t *testing.T) {
	for codec, want := range map[media.Codec]int{media.H264: 2, media.H265: 0} { // the clips' B-frames
		sets := takeApart(codec, clip(t, codec)[0].nalus).sets
		if n, known := heldBack(codec, &sets); n != want || !known {
			t.Errorf("%s: %d (known: %v), want %d", codec, n, known, want)
		}
		if n, known := heldBack(codec, &media.ParameterSets{SPS: sets.SPS[:5]}); n != unsaid || known {
			t.Errorf("%s, cut short: %d (known: %v)", codec, n, known)
		}
	}
	if n, known := heldBack(media.MJPEG, &media.ParameterSets{}); n != 0 || !known {
		t.Errorf("mjpeg: %d (known: %v)", n, known)
	}
}

// Where decoding times cannot be extracted pictures are shown when they should be all
// the same: from their order, or, of a stream that does not say how much it holds back,
// in the order of arrival.
func TestDecodingTimesWithoutExtraction(t *testing.T) {
	for _, known := range []bool{true, false} {
		v := newVideo(&media.Track{Codec: media.H264, ClockRate: 90000})
		last, off, units := int64(-1<<40), 0, clip(t, media.H264)
		for i, u := range units {
			s := v.sample(u.nalus, u.pts, time.Now())
			v.dts, v.known = nil, known
			if s == nil || s.DTS <= last || s.PTS < s.DTS {
				t.Fatalf("picture %d: %+v after DTS %d", i, s, last)
			}
			if last = s.DTS; s.PTS != u.pts && i > 0 {
				off++
			}
		}
		if known && off > 0 || !known && off == 0 {
			t.Errorf("known: %v, %d of %d pictures are not shown at their time", known, off, len(units))
		}
	}
}
