package s3test

import (
	"os"
	"testing"
)

// Run starts a server for a test and stops it when the test ends. Without one
// the test is skipped, or fails where peers are required.
func Run(t testing.TB, tls bool, buckets ...string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{Dir: t.TempDir(), Buckets: buckets, TLS: tls, Say: os.Stderr})
	if err != nil {
		if os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(s.Stop)
	return s
}
