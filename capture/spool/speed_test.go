package spool

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
)

// manyRows fills a ledger as months of ten cameras do: rows of segments that were
// uploaded and deleted, and the last files, which wait for an uplink.
func manyRows(t testing.TB, s *Spool, rows, files int) {
	t.Helper()
	rec := begin(t, s, "gate", epoch)
	rec.parts(t, 1)
	_, err := rec.writer.Finish()
	must(t, err)
	content, err := os.ReadFile(filepath.Join(s.Dir(), rec.Path))
	must(t, err)
	must(t, os.Remove(filepath.Join(s.Dir(), rec.Path)))
	must(t, s.ledger.tx(t.Context(), func(tx *sql.Tx) error {
		for i := range rows {
			camera := fmt.Sprintf("camera-%d", i%10)
			start := epoch.Add(-time.Duration(rows-i) / 10 * 5 * time.Minute)
			id := uuid.Must(uuid.NewV7()).String()
			path, err := PathFor(camera, id, start)
			must(t, err)
			state, delivery, central := Deleted, Verified, CentralCompleted
			if i >= rows-files {
				state, delivery, central = Finished, Pending, CentralRecording
				name := filepath.Join(s.Dir(), path)
				must(t, os.MkdirAll(filepath.Dir(name), 0o750))
				must(t, os.WriteFile(name, content, 0o640))
			}
			_, err = tx.Exec(`INSERT INTO segments (id, camera_id, camera_name, client_name, path, state, start_us, end_us, duration_us, recorded_us, size, checksum, video_codec, central_state)
				VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, id, camera, "Camera "+camera, "host", path, state, micros(start), micros(start.Add(5*time.Minute)), 300e6, 300e6, len(content), "AAAAAAAAAAA=", "avc1.42c028", central)
			must(t, err)
			_, err = tx.Exec(`INSERT INTO deliveries (segment_id, destination, bucket, key, state) VALUES (?,'primary','footage',?,?)`,
				id, "recordings/"+camera+"/"+start.Format(fileTime)+"_host.mp4", delivery)
			must(t, err)
			if i%20 == 0 {
				_, err = tx.Exec(`INSERT INTO gaps (camera_id, start_us, end_us, cause) VALUES (?,?,?,?)`, camera, micros(start), micros(start.Add(time.Second)), Unreachable)
				must(t, err)
			}
		}
		return nil
	}))
}

// TestStartWithManyRows: neither the start nor /status takes long with a ledger of
// SPOOL_ROWS rows (10,000, unless it says otherwise), of which a tenth have files. With
// 100,000 an agent is to be ready within two seconds on a machine that has time for it.
func TestStartWithManyRows(t *testing.T) {
	rows := 10_000
	if text := os.Getenv("SPOOL_ROWS"); text != "" {
		var err error
		rows, err = strconv.Atoi(text)
		must(t, err)
	}
	s := open(t, t.TempDir())
	manyRows(t, s, rows, rows/10)
	must(t, s.Close())
	o := testOptions(t, s.Dir())
	o.Log = zerolog.Nop()
	began := time.Now()
	s, err := Open(t.Context(), o)
	must(t, err)
	defer s.Close()
	opened := time.Since(began)
	r, err := s.Recover(t.Context())
	if err != nil || r != (Recovery{}) {
		t.Errorf("recovery: %+v, %v", r, err)
	}
	took := time.Since(began)
	t.Logf("opened in %v, ready after %v", opened.Round(time.Millisecond), took.Round(time.Millisecond))

	began = time.Now()
	for i := range 10 {
		camera := fmt.Sprintf("camera-%d", i)
		for _, since := range []time.Duration{time.Hour, 24 * time.Hour} {
			_, err := s.Recorded(t.Context(), camera, epoch.Add(-since), epoch)
			must(t, err)
		}
		_, err = s.LastGaps(t.Context(), camera, epoch.Add(-24*time.Hour), 5)
		must(t, err)
		_, err = s.Seen(t.Context(), camera)
		must(t, err)
	}
	asked := time.Since(began)
	for name, ask := range map[string]func() error{
		"losses":  func() error { _, err := s.Losses(t.Context()); return err },
		"backlog": func() error { _, err := s.UnsentByCamera(t.Context()); return err },
		"central": func() error { _, err := s.UnreportedCount(t.Context(), nil); return err },
		"due": func() error {
			_, err := s.DueDeliveries(t.Context(), Due{Destination: "primary", Now: epoch, Limit: 8})
			return err
		},
		"safe":     func() error { _, err := s.Safe(t.Context(), true, epoch, 0, 64); return err },
		"locals":   func() error { _, err := s.Locals(t.Context(), true, time.Time{}, 64); return err },
		"bytes":    func() error { _, err := s.LocalBytes(t.Context()); return err },
		"reported": func() error { _, err := s.Unreported(t.Context(), epoch, 64); return err },
		"until":    func() error { _, err := s.AccountedUntil(t.Context(), "camera-3"); return err },
	} {
		began := time.Now()
		must(t, ask())
		took := time.Since(began)
		asked += took
		t.Logf("%-8s %v", name, took.Round(time.Microsecond))
	}
	t.Logf("all that /status and others ask: %v", asked.Round(time.Millisecond))
	if took > 10*time.Second || asked > 5*time.Second { // on a busy machine, with the race detector
		t.Errorf("ready after %v, answers after %v", took, asked)
	}
}
