package rtsp

import (
	"slices"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"recording-agent/capture/media"
)

// maxReorder is how many pictures a decoder can hold back (H.264 A.3.1, H.265 A.4.2):
// no picture comes behind more pictures that are shown after it.
const maxReorder = 16

// unsaid is what is assumed of a stream that does not say how much it holds back: an
// encoder that builds pyramids of B-frames needs no more.
const unsaid = 4

// order is what came last of a stream, in the order in which it is shown.
type order struct {
	newest []int64 // presentation times, ascending; one more than can be held back
}

func (o *order) add(pts int64) {
	at, _ := slices.BinarySearch(o.newest, pts)
	o.newest = slices.Insert(o.newest, at, pts)
	if len(o.newest) > maxReorder+1 {
		o.newest = slices.Delete(o.newest, 0, 1)
	}
}

// after counts the pictures that came already and are shown after pts.
func (o *order) after(pts int64) int {
	n := len(o.newest)
	for n > 0 && o.newest[n-1] > pts {
		n--
	}
	return len(o.newest) - n
}

// decoded is when the picture that came last is decoded, in a stream that holds back
// so many pictures: when the one is shown before which nothing can come any more.
func (o *order) decoded(held int) int64 {
	if i := len(o.newest) - 1 - held; i >= 0 {
		return o.newest[i]
	}
	return o.newest[0] - int64(held+1-len(o.newest))
}

// heldBack is how many pictures may come before one that is shown before them, as the
// parameter sets say; known is false when they do not.
func heldBack(codec media.Codec, sets *media.ParameterSets) (n int, known bool) {
	switch codec {
	case media.H264:
		var sps h264.SPS
		const baseline = 66
		switch err := sps.Unmarshal(sets.SPS); {
		case err != nil:
			return unsaid, false
		case sps.PicOrderCntType == 2, sps.ProfileIdc == baseline:
			return 0, true
		case !sps.FrameMbsOnlyFlag: // it counts frames, and fields may come one by one
			return 2 * unsaid, false
		case sps.VUI != nil && sps.VUI.BitstreamRestriction != nil:
			return min(int(sps.VUI.BitstreamRestriction.MaxNumReorderFrames), maxReorder), true
		}
		return unsaid, false
	case media.H265:
		var sps h265.SPS
		if err := sps.Unmarshal(sets.SPS); err != nil || len(sps.MaxNumReorderPics) == 0 {
			return unsaid, false
		}
		return min(int(slices.Max(sps.MaxNumReorderPics)), maxReorder), true
	}
	return 0, true
}
