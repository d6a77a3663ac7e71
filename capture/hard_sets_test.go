package capture_test

import (
	"bytes"
	"encoding/base64"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"recording-agent/capture/rtsp/rtsptest"
)

// without returns a film's units without some NAL units.
func (f *film) without(drop func(n []byte) bool) *film {
	out := *f
	out.units = slices.Clone(f.units)
	for i := range out.units {
		out.units[i].nalus = slices.DeleteFunc(slices.Clone(f.units[i].nalus), drop)
	}
	return &out
}

// with returns a film whose parameter sets are changed, each with the number of its
// picture.
func (f *film) with(change func(id int, n []byte) []byte) *film {
	out := *f
	out.units = slices.Clone(f.units)
	for i := range out.units {
		out.units[i].nalus = slices.Clone(f.units[i].nalus)
		for j, n := range out.units[i].nalus {
			if f.isSet(n) {
				out.units[i].nalus[j] = change(f.units[i].id, n)
			}
		}
	}
	return &out
}

// Parameter sets may come where and as often as they like: a segment is cut where they
// make other pictures, and only there.
func TestHardParameterSets(t *testing.T) {
	f := shoot(t, 100, "192x128", plain)
	at30 := shoot(t, 100, "192x128", plain+" -bsf:v h264_metadata=tick_rate=60")
	sets := f.units[0].nalus[:2]
	if f.kind(sets[0]) != 7 || f.kind(sets[1]) != 8 || bytes.Equal(sets[0], at30.units[0].nalus[0]) {
		t.Fatalf("the films begin with %x and %x", sets, at30.units[0].nalus[0])
	}
	announced := rtsptest.SDP("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=" +
		base64.StdEncoding.EncodeToString(sets[0]) + "," + base64.StdEncoding.EncodeToString(sets[1]) + "\r\n")
	other := shoot(t, 100, "192x128", x264+"keyint=25:min-keyint=25:scenecut=0:bframes=0:chroma-qp-offset=3")
	otherSets := rtsptest.SDP("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=" +
		base64.StdEncoding.EncodeToString(other.units[0].nalus[0]) + "," + base64.StdEncoding.EncodeToString(other.units[0].nalus[1]) + "\r\n")
	swap := func(id int, n []byte) []byte { // each other group of pictures
		if id/25%2 == 1 && f.kind(n) == 7 {
			return at30.units[0].nalus[0]
		}
		return n
	}
	for _, tc := range []struct {
		name, sdp string
		film      *film
		segments  int
	}{
		{"in the session description only", announced, f.without(f.isSet), 1},
		{"in the stream only", f.sdp(), f, 1},
		{"others in the session description", otherSets, f, 1},
		{"another frame rate in each group of pictures", f.sdp(), f.with(swap), 1},
		{"zeros at their end, now and then", f.sdp(), f.with(func(id int, n []byte) []byte {
			return append(slices.Clone(n), make([]byte, id/25%2*3)...)
		}), 1},
		{"picture order count of type 1", f.sdp(), f.with(func(_ int, n []byte) []byte {
			if f.kind(n) == 7 {
				return orderOfType1(t, n)
			}
			return n
		}), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := record(t, hard{script: rtsptest.Script{SDP: tc.sdp}, play: func(s *sender) { s.show(tc.film, 0, 100, nil) }})
			r.whole(tc.film, 0, 100)
			r.count(tc.segments)
			r.noGap()
			r.lasts(time.Second, 40*time.Millisecond)
		})
	}
}

// orderOfType1 makes an SPS of type 2 say what is the same in the words of type 1: that
// each picture is shown after the one before (H.264 8.2.1.2). No slice changes with it.
func orderOfType1(t *testing.T, sps []byte) []byte {
	t.Helper()
	plain := h264.EmulationPreventionRemove(sps)
	all := make([]byte, 0, 8*len(plain))
	for i := range 8 * len(plain) {
		all = append(all, plain[i/8]>>(7-i%8)&1)
	}
	pos := 8 * 4
	skip := func(n int) {
		for range n {
			if _, err := bits.ReadGolombUnsigned(plain, &pos); err != nil {
				t.Fatal(err)
			}
		}
	}
	skip(1) // id
	if plain[1] == 100 {
		skip(3) // chroma, depths
		pos += 2
	}
	skip(1) // log2_max_frame_num
	type2 := []byte{0, 1, 1}
	if !bytes.Equal(all[pos:pos+3], type2) {
		t.Fatalf("the picture order count is not of type 2: %v", all[pos:pos+3])
	}
	// type 1, no differences in slices, offsets 0 and 0, a cycle of one picture: 2.
	type1 := []byte{0, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1, 0, 0}
	all = slices.Concat(all[:pos], type1, all[pos+3:])
	for len(all)%8 != 0 {
		all = append(all, 0)
	}
	out := make([]byte, len(all)/8)
	for i, b := range all {
		out[i/8] |= b << (7 - i%8)
	}
	out = escaped(bytes.TrimRight(out, "\x00"))
	var check h264.SPS
	if err := check.Unmarshal(out); err != nil || check.PicOrderCntType != 1 || check.Width() != 192 {
		t.Fatalf("the SPS made is %+v (%v)", check, err)
	}
	return out
}

// escaped adds emulation prevention (H.264 7.4.1).
func escaped(b []byte) (out []byte) {
	zeros := 0
	for _, c := range b {
		if zeros >= 2 && c <= 3 {
			out, zeros = append(out, 3), 0
		}
		out = append(out, c)
		if zeros++; c != 0 {
			zeros = 0
		}
	}
	return out
}

// A stream that becomes another one, in the same session or in the next, goes on in a
// segment with an init of its own.
func TestHardChanges(t *testing.T) {
	first := shoot(t, 50, "192x128", plain)
	for _, tc := range []struct {
		name   string
		then   *film
		before func(s *sender, stamp *uint32)
		slow   int // times
	}{
		{"resolution", shoot(t, 50, "256x192", plain), nil, 1},
		{"resolution and B-frames", shoot(t, 50, "256x192", bframes), nil, 1},
		{"frame rate", shoot(t, 50, "192x128", plain+" -bsf:v h264_metadata=tick_rate=100"), nil, 2},
		{"reboot on the same connection", shoot(t, 50, "256x192", plain), func(s *sender, stamp *uint32) {
			s.pause(200 * time.Millisecond)
			s.encode, s.ssrc, s.sequence, *stamp = nil, 0xcafe, 31000, 4_000_000_000
		}, 1},
		{"reboot to the same pictures", first, func(s *sender, stamp *uint32) {
			s.encode, s.ssrc, s.sequence, *stamp = nil, 0xcafe, 31000, 4_000_000_000
		}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := record(t, hard{script: rtsptest.Script{SDP: first.sdp()}, play: func(s *sender) {
				s.show(first, 0, 50, nil)
				stamp := uint32(50 * tick)
				if tc.before != nil {
					tc.before(s, &stamp)
				}
				for i := range tc.then.units {
					for range tc.slow - 1 {
						s.pace(10 * time.Millisecond)
					}
					s.picture(tc.then, tc.then.units[i].nalus, stamp+uint32(tc.then.units[i].pts)*uint32(tc.slow))
				}
			}})
			if tc.slow > 1 { // nothing but the timing has changed
				r.count(1)
				r.lasts(1500*time.Millisecond, 100*time.Millisecond)
				if h := r.open(first)[0]; h.packets != 100 || h.complain != "" {
					t.Errorf("%d pictures, %s", h.packets, h.complain)
				}
				return
			}
			r.count(2)
			r.disjoint()
			for i, film := range []*film{first, tc.then} {
				h := r.open(film)[i]
				if h.complain != "" || h.packets != 50 || len(h.ids) != 50 || !slices.IsSorted(h.ids) || h.ids[0] != 0 || h.ids[49] != 49 {
					t.Errorf("segment %d shows %v of its film; %s", i, h.ids, h.complain)
				}
				if want := map[int]int{192: 192, 256: 256}[r.segments[i].Width]; h.width != want {
					t.Errorf("segment %d is %d wide, the ledger says %d", i, h.width, r.segments[i].Width)
				}
			}
			for _, g := range r.gaps {
				if d := g.End.Sub(g.Start); d > r.took-800*time.Millisecond {
					t.Errorf("a gap of %v: %+v", d, g)
				}
			}
		})
	}
}

// A camera that is set to another codec ends the session; the next one is offered that.
func TestHardChangeOfCodec(t *testing.T) {
	t.Parallel()
	first, then := shoot(t, 50, "192x128", plain), shoot(t, 100, "256x256", plain265)
	var asked atomic.Int32
	r := record(t, hard{
		script: rtsptest.Script{SDP: first.sdp(), Answer: func(req *base.Request) *base.Response {
			if req.Method != base.Describe || asked.Add(1) == 1 {
				return nil
			}
			return &base.Response{StatusCode: base.StatusOK, Body: []byte(then.sdp()), Header: base.Header{
				"Content-Type": base.HeaderValue{"application/sdp"}, "Content-Base": base.HeaderValue{req.URL.String() + "/"},
			}}
		}},
		play: func(s *sender) {
			if asked.Load() == 1 {
				s.show(first, 0, 50, nil)
				s.pause(200 * time.Millisecond)
				s.gone = true
				s.player.Close()
				return
			}
			s.show(then, 0, 100, nil)
		},
	})
	r.count(2)
	r.disjoint()
	if h := r.open(first)[0]; h.codec != "h264" || len(h.ids) != 50 || slices.Contains(h.ids, -1) {
		t.Errorf("the first segment is %s and shows %v", h.codec, h.ids)
	}
	if h := r.open(then)[1]; h.codec != "hevc" || len(h.ids) != 100 || slices.Contains(h.ids, -1) {
		t.Errorf("the second segment is %s and shows %v", h.codec, h.ids)
	}
	if len(r.gaps) != 1 || !r.gaps[0].End.Equal(r.segments[1].Start) || r.gaps[0].End.Sub(r.gaps[0].Start) > 5*time.Second {
		t.Errorf("gaps: %+v", r.gaps)
	}
}
