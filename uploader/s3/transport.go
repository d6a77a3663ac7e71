package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// httpClient has a limit for every way in which a server can keep a client
// waiting. It is the SDK's own kind of client: with another one the SDK refuses
// to start where AWS_CA_BUNDLE is set.
func httpClient(caFile string, throttle Throttle, stall time.Duration) (*awshttp.BuildableClient, error) {
	pool, err := certificates(caFile)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			if tcp, ok := c.(*net.TCPConn); ok {
				// What waits in the kernel counts as sent, and the answer as late: megabytes of
				// that for each connection are minutes on a poor uplink.
				_ = tcp.SetWriteBuffer(256 << 10)
			}
			w := &watched{Conn: c, throttle: throttle, stall: stall}
			w.open, w.close = context.WithCancel(context.Background())
			return w, nil
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		t.TLSHandshakeTimeout = 15 * time.Second
		t.ResponseHeaderTimeout = stall
		t.IdleConnTimeout = 30 * time.Second
		t.MaxIdleConnsPerHost = 8
		t.WriteBufferSize = 64 << 10
	}), nil
}

func certificates(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil // the system's
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: no certificate in %s", caFile)
	}
	return pool, nil
}

// Throttle spreads what is sent over time.
type Throttle interface {
	// Wait waits until up to n bytes may be sent, and returns how many: at least one.
	Wait(ctx context.Context, n int) (int, error)
}

// watched is a connection that fails when it makes no progress: a stalled socket
// would hold an upload for ever. It keeps to the throttle.
type watched struct {
	net.Conn
	throttle Throttle // nil: none
	stall    time.Duration
	open     context.Context // ends when it is closed
	close    context.CancelFunc
}

func (c *watched) Close() error {
	c.close()
	return c.Conn.Close()
}

func (c *watched) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// ReadFrom implements io.ReaderFrom: what is sent of a file goes to the kernel in
// few and large pieces.
func (c *watched) ReadFrom(r io.Reader) (int64, error) { return copyAll(c, r) }

func (c *watched) Write(p []byte) (written int, err error) {
	for written < len(p) {
		n := len(p) - written
		if c.throttle != nil {
			if n, err = c.throttle.Wait(c.open, n); err != nil {
				return written, err
			}
		}
		// What moves is not stalled, in either direction: the answer is read for from the
		// beginning, and comes after the last byte of the body.
		if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
			return written, err
		}
		n, err = c.Conn.Write(p[written : written+n])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
