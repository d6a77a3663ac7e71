package main

import (
	"bytes"
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
