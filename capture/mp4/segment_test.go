package mp4

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/crc64"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"recording-agent/capture/media"
)

// packets lists the size and checksum of each packet of a file, as ffmpeg reads
// them, stream by stream.
func packets(t testing.TB, file string) string {
	t.Helper()
	var streams [2]strings.Builder
	for line := range strings.Lines(run(t, "ffmpeg", "-v", "error", "-i", file, "-map", "0", "-c", "copy", "-f", "framemd5", "-")) {
		if fields := strings.Split(line, ","); len(fields) >= 6 {
			stream, _ := strconv.Atoi(fields[0])
			streams[stream].WriteString(fields[4] + strings.TrimSpace(fields[5]) + "\n")
		}
	}
	return streams[0].String() + streams[1].String()
}

func fileChecksum(t testing.TB, f *os.File) string {
	t.Helper()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, math.MaxInt64))
	if err != nil {
		t.Fatal(err)
	}
	return checksumText(crc64.Checksum(data, crc64.MakeTable(crc64Polynomial)))
}

func TestFinishedSegmentHasTheSourcesPackets(t *testing.T) {
	for _, tc := range []struct {
		name         string
		video, audio []string
		codecs       [2]string
	}{
		{"h264 aac", h264Args, aacArgs, [2]string{"avc1.64001e", "mp4a.40.2"}},
		{"h264 opus", h264Args, opusArgs, [2]string{"avc1.64001e", "opus"}},
		{"h265", h265Args, nil, [2]string{"hvc1.1.6.L63.90", ""}},
		{"h265 aac", h265Args, aacArgs, [2]string{"hvc1.1.6.L63.90", "mp4a.40.2"}},
		{"av1 opus", av1Args, opusArgs, [2]string{"av01.0.01M.08", "opus"}},
		{"mjpeg", mjpegArgs, nil, [2]string{"jpeg", ""}},
		{"mjpeg aac", mjpegArgs, aacArgs, [2]string{"jpeg", "mp4a.40.2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			need(t, "ffprobe")
			c := makeClip(t, "6", tc.video, tc.audio)
			for _, reserve := range []int{Reserve(6*time.Second, 25, c.tracks[1:]), 64} { // tables in front, tables at the end
				f := tempFile(t)
				w := c.segment(t, f, time.Second, reserve, nil)
				live := packets(t, f.Name())
				r, err := w.Finish()
				if err != nil {
					t.Fatal(err)
				}
				checkResult(t, f, r)
				if r.Frames != 150 || r.VideoCodec != tc.codecs[0] || r.AudioCodec != tc.codecs[1] || r.Width != 640 || r.Height != 360 {
					t.Errorf("result: %+v", r)
				}
				if math.Abs(r.Duration.Seconds()-6) > 0.1 || math.Abs(r.FrameRate-25) > 0.3 {
					t.Errorf("duration %v, frame rate %.2f", r.Duration, r.FrameRate)
				}
				want, got := packets(t, c.source), packets(t, f.Name())
				if got != want {
					t.Errorf("packets differ from the source's:\n%s\nsource:\n%s", head(got), head(want))
				}
				if live != want {
					t.Errorf("the live form differs:\n%s\nsource:\n%s", head(live), head(want))
				}
			}
		})
	}
}

func TestPicturesDecodeToTheSources(t *testing.T) {
	for name, video := range map[string][]string{"h264": h264Args, "av1": av1Args, "mjpeg": mjpegArgs} {
		t.Run(name, func(t *testing.T) {
			c := makeClip(t, "4", video, aacArgs)
			f := tempFile(t)
			if _, err := c.segment(t, f, time.Second, 100000, nil).Finish(); err != nil {
				t.Fatal(err)
			}
			decode := func(file string) string {
				return run(t, "ffmpeg", "-v", "error", "-i", file, "-map", "0:v", "-vf", "setpts=PTS-STARTPTS", "-f", "framemd5", "-")
			}
			if decode(f.Name()) != decode(c.source) {
				t.Error("the decoded pictures, or their times, differ from the source's")
			}
		})
	}
}

func checkResult(t testing.TB, f *os.File, r Result) {
	t.Helper()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() != r.Size {
		t.Errorf("size %d, the file has %d", r.Size, st.Size())
	}
	if got := fileChecksum(t, f); got != r.Checksum {
		t.Errorf("checksum %s, the file has %s", r.Checksum, got)
	}
	if r.Info != testInfo() {
		t.Errorf("info %+v", r.Info)
	}
	run(t, "ffprobe", "-v", "error", "-show_packets", f.Name()) // no complaint
	probed := probe(t, f.Name())
	if probed.start != 0 {
		t.Errorf("presentation starts at %v", probed.start)
	}
	if math.Abs(probed.duration-r.Duration.Seconds()) > 0.001 {
		t.Errorf("ffprobe says %v s, the result %v", probed.duration, r.Duration)
	}
	for key, want := range map[string]string{
		"segment_id": r.SegmentID, "camera_id": r.CameraID, "camera_name": r.CameraName, "client_name": r.ClientName,
		"creation_time": "2026-11-23T10:00:00.000000Z",
	} {
		if probed.tags[key] != want {
			t.Errorf("tag %s is %q, want %q (tags: %v)", key, probed.tags[key], want, probed.tags)
		}
	}
}

type probed struct {
	start, duration float64
	tags            map[string]string
}

func probe(t testing.TB, file string) probed {
	t.Helper()
	var out struct {
		Format struct {
			StartTime string `json:"start_time"`
			Duration  string
			Tags      map[string]string
		}
	}
	if err := json.Unmarshal([]byte(run(t, "ffprobe", "-v", "error", "-of", "json", "-show_format", file)), &out); err != nil {
		t.Fatal(err)
	}
	start, _ := strconv.ParseFloat(out.Format.StartTime, 64)
	duration, _ := strconv.ParseFloat(out.Format.Duration, 64)
	return probed{start, duration, out.Format.Tags}
}

// pcms are the kinds of sound that are not compressed, or hardly so.
var pcms = map[string]media.Track{
	"pcm_mulaw": {Codec: media.PCMU, ClockRate: 8000, SampleRate: 8000, ChannelCount: 1, BitDepth: 8},
	"pcm_alaw":  {Codec: media.PCMA, ClockRate: 8000, SampleRate: 8000, ChannelCount: 1, BitDepth: 8},
	"pcm_s16be": {Codec: media.LPCM, ClockRate: 48000, SampleRate: 48000, ChannelCount: 2, BitDepth: 16},
	"pcm_s24be": {Codec: media.LPCM, ClockRate: 16000, SampleRate: 16000, ChannelCount: 1, BitDepth: 24},
}

func TestPCM(t *testing.T) {
	for encoder, track := range pcms {
		t.Run(encoder, func(t *testing.T) {
			c, sound := pcmClip(t, track, encoder, 3, h264Args)
			f := tempFile(t)
			r, err := c.segment(t, f, time.Second, 100000, nil).Finish()
			if err != nil {
				t.Fatal(err)
			}
			checkResult(t, f, r)
			// The edit list hides what was heard before the first picture; a reader
			// may leave it out.
			hidden := int(c.samples[1].PTS*int64(track.ClockRate)/int64(c.tracks[0].ClockRate)) * track.ChannelCount * track.BitDepth / 8
			back := run(t, "ffmpeg", "-v", "error", "-i", f.Name(), "-map", "0:a", "-c:a", "copy", "-f", "data", "-")
			if !strings.HasSuffix(string(sound), back) || len(back) < len(sound)-hidden {
				t.Errorf("sound came back as %d bytes, %d were written and %d lie before the first picture", len(back), len(sound), hidden)
			}
		})
	}
}

// Sound that comes more than a part too late is kept out of the front of the
// file: there it would be heard with other pictures.
func TestLateSoundStaysInItsPlace(t *testing.T) {
	track := pcms["pcm_s16be"]
	c, sound := pcmClip(t, track, "pcm_s16be", 4, h264Args)
	// A picture at 1 s is the first of the segment, all sound comes 2.2 s late.
	late := func(s *media.Sample) time.Duration {
		if s.Track == 1 {
			return media.Duration(s.DTS, track.ClockRate) + 2200*time.Millisecond
		}
		return media.Duration(s.DTS, c.tracks[0].ClockRate)
	}
	slices.SortStableFunc(c.samples, func(a, b media.Sample) int { return cmp.Compare(late(&a), late(&b)) })
	c.samples = slices.DeleteFunc(c.samples, func(s media.Sample) bool { return late(&s) < time.Second })
	begins := int(media.Duration(c.samples[0].PTS, c.tracks[0].ClockRate).Milliseconds())
	f := tempFile(t)
	if _, err := c.segment(t, f, time.Second, 100000, nil).Finish(); err != nil {
		t.Fatal(err)
	}
	back := run(t, "ffmpeg", "-v", "error", "-i", f.Name(), "-map", "0:a", "-c:a", "copy", "-f", "data", "-")
	second := track.SampleRate * track.ChannelCount * track.BitDepth / 8
	first, at := begins*second/1000, strings.Index(string(sound), back)
	if at < first || at > first+second/25 || len(back) < 2*second {
		t.Errorf("%d bytes of sound, those from %d on; want those from %d on", len(back), at, first)
	}
	var start struct {
		Streams []struct {
			Start string `json:"start_time"`
		}
	}
	out := run(t, "ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream=start_time", "-of", "json", f.Name())
	if err := json.Unmarshal([]byte(out), &start); err != nil || len(start.Streams) != 1 {
		t.Fatal(err, out)
	}
	heard, _ := strconv.ParseFloat(start.Streams[0].Start, 64)
	if want := float64(at-first) / float64(second); math.Abs(heard-want) > 0.01 {
		t.Errorf("the sound of %v s begins at %v s", want, heard)
	}
}

// pcmClip is a clip with sound of 20 ms packets; it returns the sound as well.
func pcmClip(t testing.TB, track media.Track, encoder string, seconds int, pictures []string) (*clip, []byte) {
	t.Helper()
	c := makeClip(t, strconv.Itoa(seconds), pictures, nil)
	sound := []byte(run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i",
		fmt.Sprintf("sine=frequency=440:sample_rate=%d:duration=%d", track.SampleRate, seconds),
		"-ac", strconv.Itoa(track.ChannelCount), "-c:a", encoder, "-f", "data", "-map", "0:a", "-"))
	c.tracks = append(c.tracks, track)
	video := c.samples
	c.samples = nil
	at, first, ticks := 0, video[0].DTS, track.ClockRate/50
	size := ticks * track.ChannelCount * track.BitDepth / 8
	for _, s := range video {
		s.DTS, s.PTS = s.DTS-first, s.PTS-first
		for ; (at+1)*size <= len(sound) && int64(at*ticks)*int64(c.tracks[0].ClockRate)/int64(track.ClockRate) <= s.DTS; at++ {
			c.samples = append(c.samples, media.Sample{
				Track: 1, DTS: int64(at * ticks), PTS: int64(at * ticks), Units: [][]byte{sound[at*size : (at+1)*size]},
			})
		}
		c.samples = append(c.samples, s)
	}
	return c, sound[:at*size]
}

func head(s string) string {
	lines := strings.SplitAfter(s, "\n")
	return strings.Join(lines[:min(6, len(lines))], "")
}
