package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/capture/spool"
	"recording-agent/uploader/wiretest"
)

// stored lists the objects by their segments, with where and when they were stored.
func (h *host) stored() map[string]string {
	h.t.Helper()
	list, err := h.objects.ListObjectsV2(h.t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(hostBucket)})
	if err != nil {
		h.t.Fatal(err)
	}
	out := map[string]string{}
	for _, o := range list.Contents {
		head, err := h.objects.HeadObject(h.t.Context(), &s3.HeadObjectInput{Bucket: aws.String(hostBucket), Key: o.Key})
		if err != nil {
			h.t.Fatal(err)
		}
		id := head.Metadata["segment-id"]
		if other, twice := out[id]; twice || id == "" {
			h.t.Errorf("segment %q is stored as %s and as %s", id, *o.Key, other)
		}
		out[id] = *o.Key + " " + head.LastModified.String()
	}
	return out
}

// damageLedger overwrites all of the ledger but its header, under an agent that runs.
func (h *host) damageLedger() {
	h.t.Helper()
	file := filepath.Join(h.data(), "ledger.db")
	data, err := os.ReadFile(file)
	if err != nil {
		h.t.Fatal(err)
	}
	garbage := append(data[:100], bytes.Repeat([]byte{0xa5}, len(data)-100)...)
	if err := errors.Join(os.WriteFile(file, garbage, 0o640), os.Truncate(file+"-wal", 0)); err != nil {
		h.t.Fatal(err)
	}
}

// TestLostLedger: what was uploaded before the ledger was lost is found at the store,
// by the same names, and not sent again; what was under way is sent.
func TestLostLedger(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.more = "[retention]\ndelete_after_upload = false\n"
	h.configure()
	h.start()
	h.until(time.Minute, func() string {
		if n := len(h.stored()); n < 4 {
			return fmt.Sprintf("four objects, there are %d", n)
		}
		return ""
	})
	h.toStore.Set(wiretest.Fault{Cut: true})
	h.until(time.Minute, func() string {
		if n := len(h.files()); n < 8 {
			return fmt.Sprintf("eight files, there are %d", n)
		}
		return ""
	})
	h.damageLedger()
	before := h.stored()
	h.kill()
	h.toStore.Set(wiretest.Fault{})
	h.start()
	h.until(time.Minute, func() string {
		if n, files := len(h.stored()), len(h.files()); n < 8 || n < files-2 {
			return fmt.Sprintf("%d objects of %d files", n, files)
		}
		return ""
	})
	h.silence()
	h.until(time.Minute, func() string {
		shown := h.shows()
		if len(shown) != 2 || shown[0].State == "recording" || shown[1].State == "recording" {
			return fmt.Sprintf("the end of recording, it is %+v", shown)
		}
		return ""
	})
	h.until(time.Minute, func() string {
		if n, files := len(h.stored()), len(h.files()); n < files {
			return fmt.Sprintf("%d objects of %d files", n, files)
		}
		return ""
	})
	h.stop() // uploads under way get ten seconds
	if !strings.Contains(h.said.String(), "the ledger is damaged") {
		t.Error("the log does not say that the ledger is damaged")
	}
	after := h.stored()
	for id, as := range before {
		if after[id] != as {
			t.Errorf("segment %s was stored as %s, and is as %s", id, as, after[id])
		}
	}
	ledger := h.ledger()
	for _, state := range []spool.State{spool.Finished, spool.Missing, spool.Empty} {
		rows, err := ledger.Segments(t.Context(), state)
		if err != nil || state != spool.Finished && len(rows) > 0 {
			t.Errorf("%s: %+v, %v", state, rows, err)
		}
		for _, seg := range rows {
			d, err := ledger.Deliveries(t.Context(), seg.ID)
			if err != nil || len(d) != 1 || d[0].State != spool.Verified || !strings.HasPrefix(after[seg.ID], d[0].Key+" ") {
				t.Errorf("segment %s: %+v, %v; stored as %s", seg.ID, d, err, after[seg.ID])
			}
		}
	}
	if aside, err := filepath.Glob(filepath.Join(h.data(), "ledger.db.damaged-*")); err != nil || len(aside) == 0 {
		t.Errorf("set aside: %v, %v", aside, err)
	}
}

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
