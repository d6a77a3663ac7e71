package s3

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Front is what a store answers to anyone, without credentials.
type Front struct {
	Encryption string        // the version of TLS; empty: none
	Expires    time.Time     // the store's certificate does; zero without TLS
	Date       time.Time     // by the store's clock, in whole seconds; zero when it does not say
	Asked      time.Time     // by this host's
	Took       time.Duration // from asking to answer
}

// Address is where the store's bucket is.
func (s *Store) Address(ctx context.Context) (*url.URL, error) {
	if err := s.setUp(ctx); err != nil {
		return nil, err
	}
	o := s.client.Options()
	e, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, s3.EndpointParameters{
		Bucket: aws.String(s.opts.Bucket), Region: aws.String(o.Region), Endpoint: o.BaseEndpoint, ForcePathStyle: aws.Bool(o.UsePathStyle),
	})
	if err != nil {
		return nil, fmt.Errorf("find the store's address: %w", err)
	}
	return &e.URI, nil
}

// Proxy is the host of the proxy in the environment that the store is reached
// through; empty: none.
func Proxy(address *url.URL) string {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: address})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Host
}

// LookUp finds the addresses of the store's host.
func LookUp(ctx context.Context, address *url.URL) ([]string, error) {
	return net.DefaultResolver.LookupHost(ctx, address.Hostname())
}

// Front asks the store without credentials: that it answers counts, not what.
func (s *Store) Front(ctx context.Context) (Front, error) {
	address, err := s.Address(ctx)
	if err != nil {
		return Front{}, err
	}
	client, err := httpClient(s.opts.CAFile, nil, s.opts.Stall)
	if err != nil {
		return Front{}, &SetupError{err}
	}
	root := url.URL{Scheme: address.Scheme, Host: address.Host, Path: "/"}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, root.String(), nil)
	if err != nil {
		return Front{}, fmt.Errorf("ask the store: %w", err)
	}
	f := Front{Asked: s.opts.Now()}
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return Front{}, fmt.Errorf("ask the store: %w", err)
	}
	defer resp.Body.Close()
	f.Took = time.Since(began)
	f.Date, _ = http.ParseTime(resp.Header.Get("Date")) // zero where there is none
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		f.Encryption, f.Expires = tls.VersionName(resp.TLS.Version), resp.TLS.PeerCertificates[0].NotAfter
	}
	return f, nil
}
