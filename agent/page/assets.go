package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

// build names what is embedded: a page that was loaded from another one is loaded
// anew.
var build = sync.OnceValue(func() string {
	sum := sha256.New()
	_ = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, _ error) error {
		if !entry.IsDir() {
			content, _ := files.ReadFile(name) // it is in the program
			sum.Write(content)
		}
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil))[:12]
})

func asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	content, err := files.ReadFile(path.Join("assets", name))
	if err != nil {
		fail(w, http.StatusNotFound, "Not Found")
		return
	}
	w.Header().Set("Cache-Control", "private, max-age=86400") // its address changes with the build
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

// shield tells the browser what a page of ours may do: run its own script, and
// fetch from here and, for footage, from the destinations.
func (p *Page) shield(ctx context.Context, w http.ResponseWriter) {
	media := append([]string{"'self'"}, p.origins.list(ctx)...)
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"media-src "+strings.Join(media, " ")+"; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
}

// origins are the schemes and hosts that presigned URLs lead to.
type origins struct {
	destinations []Destination
	mu           sync.Mutex
	known        map[string]string // by destination
	again        time.Time
}

func newOrigins(d []Destination) *origins {
	return &origins{destinations: d, known: map[string]string{}}
}

const (
	originsWithin = 500 * time.Millisecond // a page is not held up for longer
	originsAgain  = 30 * time.Second
)

// plain is what may stand in a policy.
var plain = regexp.MustCompile(`^https?://[A-Za-z0-9.\-:\[\]]+$`)

// list presigns a key to see where that leads. What cannot be presigned, for want of
// credentials, is left out and tried again later.
func (o *origins) list(ctx context.Context) (out []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, originsWithin)
	defer cancel()
	ask := time.Now().After(o.again)
	for _, d := range o.destinations {
		if o.known[d.Name] == "" && ask {
			if link, err := d.Presign(ctx, "origin", "", time.Minute); err == nil {
				o.known[d.Name] = origin(link)
			} else {
				o.again = time.Now().Add(originsAgain)
			}
		}
		if o.known[d.Name] != "" {
			out = append(out, o.known[d.Name])
		}
	}
	return out
}

func origin(link string) string {
	u, err := url.Parse(link)
	if err != nil || !plain.MatchString(u.Scheme+"://"+u.Host) {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
