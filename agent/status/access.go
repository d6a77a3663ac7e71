package status

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// probes are answered to everybody: whoever watches the process has no secrets.
var probes = map[string]bool{"/healthz": true, "/readyz": true}

// cookieName is the cookie that a browser shows in place of the token.
const cookieName = "recording_agent"

// cookieAge is how long a browser keeps it, in seconds: it has to show the token
// again after that, or when the token was changed.
const cookieAge = 30 * 24 * 3600

// admit lets requests through that may be made. On a port that others than this
// host can reach each of them needs the token, and without one nothing is answered
// there; on loopback only those need it that change something, where it is set.
func (s *Server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		open := !loopback(s.host)
		switch {
		case probes[r.URL.Path]:
		case s.opts.Token == "" && open:
			fail(w, http.StatusForbidden, "status.listen is open to the network: nothing is answered here before [status] token is set")
			return
		case s.opts.Token == "":
		case r.URL.Path == "/" && reads && r.URL.Query().Has("token"):
			s.enter(w, r)
			return
		case (open || !reads) && !s.shown(w, r):
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loopback says whether only this host can reach an address that is listened on.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// shown says whether a request shows the token, and refuses one that does not.
func (s *Server) shown(w http.ResponseWriter, r *http.Request) bool {
	header := r.Header.Get("Authorization")
	cookie, _ := r.Cookie(cookieName)
	if header == "" && cookie == nil {
		deny(w, `send [status] token as "Authorization: Bearer …", or open /?token=… in a browser once`)
		return false
	}
	if !s.mayTry(w, r) {
		return false
	}
	scheme, sent, _ := strings.Cut(header, " ")
	if strings.EqualFold(scheme, "Bearer") && same(strings.TrimSpace(sent), s.opts.Token) || cookie != nil && same(cookie.Value, s.cookieValue()) {
		return true
	}
	s.wrong.note(r.RemoteAddr, s.opts.Now())
	if cookie != nil { // it is asked for the token then, and does not show it again and again
		http.SetCookie(w, s.cookie(r, "", -1))
	}
	deny(w, "this is not [status] token; it may have been changed")
	return false
}

// enter takes the token out of a link: a cookie takes its place, so that it stays
// neither in the address bar nor in the history.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) {
	if !s.mayTry(w, r) {
		return
	}
	if !same(r.URL.Query().Get("token"), s.opts.Token) {
		s.wrong.note(r.RemoteAddr, s.opts.Now())
		deny(w, "the token in this link is not [status] token; it may have been changed")
		return
	}
	http.SetCookie(w, s.cookie(r, s.cookieValue(), cookieAge))
	// A browser that was led here by another site, a mail for example, does not send
	// a strict cookie along with a redirect: to it that is still the other site's doing.
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		w.Header().Set("Refresh", "0; url=/")
		w.WriteHeader(http.StatusOK)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// cookieValue is what a browser shows: the token cannot be read from it, and
// another token makes it worthless.
func (s *Server) cookieValue() string {
	mac := hmac.New(sha256.New, []byte(s.opts.Token))
	mac.Write([]byte("recording-agent status port"))
	return hex.EncodeToString(mac.Sum(nil))
}

func (s *Server) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
}

// mayTry refuses an address that has shown too many wrong tokens, whatever it
// shows now.
func (s *Server) mayTry(w http.ResponseWriter, r *http.Request) bool {
	wait := s.wrong.wait(r.RemoteAddr, s.opts.Now())
	if wait <= 0 {
		return true
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
	fail(w, http.StatusTooManyRequests, "too many wrong tokens came from this address; try again later")
	return false
}

func deny(w http.ResponseWriter, detail string) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	fail(w, http.StatusUnauthorized, detail)
}

// same takes as long for a text that is almost right as for another.
func same(sent, want string) bool {
	a, b := sha256.Sum256([]byte(sent)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
