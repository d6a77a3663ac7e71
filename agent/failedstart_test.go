package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// While a start is tried again, the page and the probes say what is wrong, what to do,
// and when the next attempt is; when that succeeds all is as it was.
func TestFailedStartIsShown(t *testing.T) {
	l := newLone(t, filepath.Join(t.TempDir(), "data"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	l.writeStatus(fmt.Sprintf("listen = \"127.0.0.1:%s\"\n", port))
	address, client := "http://127.0.0.1:"+port, http.DefaultClient
	l.start()
	await(t, client, address+"/readyz", 200)
	// Another directory takes the place of the agent's, and no ledger can be opened there.
	must(os.Rename(l.data, l.data+"-away"))
	must(os.MkdirAll(filepath.Join(l.data, "ledger.db"), 0o750))
	for _, name := range []string{"lock", "spool.id"} {
		must(os.WriteFile(filepath.Join(l.data, name), []byte("another\n"), 0o600))
	}

	page := ""
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(page, "What to do") && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		page = await(t, client, address+"/", 503) // it may still start
	}
	for _, words := range []string{"The agent cannot start: nothing is recorded", "What to do:", "it is tried again at "} {
		if !strings.Contains(page, words) {
			t.Errorf("the page lacks %q:\n%s", words, page)
		}
	}
	if said := await(t, client, address+"/health", 200); !strings.Contains(said, `"degraded"`) || !strings.Contains(said, "cannot start") || !strings.Contains(said, "tried again at") {
		t.Errorf("health: %s", said)
	}
	if said := await(t, client, address+"/healthz", 200); !strings.Contains(said, "cannot start") || !strings.Contains(said, "tried again at") {
		t.Errorf("the probe: %s", said)
	}
	if said := await(t, client, address+"/readyz", 503); !strings.Contains(said, "cannot start") {
		t.Errorf("the other probe: %s", said)
	}
	must(os.RemoveAll(l.data))
	must(os.Rename(l.data+"-away", l.data))
	await(t, client, address+"/readyz", 200)
	if page := await(t, client, address+"/", 200); strings.Contains(page, "cannot start") {
		t.Error("the page still tells of the failed start")
	}
	if said := await(t, client, address+"/api/v1/journal", 200); !strings.Contains(said, "anew, because the run before has failed") {
		t.Errorf("the journal: %s", said)
	}
	l.stop()
}
