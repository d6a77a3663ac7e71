package status

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"recording-agent/capture/outage"
)

// lookAtCertificate is how often its files are looked at, at most.
const lookAtCertificate = time.Second

// certificate is the one of the port. It is read again when its files change:
// certificates are renewed every few weeks, and recording must not stop for that.
type certificate struct {
	certFile, keyFile string
	now               func() time.Time
	trouble           *outage.Outage

	mu     sync.Mutex
	loaded *tls.Certificate
	of     [2]stamp // what the files were when it was loaded
	looked time.Time
}

// stamp tells one version of a file from another.
type stamp struct {
	changed time.Time
	size    int64
}

func stampOf(file string) (stamp, error) {
	info, err := os.Stat(file)
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.ModTime(), info.Size()}, nil
}

func newCertificate(o Options) *certificate {
	return &certificate{certFile: o.CertFile, keyFile: o.KeyFile, now: o.Now, trouble: outage.New(o.Log, "the renewed certificate of the status port cannot be used", o.Now)}
}

// load reads both files, if they have changed. Until both are new and belong
// together what was loaded before stays.
func (c *certificate) load() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var is [2]stamp
	var err error
	for i, file := range []string{c.certFile, c.keyFile} {
		if is[i], err = stampOf(file); err != nil {
			return err
		}
	}
	if c.loaded != nil && c.of == is {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.loaded, c.of = &pair, is
	return nil
}

// current is the certificate for a connection that begins.
func (c *certificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.due() {
		if err := c.load(); err != nil {
			c.trouble.Failed(err.Error(), "look at status.cert_file and status.key_file; until then the one before is shown")
		} else {
			c.trouble.Recovered()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loaded, nil
}

// due says whether it is time to look at the files, once for each time.
func (c *certificate) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if since := now.Sub(c.looked); since >= 0 && since < lookAtCertificate {
		return false
	}
	c.looked = now
	return true
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.current}
}
