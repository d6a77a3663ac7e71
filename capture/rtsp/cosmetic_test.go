package rtsp

import (
	"bytes"
	"testing"

	"recording-agent/capture/media"
)

// spsOf returns SPS of a 192×128 picture that say 25 and 30 pictures a second, and one
// that says 30 and differs in a bit besides.
func spsOf() (a, b, other []byte) {
	a = []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20}
	b = bytes.Clone(a)
	b[20] = 0xc8 // time_scale
	other = bytes.Clone(b)
	other[5] ^= 0x10
	return a, b, other
}

func TestCosmeticChanges(t *testing.T) {
	a, b, other := spsOf()
	pps := []byte{0x68, 0xcb, 0x8c, 0xb2}
	sets := func(sps, pps []byte) *media.ParameterSets { return &media.ParameterSets{SPS: sps, PPS: pps} }
	for _, tc := range []struct {
		name  string
		codec media.Codec
		x, y  *media.ParameterSets
		want  bool
	}{
		{"time scale", media.H264, sets(a, pps), sets(b, pps), true},
		{"time scale and a bit besides", media.H264, sets(a, pps), sets(other, pps), false},
		{"a bit", media.H264, sets(b, pps), sets(other, pps), false},
		{"picture parameter set as well", media.H264, sets(a, pps), sets(b, []byte{0x68, 0xcb, 0x8c, 0xb3}), false},
		{"level", media.H264, sets(a, pps), sets(append([]byte{0x67, 0x42, 0xc0, 0x29}, a[4:]...), pps), false},
		{"H.265", media.H265, sets(a, pps), sets(b, pps), false},
		{"cut short", media.H264, sets(a, pps), sets(b[:12], pps), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := cosmetic(tc.codec, tc.x, tc.y); got != tc.want {
				t.Errorf("cosmetic: %v, want %v", got, tc.want)
			}
			if got := cosmetic(tc.codec, tc.y, tc.x); got != tc.want {
				t.Errorf("cosmetic the other way round: %v, want %v", got, tc.want)
			}
		})
	}
}

// What is called cosmetic differs in no more than the timing's bits.
func FuzzCosmetic(f *testing.F) {
	a, b, other := spsOf()
	f.Add(a, b)
	f.Add(b, other)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if !sameButTiming(a, b) {
			return
		}
		n, _ := heldBack(media.H264, &media.ParameterSets{SPS: a})
		m, _ := heldBack(media.H264, &media.ParameterSets{SPS: b})
		if n != m {
			t.Fatalf("%x and %x hold back %d and %d pictures", a, b, n, m)
		}
	})
}
