package mp4

import (
	"fmt"
	"io"
	"time"

	"recording-agent/capture/crashpoint"
	"recording-agent/capture/media"
)

// File is what a segment is written to: an *os.File, or one that fails on
// demand in a test.
type File interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Truncate(size int64) error
}

// Result describes a finished segment.
type Result struct {
	Info
	Size       int64
	Checksum   string // CRC64NVME of the whole file, base64 of 8 bytes big-endian
	Duration   time.Duration
	Pictures   time.Duration // of that, to the end of the last picture: sound may go on
	Recorded   time.Duration // of that, without holes between pictures
	Frames     int64         // pictures
	FrameRate  float64
	VideoCodec string // RFC 6381
	AudioCodec string // RFC 6381; empty without sound
	Width      int
	Height     int
	Cut        int64 // bytes of a torn tail that recovery took off
}

// finish stages the final moov, flips the file over to it, and syncs after
// either step. It can be run again on whatever a crash in it leaves.
func (fr *front) finish(f File, s *scan, size int64) (finished, error) {
	d := fr.layout(fr.movie.finalMoov(s.tables), s.end)
	if d.done(f, size) {
		return d, nil
	}
	if size > s.end {
		if err := f.Truncate(s.end); err != nil {
			return d, fmt.Errorf("cut the torn tail: %w", err)
		}
	}
	if _, err := f.WriteAt(d.staged, d.stageAt); err != nil {
		return d, fmt.Errorf("stage the index: %w", err)
	}
	if err := f.Sync(); err != nil {
		return d, fmt.Errorf("sync the staged index: %w", err)
	}
	crashpoint.Here("index staged")
	if _, err := f.WriteAt(d.flip, d.flipAt); err != nil {
		return d, fmt.Errorf("flip to the index: %w", err)
	}
	if err := f.Sync(); err != nil {
		return d, fmt.Errorf("sync the flipped header: %w", err)
	}
	crashpoint.Here("header flipped")
	return d, nil
}

// result sums up a finished file. mediaCRC is the checksum of the parts.
func (fr *front) result(f io.ReaderAt, s *scan, d finished, mediaCRC uint64) (Result, error) {
	head, err := crcOf(f, 0, fr.end)
	if err != nil {
		return Result{}, err
	}
	crc := joinCRC64(head, mediaCRC, s.end-fr.end)
	if tail := d.size - s.end; tail > 0 {
		crc = joinCRC64(crc, updateCRC64(0, d.staged), tail)
	}
	r := fr.describe(s)
	r.Size, r.Checksum = d.size, checksumText(crc)
	return r, nil
}

// describe sums up what the parts hold.
func (fr *front) describe(s *scan) Result {
	r := Result{Info: fr.movie.info}
	for i := range fr.movie.tracks {
		tr := &fr.movie.tracks[i]
		length := media.Duration(tr.presented(&s.tables[i]), movieTimescale)
		r.Duration = max(r.Duration, length)
		if !tr.video {
			if len(s.tables[i].samples) > 0 {
				r.AudioCodec = codecString(tr.entry)
			}
			continue
		}
		r.Pictures = length
		r.Width, r.Height, r.VideoCodec = tr.width, tr.height, codecString(tr.entry)
		r.Frames = int64(len(s.tables[i].samples))
		r.Recorded = media.Duration(s.tables[i].recorded(int64(tr.timescale)), int(tr.timescale))
		if length > 0 {
			r.FrameRate = float64(r.Frames) / length.Seconds()
		}
	}
	r.Recorded = min(r.Recorded, r.Duration)
	return r
}

// crcOf reads a stretch of the file and returns its CRC64NVME.
func crcOf(f io.ReaderAt, from, to int64) (uint64, error) {
	crc := uint64(0)
	buf := make([]byte, min(256<<10, to-from))
	for from < to {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		if n == 0 && err != nil {
			return 0, fmt.Errorf("read for the checksum at %d: %w", from, err)
		}
		crc = updateCRC64(crc, buf[:n])
		from += int64(n)
	}
	return crc, nil
}
