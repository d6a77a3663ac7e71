package rtsp

import (
	"time"

	"github.com/pion/rtcp"

	"recording-agent/capture/media"
)

const (
	// maxFromReport is how far from a sender report its clock is carried on. Reports come
	// every few seconds.
	maxFromReport = time.Minute
	// maxFuture is more than a clock that was set shows. What shows more was not set
	// and counts, as RFC 3550 allows, since the camera was switched on.
	maxFuture = 5 * 365 * 24 * time.Hour
)

// report is the last sender report of a track (RFC 3550 section 6.4.1): what the
// camera's own clock shows at a timestamp. gortsplib keeps it as well, but takes
// the fraction of a second for nanoseconds.
type report struct {
	come bool
	ssrc uint32
	ntp  uint64
	rtp  uint32
}

// reported takes what a camera reports of its pictures.
func (a *attempt) reported(pkt rtcp.Packet) {
	if sr, ok := pkt.(*rtcp.SenderReport); ok {
		a.safely(func() error {
			a.report.take(sr)
			return nil
		})
	}
}

func (r *report) take(sr *rtcp.SenderReport) {
	*r = report{come: sr.NTPTime != 0, ssrc: sr.SSRC, ntp: sr.NTPTime, rtp: sr.RTPTime}
}

// at is what the camera's clock showed at a timestamp of the track, or zero when
// that is not known. now is the host's time.
func (r *report) at(ssrc, timestamp uint32, rate int, now time.Time) time.Time {
	since := media.Duration(int64(int32(timestamp-r.rtp)), rate)
	if !r.come || ssrc != 0 && ssrc != r.ssrc || since.Abs() > maxFromReport { // over TCP it is not looked at, see framed
		return time.Time{}
	}
	t := ntpTime(r.ntp, now).Add(since)
	if t.Sub(now) > maxFuture {
		return time.Time{}
	}
	return t
}

// epoch1900 is the offset of NTP's epoch from the Unix one, in seconds.
const epoch1900 = 2208988800

// ntpTime reads an NTP timestamp (RFC 5905). It comes round every 136 years, in 2036
// for the first time: what is nearest to now is meant.
func ntpTime(v uint64, now time.Time) time.Time {
	const round = 1 << 32
	seconds := int64(v>>32) - epoch1900
	seconds += (now.Unix() - seconds + round/2) / round * round
	return time.Unix(seconds, int64(v&(round-1)*uint64(time.Second)>>32)).UTC()
}
