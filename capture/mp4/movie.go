package mp4

import (
	"fmt"
	"time"
)

// movie is what the front of a segment says: who it is of, and its tracks. It is
// built from the session's tracks when a segment begins, and read back from the
// file's own first moov when it is finished or recovered.
type movie struct {
	info   Info
	tracks []track
}

// track is one track as its init moov describes it.
type track struct {
	timescale     uint32
	video         bool
	width, height int
	entry         []byte // the sample entry, a whole box
	mediaStart    int64  // media time, in timescale, at which presentation begins
}

// Info identifies a segment. It is written into the file's metadata, so that a
// file without its ledger row can be adopted.
type Info struct {
	SegmentID  string
	CameraID   string
	CameraName string
	ClientName string
	Start      time.Time // wall-clock time of the first picture, kept to the microsecond
	ScheduleID string    // that it was recorded for; may be empty
}

// movieTimescale is the unit of durations in mvhd, tkhd and of edits, in ticks
// per second. 90000 is exact for video clocks.
const movieTimescale = 90000

// epoch1904 is the offset of the MP4 epoch from the Unix one, in seconds.
const epoch1904 = 2082844800

var unityMatrix = []uint32{0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000}

// initMoov is the moov of a file that is being recorded: no samples, and mvex to
// say that they follow in fragments (ISO/IEC 14496-12 section 8.8).
func (m *movie) initMoov() []byte {
	w := &boxes{}
	w.box("moov", func() {
		m.mvhd(w, 0)
		for i := range m.tracks {
			m.trak(w, i, nil)
		}
		w.box("mvex", func() {
			for i := range m.tracks {
				w.full("trex", 0, 0, func() {
					w.u32(uint32(i + 1))
					w.u32(1) // sample description
					w.zero(12)
				})
			}
		})
		m.udta(w)
	})
	return w.b
}

// finalMoov is the moov of the finished file, with the full tables.
func (m *movie) finalMoov(tables []table) []byte {
	w := &boxes{}
	w.box("moov", func() {
		longest := int64(0)
		for i := range tables {
			longest = max(longest, m.tracks[i].presented(&tables[i]))
		}
		m.mvhd(w, longest)
		for i := range m.tracks {
			if len(tables[i].samples) > 0 {
				m.trak(w, i, &tables[i])
			}
		}
		m.udta(w)
	})
	return w.b
}

func (m *movie) mvhd(w *boxes, duration int64) {
	w.full("mvhd", 1, 0, func() {
		created := uint64(m.info.Start.Unix() + epoch1904)
		w.u64(created)
		w.u64(created)
		w.u32(movieTimescale)
		w.u64(uint64(duration))
		w.u32(0x10000) // rate
		w.u16(0x100)   // volume
		w.zero(10)
		for _, v := range unityMatrix {
			w.u32(v)
		}
		w.zero(24)
		w.u32(uint32(len(m.tracks) + 1))
	})
}

// trak writes one track; t is nil in the init moov.
func (m *movie) trak(w *boxes, i int, t *table) {
	tr := &m.tracks[i]
	var presented, duration int64
	if t != nil {
		presented, duration = tr.presented(t), t.duration()
	}
	created := uint64(m.info.Start.Unix() + epoch1904)
	w.box("trak", func() {
		w.full("tkhd", 1, 3, func() { // enabled, in movie
			w.u64(created)
			w.u64(created)
			w.u32(uint32(i + 1))
			w.u32(0)
			w.u64(uint64(presented))
			w.zero(8)
			w.u16(0)
			w.u16(0)
			if tr.video {
				w.u16(0)
			} else {
				w.u16(0x100) // volume
			}
			w.u16(0)
			for _, v := range unityMatrix {
				w.u32(v)
			}
			w.u32(uint32(tr.width) << 16)
			w.u32(uint32(tr.height) << 16)
		})
		tr.edts(w, t)
		w.box("mdia", func() {
			w.full("mdhd", 1, 0, func() {
				w.u64(created)
				w.u64(created)
				w.u32(tr.timescale)
				w.u64(uint64(duration))
				w.u16(0x55c4) // "und"
				w.u16(0)
			})
			tr.hdlr(w)
			w.box("minf", func() {
				tr.mediaHeader(w)
				w.box("dinf", func() {
					w.full("dref", 0, 0, func() {
						w.u32(1)
						w.full("url ", 0, 1, func() {}) // in this file
					})
				})
				w.box("stbl", func() {
					w.full("stsd", 0, 0, func() {
						w.u32(1)
						w.raw(tr.entry)
					})
					if t == nil {
						emptyTables(w)
					} else {
						t.write(w)
					}
				})
			})
		})
	})
}

// edts makes presentation start at 0 (ISO/IEC 14496-12 section 8.6.6): what lies
// before the first picture is skipped, and a track that begins later waits.
func (tr *track) edts(w *boxes, t *table) {
	delay, shown := int64(0), int64(0)
	if t != nil {
		delay, shown = tr.delay(t), tr.presented(t)
	}
	if t == nil && tr.mediaStart == 0 {
		return
	}
	w.box("edts", func() {
		w.full("elst", 1, 0, func() {
			if delay > 0 {
				w.u32(2)
				w.u64(uint64(delay))
				w.u64(^uint64(0)) // media time -1: an empty edit
				w.u32(0x10000)
			} else {
				w.u32(1)
			}
			w.u64(uint64(shown - delay))
			w.u64(uint64(tr.mediaStart))
			w.u32(0x10000)
		})
	})
}

// delay is how long after the presentation's start the track begins, in
// movieTimescale.
func (tr *track) delay(t *table) int64 {
	if tr.mediaStart > 0 || len(t.samples) == 0 {
		return 0
	}
	return rescale(t.samples[0].dts, tr.timescale)
}

// presented is when the track's presentation ends, in movieTimescale.
func (tr *track) presented(t *table) int64 {
	if len(t.samples) == 0 {
		return 0
	}
	return rescale(max(0, t.end()-tr.mediaStart), tr.timescale)
}

func rescale(ticks int64, timescale uint32) int64 {
	rate := int64(timescale)
	return ticks/rate*movieTimescale + ticks%rate*movieTimescale/rate
}

func (tr *track) hdlr(w *boxes) {
	handler, name := "soun", "sound"
	if tr.video {
		handler, name = "vide", "video"
	}
	w.full("hdlr", 0, 0, func() {
		w.u32(0)
		w.str(handler)
		w.zero(12)
		w.str(name)
		w.u8(0)
	})
}

func (tr *track) mediaHeader(w *boxes) {
	if tr.video {
		w.full("vmhd", 0, 1, func() { w.zero(8) })
	} else {
		w.full("smhd", 0, 0, func() { w.zero(4) })
	}
}

func emptyTables(w *boxes) {
	for _, kind := range []string{"stts", "stsc", "stco"} {
		w.full(kind, 0, 0, func() { w.u32(0) })
	}
	w.full("stsz", 0, 0, func() { w.zero(8) })
}

// parseInit reads the init moov's payload back. Limits guard against files that
// are not ours.
func parseInit(payload []byte) (*movie, error) {
	m := &movie{}
	err := children(payload, func(kind string, p []byte) error {
		switch kind {
		case "trak":
			tr, err := parseTrak(p)
			if err != nil {
				return err
			}
			m.tracks = append(m.tracks, tr)
		case "udta":
			return m.info.parseUdta(p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the init moov: %w", err)
	}
	if len(m.tracks) == 0 || len(m.tracks) > 8 || !m.tracks[0].video {
		return nil, fmt.Errorf("read the init moov: %d tracks, the first has to be video", len(m.tracks))
	}
	return m, nil
}

func parseTrak(payload []byte) (track, error) {
	var tr track
	var visit func(kind string, p []byte) error
	visit = func(kind string, p []byte) error {
		r := &reader{p: p}
		switch kind {
		case "mdia", "minf", "stbl", "edts":
			return children(p, visit)
		case "tkhd":
			r.take(88)
			tr.width, tr.height = int(r.u32()>>16), int(r.u32()>>16)
		case "elst":
			r.take(16) // version, flags, count, duration
			tr.mediaStart = int64(r.u64())
		case "mdhd":
			r.take(20)
			tr.timescale = r.u32()
		case "hdlr":
			r.take(8)
			tr.video = string(r.take(4)) == "vide"
		case "stsd":
			r.take(8)
			tr.entry = r.p
		}
		return r.err(kind)
	}
	if err := children(payload, visit); err != nil {
		return tr, err
	}
	if tr.timescale == 0 || len(tr.entry) < 16 || tr.mediaStart < 0 {
		return tr, fmt.Errorf("track with timescale %d and a sample entry of %d bytes", tr.timescale, len(tr.entry))
	}
	return tr, nil
}
