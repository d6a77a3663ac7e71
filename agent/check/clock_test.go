package check

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// centralAt is a server whose clock is off.
func centralAt(t *testing.T, off time.Duration) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		fmt.Fprint(w, `{"status":"healthy"}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func clockChecks(t *testing.T, url string) *trial {
	t.Helper()
	return checksOf(t, "[agent]\nclient_name = \"host\"\nstorage = \"local\"\n[central]\nurl = \""+url+"\"\ntoken = \"hunter2\"\nclient_id = \"0198c0de-0000-7000-8000-000000000001\"\n")
}

func TestClockAgainstCentral(t *testing.T) {
	for name, tc := range map[string]struct {
		off    time.Duration
		result Result
		words  []string
	}{
		"right":           {0, OK, nil},
		"a second":        {time.Second, OK, nil},
		"behind":          {10 * time.Second, Warning, []string{"behind", "timedatectl"}},
		"ahead":           {-10 * time.Second, Warning, []string{"ahead", "NTP"}},
		"far behind":      {10 * time.Minute, Failed, []string{"10m0s behind", "quarter of an hour", "NTP"}},
		"at its birth":    {50 * 365 * 24 * time.Hour, Failed, []string{"days behind"}},
		"from the future": {-48 * time.Hour, Failed, []string{"ahead"}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := clockChecks(t, centralAt(t, tc.off))
			tr.Clock(t.Context())
			tr.want(t, "against central", tc.result, tc.words...)
			tr.without(t, "hunter2")
		})
	}
}

func TestClockThatCannotBeCompared(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	tr := clockChecks(t, s.URL)
	tr.Synced = func() (bool, bool) { return false, true }
	tr.Clock(t.Context())
	tr.want(t, "against central", Warning, "cannot be reached", "central.url")
	tr.want(t, "time server", Warning, "no time server", "NTP")
}

func TestClockOfAHostByItself(t *testing.T) {
	tr := diskChecks(t, t.TempDir(), "")
	tr.Synced = func() (bool, bool) { return true, true }
	tr.Clock(t.Context())
	tr.want(t, "time", OK, "neither S3 nor central")
	tr.want(t, "time server", OK)
}
