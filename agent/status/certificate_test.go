package status

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// writeCertificate makes a certificate with a number, and writes it with its key.
func writeCertificate(t *testing.T, certFile, keyFile string, number int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// shownNumber is that of the certificate that a port shows.
func shownNumber(t *testing.T, address string, c *tls.Config) int64 {
	t.Helper()
	c.InsecureSkipVerify = true
	conn, err := tls.Dial("tcp", address, c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// A certificate that was renewed is shown without a restart, one that is half
// written is not.
func TestCertificateIsRenewed(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	s := server(t, func(o *Options) {
		o.Listen, o.CertFile, o.KeyFile, o.Token, o.Now = address, cert, key, testToken, time.Now
	})
	if err := s.certificate.load(); err == nil || !strings.Contains(err.Error(), "cert.pem") {
		t.Errorf("files that are not there: %v", err)
	}
	writeCertificate(t, cert, key, 1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var answer *http.Response
	for range 50 {
		if answer, err = client.Get("https://" + address + "/?token=" + testToken); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther || !answer.Cookies()[0].Secure {
		t.Errorf("over TLS: %d, %v", answer.StatusCode, answer.Header)
	}
	if got := shownNumber(t, address, &tls.Config{}); got != 1 {
		t.Errorf("certificate %d is shown", got)
	}
	if conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
	before, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	writeCertificate(t, cert, key, 2)
	whole, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(data []byte) {
		if err := os.WriteFile(key, data, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookAtCertificate + 100*time.Millisecond)
	}
	replace(before) // the certificate is new already, the key is not
	if got := shownNumber(t, address, &tls.Config{}); got != 1 {
		t.Errorf("certificate %d is shown while its key is not there", got)
	}
	replace(whole)
	if got := shownNumber(t, address, &tls.Config{}); got != 2 {
		t.Errorf("certificate %d is shown after it was renewed", got)
	}
}

// Without its certificate a port does not fall back to plain HTTP.
func TestCertificateThatIsNotThere(t *testing.T) {
	var log strings.Builder
	s := New(Options{Listen: "127.0.0.1:0", CertFile: "/nowhere/cert.pem", KeyFile: "/nowhere/key.pem", Log: zerolog.New(&log), Now: time.Now})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "status.cert_file") || strings.Contains(log.String(), `"state is served"`) && strings.Contains(log.String(), `"address"`) {
		t.Errorf("log: %s", log.String())
	}
}
