package check

import (
	"context"
	"fmt"
	"sync"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/rtsp"
)

const (
	// How long pictures are looked at: at least, and at most where key frames or the
	// camera's clock let themselves be waited for.
	lookFor    = 5 * time.Second
	lookAtMost = 12 * time.Second
)

// witness takes a session's samples, keeps none of them, and remembers what an
// installer wants to know. It is an rtsp.Sink.
type witness struct {
	enough chan struct{} // closed when all has been seen
	finish func()        // closes it

	mu    sync.Mutex
	sight sight
}

// sight is what was seen of a camera.
type sight struct {
	started     bool
	asked       time.Time // when the session was begun
	first       time.Time // when the first picture came
	tracks      []media.Track
	frames      int
	bytes       int64 // of pictures and sound
	from, to    int64 // DTS of the first and the last picture
	lastBytes   int64 // of the last picture
	keyFrames   []int64
	clockOffset *time.Duration // of the camera's clock from the host's
	damaged     string         // why packets were lost; empty: none
	damages     int
}

func newWitness() *witness {
	enough := make(chan struct{})
	return &witness{enough: enough, finish: sync.OnceFunc(func() { close(enough) })}
}

// watch lets a session run until enough was seen. Its error is why that has not come
// about.
func (w *witness) watch(ctx context.Context, session *rtsp.Session) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var looking sync.WaitGroup
	looking.Go(func() {
		select {
		case <-w.enough:
			cancel()
		case <-ctx.Done():
		}
	})
	w.sight.asked = time.Now()
	err := session.Run(ctx, w)
	cancel()
	looking.Wait()
	return err
}

func (w *witness) seen() sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sight
}

// Start implements rtsp.Sink.
func (w *witness) Start(tracks []media.Track) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.sight.started {
		w.sight.started, w.sight.first = true, time.Now()
		for _, t := range tracks {
			t.Video = t.Video.Clone()
			w.sight.tracks = append(w.sight.tracks, t)
		}
	}
	return nil
}

// Write implements rtsp.Sink.
func (w *witness) Write(s *media.Sample) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sight.add(s)
	looked := time.Since(w.sight.first)
	all := len(w.sight.keyFrames) > 1 && w.sight.clockOffset != nil
	if looked >= lookAtMost || looked >= lookFor && all {
		w.finish()
	}
	return nil
}

// Damaged implements rtsp.Sink.
func (w *witness) Damaged(cause string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sight.started {
		w.sight.damages++
		w.sight.damaged = cause
	}
}

func (s *sight) add(sample *media.Sample) {
	size := int64(sample.Size(s.tracks[sample.Track].Codec))
	s.bytes += size
	if sample.Track != 0 {
		return
	}
	if s.frames == 0 {
		s.from = sample.DTS
	}
	s.frames++
	s.to, s.lastBytes = sample.DTS, size
	if sample.Sync {
		s.keyFrames = append(s.keyFrames, sample.DTS)
	}
	if !sample.CameraTime.IsZero() {
		offset := sample.CameraTime.Sub(sample.Wall)
		s.clockOffset = &offset
	}
}

// tell makes steps of it.
func (s *sight) tell(g group) {
	g.ok("stream", "%s", s.tracksText())
	s.tellCodec(g)
	g.ok("key frame", "after %s", spoken(s.first.Sub(s.asked)))
	s.tellRate(g)
	s.tellGOP(g)
	s.tellClock(g)
}

func (s *sight) tracksText() string {
	text := "video " + string(s.tracks[0].Codec)
	if len(s.tracks) > 1 {
		sound := s.tracks[1]
		return text + fmt.Sprintf(", sound %s %d Hz", sound.Codec, sound.SampleRate)
	}
	return text + ", no sound"
}

func (s *sight) tellCodec(g group) {
	video, err := mp4.DescribeVideo(&s.tracks[0])
	if err != nil {
		g.fail("codec", "the camera's parameters of the video cannot be read: "+err.Error(), "look at the camera's encoder settings; a firmware update may help")
		return
	}
	note := ""
	switch s.tracks[0].Codec {
	case media.H265:
		note = "; not every browser plays H.265"
	case media.MJPEG:
		note = "; no browser plays MJPEG in a file"
	}
	g.ok("codec", "%s, %dx%d%s", video.Codec, video.Width, video.Height, note)
}

// span is the time from the first to the last picture, by their timestamps.
func (s *sight) span() time.Duration {
	return media.Duration(s.to-s.from, s.tracks[0].ClockRate)
}

func (s *sight) tellRate(g group) {
	span := s.span().Seconds()
	if s.frames < 2 || span <= 0 {
		g.warn("bitrate", "no second picture has come", "look at the camera's picture rate and load")
		return
	}
	text := fmt.Sprintf("%.2f Mbit/s, %.1f pictures a second", float64(s.bytes-s.lastBytes)*8/span/1e6, float64(s.frames-1)/span)
	if s.damages > 0 {
		g.warn("bitrate", fmt.Sprintf("%s; footage was damaged %d times: %s", text, s.damages, s.damaged), `look at the camera's network; transport = "tcp" loses no packets`)
		return
	}
	g.ok("bitrate", "%s", text)
}

func (s *sight) tellGOP(g group) {
	n := len(s.keyFrames)
	if n < 2 {
		g.warn("gop", fmt.Sprintf("no second key frame in %s", spoken(s.span())), "lower the key frame interval (GOP) in the camera, to 1 or 2 s, and switch smart codecs off: what comes before the first key frame is lost")
		return
	}
	longest := int64(0)
	for i := 1; i < n; i++ {
		longest = max(longest, s.keyFrames[i]-s.keyFrames[i-1])
	}
	mean := media.Duration((s.keyFrames[n-1]-s.keyFrames[0])/int64(n-1), s.tracks[0].ClockRate)
	most := media.Duration(longest, s.tracks[0].ClockRate)
	text := fmt.Sprintf("a key frame each %s, at most %s apart", spoken(mean), spoken(most))
	if most > longGOP {
		g.warn("gop", text, "lower the key frame interval (GOP) in the camera, to 1 or 2 s")
		return
	}
	g.ok("gop", "%s", text)
}

func (s *sight) tellClock(g group) {
	switch offset := s.clockOffset; {
	case offset == nil:
		g.ok("clock", "the camera does not say what its clock shows; nothing depends on it")
	case offset.Abs() > wrongClock:
		where := "behind"
		if *offset > 0 {
			where = "ahead of"
		}
		g.warn("clock", fmt.Sprintf("the camera's clock is %s %s this host's", spoken(*offset), where), "set NTP in the camera, or look at the host's clock; recording is not affected")
	default:
		g.ok("clock", "the camera's clock is %s off", spoken(*offset))
	}
}
