package capture_test

import (
	"testing"
	"time"

	"github.com/pion/rtp"

	"recording-agent/capture/rtsp/rtsptest"
)

// sound sends 20 ms of it.
func (s *sender) sound(n int, stamp uint32) {
	pkt := &rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: n == 0, SequenceNumber: uint16(n), Timestamp: stamp, SSRC: 77},
		Payload: make([]byte, 160),
	}
	if s.player.Send(1, pkt) != nil {
		s.gone = true
	}
}

// No track waits for another one.
func TestHardTracks(t *testing.T) {
	const metadata = "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
	f := shoot(t, 100, "192x128", plain)
	talk := func(s *sender, from, to int, stamp func(n int) uint32) {
		for n := from; n < to; n++ {
			if n%2 == 0 {
				s.sound(n/2, stamp(n))
			}
			s.show(f, n, n+1, nil)
		}
	}
	steady := func(n int) uint32 { return uint32(n) * 80 }
	for _, tc := range []struct {
		name, sdp   string
		play        func(s *sender)
		least, most int // packets of sound
	}{
		{"sound from the beginning", rtsptest.SDP(rtsptest.SDPH264, rtsptest.SDPPCMU), func(s *sender) { talk(s, 0, 100, steady) }, 45, 50},
		{"sound before the pictures", rtsptest.SDP(rtsptest.SDPPCMU, rtsptest.SDPH264), func(s *sender) {
			for n := range 30 {
				s.sound(n, uint32(n)*160)
				s.pause(20 * time.Millisecond)
			}
			for n := range 100 {
				if n%2 == 0 {
					s.sound(30+n/2, uint32(30*160+n*80))
				}
				s.show(f, n, n+1, nil)
			}
		}, 45, 50},
		{"sound that begins late", rtsptest.SDP(rtsptest.SDPH264, rtsptest.SDPPCMU), func(s *sender) {
			s.show(f, 0, 50, nil)
			talk(s, 50, 100, steady)
		}, 20, 25},
		{"sound that never comes", rtsptest.SDP(rtsptest.SDPH264, rtsptest.SDPPCMU), func(s *sender) { s.show(f, 0, 100, nil) }, 0, 0},
		{"sound that ends", rtsptest.SDP(rtsptest.SDPH264, rtsptest.SDPPCMU), func(s *sender) {
			talk(s, 0, 50, steady)
			s.show(f, 50, 100, nil)
		}, 20, 25},
		{"sound whose timestamps jump", rtsptest.SDP(rtsptest.SDPH264, rtsptest.SDPPCMU), func(s *sender) {
			talk(s, 0, 100, func(n int) uint32 { return uint32(n)*80 + b2u(n > 40)*8000*3600 - b2u(n > 70)*8000*7200 })
		}, 45, 50},
		{"sound with one timestamp", rtsptest.SDP(rtsptest.SDPH264, rtsptest.SDPPCMU), func(s *sender) {
			talk(s, 0, 100, func(int) uint32 { return 5 })
		}, 45, 50},
		{"a silent track of metadata", rtsptest.SDP(metadata, rtsptest.SDPH264), func(s *sender) { s.show(f, 0, 100, nil) }, 0, 0},
		{"metadata that nobody has asked for", rtsptest.SDP(rtsptest.SDPH264, metadata), func(s *sender) {
			for n := range 100 {
				s.show(f, n, n+1, nil)
				pkt := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 107, SequenceNumber: uint16(n)}, Payload: []byte("<tt:MetadataStream$\x00\x00\x40RTSP/1.0 ")}
				b, err := pkt.Marshal()
				if err != nil {
					panic(err)
				}
				if s.player.Frame(4, b) != nil {
					s.gone = true
				}
			}
		}, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := record(t, hard{script: rtsptest.Script{SDP: tc.sdp}, play: tc.play, audio: true})
			segments := r.whole(f, 0, 100)
			r.count(1)
			r.noGap()
			r.lastsAsTaken(time.Second, 100*time.Millisecond)
			if n := segments[0].sound; n < tc.least || n > tc.most {
				t.Errorf("%d packets of sound, want %d to %d", n, tc.least, tc.most)
			}
			if r.status.Reconnects > 0 {
				t.Errorf("%d reconnects", r.status.Reconnects)
			}
		})
	}
}
