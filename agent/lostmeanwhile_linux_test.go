//go:build !arm && !386

package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recording-agent/uploader/wiretest"
)

// TestLedgerDamagedMeanwhile: damage that comes while the agent runs, behind the pages
// that a look at the disk touches, is met by what records. The agent begins anew by
// itself, and all that is on the disk is adopted.
func TestLedgerDamagedMeanwhile(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.toStore.Set(wiretest.Fault{Cut: true})
	h.start()
	h.until(time.Minute, func() string {
		if n := len(h.files()); n < 4 {
			return fmt.Sprintf("four files, there are %d", n)
		}
		return ""
	})
	h.stop()
	h.fillLedger(20000)
	h.start()
	h.untilStates(time.Minute, "recording", "recording")
	h.damageLedgerFrom(40 * 4096)
	h.until(90*time.Second, func() string {
		if said := h.said.String(); !strings.Contains(said, "agent starts anew") || !strings.Contains(said, "the ledger is damaged: starting a new one") {
			return "a new start with a new ledger"
		}
		return ""
	})
	h.until(30*time.Second, func() string {
		answer, err := http.Get("http://" + h.status + "/readyz")
		if err != nil {
			return err.Error()
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return "an agent that is ready again"
		}
		return ""
	})
	h.toStore.Set(wiretest.Fault{})
	h.untilWell()
	h.silence()
	h.until(time.Minute, h.backlog)
	h.stop()
	h.nothingMissing(h.ledger())
	if aside, err := filepath.Glob(filepath.Join(h.data(), "ledger.db.damaged-*")); err != nil || len(aside) == 0 {
		t.Errorf("set aside: %v, %v", aside, err)
	}
}

// fillLedger adds rows of segments that were uploaded and deleted: so many pages that
// a few of them are not all that there is.
func (h *host) fillLedger(rows int) {
	h.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(h.data(), "ledger.db"))
	if err != nil {
		h.t.Fatal(err)
	}
	_, err = db.Exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
		INSERT INTO segments (id, camera_id, camera_name, client_name, path, state, start_us, end_us, central_state)
		SELECT printf('0190aaaa-0000-7000-8000-%012d', i), ?2, 'gate', 'host', printf('segments/gate/%d.mp4', i), 'deleted',
			1700000000000000 + i * 5000000, 1700000005000000 + i * 5000000, 'completed' FROM n`, rows, h.cameras[0])
	if err == nil {
		_, err = db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	}
	if err := errors.Join(err, db.Close()); err != nil {
		h.t.Fatal(err)
	}
}

// damageLedgerFrom overwrites the ledger of an agent that runs, from an offset on.
func (h *host) damageLedgerFrom(at int64) {
	h.t.Helper()
	f, err := os.OpenFile(filepath.Join(h.data(), "ledger.db"), os.O_RDWR, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() < 10*at {
		err = fmt.Errorf("it has only %d bytes", info.Size())
	}
	if err == nil {
		_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, int(info.Size()-at)), at)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		h.t.Fatal(err)
	}
}
