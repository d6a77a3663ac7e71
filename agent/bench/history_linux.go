package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"recording-agent/agent/config"
	"recording-agent/capture/spool"
)

// history is what months of recording leave: rows of segments that were uploaded and
// deleted, the newest with files that wait for an uplink, and a gap here and there.
type history struct {
	rows, files, cameras int
}

const (
	historicLength = 5 * time.Minute
	historicSize   = 1 << 10 // of a file, in bytes: nobody reads it
	historicGaps   = 20      // segments between two gaps
)

func historicID(camera int) string { return fmt.Sprintf("7c9e6679-7425-40de-944b-%012d", camera) }

// write makes a data directory up to the present. The spool makes the ledger; the rows
// go past it, since one by one they would take minutes.
func (h history) write(ctx context.Context, dir string) (err error) {
	s, err := spool.Open(ctx, spool.Options{Dir: dir, ClientName: "bench", Log: zerolog.Nop(), Now: time.Now})
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "ledger.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	first := time.Now().Add(-time.Duration(h.rows/h.cameras+1) * historicLength).UTC()
	for i := range h.rows {
		if err := h.segment(ctx, tx, dir, i, first.Add(time.Duration(i/h.cameras)*historicLength)); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// prune does to a data directory what an agent does that has run with it for five days:
// of very many rows the oldest go.
func (h history) prune(ctx context.Context, dir string) (p spool.Pruned, err error) {
	var up time.Duration
	clock := spool.HostClock{Now: time.Now, Uptime: func() time.Duration { return up }, Boot: "bench", Synced: func() (yes, known bool) { return true, true }}
	s, err := spool.Open(ctx, spool.Options{Dir: dir, ClientName: "bench", Log: zerolog.Nop(), Now: time.Now, Clock: &clock})
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for range 2 {
		if _, err := s.Ran(ctx); err != nil {
			return p, err
		}
		up += 5 * 24 * time.Hour
	}
	return s.Prune(ctx, true, func(time.Duration) bool { return true })
}

func (h history) segment(ctx context.Context, tx *sql.Tx, dir string, n int, start time.Time) error {
	camera := historicID(n % h.cameras)
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	path, err := spool.PathFor(camera, id.String(), start)
	if err != nil {
		return err
	}
	state, delivery, central := spool.Deleted, spool.Verified, spool.CentralCompleted
	if n >= h.rows-h.files {
		state, delivery, central = spool.Finished, spool.Pending, spool.CentralRecording
		name := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(name, bytes.Repeat([]byte{1}, historicSize), 0o640); err != nil {
			return err
		}
	}
	from, to := start.UnixMicro(), start.Add(historicLength).UnixMicro()
	_, err = tx.ExecContext(ctx, `INSERT INTO segments (id, camera_id, camera_name, client_name, path, state, start_us, end_us, duration_us, recorded_us, size, checksum, video_codec, central_state)
		VALUES (?1,?2,?3,'bench',?4,?5,?6,?7,?7-?6,?7-?6,?8,'AAAAAAAAAAA=','avc1.42c028',?9)`, id.String(), camera, "Camera", path, state, from, to, historicSize, central)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO deliveries (segment_id, destination, bucket, key, state) VALUES (?,?,'footage',?,?)`,
		id.String(), config.Primary, "recordings/"+path, delivery)
	if err == nil && n%historicGaps == 0 {
		_, err = tx.ExecContext(ctx, `INSERT INTO gaps (camera_id, start_us, end_us, cause) VALUES (?,?,?,?)`, camera, from, from+1e6, spool.Unreachable)
	}
	return err
}
