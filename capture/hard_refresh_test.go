package capture_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"recording-agent/capture"
	"recording-agent/capture/rtsp/rtsptest"
)

const (
	refresh    = x264 + "keyint=25:intra-refresh=1:bframes=0"
	refresh265 = x265 + "keyint=25:intra-refresh=1:bframes=0"
	openGOP    = x264 + "keyint=25:min-keyint=25:scenecut=0:open-gop=1:bframes=2:b-adapt=0"
	endless265 = x265 + "keyint=-1:scenecut=0:bframes=0"
	endless    = x264 + "keyint=infinite:scenecut=0:bframes=0"
)

// join is what a camera sends to who comes in the middle: no key frame.
func join(f *film, from int) func(s *sender) {
	return func(s *sender) { s.show(f, from, len(f.units), nil) }
}

// A stream that refreshes its pictures strip by strip and has no key frames is recorded
// from a recovery point on, goes on at one after damage, and is cut at them.
func TestHardIntraRefresh(t *testing.T) {
	for name, encoder := range map[string]string{"H.264": refresh, "H.265": refresh265} {
		f := shoot(t, 150, "256x256", encoder)
		if f.h265 { // x265 does not say where its refreshes begin
			f = f.announcing(25)
		}
		t.Run(name+" joined", func(t *testing.T) {
			t.Parallel()
			r := record(t, hard{script: rtsptest.Script{SDP: f.sdp()}, play: join(f, 10)})
			r.count(1)
			r.disjoint()
			if n := r.segments[0].Frames; n != 125 {
				t.Errorf("%d pictures, want 125: from the second recovery point on", n)
			}
			r.refreshed(f, 0, 25, 50)
		})
		t.Run(name+" damaged", func(t *testing.T) {
			t.Parallel()
			r := record(t, hard{script: rtsptest.Script{SDP: f.sdp()}, play: func(s *sender) {
				s.show(f, 0, 60, nil)
				s.sequence++
				s.show(f, 61, len(f.units), nil)
			}})
			r.count(1)
			if n := r.segments[0].Frames; n != 60+75 {
				t.Errorf("%d pictures, want 135: from the next recovery point on", n)
			}
			if len(r.gaps) != 1 || (r.gaps[0].End.Sub(r.gaps[0].Start)-150*time.Millisecond).Abs() > 50*time.Millisecond {
				t.Errorf("gaps: %+v, want one of 150 ms", r.gaps)
			}
		})
		t.Run(name+" cut", func(t *testing.T) {
			t.Parallel()
			r := record(t, hard{script: rtsptest.Script{SDP: f.sdp()}, play: join(f, 0), cut: capture.Segmenting{Duration: time.Second}})
			if len(r.segments) < 2 || frames(r) != 150 {
				r.count(2)
			}
			r.disjoint()
			r.noGap()
			from := 0
			for i := range r.segments {
				if from%25 != 0 {
					t.Errorf("segment %d begins with picture %d, which is no recovery point", i, from)
				}
				r.refreshed(f, i, from, from+25)
				from += int(r.segments[i].Frames)
			}
		})
	}
}

// announcing returns a film that has parameter sets and a recovery point every so many
// pictures (H.265 D.2.8): after 24 more pictures.
func (f *film) announcing(every int) *film {
	sets := slices.DeleteFunc(slices.Clone(f.units[0].nalus), func(n []byte) bool { return !f.isSet(n) })
	out := *f
	out.units = slices.Clone(f.units)
	for i := every; i < len(out.units); i += every {
		out.units[i].nalus = slices.Concat(sets, [][]byte{{39 << 1, 1, 6, 2, 0x06, 0x14, 0x80}}, f.units[i].nalus)
	}
	return &out
}

func frames(r *recorded) (n int) {
	for _, s := range r.segments {
		n += int(s.Frames)
	}
	return n
}

// refreshed says that a segment begins with a picture of the film, and shows what the
// camera saw from a picture on at the latest.
func (r *recorded) refreshed(f *film, segment, first, whole int) {
	r.t.Helper()
	h := r.open(f)[segment]
	n := int(r.segments[segment].Frames)
	var want []int
	for id := whole; id < first+n; id++ {
		want = append(want, id)
	}
	if f.h265 { // of x265's refreshes no picture becomes quite the same again
		if len(h.ids) < len(want) {
			r.t.Errorf("segment %d shows %d of %d pictures", segment, len(h.ids), n)
		}
		return
	}
	if len(h.ids) < len(want) || !slices.Equal(h.ids[len(h.ids)-len(want):], want) {
		r.t.Errorf("segment %d shows %v, want %d to %d at its end", segment, h.ids, whole, first+n-1)
	}
}

// A stream with one key frame, at its very beginning, makes segments that end all the
// same. Together they are the stream; by itself each plays.
func TestHardEndlessGroupOfPictures(t *testing.T) {
	for name, f := range map[string]*film{"H.264": shoot(t, 150, "192x128", endless), "H.265": shoot(t, 150, "256x256", endless265)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endlessly(t, f)
		})
	}
}

func endlessly(t *testing.T, f *film) {
	r := record(t, hard{
		script: rtsptest.Script{SDP: f.sdp()}, play: join(f, 0),
		cut: capture.Segmenting{MaxBytes: int64(f.size() / 4)},
	})
	if len(r.segments) < 3 || frames(r) != 150 {
		r.count(3)
	}
	r.disjoint()
	r.noGap()
	r.lasts(1500*time.Millisecond, 50*time.Millisecond)
	for i, h := range r.open(f) {
		if len(h.ids) < h.packets*9/10 {
			t.Errorf("ffmpeg shows %d of the %d pictures of segment %d", len(h.ids), h.packets, i)
		}
	}
	list := filepath.Join(r.dir, "list")
	var text strings.Builder
	for _, s := range r.segments {
		fmt.Fprintf(&text, "file '%s'\n", s.Path)
	}
	if err := os.WriteFile(list, []byte("ffconcat version 1.0\n"+text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	hashes, _, complaints := decoded(t, list)
	for i, hash := range hashes {
		if f.ids[hash] != i {
			t.Fatalf("together the segments show another picture as number %d", i)
		}
	}
	if len(hashes) != 150 || complaints != "" {
		t.Errorf("together they show %d pictures: %s", len(hashes), complaints)
	}
}

func (f *film) size() (n int) {
	for i := range f.units {
		for _, u := range f.units[i].nalus {
			n += len(u)
		}
	}
	return n
}

// In a stream with open groups of pictures a recovery point is as good as a key frame.
func TestHardOpenGroups(t *testing.T) {
	t.Parallel()
	f := shoot(t, 150, "192x128", openGOP)
	r := record(t, hard{script: rtsptest.Script{SDP: f.sdp()}, play: join(f, 20)})
	r.count(1)
	r.noGap()
	h := r.open(f)[0]
	h.even(t)
	if n := len(h.ids); n < 120 || h.ids[n-1] != 149 || !slices.IsSorted(h.ids[n-120:]) || slices.Contains(h.ids[n-120:], -1) {
		t.Errorf("it shows %v, want the last 120 pictures or more", h.ids)
	}
}
