package mp4

import "time"

// The keys of a segment's metadata, as ffprobe and exiftool show them.
const (
	keySegment  = "segment_id"
	keyCamera   = "camera_id"
	keyName     = "camera_name"
	keyClient   = "client_name"
	keyStart    = "start"
	keySchedule = "schedule_id"
)

// udta writes udta/meta with the QuickTime key-value layout: a "keys" box that
// names them and an "ilst" box with the values by index.
func (m *movie) udta(w *boxes) {
	pairs := [][2]string{
		{keySegment, m.info.SegmentID},
		{keyCamera, m.info.CameraID},
		{keyName, m.info.CameraName},
		{keyClient, m.info.ClientName},
		{keyStart, m.info.Start.UTC().Format(startLayout)},
	}
	if m.info.ScheduleID != "" {
		pairs = append(pairs, [2]string{keySchedule, m.info.ScheduleID})
	}
	w.box("udta", func() {
		w.full("meta", 0, 0, func() {
			w.full("hdlr", 0, 0, func() {
				w.u32(0)
				w.str("mdta")
				w.zero(13)
			})
			w.full("keys", 0, 0, func() {
				w.u32(uint32(len(pairs)))
				for _, p := range pairs {
					w.box("mdta", func() { w.str(p[0]) })
				}
			})
			w.box("ilst", func() {
				for i, p := range pairs {
					w.box(string([]byte{0, 0, 0, byte(i + 1)}), func() {
						w.box("data", func() {
							w.u32(1) // UTF-8
							w.u32(0) // locale
							w.str(p[1])
						})
					})
				}
			})
		})
	})
}

const startLayout = "2006-01-02T15:04:05.000000Z"

func (i *Info) parseUdta(payload []byte) error {
	var keys, values []string
	var visit func(kind string, p []byte) error
	visit = func(kind string, p []byte) error {
		r := &reader{p: p}
		switch kind {
		case "meta":
			r.take(4)
			return children(r.p, visit)
		case "keys":
			r.take(8)
			return children(r.p, func(_ string, p []byte) error {
				keys = append(keys, string(p))
				return nil
			})
		case "ilst":
			return children(p, func(_ string, p []byte) error {
				return children(p, func(_ string, p []byte) error {
					r := &reader{p: p}
					r.take(8)
					values = append(values, string(r.p))
					return r.err("data")
				})
			})
		}
		return r.err(kind)
	}
	if err := children(payload, visit); err != nil {
		return err
	}
	for n, key := range keys {
		if n >= len(values) {
			break
		}
		switch key {
		case keySegment:
			i.SegmentID = values[n]
		case keyCamera:
			i.CameraID = values[n]
		case keyName:
			i.CameraName = values[n]
		case keyClient:
			i.ClientName = values[n]
		case keySchedule:
			i.ScheduleID = values[n]
		case keyStart:
			if t, err := time.Parse(startLayout, values[n]); err == nil {
				i.Start = t
			}
		}
	}
	return nil
}
