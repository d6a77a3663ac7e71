package uploader

import "time"

// Again ends the pause of a destination that fails: it is tried at once, with what
// is due by then. Until something has succeeded one attempt at a time probes it.
func (u *Uploader) Again() {
	u.mu.Lock()
	if !u.until.IsZero() {
		u.until = u.opts.Now()
	}
	u.pause.Reset()
	u.mu.Unlock()
	select {
	case u.poked <- struct{}{}:
	default:
	}
}

// forgetWaits lets open segments send their parts at once, too.
func (u *Uploader) forgetWaits() {
	for id, l := range u.live {
		if l != nil && !u.flying(id) {
			l.tries, l.next = 0, time.Time{}
		}
	}
}
