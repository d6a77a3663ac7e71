package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recording-agent/capture/media"
	"recording-agent/capture/rtsp/rtsptest"
)

// secureHub plays a clip over TLS until the test ends.
func secureHub(t *testing.T, c tls.Certificate) (url string) {
	t.Helper()
	hub, err := rtsptest.NewSecureHub(c)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join("..", "..", "agent", "demo", "clips", "h264-aac.ts"))
	if err != nil {
		t.Fatal(err)
	}
	clip, err := rtsptest.ReadClip(data, 8*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	played := make(chan error, 1)
	go func() { played <- hub.Play(ctx, "x", clip) }()
	t.Cleanup(func() {
		cancel()
		if err := <-played; err != nil {
			t.Error(err)
		}
		hub.Close()
	})
	within(t, 5*time.Second, "the hub's stream", hub.Arrived("x"))
	return hub.URL("x")
}

var (
	hourAgo  = time.Now().Add(-time.Hour)
	tomorrow = time.Now().Add(24 * time.Hour)
)

func TestCertificates(t *testing.T) {
	ours, theirs := rtsptest.NewAuthority(t), rtsptest.NewAuthority(t)
	good := ours.Issue(t, "127.0.0.1", hourAgo, tomorrow)
	expired := ours.Issue(t, "127.0.0.1", hourAgo.Add(-time.Hour), hourAgo)
	elsewhere := ours.Issue(t, "192.0.2.1", hourAgo, tomorrow)
	noFile, empty := filepath.Join(t.TempDir(), "none.pem"), filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		shown  tls.Certificate
		trust  func(o *Options)
		cause  string // of the refusal; empty when there is none
		remedy string
	}{
		{"known authority", good, func(o *Options) { o.CAFile = ours.File }, "", ""},
		{"unknown authority", good, func(*Options) {}, "unknown authority", "write fingerprint ="},
		{"another authority", good, func(o *Options) { o.CAFile = theirs.File }, "unknown authority", "ca_file"},
		{"pinned", good, func(o *Options) { o.Fingerprint = rtsptest.Fingerprint(good) }, "", ""},
		{"another is pinned", good, func(o *Options) { o.Fingerprint = rtsptest.Fingerprint(expired) }, "not the pinned one", "find out what answers"},
		{"another is pinned, known authority", good, func(o *Options) {
			o.CAFile, o.Fingerprint = ours.File, rtsptest.Fingerprint(expired)
		}, "not the pinned one", "find out what answers"},
		{"expired", expired, func(o *Options) { o.CAFile = ours.File }, "expired", "write fingerprint ="},
		{"expired and pinned", expired, func(o *Options) { o.Fingerprint = rtsptest.Fingerprint(expired) }, "", ""},
		{"of another host", elsewhere, func(o *Options) { o.CAFile = ours.File }, "192.0.2.1, not 127.0.0.1", "write fingerprint ="},
		{"clock far behind", good, func(o *Options) {
			o.CAFile, o.Now = ours.File, func() time.Time { return time.Unix(0, 0) }
		}, "", ""},
		{"file is gone", good, func(o *Options) { o.CAFile = noFile }, "none.pem", "ca_file"},
		{"file is empty", good, func(o *Options) { o.CAFile = empty }, "no certificate in", "ca_file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(t, strings.Replace(secureHub(t, tc.shown), "://", "://viewer:s3cretword@", 1))
			tc.trust(&o)
			err := runSession(t, o, &collector{enough: 5})
			if tc.cause == "" {
				if !errors.Is(err, errEnough) {
					t.Fatal(err)
				}
				return
			}
			wantFailure(t, err, Untrusted)
			var f *Failure
			if !errors.As(err, &f) {
				return
			}
			cause, remedy := f.Explain()
			for _, want := range []string{tc.cause, colons(rtsptest.Fingerprint(tc.shown)), "CN=camera of a test", "CN=authority of a test"} {
				if !strings.Contains(cause, want) {
					t.Errorf("the cause does not say %q: %s", want, cause)
				}
			}
			if !strings.Contains(remedy, tc.remedy) || strings.Contains(cause+remedy, "s3cret") {
				t.Errorf("remedy %q, want that it says %q", remedy, tc.remedy)
			}
		})
	}
}

// A camera that shares no code with ours, with sound, over TLS.
func TestGStreamerOverTLS(t *testing.T) {
	ours := rtsptest.NewAuthority(t)
	cert := ours.Issue(t, "127.0.0.1", hourAgo, tomorrow)
	file := filepath.Join(t.TempDir(), "camera.pem")
	if err := os.WriteFile(file, rtsptest.PEM(t, cert), 0o600); err != nil {
		t.Fatal(err)
	}
	address := rtsptest.GStreamer(t, rtsptest.GStreamerOptions{Launch: rtsptest.H264Live + rtsptest.PCMULive, TLS: file})
	for name, trust := range map[string]func(o *Options){
		"authority":   func(o *Options) { o.CAFile = ours.File },
		"fingerprint": func(o *Options) { o.Fingerprint = rtsptest.Fingerprint(cert) },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t, "rtsps://"+address+"/cam")
			o.Transport = Auto
			trust(&o)
			c := &collector{enough: 50}
			if err := runSession(t, o, c); !errors.Is(err, errEnough) {
				t.Fatal(err)
			}
			c.check(t, media.H264, media.PCMU)
		})
	}
	t.Run("UDP, which it does not encrypt", func(t *testing.T) {
		o := options(t, "rtsps://"+address+"/cam")
		o.Transport, o.CAFile = UDP, ours.File
		wantFailure(t, runSession(t, o, &collector{enough: 1}), PlainUDP)
	})
	wantFailure(t, runSession(t, options(t, "rtsps://"+address+"/cam"), &collector{enough: 1}), Untrusted)
}

// What answers on the port may not be TLS at all.
func TestNoTLS(t *testing.T) {
	for name, tc := range map[string]struct {
		handle func(c net.Conn)
		want   Cause
	}{
		"RTSP": {func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1024))
			_, _ = c.Write([]byte("RTSP/1.0 400 Bad Request\r\n\r\n"))
		}, NotTLS},
		"a web server": {func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1024))
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
		}, NotRTSP},
		"TLS 1.1": {func(c net.Conn) {
			cert := rtsptest.NewAuthority(t).Issue(t, "127.0.0.1", hourAgo, tomorrow)
			_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Handshake()
		}, NoCipher},
	} {
		t.Run(name, func(t *testing.T) {
			wantFailure(t, runSession(t, options(t, "rtsps://"+listen(t, tc.handle)+"/cam"), &collector{enough: 1}), tc.want)
		})
	}
}

// Media that the camera encrypts may come over UDP.
func TestSecureUDP(t *testing.T) {
	ours := rtsptest.NewAuthority(t)
	o := options(t, secureHub(t, ours.Issue(t, "127.0.0.1", hourAgo, tomorrow)))
	o.Transport, o.CAFile = UDP, ours.File
	c := &collector{enough: 20}
	if err := runSession(t, o, c); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	c.check(t, media.H264, media.AAC)
}
