package rtsp

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	"github.com/pion/rtp"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

// unit is an access unit of a clip.
type unit struct {
	pts, dts int64
	nalus    [][]byte
}

// clip reads what the demo's cameras play: real streams, with B-frames and with
// delimiters and parameter sets in them.
func clip(t testing.TB, codec media.Codec) []unit {
	t.Helper()
	switch codec {
	case media.AV1:
		return av1Clip()
	case media.MJPEG:
		return jpegClip(t)
	}
	name := map[media.Codec]string{media.H264: "h264-aac.ts", media.H265: "h265.ts"}[codec]
	data, err := os.ReadFile(filepath.Join("..", "..", "agent", "demo", "clips", name))
	if err != nil {
		t.Fatal(err)
	}
	r := &mpegts.Reader{R: bytes.NewReader(data)}
	if err := r.Initialize(); err != nil {
		t.Fatal(err)
	}
	var out []unit
	add := func(pts, dts int64, au [][]byte) error {
		out = append(out, unit{pts: pts, dts: dts, nalus: au})
		return nil
	}
	for _, track := range r.Tracks() {
		switch track.Codec.(type) {
		case *mpegts.CodecH264:
			r.OnDataH264(track, add)
		case *mpegts.CodecH265:
			r.OnDataH265(track, add)
		}
	}
	for {
		if err := r.Read(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if len(out) < 50 {
		t.Fatalf("the clip has %d pictures, want 50 or more", len(out))
	}
	return out
}

// av1Clip is made of the OBUs that matter, in the order of a real stream: a key
// frame every 25. What is in their tiles means nothing.
func av1Clip() []unit {
	header := []byte{obuSequenceHeader << 3, 0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x36, 0xbe, 0x40, 0x10} // 640×360
	var out []unit
	for n := range int64(60) {
		u := unit{pts: n * 3600, dts: n * 3600, nalus: [][]byte{{obuTemporalDelimiter << 3}}}
		kind := byte(0x30) // an inter frame that is shown
		if n%25 == 0 {
			u.nalus, kind = append(u.nalus, header), 0x10
		}
		u.nalus = append(u.nalus, append([]byte{obuFrame << 3, kind}, bytes.Repeat([]byte{byte(n)}, 3000)...))
		out = append(out, u)
	}
	return out
}

// jpegClip is noise of 96×64 pixels.
func jpegClip(t testing.TB) []unit {
	random := rand.New(rand.NewPCG(1, 2))
	var out []unit
	for n := range int64(60) {
		img := image.NewYCbCr(image.Rect(0, 0, 96, 64), image.YCbCrSubsampleRatio420)
		for i := range img.Y {
			img.Y[i] = byte(random.Uint32())
		}
		var file bytes.Buffer
		if err := jpeg.Encode(&file, img, nil); err != nil {
			t.Fatal(err)
		}
		out = append(out, unit{pts: n * 3600, dts: n * 3600, nalus: [][]byte{file.Bytes()}})
	}
	return out
}

// plainFormat is a format whose parameter sets are not announced.
func plainFormat(codec media.Codec) format.Format {
	switch codec {
	case media.H264:
		return &format.H264{PayloadTyp: 96, PacketizationMode: 1}
	case media.AV1:
		return &format.AV1{PayloadTyp: 96}
	case media.MJPEG:
		return &format.MJPEG{}
	}
	return &format.H265{PayloadTyp: 96}
}

func sdpOf(codec media.Codec) string {
	return map[media.Codec]string{
		media.H264: rtsptest.SDPH264, media.H265: rtsptest.SDPH265, media.AV1: rtsptest.SDPAV1, media.MJPEG: rtsptest.SDPMJPEG,
	}[codec]
}

// packetizer makes RTP packets of access units, numbered without a gap.
type packetizer struct {
	encode func([][]byte) ([]*rtp.Packet, error)
	next   uint16
}

func newPacketizer(t testing.TB, codec media.Codec) *packetizer {
	t.Helper()
	p := &packetizer{}
	var err error
	switch f := plainFormat(codec).(type) {
	case *format.H264:
		e, failed := f.CreateEncoder()
		p.encode, err = e.Encode, failed
	case *format.H265:
		e, failed := f.CreateEncoder()
		p.encode, err = e.Encode, failed
	case *format.AV1:
		e, failed := f.CreateEncoder()
		p.encode, err = e.Encode, failed
	case *format.MJPEG:
		e, failed := f.CreateEncoder()
		p.encode, err = func(files [][]byte) ([]*rtp.Packet, error) { return e.Encode(files[0]) }, failed
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *packetizer) packets(nalus [][]byte, timestamp uint32) []*rtp.Packet {
	packets, err := p.encode(nalus)
	if err != nil {
		panic(err) // of the test's own making
	}
	for _, pkt := range packets {
		pkt.SequenceNumber = p.next
		pkt.Timestamp = timestamp
		p.next++
	}
	return packets
}

// within fails the test when done is not closed in time.
func within(t testing.TB, limit time.Duration, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("%s: not within %v", what, limit)
	}
}

// play returns a camera's Play that sends a clip, as fast as it is taken, and
// then falls silent.
func play(t testing.TB, codec media.Codec, start uint32) func(p *rtsptest.Player) {
	t.Helper()
	units, pack := clip(t, codec), newPacketizer(t, codec)
	var all []*rtp.Packet
	for _, u := range units {
		all = append(all, pack.packets(u.nalus, start+uint32(u.pts-units[0].pts))...)
	}
	return func(p *rtsptest.Player) {
		for _, pkt := range all {
			if p.Send(0, pkt) != nil {
				return
			}
		}
	}
}

// camera starts a scripted camera with one video track and returns its URL.
func camera(t testing.TB, codec media.Codec, play func(p *rtsptest.Player)) string {
	t.Helper()
	return "rtsp://" + rtsptest.Scripted(t, rtsptest.Script{SDP: rtsptest.SDP(sdpOf(codec)), Play: play}) + "/cam"
}

// sample makes an access unit's units a sample.
func (v *video) sample(nalus [][]byte, pts int64, now time.Time) *media.Sample {
	au := takeApart(v.codec, nalus)
	return v.take(&au, pts, now)
}
