package mp4

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pictures and tone are what ffmpeg is to encode: 4 s of either.
var (
	pictures = strings.Fields("-v error -f lavfi -i testsrc2=size=640x360:rate=25:duration=4")
	tone     = strings.Fields("-f lavfi -i sine=frequency=440:sample_rate=48000:duration=4")
)

// encoded is kept for all tests: it takes seconds to make.
var encoded map[string][]byte

// foreignFiles is one file of each kind that other programs write.
func foreignFiles(t testing.TB) map[string][]byte {
	t.Helper()
	need(t, "ffmpeg")
	if encoded != nil {
		return encoded
	}
	files := map[string][]byte{}
	make := func(name, args string, inputs ...[]string) {
		file := filepath.Join(t.TempDir(), "foreign.mp4")
		run(t, "ffmpeg", slices.Concat(slices.Concat(inputs...), strings.Fields(args), []string{file})...)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	h264, h265, aac := strings.Join(h264Args, " "), strings.Join(h265Args, " "), strings.Join(aacArgs, " ")
	make("index at the end", h264, pictures)
	make("index in front", h264+" -movflags faststart", pictures)
	make("with sound", h264+" "+aac, pictures, tone)
	make("with opus", h264+" "+strings.Join(opusArgs, " "), pictures, tone)
	make("with mp3", h264+" -c:a libmp3lame", pictures, tone)
	make("h265", h265+" "+aac, pictures, tone)
	make("h265 as hev1", strings.Replace(h265, "hvc1", "hev1", 1), pictures)
	make("fragmented", h264+" "+aac+" -movflags empty_moov+default_base_moof+frag_keyframe", pictures, tone)
	make("fragmented h265", h265+" -movflags empty_moov+default_base_moof+frag_keyframe", pictures)
	make("fragmented, old style", h264+" "+aac+" -movflags frag_keyframe", pictures, tone)
	make("first fragment in the index", h264+" -movflags frag_keyframe -frag_duration 500000", pictures)
	make("part of a stream", h264+" -output_ts_offset 5000 -movflags empty_moov+default_base_moof+frag_keyframe+frag_discont", pictures)
	// As MediaMTX records: a part a second, the decoding time in each.
	make("as mediamtx", h264+" "+aac+" -movflags empty_moov+default_base_moof+frag_every_frame -brand iso5", pictures, tone)
	make("with a creation time", h264+" -metadata creation_time=2026-11-23T10:00:00Z", pictures)
	make("with a time code", h264+" -timecode 10:00:00:00", pictures)
	make("quicktime", h264+" -f mov", pictures)
	encoded = files
	return files
}

// shown is what ffprobe says.
type shown struct {
	Streams []struct {
		Kind     string `json:"codec_type"`
		Codec    string `json:"codec_name"`
		Tag      string `json:"codec_tag_string"`
		Level    int
		Width    int
		Height   int
		Duration string
		Packets  string `json:"nb_read_packets"`
	}
	Format struct{ Duration string }
}

func show(t *testing.T, data []byte) (p shown) {
	t.Helper()
	need(t, "ffprobe")
	file := filepath.Join(t.TempDir(), "shown.mp4")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, "ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json", file)
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func readForeign(data []byte) (Foreign, error) {
	return ReadForeign(bytes.NewReader(data), int64(len(data)))
}

func TestForeignFilesAsFfprobeSeesThem(t *testing.T) {
	files := foreignFiles(t)
	t.Run("gstreamer", func(t *testing.T) {
		need(t, "gst-launch-1.0")
		file := filepath.Join(t.TempDir(), "gst.mp4")
		run(t, "gst-launch-1.0", append(strings.Fields("-q videotestsrc num-buffers=100 ! video/x-raw,format=I420,framerate=25/1,width=320,height=240 ! x264enc ! mp4mux ! filesink"), "location="+file)...)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		compareForeign(t, data)
	})
	for name, data := range files {
		t.Run(name, func(t *testing.T) { compareForeign(t, data) })
	}
	if r, err := readForeign(files["with a creation time"]); err != nil || !r.Created.Equal(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("created %v (%v)", r.Created, err)
	}
	if r, err := readForeign(files["index at the end"]); err != nil || !r.Created.IsZero() {
		t.Errorf("created %v (%v), though the file does not say", r.Created, err)
	}
}

func compareForeign(t *testing.T, data []byte) {
	t.Helper()
	got, err := readForeign(data)
	if err != nil {
		t.Fatal(err)
	}
	want := show(t, data)
	longest := 0.0
	for _, s := range want.Streams {
		seconds, _ := strconv.ParseFloat(s.Duration, 64)
		switch s.Kind {
		case "video":
			if packets, _ := strconv.ParseInt(s.Packets, 10, 64); got.Frames != packets || packets != 100 {
				t.Errorf("%d pictures, ffprobe finds %d", got.Frames, packets)
			}
			if got.Width != s.Width || got.Height != s.Height || math.Abs(got.FrameRate-25) > 0.01 {
				t.Errorf("%dx%d at %v a second, ffprobe says %dx%d", got.Width, got.Height, got.FrameRate, s.Width, s.Height)
			}
			level := map[string]string{"h264": strconv.FormatInt(int64(s.Level), 16), "hevc": "L" + strconv.Itoa(s.Level)}[s.Codec]
			if !strings.HasPrefix(got.VideoCodec, s.Tag+".") || level == "" || !strings.Contains(got.VideoCodec, level) {
				t.Errorf("video codec %q, ffprobe says %s, level %s", got.VideoCodec, s.Tag, level)
			}
		case "audio":
			if want := map[string]string{"aac": "mp4a.40.2", "opus": "opus", "mp3": "mp4a.6B"}[s.Codec]; got.AudioCodec != want {
				t.Errorf("audio codec %q, want %q", got.AudioCodec, want)
			}
		default:
			continue
		}
		longest = max(longest, seconds)
	}
	// The format's duration begins with the first sound or picture that is decoded,
	// shown or not; a stream's with the first that is presented.
	whole, _ := strconv.ParseFloat(want.Format.Duration, 64)
	if d := got.Duration.Seconds(); math.Abs(d-whole) > 0.001 && math.Abs(d-longest) > 0.001 {
		t.Errorf("it lasts %v, ffprobe says %v, and of its longest stream %v", d, whole, longest)
	}
}

// Our own segments, of another host or another time, are files like any other.
func TestOwnSegmentsReadLikeForeignOnes(t *testing.T) {
	live, ends := recorded(t, 40000)
	for form, data := range map[string][]byte{"live": live, "finished": finishedForm(t, live)} {
		got, err := readForeign(data)
		if err != nil || got.Frames != int64(len(ends)*picturesPerPart) || got.Width != 640 || got.AudioCodec != "mp4a.40.2" {
			t.Errorf("%s: %+v, %v", form, got, err)
		}
		if created := testInfo().Start.Truncate(time.Second); !got.Created.Equal(created) {
			t.Errorf("%s: created %v, want %v", form, got.Created, created)
		}
	}
}

// A file that was cut anywhere is not whole, unless it was cut between two
// fragments; then nobody could tell.
func TestForeignFileCutAnywhere(t *testing.T) {
	files := foreignFiles(t)
	for _, name := range []string{"index at the end", "index in front", "with sound", "fragmented", "fragmented, old style", "as mediamtx"} {
		data := files[name]
		for i := range 200 {
			cut := len(data) * i / 200
			_, err := readForeign(data[:cut])
			var unfit *UnfitError
			if err == nil && int64(cut) == wholeBoxes(data[:cut]) && strings.Contains(name, "fragment") {
				continue
			}
			if !errors.As(err, &unfit) || unfit.Cause == "" || unfit.Remedy == "" {
				t.Errorf("%s cut at %d of %d: %v", name, cut, len(data), err)
			}
		}
	}
}

// wholeBoxes is where the last box ends that data holds to its end.
func wholeBoxes(data []byte) (end int64) {
	for int64(len(data))-end >= boxHeader {
		size, _ := kindOf(data[end:])
		if size < boxHeader || size > int64(len(data))-end {
			break
		}
		end += size
	}
	return end
}

func TestUnfitFiles(t *testing.T) {
	files := foreignFiles(t)
	whole, fragmented := files["index in front"], files["fragmented"]
	// change makes a copy in which the 4 bytes behind the nth box of a kind are others.
	change := func(data []byte, kind string, behind int, value uint32) []byte {
		data = bytes.Clone(data)
		binary.BigEndian.PutUint32(data[bytes.Index(data, []byte(kind))+4+behind:], value)
		return data
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":                   {nil, "empty"},
		"text":                      {[]byte("this is a text and not a video at all"), "does not begin like"},
		"zeros":                     {make([]byte, 4096), "does not begin like"},
		"a zeroed tail":             {append(bytes.Clone(fragmented), make([]byte, 4096)...), "is no box"},
		"no index":                  {[]byte("\x00\x00\x00\x10ftypisom\x00\x00\x00\x00"), "no index"},
		"fragments alone":           {fragmented[bytes.Index(fragmented, []byte("moof"))-4:], "does not begin like"},
		"a chunk behind the end":    {change(whole, "stco", 8, math.MaxUint32), "points to bytes"},
		"a sample behind the end":   {change(whole, "stsz", 12, math.MaxUint32), "points to bytes"},
		"samples without a place":   {change(whole, "stco", 4, 0), "where the last 100 samples"},
		"more samples than entries": {change(whole, "stsz", 8, 1<<30), "do not fit"},
		"more chunks than entries":  {change(whole, "stco", 4, 1<<30), "claims 1073741824 entries"},
		"no unit of time":           {change(whole, "mdhd", 12, 0), "no unit of time"},
		"too fine a unit of time":   {change(whole, "mdhd", 12, math.MaxUint32), "no unit of time"},
		"a thousand years":          {change(whole, "stts", 12, math.MaxUint32), "last longer"},
		"no time at all":            {change(whole, "stts", 12, 0), "last no time"},
		"media elsewhere":           {change(whole, "url ", 0, 0), "in another file"},
		"a run behind the end":      {change(fragmented, "trun", 8, math.MaxInt32), "points to"},
		"more in a run than fits":   {change(fragmented, "trun", 4, math.MaxInt32), "do not fit"},
		"no pictures":               {bytes.ReplaceAll(whole, []byte("vide"), []byte("meta")), "lists no pictures"},
	} {
		_, err := readForeign(c.data)
		var unfit *UnfitError
		if !errors.As(err, &unfit) || !strings.Contains(unfit.Cause, c.want) || unfit.Remedy == "" {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A disk that fails is not the file's fault.
func TestForeignFileThatCannotBeRead(t *testing.T) {
	data := foreignFiles(t)["index in front"]
	for _, at := range []int{0, 20, bytes.Index(data, []byte("stsz")) + 30} {
		_, err := ReadForeign(io.NewSectionReader(bytes.NewReader(data), 0, int64(at)), int64(len(data)))
		var unfit *UnfitError
		if err == nil || errors.As(err, &unfit) {
			t.Errorf("a file that cannot be read from %d on: %v", at, err)
		}
	}
}

// sparse is a file of zeros with a beginning.
type sparse struct{ head []byte }

func (s sparse) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	if at < int64(len(s.head)) {
		copy(p, s.head[at:])
	}
	return len(p), nil
}

// The tables of a huge file are read, and not kept.
func TestForeignTablesTakeNoMemory(t *testing.T) {
	const entries = 48 << 20 // 192 MiB of sample sizes, 23 days of pictures
	w := &boxes{b: ftyp()}
	header := func(kind string, size int) {
		w.u32(uint32(size))
		w.str(kind)
	}
	table := boxHeader + 12 + 4*entries
	rest := func() []byte {
		in := &boxes{}
		in.full("stts", 0, 0, func() { in.u32(1); in.u32(entries); in.u32(1) })
		in.full("stsc", 0, 0, func() { in.u32(1); in.u32(1); in.u32(entries); in.u32(1) })
		in.full("stco", 0, 0, func() { in.u32(1); in.u32(8) })
		in.full("stsd", 0, 0, func() { in.u32(1); in.leaf("jpeg", make([]byte, 70)) })
		return in.b
	}()
	front := func() []byte {
		in := &boxes{}
		in.full("tkhd", 0, 0, func() { in.zero(8); in.u32(1); in.zero(8) })
		return in.b
	}()
	media := func() []byte {
		in := &boxes{}
		in.full("mdhd", 0, 0, func() { in.zero(8); in.u32(25); in.zero(8) })
		in.full("hdlr", 0, 0, func() { in.u32(0); in.str(video); in.zero(13) })
		return in.b
	}()
	stbl := boxHeader + len(rest) + table
	minf := boxHeader + stbl
	mdia := boxHeader + len(media) + minf
	trak := boxHeader + len(front) + mdia
	header("moov", boxHeader+trak)
	header("trak", trak)
	w.raw(front)
	header("mdia", mdia)
	w.raw(media)
	header("minf", minf)
	header("stbl", stbl)
	w.raw(rest)
	header("stsz", table)
	w.u32(0)
	w.u32(0)
	w.u32(entries)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := ReadForeign(sparse{w.b}, int64(ftypSize+boxHeader+trak))
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes of memory for a table of %d", took, table)
	}
	if err != nil || got.Frames != entries || got.VideoCodec != "jpeg" {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzReadForeign(f *testing.F) {
	for name, data := range foreignFiles(f) {
		if name != "index at the end" {
			data = data[:min(len(data), 20<<10)] // the tables matter
		}
		f.Add(data, int64(len(data)))
		f.Add(data, int64(8<<20))
	}
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		if size < 0 || size > 16<<20 {
			t.Skip()
		}
		got, err := ReadForeign(sparse{data[:min(int64(len(data)), size)]}, size)
		var unfit *UnfitError
		switch {
		case err != nil && !errors.As(err, &unfit):
			t.Errorf("a file that can be read: %v", err)
		case err == nil && (got.Frames <= 0 || got.Duration <= 0 || got.Duration > 2*maxForeignLength || got.Size != size):
			t.Errorf("taken for whole: %+v", got)
		}
		read, err2 := ReadSamples(sparse{data[:min(int64(len(data)), size)]}, size)
		switch {
		case err2 != nil && !errors.As(err2, &unfit):
			t.Errorf("samples that can be read: %v", err2)
		case err2 == nil && (err != nil || read.Result != got.Result):
			t.Errorf("with its samples it is %+v, without them %+v (%v)", read, got, err)
		}
	})
}
