package rtsp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// lumps is a connection that hands out its bytes in lumps of any size.
type lumps struct {
	net.Conn
	rest   []byte
	random *rand.Rand
}

func (l *lumps) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.rest[:min(len(l.rest), 1+l.random.IntN(40))])
	l.rest = l.rest[n:]
	return n, nil
}

func framedOver(data []byte, seed uint64, told func(int)) *framed {
	f := &framed{Conn: &lumps{rest: data, random: rand.New(rand.NewPCG(seed, 1))}, told: told}
	var tracks [256]channel
	tracks[0], tracks[2] = channel{known: true, payload: 96}, channel{known: true, payload: 0, sealed: true}
	f.tracks.Store(&tracks)
	f.playing.Store(true)
	return f
}

// frame is an interleaved frame with an RTP packet.
func frame(number, payload byte, sequence uint16, source uint32, size int) []byte {
	packet := make([]byte, 12, 12+size)
	packet[0], packet[1] = 0x80, payload
	binary.BigEndian.PutUint16(packet[2:], sequence)
	binary.BigEndian.PutUint32(packet[8:], source)
	for i := range size {
		packet = append(packet, byte(i)*7+byte(sequence))
	}
	return append([]byte{'$', number, byte(len(packet) >> 8), byte(len(packet))}, packet...)
}

const answer = "RTSP/1.0 200 OK\r\nCSeq: 7\r\nContent-Length: 5\r\n\r\n$RTSP"

// Whatever lies between frames and messages is left out, and nothing else.
func TestGarbageBetweenFramesIsLeftOut(t *testing.T) {
	report := append([]byte{'$', 1, 0, 8}, 0x80, 200, 0, 1, 0, 0, 0, 9)
	rubbish := func(r *rand.Rand, size int) []byte {
		out := make([]byte, size)
		for i := range out {
			out[i] = byte(r.Uint32())
		}
		return out
	}
	for _, tc := range []struct {
		name    string
		garbage func(r *rand.Rand) []byte
	}{
		{"none", func(*rand.Rand) []byte { return nil }},
		{"bytes", func(r *rand.Rand) []byte { return rubbish(r, 1+r.IntN(300)) }},
		{"dollars", func(*rand.Rand) []byte { return bytes.Repeat([]byte{'$'}, 77) }},
		{"the head of a frame of 60 KB", func(*rand.Rand) []byte { return []byte{'$', 0, 0xf0, 0, 0x13} }},
		{"half a frame", func(*rand.Rand) []byte { return []byte("GE RT SETU PLA\r\n") }},
		{"an empty frame", func(*rand.Rand) []byte { return []byte{'$', 0, 0, 0} }},
		{"the end of a picture", func(r *rand.Rand) []byte { return frame(0, 96, 5, 1, 900)[20+r.IntN(400):] }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for seed := range uint64(50) {
				r := rand.New(rand.NewPCG(seed, 2))
				var sent, want []byte
				for n := range uint16(20) {
					source := uint32(1)
					if n > 10 { // the camera begins anew
						source = 2
					}
					for _, b := range [][]byte{frame(0, 96, n, source, r.IntN(2000)), frame(2, 0, n, source, 160), report, []byte(answer)} {
						sent = append(append(sent, b...), tc.garbage(r)...)
						if b[0] == '$' && b[1] == 0 {
							b = bytes.Clone(b)
							clear(b[12:16])
						}
						want = append(want, b...)
					}
				}
				told := 0
				got, err := io.ReadAll(framedOver(sent, seed, func(n int) { told += n }))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("seed %d: of %d bytes sent %d got through, want %d", seed, len(sent), len(got), len(want))
				}
				if left := len(sent) - len(want); told > left || told < left-1000 { // what comes last is not told
					t.Fatalf("%d bytes are told, %d were left out", told, left)
				}
			}
		})
	}
}

// Before the camera plays, and from what is no camera, everything gets through.
func TestNothingIsLeftOutBeforePlay(t *testing.T) {
	sent := []byte("HTTP/1.1 400 Bad Request\r\n\r\nRT$\x00 no" + answer)
	f := framedOver(sent, 1, nil)
	f.playing.Store(false)
	f.tracks.Store(nil)
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %q (%v), want all of %q", got, err, sent)
	}
}

func TestGarbageWithoutEndEndsTheSession(t *testing.T) {
	got, err := io.ReadAll(framedOver(make([]byte, 2*maxGarbage), 1, func(int) {}))
	if !errors.Is(err, errGarbage) || len(got) != 0 {
		t.Errorf("%d bytes got through (%v)", len(got), err)
	}
	if cause := classify(err); cause != BadStream {
		t.Errorf("the cause is %q", cause)
	}
}

// Whatever comes, what gets through is a part of it, in its order, but for the sources
// of packets, and reading ends.
func FuzzFramed(f *testing.F) {
	f.Add(uint64(1), append(frame(0, 96, 1, 1, 100), answer...))
	f.Add(uint64(2), append([]byte("$$\x00R"), frame(2, 0, 1, 1, 10)...))
	f.Add(uint64(3), []byte("RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n$\x00\x00\x0c\x80\x60"))
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) {
		sent := bytes.Clone(data)
		got, err := io.ReadAll(framedOver(data, seed, func(int) {}))
		if err != nil && !errors.Is(err, errGarbage) {
			t.Fatal(err)
		}
		at := 0
		for _, b := range got {
			for at < len(sent) && sent[at] != b && b != 0 {
				at++
			}
			if at++; at > len(sent) {
				t.Fatalf("%d bytes got through that were not sent", len(got))
			}
		}
	})
}

// loop is a connection that repeats itself.
type loop struct {
	net.Conn
	all  []byte
	rest []byte
}

func (l *loop) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		l.rest = l.all
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func loopOf() *framed {
	f := framedOver(nil, 1, nil)
	l := &loop{}
	for n := range uint16(50) {
		l.all = append(append(l.all, frame(0, 96, n, 1, 1388)...), frame(2, 0, n, 1, 160)...)
	}
	f.Conn = l
	return f
}

func TestFramesAreReadWithoutAllocation(t *testing.T) {
	f, p := loopOf(), make([]byte, 4096)
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := f.Read(p); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations a read", n)
	}
}

func BenchmarkFramed(b *testing.B) {
	f, p := loopOf(), make([]byte, 4096)
	n := 0
	for b.Loop() {
		m, err := f.Read(p)
		if err != nil {
			b.Fatal(err)
		}
		n += m
	}
	b.SetBytes(int64(n / b.N))
}
