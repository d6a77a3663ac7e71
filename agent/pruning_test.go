package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"recording-agent/capture/spool"
)

// An agent that runs for long enough deletes old rows by itself, and says so.
func TestOldRowsGoByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log said
		began := time.Now()
		a := &agent{log: zerolog.New(&log), now: time.Now}
		clock := spool.HostClock{Now: a.now, Uptime: func() time.Duration { return time.Since(began) }, Boot: "boot", Synced: func() (yes, known bool) { return true, true }}
		var err error
		a.spool, err = spool.Open(t.Context(), spool.Options{Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: a.now, Clock: &clock})
		if err != nil {
			t.Fatal(err)
		}
		defer a.spool.Close()
		var ids []string
		for range 3 {
			ids = append(ids, uuid.Must(uuid.NewV7()).String())
			path, err := spool.PathFor("gate", ids[len(ids)-1], a.now())
			if err == nil {
				err = a.spool.Begun(t.Context(), spool.Segment{ID: ids[len(ids)-1], CameraID: "gate", CameraName: "gate", ClientName: "host", Path: path, Start: a.now()})
			}
			if err == nil {
				err = a.spool.FileMissing(t.Context(), ids[len(ids)-1])
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Minute)
		}
		known := func() (n int) {
			t.Helper()
			for _, id := range ids {
				_, err := a.spool.Segment(t.Context(), id)
				if err != nil && !errors.Is(err, spool.ErrUnknown) {
					t.Fatal(err)
				}
				if err == nil {
					n++
				}
			}
			return n
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.prune(ctx) }()
		time.Sleep(45 * 24 * time.Hour)
		synctest.Wait()
		if n := known(); n != 3 {
			t.Errorf("%d of 3 are left after 45 days\n%s", n, &log)
		}
		time.Sleep(2 * 24 * time.Hour)
		synctest.Wait()
		if n := known(); n != 1 {
			t.Errorf("%d are left after 47 days\n%s", n, &log)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if text := log.String(); strings.Count(text, "old rows") != 1 || !strings.Contains(text, `"segments":2`) {
			t.Errorf("it said:\n%s", text)
		}
	})
}
