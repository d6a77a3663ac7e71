package capture_test

import (
	"flag"
	"os"
	"testing"
)

// The tests that run side by side wait for cameras in real time most of the while, and
// need few processors for it.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "6"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
