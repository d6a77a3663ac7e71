package capture

import (
	"sync"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/mp4"
	"recording-agent/capture/outage"
	"recording-agent/capture/panics"
)

// State is what a camera is doing.
type State string

// The states of a camera.
const (
	Connecting  State = "connecting" // no picture yet
	Live        State = "recording"
	Waiting     State = "waiting"      // until the next attempt
	OffSchedule State = "off schedule" // it is not to be recorded now
)

// Status is a camera's present condition.
type Status struct {
	ID, Name      string
	State         State
	VideoCodec    string // as in package media
	AudioCodec    string
	Width         int
	Height        int
	BitRate       float64 // bits per second over the last seconds
	FrameRate     float64 // pictures per second over the last seconds
	LastFrame     time.Time
	Segment       string // id of the one being recorded
	SegmentStart  time.Time
	SegmentFrames int64 // pictures of that segment so far
	Frames        int64 // pictures since the agent started
	Bytes         int64 // of these and of sound
	Reconnects    int64
	Damages       int64          // stretches that were lost to missing or broken packets
	Dropped       int64          // pictures that the disk was too slow for
	Queued        int64          // bytes that have come and are not written yet
	ClockOffset   *time.Duration // of the camera's clock from the host's; nil: the camera does not say
	LastError     string
	LastErrorAt   time.Time
	Trouble       outage.Trouble // with the camera
	Disk          outage.Trouble // with what it sends, on the disk
	Panics        panics.Status  // of the camera's code
}

// meterWindow is how long bit and frame rate are averaged.
const meterWindow = 5 * time.Second

// meter counts what passes, for the status.
type meter struct {
	now func() time.Time

	mu      sync.Mutex
	status  Status
	nominal time.Duration // of a picture
	since   time.Time     // start of the window that is being counted
	bytes   int64
	frames  int64
}

func (m *meter) snapshot() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.status
	if s.State != Live || m.now().Sub(s.LastFrame) > meterWindow {
		s.BitRate, s.FrameRate = 0, 0
	}
	return s
}

func (m *meter) update(change func(s *Status)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.status)
}

func (m *meter) start(tracks []media.Track) {
	video, err := mp4.DescribeVideo(&tracks[0])
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.status
	s.VideoCodec, s.AudioCodec, s.ClockOffset = string(tracks[0].Codec), "", nil
	if len(tracks) > 1 {
		s.AudioCodec = string(tracks[1].Codec)
	}
	m.nominal = time.Second / 25
	if err == nil {
		s.Width, s.Height = video.Width, video.Height
		if video.FrameRate > 0 {
			m.nominal = time.Duration(float64(time.Second) / video.FrameRate)
		}
	}
}

func (m *meter) frameTime() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.nominal
}

func (m *meter) segment(seg *segment) {
	m.update(func(s *Status) { s.State, s.Segment, s.SegmentStart, s.SegmentFrames = Live, seg.ID, seg.Start, 0 })
}

func (m *meter) stop() {
	m.update(func(s *Status) { s.State, s.Segment, s.SegmentStart, s.SegmentFrames = Waiting, "", time.Time{}, 0 })
}

// idle is between windows.
func (m *meter) idle() {
	m.stop()
	m.update(func(s *Status) { s.State = OffSchedule })
}

func (m *meter) damaged(cause string) {
	m.failed(cause)
	m.update(func(s *Status) { s.Damages++ })
}

func (m *meter) clock(offset time.Duration) {
	m.update(func(s *Status) { s.ClockOffset = &offset })
}

func (m *meter) dropped(picture bool) {
	if picture {
		m.update(func(s *Status) { s.Dropped++ })
	}
}

func (m *meter) failed(cause string) {
	m.update(func(s *Status) { s.LastError, s.LastErrorAt = cause, m.now() })
}

func (m *meter) sample(sample *media.Sample, size int) {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if sample.Track == 0 {
		m.frames++
		m.status.Frames++
		m.status.SegmentFrames++
		m.status.LastFrame = now
	}
	m.bytes += int64(size)
	m.status.Bytes += int64(size)
	window := now.Sub(m.since)
	if window >= meterWindow {
		if window < 2*meterWindow {
			m.status.BitRate = float64(m.bytes*8) / window.Seconds()
			m.status.FrameRate = float64(m.frames) / window.Seconds()
		}
		m.since, m.bytes, m.frames = now, 0, 0
	}
}
