package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// replaceData puts another directory in the place of the agent's, in which no ledger can be opened.
func replaceData(t *testing.T, data string) {
	t.Helper()
	err := errors.Join(os.Rename(data, data+"-away"), os.MkdirAll(filepath.Join(data, "ledger.db"), 0o750))
	for _, name := range []string{"lock", "spool.id"} {
		err = errors.Join(err, os.WriteFile(filepath.Join(data, name), []byte("another\n"), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func putDataBack(t *testing.T, data string) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(data), os.Rename(data+"-away", data)); err != nil {
		t.Fatal(err)
	}
}

// While a start is tried again, the page and the probes say what is wrong, what to do,
// and when the next attempt is; when that succeeds all is as it was.
func TestFailedStartIsShown(t *testing.T) {
	l := newLone(t, filepath.Join(t.TempDir(), "data"))
	port := freePort(t)
	l.writeStatus(fmt.Sprintf("listen = \"127.0.0.1:%s\"\n", port))
	address, client := "http://127.0.0.1:"+port, http.DefaultClient
	l.start()
	await(t, client, address+"/readyz", 200)
	replaceData(t, l.data)

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
	putDataBack(t, l.data)
	await(t, client, address+"/readyz", 200)
	if page := await(t, client, address+"/", 200); strings.Contains(page, "cannot start") {
		t.Error("the page still tells of the failed start")
	}
	if said := await(t, client, address+"/api/v1/journal", 200); !strings.Contains(said, "anew, because the run before has failed") {
		t.Errorf("the journal: %s", said)
	}
	l.stop()
}
