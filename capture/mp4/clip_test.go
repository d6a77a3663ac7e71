package mp4

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	codecs "github.com/bluenviron/mediacommon/v2/pkg/formats/mp4"

	"recording-agent/capture/media"
)

// clip is a real stream, made by ffmpeg's encoders, as a session would give it.
type clip struct {
	source  string // the file it was read from
	tracks  []media.Track
	samples []media.Sample // in decoding order of all tracks
}

// need skips the test, or fails it where peers are required, without a program.
func need(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("REQUIRE_PEERS") != "" {
		t.Fatalf("%s is required and not installed", program)
	}
	t.Skipf("%s is not installed", program)
}

func run(t testing.TB, program string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, errs.String())
	}
	if errs.Len() > 0 {
		t.Fatalf("%s %s complains:\n%s", program, strings.Join(args, " "), errs.String())
	}
	return out.String()
}

var (
	h264Args  = strings.Fields("-c:v libx264 -preset veryfast -g 25 -bf 2 -b:v 1M -pix_fmt yuv420p")
	h265Args  = strings.Fields("-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25:min-keyint=25:bframes=2 -tag:v hvc1 -pix_fmt yuv420p")
	aacArgs   = strings.Fields("-c:a aac -b:a 64k -ac 2")
	av1Args   = strings.Fields("-c:v libaom-av1 -cpu-used 8 -usage realtime -g 25 -b:v 500k -pix_fmt yuv420p -movflags empty_moov+delay_moov+default_base_moof+frag_keyframe")
	mjpegArgs = strings.Fields("-c:v mjpeg -q:v 5 -pix_fmt yuvj420p -strict -1")
	opusArgs  = strings.Fields("-c:a libopus -b:a 64k -ac 2 -strict -2")
)

// makeClip encodes seconds of a test picture, with sound if audio is given.
func makeClip(t testing.TB, seconds string, video, audio []string) *clip {
	t.Helper()
	need(t, "ffmpeg")
	source := filepath.Join(t.TempDir(), "source.mp4")
	args := []string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=" + seconds}
	if audio != nil {
		args = append(args, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration="+seconds)
	}
	args = append(args, "-movflags", "empty_moov+default_base_moof+frag_keyframe")
	args = append(args, video...)
	args = append(args, audio...)
	args = append(args, source)
	run(t, "ffmpeg", args...)
	return readClip(t, source)
}

func readClip(t testing.TB, source string) *clip {
	t.Helper()
	data, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	var init fmp4.Init
	if err := init.Unmarshal(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	c := &clip{source: source}
	for _, tr := range init.Tracks {
		c.tracks = append(c.tracks, clipTrack(t, tr))
	}
	c.readPackets(t, data)
	slices.SortStableFunc(c.samples, func(a, b media.Sample) int {
		return cmp.Compare(media.Duration(a.DTS, c.tracks[a.Track].ClockRate), media.Duration(b.DTS, c.tracks[b.Track].ClockRate))
	})
	return c
}

func clipTrack(t testing.TB, tr *fmp4.InitTrack) media.Track {
	t.Helper()
	out := media.Track{ClockRate: int(tr.TimeScale)}
	switch codec := tr.Codec.(type) {
	case *codecs.CodecH264:
		out.Codec, out.Video = media.H264, media.ParameterSets{SPS: codec.SPS, PPS: codec.PPS}
	case *codecs.CodecH265:
		out.Codec, out.Video = media.H265, media.ParameterSets{VPS: codec.VPS, SPS: codec.SPS, PPS: codec.PPS}
	case *codecs.CodecAV1:
		out.Codec, out.Video = media.AV1, media.ParameterSets{SequenceHeader: codec.SequenceHeader}
	case *codecs.CodecMJPEG:
		out.Codec, out.Video = media.MJPEG, media.ParameterSets{Width: codec.Width, Height: codec.Height}
	case *codecs.CodecMPEG4Audio:
		config, err := codec.Config.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		out.Codec, out.AudioConfig, out.ChannelCount, out.SampleRate = media.AAC, config, codec.Config.ChannelCount, codec.Config.SampleRate
	case *codecs.CodecOpus:
		out.Codec, out.ChannelCount, out.SampleRate = media.Opus, codec.ChannelCount, 48000
	default:
		t.Fatalf("codec %T", codec)
	}
	return out
}

// readPackets takes the samples from the file where ffprobe says that they are.
func (c *clip) readPackets(t testing.TB, data []byte) {
	t.Helper()
	var list struct {
		Packets []struct {
			Stream    int `json:"stream_index"`
			PTS, DTS  int64
			Size, Pos int64 `json:",string"`
			Flags     string
		}
	}
	out := run(t, "ffprobe", "-v", "error", "-of", "json", "-show_packets", c.source)
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	for _, p := range list.Packets {
		payload := data[p.Pos : p.Pos+p.Size]
		shift := int64(c.tracks[p.Stream].ClockRate) // priming is negative; the session's timeline is not
		s := media.Sample{Track: p.Stream, DTS: p.DTS + shift, PTS: p.PTS + shift, Units: [][]byte{payload}}
		if p.Stream == 0 {
			s.Sync = strings.HasPrefix(p.Flags, "K")
		}
		if p.Stream == 0 && c.tracks[0].Codec.HasNALUnits() {
			var units h264.AVCC
			if err := units.Unmarshal(payload); err != nil {
				t.Fatal(err)
			}
			s.Units = units
		}
		c.samples = append(c.samples, s)
	}
}

// segment writes the clip as the recorder would: parts of partLength, cut at
// video samples. onPart, if any, is called after each append.
func (c *clip) segment(t testing.TB, f File, partLength time.Duration, reserve int, onPart func(w *Writer)) *Writer {
	t.Helper()
	w, err := NewWriter(f, testInfo(), c.tracks, reserve)
	if err != nil {
		t.Fatal(err)
	}
	p, start := NewPart(), int64(-1)
	p.Reset(c.tracks[0].Codec)
	flush := func() {
		if err := w.Append(p); err != nil {
			t.Fatal(err)
		}
		p.Reset(c.tracks[0].Codec)
		if onPart != nil {
			onPart(w)
		}
	}
	for i := range c.samples {
		s := &c.samples[i]
		if s.Track == 0 {
			if start < 0 {
				start = s.DTS
			}
			if media.Duration(s.DTS-start, c.tracks[0].ClockRate) >= partLength {
				p.Until(0, s.DTS)
				flush()
				start = s.DTS
			}
		}
		p.Add(s)
	}
	flush()
	return w
}

func testInfo() Info {
	return Info{
		SegmentID: "0190aaaa-0000-7000-8000-000000000001", CameraID: "front-gate", CameraName: "Vordertür №1",
		ClientName: "warehouse-7", Start: time.Date(2026, 11, 23, 10, 0, 0, 123456000, time.UTC),
	}
}

func tempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "segment.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
