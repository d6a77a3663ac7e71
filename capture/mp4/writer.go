// Package mp4 is the container: it writes one segment as a fragmented MP4 while
// it is recorded, turns it into an ordinary fast-start MP4 by rewriting its
// reserved front, and recovers a file that was cut off at any byte. Samples
// enter, bytes of a file leave; it knows neither cameras nor the ledger.
//
// The formats are ISO/IEC 14496-12 (boxes), -14 and -15 (sample entries).
package mp4

import (
	"fmt"

	"recording-agent/capture/media"
)

// Writer writes one segment. It is not safe for concurrent use.
type Writer struct {
	file    File
	movie   *movie
	tracks  []media.Track
	reserve int

	origins  []int64 // the DTS of each track that is 0 in the file
	nominal  []uint32
	sequence uint32
	front    int64  // where the first part begins
	end      int64  // end of the last whole part
	synced   int64  // how much of the file is known to be on the disk
	crc      uint64 // of the parts
	torn     bool   // a failed append may have left bytes behind end
}

// NewWriter prepares a segment of the given tracks, video first, audio second if
// there is any. Nothing is written before the first part. reserve is how many
// bytes to keep in front for the final tables, see Reserve.
func NewWriter(f File, info Info, tracks []media.Track, reserve int) (*Writer, error) {
	if len(tracks) < 1 || len(tracks) > 2 || !tracks[0].Codec.IsVideo() {
		return nil, fmt.Errorf("a segment takes one video track and at most one audio track, not %d tracks", len(tracks))
	}
	w := &Writer{file: f, movie: &movie{info: info}, tracks: tracks, reserve: min(reserve, maxFront)}
	for i := range tracks {
		t := &tracks[i]
		if err := t.Validate(); err != nil {
			return nil, err
		}
		entry, err := sampleEntry(t)
		if err != nil {
			return nil, err
		}
		tr := track{timescale: uint32(t.ClockRate), video: t.Codec.IsVideo(), entry: entry}
		if tr.video {
			f := videoFormat(t)
			tr.width, tr.height = f.Width, f.Height
		}
		w.movie.tracks = append(w.movie.tracks, tr)
		w.nominal = append(w.nominal, nominalDuration(t))
	}
	return w, nil
}

// nominalDuration is how long a sample lasts as long as nothing is known of it.
func nominalDuration(t *media.Track) uint32 {
	switch {
	case t.Codec == media.AAC:
		return 1024
	case t.Codec.IsVideo():
		rate := videoFormat(t).FrameRate
		if rate == 0 {
			rate = 25
		}
		return uint32(float64(t.ClockRate) / rate)
	default:
		return uint32(t.ClockRate / 50)
	}
}

// Append writes a part behind the last one, with one write; the first is preceded
// by the front of the file. After an error the file still holds all earlier
// parts, and Append may be tried again.
func (w *Writer) Append(p *Part) error {
	if p.tracks[0].samples == nil || p.Len() == 0 {
		return nil
	}
	if w.end == 0 {
		if err := w.begin(p); err != nil {
			return err
		}
	}
	for i := range w.tracks {
		w.nominal[i] = p.tracks[i].nominal(w.nominal[i])
	}
	if len(w.tracks) > 1 {
		p.from(w.origins[1])
	}
	if p.Len() == 0 {
		return nil
	}
	whole := p.encode(w.sequence+1, w.origins, w.synced)
	if _, err := w.file.WriteAt(whole, w.end); err != nil {
		w.torn = true
		return fmt.Errorf("append a part of %d bytes at %d: %w", len(whole), w.end, err)
	}
	w.sequence++
	w.end += int64(len(whole))
	w.crc = updateCRC64(w.crc, whole)
	return nil
}

// begin fixes where presentation starts, which is the first picture, and writes
// the front.
func (w *Writer) begin(p *Part) error {
	video := &p.tracks[0]
	w.origins = []int64{video.first}
	w.movie.tracks[0].mediaStart = max(0, video.firstAt-video.first)
	if len(w.tracks) > 1 {
		start := convert(video.firstAt, w.tracks[0].ClockRate, w.tracks[1].ClockRate)
		origin := start
		if audio := &p.tracks[1]; len(audio.samples) > 0 && audio.first < start {
			origin = audio.first
		}
		w.origins = append(w.origins, origin)
		w.movie.tracks[1].mediaStart = start - origin
	}
	front := newFront(w.movie, w.reserve)
	if _, err := w.file.WriteAt(front, 0); err != nil {
		return fmt.Errorf("write the front: %w", err)
	}
	w.front, w.end = int64(len(front)), int64(len(front))
	return nil
}

// convert moves a time from one clock to another.
func convert(ticks int64, from, to int) int64 {
	return ticks/int64(from)*int64(to) + ticks%int64(from)*int64(to)/int64(from)
}

// Sync forces what was appended to the disk.
func (w *Writer) Sync() error {
	end := w.end
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	w.synced = end
	return nil
}

// Size is the end of the last whole part, in bytes; zero before the first.
func (w *Writer) Size() int64 { return w.end }

// Watermark is the end of the last whole part that a successful Sync covered.
// Nothing behind it may be sent anywhere.
func (w *Writer) Watermark() int64 { return w.synced }

// Finish turns the file into an ordinary MP4. The tables come from the parts in
// the file, as in Recover; only the media's checksum is carried in memory.
func (w *Writer) Finish() (Result, error) {
	if w.end == 0 || w.sequence == 0 {
		return Result{}, ErrEmpty
	}
	fr, s, err := read(w.file, w.end)
	if err != nil {
		return Result{}, err
	}
	if s.end != w.end {
		return Result{}, fmt.Errorf("the file's parts end at %d, %d bytes were written: the disk does not return what it took", s.end, w.end)
	}
	size := w.end
	if w.torn {
		size++ // more than the parts: have it cut
	}
	d, err := fr.finish(w.file, s, size)
	if err != nil {
		return Result{}, err
	}
	return fr.result(w.file, s, d, w.crc)
}
