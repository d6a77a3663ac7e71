package page

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"time"

	"recording-agent/capture/spool"
)

const (
	maxPlays     = 8               // files that are served at once
	takeWithin   = 2 * time.Minute // a browser that plays takes what is sent as it needs it
	presignedFor = 2 * time.Hour
)

var errNowhere = errors.New("its file is not on this host any more, and no destination has it")

// segment answers GET /play/segment/{segment}: with the file, or with a redirect to
// where the object is. The file is found by the ledger; nothing of the request becomes a path.
func (p *Page) segment(w http.ResponseWriter, r *http.Request) {
	seg, err := p.opts.Ledger.Segment(r.Context(), r.PathValue("segment"))
	if errors.Is(err, spool.ErrUnknown) {
		fail(w, http.StatusNotFound, "there is no such segment")
		return
	}
	if err != nil {
		p.failed(w, err)
		return
	}
	name := ""
	if r.FormValue("download") != "" {
		name = fmt.Sprintf("%s_%s.mp4", seg.CameraID, seg.Start.UTC().Format("20060102T150405Z"))
	}
	if seg.State == spool.Finished || seg.State == spool.Recording {
		file, err := p.opts.Ledger.Open(seg)
		if err == nil {
			defer file.Close()
			p.serve(w, r, seg, file, name)
			return
		}
		if !errors.Is(err, fs.ErrNotExist) {
			p.failed(w, err)
			return
		}
	}
	link, err := p.presign(r.Context(), seg, name)
	switch {
	case errors.Is(err, errNowhere):
		fail(w, http.StatusGone, err.Error())
	case err != nil:
		p.opts.Log.Warn().Err(err).Str("segment", seg.ID).Msg("footage cannot be played from where it is")
		fail(w, http.StatusBadGateway, "the store's address could not be made; see the log")
	default:
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Location", link) // not http.Redirect, which writes it into a body as well
		w.WriteHeader(http.StatusFound)
	}
}

// serve sends a file, or the range of it that is asked for. One that is still being
// recorded is as long as it is now.
func (p *Page) serve(w http.ResponseWriter, r *http.Request, seg spool.Segment, file *os.File, name string) {
	select {
	case p.plays <- struct{}{}:
		defer func() { <-p.plays }()
	default:
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusServiceUnavailable, "too many files are being played or fetched; try again in a while")
		return
	}
	w.Header().Set("Content-Type", "video/mp4")
	if name != "" {
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	}
	if seg.State == spool.Finished {
		w.Header().Set("Etag", `"`+seg.ID+`"`) // it will not change
	}
	http.ServeContent(&patient{w, http.NewResponseController(w)}, r, "", time.Time{}, file)
}

// patient gives whoever takes a file as much time as it needs, as long as it takes
// some: the server's own deadline is meant for answers of a few kilobytes.
type patient struct {
	http.ResponseWriter
	line *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	_ = p.line.SetReadDeadline(time.Time{})
	_ = p.line.SetWriteDeadline(time.Now().Add(takeWithin))
	return p.ResponseWriter.Write(b)
}

// presign makes a URL for an object at the first destination that has it, in the
// order of the configuration.
func (p *Page) presign(ctx context.Context, seg spool.Segment, name string) (string, error) {
	deliveries, err := p.opts.Ledger.Deliveries(ctx, seg.ID)
	if err != nil {
		return "", err
	}
	err = errNowhere
	for _, dest := range p.opts.Destinations {
		for _, d := range deliveries {
			if d.Destination != dest.Name || d.Bucket != dest.Bucket || d.State != spool.Verified {
				continue
			}
			link, perr := dest.Presign(ctx, d.Key, name, presignedFor)
			if perr == nil {
				return link, nil
			}
			err = perr
		}
	}
	return "", err
}
