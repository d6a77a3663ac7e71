package rtsp

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// arrival is a packet and when it comes, in milliseconds.
type arrival struct {
	sequence uint16
	at       int
}

func numbers(pkts []*rtp.Packet) (out []uint16) {
	for _, p := range pkts {
		out = append(out, p.SequenceNumber)
	}
	return out
}

func arrive(r *reorder, ssrc uint32, a arrival) []uint16 {
	return numbers(r.take(&rtp.Packet{Header: rtp.Header{SSRC: ssrc, SequenceNumber: a.sequence}}, time.Duration(a.at)*time.Millisecond))
}

func TestPacketsInOrder(t *testing.T) {
	for _, tc := range []struct {
		name   string
		come   []arrival
		leave  []uint16
		behind int // packets that are held at the end
	}{
		{"as they were sent", []arrival{{65534, 0}, {65535, 20}, {0, 40}, {1, 60}}, []uint16{65534, 65535, 0, 1}, 0},
		{"one overtakes", []arrival{{1, 0}, {3, 20}, {2, 30}, {4, 40}}, []uint16{1, 2, 3, 4}, 0},
		{"over the end of the numbers", []arrival{{65534, 0}, {0, 20}, {1, 30}, {65535, 40}}, []uint16{65534, 65535, 0, 1}, 0},
		{"twice", []arrival{{1, 0}, {1, 1}, {3, 20}, {3, 21}, {2, 30}, {2, 31}, {3, 32}}, []uint16{1, 2, 3}, 0},
		{"one is lost", []arrival{{1, 0}, {3, 20}, {4, 140}, {5, 519}}, []uint16{1}, 3},
		{"one is lost for long enough", []arrival{{1, 0}, {3, 20}, {4, 140}, {5, 520}}, []uint16{1, 3, 4, 5}, 0},
		{"two are lost", []arrival{{1, 0}, {3, 20}, {5, 140}, {6, 520}}, []uint16{1, 3}, 2},
		{"too late", []arrival{{1, 0}, {3, 20}, {4, 600}, {2, 610}, {5, 620}}, []uint16{1, 3, 4, 5}, 0},
		{"before the first", []arrival{{10, 0}, {9, 1}, {11, 2}}, []uint16{10, 11}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var left []uint16
			r := &reorder{}
			for _, a := range tc.come {
				left = append(left, arrive(r, 7, a)...)
			}
			if !slices.Equal(left, tc.leave) || len(r.held) != tc.behind {
				t.Errorf("%v left and %d are held, want %v and %d", left, len(r.held), tc.leave, tc.behind)
			}
		})
	}
}

// Another sender's packets are none of this track; a camera that counts anew is
// followed; what waits is bounded.
func TestPacketsFromElsewhere(t *testing.T) {
	r := &reorder{}
	arrive(r, 7, arrival{1000, 0})
	if left := arrive(r, 8, arrival{1001, 1}); left != nil {
		t.Errorf("a packet of another sender left: %v", left)
	}
	left := arrive(r, 7, arrival{1001, 1})
	if len(left) != 1 {
		t.Errorf("behind that left %v", left)
	}
	left = nil
	for i := range uint16(maxBehind + 3) {
		left = append(left, arrive(r, 7, arrival{i, 2})...)
	}
	if !slices.Equal(left, []uint16{maxBehind, maxBehind + 1, maxBehind + 2}) {
		t.Errorf("after the camera began to count anew %v left", left)
	}
	left = nil
	for i := range uint16(maxBehind + 3) {
		left = append(left, arrive(r, 9, arrival{i, 3})...)
	}
	if !slices.Equal(left, []uint16{maxBehind, maxBehind + 1, maxBehind + 2}) {
		t.Errorf("after the camera began anew as another sender %v left", left)
	}
	for i := range uint16(2 * maxHeld) {
		arrive(r, 9, arrival{200 + i, 3})
	}
	if len(r.held) > maxHeld {
		t.Errorf("%d packets are held", len(r.held))
	}
}

// Whatever comes: what leaves is in order, once, and as much as there was time for.
func TestAnyDisorder(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var come []arrival
		lost := 0
		for i := range 2000 {
			if random.IntN(50) == 0 && i > 0 {
				lost++
				continue
			}
			for range 1 + random.IntN(8)/7 {
				come = append(come, arrival{uint16(65000 + i), 10*i + random.IntN(200)*min(i, 1)})
			}
		}
		slices.SortStableFunc(come, func(a, b arrival) int { return a.at - b.at })
		r := &reorder{}
		next, n := uint16(65000), 0
		for _, a := range come {
			for _, s := range arrive(r, 7, a) {
				if int16(s-next) < 0 {
					t.Fatalf("seed %d: %d left when it was the turn of %d", seed, s, next)
				}
				next, n = s+1, n+1
			}
		}
		if whole := 2000 - lost - len(r.held); n != whole {
			t.Fatalf("seed %d: %d packets left of %d", seed, n, whole)
		}
	}
}
