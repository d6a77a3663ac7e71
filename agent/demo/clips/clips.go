// Package clips holds the pictures of the test cameras, as MPEG-TS files that
// make.sh makes. Each loops without a seam.
package clips

import (
	_ "embed"
	"time"
)

// Length of each clip.
const Length = 3200 * time.Millisecond

// H264 is 1280×720 at 25 fps and 4.5 Mbit/s with B-frames, and AAC sound.
//
//go:embed h264-aac.ts
var H264 []byte

// H265 is 1280×720 at 25 fps and 4.3 Mbit/s, without sound.
//
//go:embed h265.ts
var H265 []byte
