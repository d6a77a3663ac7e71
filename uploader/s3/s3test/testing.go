package s3test

import (
	"os"
	"testing"
)

// Run starts a server for a test and stops it when the test ends. Where its
// program cannot be had the test is skipped, or fails if peers are required.
func Run(t testing.TB, tls bool, buckets ...string) *Server {
	t.Helper()
	if _, err := Binary(t.Context(), os.Stderr); err != nil {
		if os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s, err := Start(t.Context(), Options{Dir: t.TempDir(), Buckets: buckets, TLS: tls, Say: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}
