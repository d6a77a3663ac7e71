package rtsp

import (
	"bytes"
	"testing"

	"recording-agent/capture/media"
)

// Messages as x264 and others write them.
var (
	gradually = []byte{6, 6, 2, 0x0c, 0xe4, 0x80}                           // after 24 pictures
	atOnce    = []byte{6, 6, 1, 0xc4, 0x80}                                 // after none
	behind    = append([]byte{6, 5, 3, 0, 0, 3, 1}, 6, 2, 0x0c, 0xe4, 0x80) // behind another message, with emulation prevention in it
	unrelated = []byte{6, 5, 6, 6, 6, 1, 6, 6, 6, 0x80}                     // what looks like one is the text of another
	wide      = append(append([]byte{6, 0xff, 6, 1, 9}, 6, 1, 0xc4), 0x80)  // behind a message of type 261
	refresh   = []byte{39 << 1, 1, 6, 2, 0x06, 0x14, 0x80}                  // H.265
	intra     = []byte{0x41, 0x88, 0x84}                                    // first_mb 0, slice_type 7
	inter     = []byte{0x41, 0x9a, 0x24}                                    // first_mb 0, slice_type 5
	continued = []byte{0x41, 0x42, 0x24}                                    // first_mb 1
)

func TestRecoveryPoints(t *testing.T) {
	for _, tc := range []struct {
		name  string
		codec media.Codec
		unit  [][]byte
		want  bool
	}{
		{"gradually", media.H264, [][]byte{gradually, inter}, true},
		{"at once", media.H264, [][]byte{atOnce, intra}, true},
		{"at once, and needs others", media.H264, [][]byte{atOnce, inter}, false},
		{"behind another message", media.H264, [][]byte{behind, inter}, true},
		{"behind a message of a wide type", media.H264, [][]byte{wide, intra}, true},
		{"in the text of another message", media.H264, [][]byte{unrelated, inter}, false},
		{"without its beginning", media.H264, [][]byte{gradually, continued}, false},
		{"none", media.H264, [][]byte{intra}, false},
		{"cut short", media.H264, [][]byte{{6, 6}, {6}, {6, 6, 200, 1}, inter}, false},
		{"H.265", media.H265, [][]byte{refresh, slice(media.H265, false, true, 1)}, true},
		{"H.265, none", media.H265, [][]byte{{39 << 1, 1, 5, 1, 6, 0x80}, slice(media.H265, false, true, 1)}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			au := takeApart(tc.codec, tc.unit)
			if got := au.sync(); got != tc.want {
				t.Errorf("decoding can start: %v, want %v", got, tc.want)
			}
		})
	}
}

// The timestamps of a stream without key frames begin with a recovery point.
func TestRecoveryPointInPackets(t *testing.T) {
	bundle := func(header []byte, units ...[]byte) []byte {
		out := header
		for _, u := range units {
			out = append(append(out, byte(len(u)>>8), byte(len(u))), u...)
		}
		return out
	}
	for _, tc := range []struct {
		name    string
		codec   media.Codec
		payload []byte
		want    bool
	}{
		{"alone", media.H264, gradually, true},
		{"with others", media.H264, bundle([]byte{24}, []byte{0x68, 1}, gradually, inter), true},
		{"only others", media.H264, bundle([]byte{24}, unrelated, inter), false},
		{"cut short", media.H264, bundle([]byte{24}, gradually)[:6], false},
		{"a fragment", media.H264, []byte{28, 0x86, 6, 2, 0x0c}, false},
		{"H.265 alone", media.H265, refresh, true},
		{"H.265 with others", media.H265, bundle([]byte{48 << 1, 1}, refresh), true},
		{"nothing", media.H265, nil, false},
	} {
		if got := recovers(tc.codec, tc.payload); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func FuzzMessages(f *testing.F) {
	for _, m := range [][]byte{gradually, atOnce, behind, unrelated, wide, refresh} {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, found := message(data, recoveryPoint)
		if found && !bytes.Contains(data, []byte{first}) {
			t.Fatalf("%x is not in it", first)
		}
		recovers(media.H264, data)
		recovers(media.H265, data)
	})
}
