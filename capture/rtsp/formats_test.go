package rtsp

import (
	"bytes"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

// The stream of a real encoder arrives byte for byte, but for the delimiters.
func TestAV1(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		rtsptest.Missing(t, "ffmpeg")
	}
	stream, err := exec.Command("ffmpeg", strings.Fields("-v error -f lavfi -i testsrc2=size=640x360:rate=25:duration=3 "+
		"-c:v libaom-av1 -cpu-used 8 -usage realtime -g 25 -b:v 2M -pix_fmt yuv420p -f obu -")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var obus av1.Bitstream
	if err := obus.Unmarshal(stream); err != nil {
		t.Fatal(err)
	}
	var units [][][]byte
	for _, obu := range obus {
		if obu[0]>>3 == obuTemporalDelimiter {
			units = append(units, nil)
			continue
		}
		units[len(units)-1] = append(units[len(units)-1], obu)
	}
	pack := newPacketizer(t, media.AV1)
	url := camera(t, media.AV1, func(p *rtsptest.Player) {
		for n, u := range units {
			for _, pkt := range pack.packets(u, uint32(n)*3600) {
				if p.Send(0, pkt) != nil {
					return
				}
			}
		}
	})
	c := &collector{enough: len(units)}
	if err := runSession(t, options(t, url), c); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	c.check(t, media.AV1, "")
	for n, s := range c.samples {
		want, err := av1.Bitstream(units[n]).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Concat(s.Units...); !bytes.Equal(got, want) {
			t.Fatalf("picture %d has %d bytes, want the %d of the encoder", n, len(got), len(want))
		}
		if s.Sync != (n%25 == 0) {
			t.Errorf("picture %d: key frame %v", n, s.Sync)
		}
	}
}

// What is lost of a stream without NAL units must not pass for a picture either.
func TestLossOfOtherPictures(t *testing.T) {
	for codec, next := range map[media.Codec]int{media.AV1: 25, media.MJPEG: 11} {
		for _, lost := range []string{"first", "last"} {
			t.Run(string(codec)+" "+lost, func(t *testing.T) {
				units, pack := clip(t, codec), newPacketizer(t, codec)
				url := camera(t, codec, func(p *rtsptest.Player) {
					for n, u := range units {
						packets := pack.packets(u.nalus, uint32(u.pts))
						if n == 10 && len(packets) < 2 {
							t.Errorf("a picture of %d packets", len(packets))
						}
						if n == 10 && lost == "first" {
							packets = packets[1:]
						} else if n == 10 {
							packets = packets[:len(packets)-1]
						}
						for _, pkt := range packets {
							if p.Send(0, pkt) != nil {
								return
							}
						}
					}
				})
				c := &collector{enough: 20}
				if err := runSession(t, options(t, url), c); !errors.Is(err, errEnough) {
					t.Fatal(err)
				}
				c.check(t, codec, "")
				if at := c.samples[10].PTS; at != int64(next)*3600 || c.damages != 1 {
					t.Errorf("damaged %d times, and then comes the picture at %d, want once and %d", c.damages, at, next*3600)
				}
			})
		}
	}
}

// A camera that is set to another size begins another segment.
func TestJPEGSizeChanges(t *testing.T) {
	file := clip(t, media.MJPEG)[0].nalus[0]
	v := newVideo(&media.Track{Codec: media.MJPEG, ClockRate: 90000})
	if s := v.sample([][]byte{file}, 0, hourAgo); s == nil || s.Params != nil || v.sets.Width != 96 || v.sets.Height != 64 {
		t.Fatalf("the first picture: %+v, %+v", s, v.sets)
	}
	other := bytes.Clone(file)
	at := bytes.Index(other, []byte{0xff, 0xc0})
	other[at+8] = 128 // its width
	s := v.sample([][]byte{other}, 3600, hourAgo)
	if s == nil || s.Params == nil || s.Params.Width != 128 || s.Params.Height != 64 {
		t.Errorf("a picture of another size: %+v", s)
	}
	if s := v.sample([][]byte{file[:at]}, 7200, hourAgo); s != nil {
		t.Errorf("a picture without a size: %+v", s)
	}
}
