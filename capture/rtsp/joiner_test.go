package rtsp

import (
	"testing"

	"recording-agent/capture/media"
)

// Of a picture that is kept back, more may be missing when packets are: only from a
// camera that ends each slice as if it were a picture.
func TestTornWhileHeld(t *testing.T) {
	whole, rest := slice(media.H264, false, true, 1), slice(media.H264, false, false, 1)
	add := func(j *joiner, stamp uint32, units ...[]byte) int {
		return len(j.add(piece{accessUnit: takeApart(media.H264, units), stamp: stamp}))
	}
	var j joiner
	if add(&j, 1, whole) != 0 || add(&j, 2, whole) != 1 {
		t.Fatal("a picture is whole when the next one comes")
	}
	if n := len(j.torn()); n != 1 {
		t.Errorf("%d pictures, want the one that was kept back: it ended as a picture does", n)
	}
	if add(&j, 3, whole) != 0 || add(&j, 3, rest) != 0 || add(&j, 3, whole) != 1 {
		t.Fatal("a slice that goes on was not put with the picture of its time, or one that begins was")
	}
	if n := len(j.torn()); n != 0 {
		t.Errorf("%d pictures, want none: slices of it may be missing", n)
	}
}

// What is put together has an end.
func TestJoinedIsBounded(t *testing.T) {
	large := append(slice(media.H264, false, false, 1), make([]byte, 1<<20)...)
	var j joiner
	j.add(piece{accessUnit: takeApart(media.H264, [][]byte{slice(media.H264, false, true, 1)})})
	for range 100 {
		for _, p := range j.add(piece{accessUnit: takeApart(media.H264, [][]byte{large})}) {
			if n := sizeOf(&p); n > maxJoined {
				t.Fatalf("a picture of %d bytes", n)
			}
		}
	}
}
