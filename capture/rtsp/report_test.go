package rtsp

import (
	"errors"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

// ntp writes a time as an NTP timestamp.
func ntp(t time.Time) uint64 {
	return uint64(t.Unix()+epoch1900)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

func TestNTPTime(t *testing.T) {
	for _, tc := range []struct{ now, shown string }{
		{"2026-11-26T12:00:00Z", "2026-11-26T12:00:00.75Z"},
		{"2026-11-26T12:00:00Z", "1970-01-01T00:00:10.5Z"},
		{"2036-02-07T06:28:10Z", "2036-02-07T06:28:16.25Z"}, // the first second of the next round
		{"2036-02-07T06:28:20Z", "2036-02-07T06:28:15.25Z"}, // the last of this
		{"2050-01-01T00:00:00Z", "2050-01-01T01:00:00Z"},
		{"2050-01-01T00:00:00Z", "2000-01-01T00:00:00Z"},
		{"1970-01-01T00:00:00Z", "2026-11-26T12:00:00Z"}, // the host's clock is the wrong one
	} {
		now, err := time.Parse(time.RFC3339, tc.now)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := time.Parse(time.RFC3339, tc.shown)
		if err != nil {
			t.Fatal(err)
		}
		if got := ntpTime(ntp(shown), now); got.Sub(shown).Abs() > time.Microsecond {
			t.Errorf("in %s: %v, want %v", tc.now, got, shown)
		}
	}
}

func TestReportsThatSayNothing(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for name, sr := range map[string]*rtcp.SenderReport{
		"no clock at all":          {SSRC: 1, NTPTime: 0, RTPTime: 9000},
		"another sender's":         {SSRC: 2, NTPTime: ntp(now), RTPTime: 9000},
		"of another time line":     {SSRC: 1, NTPTime: ntp(now), RTPTime: 1 << 31},
		"since it was switched on": {SSRC: 1, NTPTime: 3600 << 32, RTPTime: 9000},
	} {
		r := &report{}
		r.take(sr)
		if at := r.at(1, 9000, 90000, now); !at.IsZero() {
			t.Errorf("%s: %v", name, at)
		}
	}
}

// What a camera's reports say is with its pictures, and changes nothing of theirs.
func TestCameraTime(t *testing.T) {
	for _, tc := range []struct {
		name   string
		ntp    func(now time.Time) uint64 // nil: no reports
		offset time.Duration
		known  bool
	}{
		{"none", nil, 0, false},
		{"right", func(now time.Time) uint64 { return ntp(now) }, 0, true},
		{"an hour ahead", func(now time.Time) uint64 { return ntp(now.Add(time.Hour)) }, time.Hour, true},
		{"1970", func(time.Time) uint64 { return ntp(time.Unix(60, 0)) }, time.Until(time.Unix(60, 0)), true},
		{"1900", func(time.Time) uint64 { return 1 << 32 }, 0, false},
		{"nothing", func(time.Time) uint64 { return 0 }, 0, false},
		{"everything", func(time.Time) uint64 { return 1<<64 - 1 }, time.Until(time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC)), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			units, pack := clip(t, media.H264), newPacketizer(t, media.H264)
			var all []*rtp.Packet
			for _, u := range units[:40] {
				all = append(all, pack.packets(u.nalus, uint32(u.pts-units[0].pts))...)
			}
			address := rtsptest.Scripted(t, rtsptest.Script{SDP: rtsptest.SDP(sdpOf(media.H264)), Play: func(p *rtsptest.Player) {
				if tc.ntp != nil {
					b, err := (&rtcp.SenderReport{SSRC: all[0].SSRC, NTPTime: tc.ntp(time.Now())}).Marshal()
					if err == nil {
						err = p.Frame(1, b)
					}
					if err != nil {
						return
					}
				}
				for _, pkt := range all {
					if p.Send(0, pkt) != nil {
						return
					}
				}
			}})
			c := &collector{enough: 20}
			began := time.Now()
			if err := runSession(t, options(t, "rtsp://"+address+"/cam"), c); !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			for i, s := range c.samples {
				if !s.CameraTime.IsZero() != tc.known {
					t.Fatalf("picture %d is of %v on the camera's clock", i, s.CameraTime)
				}
				if off := s.CameraTime.Sub(s.Wall) - tc.offset; tc.known && off.Abs() > 2*time.Second {
					t.Errorf("picture %d: the camera's clock is off by %v, want %v", i, s.CameraTime.Sub(s.Wall), tc.offset)
				}
				if s.Wall.Sub(began).Abs() > 10*time.Second {
					t.Errorf("picture %d is of %v", i, s.Wall)
				}
			}
		})
	}
}
