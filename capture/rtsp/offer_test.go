package rtsp

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/pion/rtp"
	"github.com/rs/zerolog"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

// Sections of tracks that are not recorded.
const (
	sdpMetadata = "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
	sdpVP8      = "m=video 0 RTP/AVP 98\r\na=rtpmap:98 VP8/90000\r\n"
	sdpUnknown  = "m=video 0 RTP/AVP 99\r\na=rtpmap:99 X-SUPER/90000\r\n"
	sdpSpeex    = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 speex/16000\r\n"
	sdpPCMA     = "m=audio 0 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
	sdpTalk     = "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendonly\r\n"
	sdpSurround = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 multiopus/48000/6\r\na=fmtp:97 num_streams=4\r\n"
	sdpBadAAC   = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/48000/2\r\na=fmtp:97 config=nonsense; sizelength=13\r\n"
	sdpBadType  = "m=application 0 RTP/AVP x\r\n"
	sdpBadBand  = "m=application 0 RTP/AVP 107\r\nb=NOPE:much\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
	sdpMID      = "m=application 0 RTP/AVP 107\r\na=mid:same\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
)

// Whatever else a camera offers, its pictures are recorded, and each track that
// is not is told of once.
func TestOtherTracksAreLeftOut(t *testing.T) {
	for _, tc := range []struct {
		name   string
		tracks []string
		audio  media.Codec
		told   []string
	}{
		{"metadata", []string{rtsptest.SDPH264, sdpMetadata}, "", []string{"vnd.onvif.metadata"}},
		{"all kinds", []string{sdpMetadata, sdpVP8, sdpUnknown, sdpSpeex, rtsptest.SDPH264, rtsptest.SDPPCMU}, media.PCMU,
			[]string{"vnd.onvif.metadata", "VP8", "X-SUPER", "Speex"}},
		{"a second sound", []string{rtsptest.SDPH264, rtsptest.SDPPCMU, sdpPCMA}, media.PCMU, []string{"one sound track"}},
		{"a second video", []string{rtsptest.SDPH264, rtsptest.SDPH265}, "", []string{"video 2"}},
		{"a way to talk", []string{rtsptest.SDPH264, sdpTalk}, "", []string{"takes sound"}},
		{"sound that cannot be kept", []string{rtsptest.SDPH264, sdpSurround}, "", []string{"6 channels"}},
		{"sound that cannot be read", []string{sdpBadAAC, rtsptest.SDPH264}, "", []string{"m=audio 0 RTP/AVP 97"}},
		{"no number where one has to be", []string{sdpBadType, rtsptest.SDPH264, rtsptest.SDPPCMU}, media.PCMU, []string{"m=application"}},
		{"a broken line", []string{rtsptest.SDPH264, sdpBadBand}, "", []string{"m=application"}},
		{"an id twice", []string{rtsptest.SDPH264, sdpMID, sdpMID}, "", []string{"trackID=1", "trackID=2"}},
		{"ids of some", []string{rtsptest.SDPH264, sdpMID}, "", []string{"vnd.onvif.metadata"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pictures := play(t, media.H264, 0)
			address := rtsptest.Scripted(t, rtsptest.Script{SDP: rtsptest.SDP(tc.tracks...), Play: func(p *rtsptest.Player) {
				if tc.audio != "" {
					for n := range uint16(50) {
						_ = p.Send(1, &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: n, Timestamp: uint32(n) * 160}, Payload: make([]byte, 160)})
					}
				}
				pictures(p)
			}})
			var log journal
			o := options(t, "rtsp://"+address+"/cam")
			o.Log = zerolog.New(&log)
			s, err := NewSession(o)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // a reconnect does not tell again
				c := &collector{enough: 10}
				if err := s.Run(deadline(t, 10*time.Second), c); !errors.Is(err, errEnough) {
					t.Fatal(err)
				}
				if c.tracks[0].Codec != media.H264 || (tc.audio == "") != (len(c.tracks) == 1) || tc.audio != "" && c.tracks[1].Codec != tc.audio {
					t.Errorf("recorded are %+v", c.tracks)
				}
			}
			for _, want := range tc.told {
				if n := strings.Count(log.String(), want); n != 1 {
					t.Errorf("%q is told of %d times, want once:\n%s", want, n, log.String())
				}
			}
		})
	}
}

func TestVideoIsChosen(t *testing.T) {
	const second = rtsptest.SDPH265 // of the scripted SDP it is the one with the control address trackID=2
	tracks := []string{rtsptest.SDPH264, rtsptest.SDPPCMU, second, sdpVP8}
	for _, tc := range []struct {
		video string
		want  media.Codec
		cause Cause
	}{
		{"", media.H264, ""}, {"1", media.H264, ""}, {"2", media.H265, ""}, {"trackID=2", media.H265, ""},
		{"3", "", NoVideo}, {"4", "", NoSuchVideo}, {"trackID=1", "", NoSuchVideo}, {"gate", "", NoSuchVideo},
	} {
		t.Run("video "+tc.video, func(t *testing.T) {
			address := rtsptest.Scripted(t, rtsptest.Script{SDP: rtsptest.SDP(tracks...), Play: play(t, cmp.Or(tc.want, media.H264), 0)})
			o := options(t, "rtsp://"+address+"/cam")
			o.Video, o.Audio = tc.video, false
			c := &collector{enough: 10}
			err := runSession(t, o, c)
			if tc.cause == "" {
				if !errors.Is(err, errEnough) {
					t.Fatal(err)
				}
				c.check(t, tc.want, "")
				return
			}
			wantFailure(t, err, tc.cause)
			for _, offer := range []string{"video 1", "video 2", "H265", "VP8", "trackID=3"} {
				if !strings.Contains(err.Error(), offer) {
					t.Errorf("the error does not say that %s is offered: %v", offer, err)
				}
			}
		})
	}
}

// A camera that refuses the sound is recorded without it.
func TestSoundThatIsRefused(t *testing.T) {
	for _, transport := range []Transport{TCP, Auto} {
		t.Run(string(transport), func(t *testing.T) {
			refuse := func(req *base.Request) *base.Response {
				if req.Method != base.Setup || !strings.HasSuffix(req.URL.Path, "trackID=1") {
					return nil
				}
				return &base.Response{StatusCode: base.StatusNotFound}
			}
			address := rtsptest.Scripted(t, rtsptest.Script{
				SDP: rtsptest.SDP(rtsptest.SDPH264, rtsptest.SDPPCMU), Answer: refuse, Play: play(t, media.H264, 0),
			})
			var log journal
			o := options(t, "rtsp://"+address+"/cam")
			o.Transport, o.Log, o.UDPTimeout = transport, zerolog.New(&log), 100*time.Millisecond
			c := &collector{enough: 10}
			if err := runAttentive(t, o, c); !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			c.check(t, media.H264, "")
			if n := strings.Count(log.String(), "not recorded"); n != 1 || !strings.Contains(log.String(), "404") {
				t.Errorf("told %d times that the sound is missing, want once with the camera's answer:\n%s", n, log.String())
			}
		})
	}
}

func FuzzSessionDescription(f *testing.F) {
	f.Add([]byte(rtsptest.SDP(rtsptest.SDPH264, rtsptest.SDPPCMU)))
	f.Add([]byte(rtsptest.SDP(sdpMetadata, sdpVP8, sdpUnknown, sdpSpeex, sdpTalk, sdpSurround)))
	f.Add([]byte(rtsptest.SDP(sdpBadAAC, rtsptest.SDPH264, sdpBadType, sdpBadBand, sdpMID, sdpMID)))
	f.Add([]byte("v=0\r\nr=1 2 3\r\nm=video 0 RTP/AVP 96\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		res := &base.Response{StatusCode: base.StatusOK, Header: base.Header{"Content-Type": base.HeaderValue{"application/sdp"}}, Body: slices.Clone(body)}
		gone := mend(res)
		desc, err := parse(res.Body)
		if err != nil {
			if len(res.Body) > 0 {
				t.Fatalf("what is left cannot be read: %v", err)
			}
			return
		}
		if len(gone) > maxSections || len(gone) > 0 && len(desc.Medias) > maxSections {
			t.Fatalf("%d sections are left, %d are gone", len(desc.Medias), len(gone))
		}
		for _, name := range []string{"", "1", "x"} {
			c, err := choose(desc, &Options{Audio: true, Video: name})
			if (err == nil) != (c.video != nil) {
				t.Fatalf("chosen %v, %v", c.video, err)
			}
			if c.sound != nil && c.sound.track.Validate() != nil {
				t.Fatal("sound that cannot be recorded was chosen")
			}
			for _, l := range c.leftOut {
				if l.track == "" || l.why == "" || len(l.track) > 1000 {
					t.Fatalf("left out: %+v", l)
				}
			}
		}
	})
}
