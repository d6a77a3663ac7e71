package capture_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	"github.com/pion/rtp"

	"recording-agent/capture/rtsp/rtsptest"
)

// film is a real stream of small pictures, 100 in a second so that not much time is
// needed for many of them. No two pictures look alike.
type film struct {
	h265  bool
	units []unit         // in decoding order
	ids   map[string]int // MD5 of a decoded picture → its place in the order of showing
}

// unit is an access unit.
type unit struct {
	nalus    [][]byte
	pts, dts int64 // at 90 kHz; the first picture's DTS is 0
	id       int   // place in the order of showing
}

const tick = 900 // of 90 kHz, between two pictures

const (
	x264     = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -x264-params "
	x265     = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:"
	plain    = x264 + "keyint=25:min-keyint=25:scenecut=0:bframes=0"
	bframes  = x264 + "keyint=25:min-keyint=25:scenecut=0:bframes=2:b-adapt=0"
	plain265 = x265 + "keyint=25:min-keyint=25:scenecut=0:bframes=0"
)

var films struct {
	sync.Mutex
	made map[string]*film
}

// shoot encodes pictures with ffmpeg, once in a run of the tests.
func shoot(t *testing.T, pictures int, size, encoder string) *film {
	t.Helper()
	for _, program := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(program); err != nil {
			rtsptest.Missing(t, program)
		}
	}
	key := strconv.Itoa(pictures) + size + encoder
	films.Lock()
	defer films.Unlock()
	if f := films.made[key]; f != nil {
		return f
	}
	file := filepath.Join(t.TempDir(), "film.ts")
	args := []string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=100", "-frames:v", strconv.Itoa(pictures)}
	args = append(append(args, strings.Fields(encoder)...), "-f", "mpegts", file)
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %v: %v: %s", args, err, out)
	}
	f := &film{h265: strings.Contains(encoder, "libx265"), ids: map[string]int{}}
	f.read(t, file)
	hashes, _, complaints := decoded(t, file)
	if complaints != "" || len(hashes) != pictures || len(f.units) != pictures {
		t.Fatalf("of %d pictures %d were encoded, %d are decoded: %s", pictures, len(f.units), len(hashes), complaints)
	}
	for i, h := range hashes {
		f.ids[h] = i
	}
	if len(f.ids) != pictures {
		t.Fatalf("of %d pictures %d differ", pictures, len(f.ids))
	}
	if films.made == nil {
		films.made = map[string]*film{}
	}
	films.made[key] = f
	return f
}

func (f *film) read(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := &mpegts.Reader{R: bytes.NewReader(data)}
	if err := r.Initialize(); err != nil {
		t.Fatal(err)
	}
	add := func(pts, dts int64, au [][]byte) error {
		au = slices.DeleteFunc(au, f.isDelimiter)
		f.units = append(f.units, unit{nalus: au, pts: pts, dts: dts})
		return nil
	}
	if f.h265 {
		r.OnDataH265(r.Tracks()[0], add)
	} else {
		r.OnDataH264(r.Tracks()[0], add)
	}
	for {
		if err := r.Read(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	zero := f.units[0].dts
	for i := range f.units {
		f.units[i].pts -= zero
		f.units[i].dts -= zero
	}
	for i := range f.units {
		for j := range f.units {
			if f.units[j].pts < f.units[i].pts {
				f.units[i].id++
			}
		}
	}
}

// kind is a NAL unit's type.
func (f *film) kind(n []byte) byte {
	if f.h265 {
		return n[0] >> 1 & 0x3f
	}
	return n[0] & 0x1f
}

func (f *film) isDelimiter(n []byte) bool {
	return f.kind(n) == map[bool]byte{true: 35, false: 9}[f.h265]
}

func (f *film) delimiter() []byte {
	if f.h265 {
		return []byte{35 << 1, 1, 0x50}
	}
	return []byte{9, 0xf0}
}

// isSet says whether a NAL unit is a parameter set.
func (f *film) isSet(n []byte) bool {
	k := f.kind(n)
	return !f.h265 && (k == 7 || k == 8) || f.h265 && k >= 32 && k <= 34
}

func (f *film) isMessage(n []byte) bool {
	return f.kind(n) == map[bool]byte{true: 39, false: 6}[f.h265]
}

func (f *film) sdp() string {
	if f.h265 {
		return rtsptest.SDP(rtsptest.SDPH265)
	}
	return rtsptest.SDP(rtsptest.SDPH264)
}

func (f *film) encoder(t testing.TB) func([][]byte) ([]*rtp.Packet, error) {
	t.Helper()
	if f.h265 {
		e, err := (&format.H265{PayloadTyp: 96}).CreateEncoder()
		if err != nil {
			t.Fatal(err)
		}
		return e.Encode
	}
	e := &rtph264.Encoder{PayloadType: 96, PacketizationMode: 1}
	if err := e.Init(); err != nil {
		t.Fatal(err)
	}
	return e.Encode
}

// sender is a camera's side of one connection. It sends in real time, never faster, as
// a camera does.
type sender struct {
	t        *testing.T
	player   *rtsptest.Player
	gone     bool // the other side is
	encode   func([][]byte) ([]*rtp.Packet, error)
	sequence uint16
	ssrc     uint32
	due      time.Time // of the next picture
	first    time.Time // when the first picture was due
	change   func(pkt *rtp.Packet)
	drop     func(i, of int) bool // packets of a picture
}

// show sends all pictures of a film, at timestamps that the film has unless at says
// others.
func (s *sender) show(f *film, from, to int, at func(u *unit) uint32) {
	for i := from; i < to; i++ {
		u := &f.units[i]
		stamp := uint32(u.pts)
		if at != nil {
			stamp = at(u)
		}
		s.picture(f, u.nalus, stamp)
	}
}

// picture waits until it is time and sends an access unit.
func (s *sender) picture(f *film, nalus [][]byte, stamp uint32) {
	s.pace(10 * time.Millisecond)
	s.unit(f, nalus, stamp)
}

// pace waits for the time of the next picture. What is late is not made up for.
func (s *sender) pace(step time.Duration) {
	now := time.Now()
	if s.due.Before(now.Add(-50 * time.Millisecond)) {
		s.due = now
	}
	if s.first.IsZero() {
		s.first = s.due
	}
	s.pause(s.due.Sub(now))
	s.due = s.due.Add(step)
}

func (s *sender) pause(d time.Duration) {
	select {
	case <-s.player.Context.Done():
		s.gone = true
	case <-time.After(d):
	}
}

// unit sends NAL units with one timestamp and a marker at their end.
func (s *sender) unit(f *film, nalus [][]byte, stamp uint32) {
	if s.encode == nil {
		s.encode = f.encoder(s.t)
	}
	packets, err := s.encode(nalus)
	if err != nil {
		panic(err)
	}
	for i, pkt := range packets {
		pkt.Timestamp, pkt.SequenceNumber, pkt.SSRC = stamp, s.sequence, s.ssrc
		s.sequence++
		if s.change != nil {
			s.change(pkt)
		}
		if s.drop != nil && s.drop(i, len(packets)) {
			continue
		}
		if s.gone || s.player.Send(0, pkt) != nil {
			s.gone = true
			return
		}
	}
}
