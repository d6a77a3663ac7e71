package rtsp

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// tlsConfig says which certificate the camera may have: the one with the pinned
// fingerprint, or one that the system's authorities or those in CAFile answer for.
func (o *Options) tlsConfig() *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The library's own check knows no pin and ends with the host's clock; ours
		// takes its place, in every handshake.
		InsecureSkipVerify: true,
	}
	c.VerifyConnection = func(s tls.ConnectionState) error {
		return o.verify(s.PeerCertificates, c.ServerName) // gortsplib sets the name
	}
	return c
}

func (o *Options) verify(chain []*x509.Certificate, host string) error {
	if len(chain) == 0 {
		return errors.New("tls: the camera shows no certificate")
	}
	sum := sha256.Sum256(chain[0].Raw)
	if len(o.Fingerprint) > 0 {
		if bytes.Equal(sum[:], o.Fingerprint) {
			return nil // whoever signed it, and until when
		}
		return &distrust{leaf: chain[0], pinned: o.Fingerprint, reason: errors.New("it is not the pinned one")}
	}
	roots, err := authorities(o.CAFile)
	if err != nil {
		return &distrust{leaf: chain[0], file: true, reason: err}
	}
	check := x509.VerifyOptions{Roots: roots, DNSName: host, Intermediates: x509.NewCertPool(), CurrentTime: o.Now()}
	for i, c := range chain {
		if i > 0 {
			check.Intermediates.AddCert(c)
		}
		if check.CurrentTime.Before(c.NotBefore) {
			check.CurrentTime = c.NotBefore // a host's clock that is behind must not stop the recording
		}
	}
	if _, err := chain[0].Verify(check); err != nil {
		return &distrust{leaf: chain[0], reason: err}
	}
	return nil
}

// authorities are the system's and those of a file, which is read for each
// connection: it may have been renewed. Nil stands for the system's alone.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: no certificate in %s", file)
	}
	return pool, nil
}

// distrust is why a camera's certificate is refused. It says what the certificate
// is, so that an operator can tell whether it is the camera's.
type distrust struct {
	leaf   *x509.Certificate
	pinned []byte // nil without a pin
	file   bool   // ca_file is to blame
	reason error
}

func (d *distrust) Unwrap() error { return d.reason }

func (d *distrust) Error() string {
	return fmt.Sprintf("%s; it is of %q, signed by %q, valid from %s to %s, SHA-256 fingerprint %s",
		short(d.reason.Error()), short(d.leaf.Subject.String()), short(d.leaf.Issuer.String()),
		d.leaf.NotBefore.UTC().Format(time.DateOnly), d.leaf.NotAfter.UTC().Format(time.DateOnly), d.fingerprint())
}

func (d *distrust) fingerprint() string {
	sum := sha256.Sum256(d.leaf.Raw)
	return colons(sum[:])
}

// remedy is what to write. Nobody should pin what may not be the camera.
func (d *distrust) remedy() string {
	switch {
	case d.file:
		return "check path, permissions and contents of the camera's ca_file: PEM certificates"
	case d.pinned != nil:
		return fmt.Sprintf("%s is pinned: if the camera was given another certificate, write fingerprint = %q; if not, find out what answers in its place", colons(d.pinned), d.fingerprint())
	}
	return fmt.Sprintf("if the camera shows this certificate in its settings, write fingerprint = %q for it, or name the authority that signed it in ca_file", d.fingerprint())
}

// colons writes a fingerprint as browsers and openssl do.
func colons(sum []byte) string { return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":") }

// short bounds a text that comes from the camera.
func short(text string) string {
	const most = 200
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
