package spool

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// reserveSize is what is held of the disk for the ledger. SQLite lets its -wal grow
// to 4 MB before it writes over it.
const reserveSize = 8 << 20

// reserve is the file that holds it. A ledger that was closed has to make its -wal
// and -shm anew: on a disk that others have filled to the last byte it could not be
// opened, nothing could be uploaded nor deleted, and the disk would stay full.
func (s *Spool) reserve() string { return filepath.Join(s.opts.Dir, "reserve") }

// openWithReserve opens the ledger, and gives up the reserve for it if need be.
func (s *Spool) openWithReserve(ctx context.Context) (err error) {
	file := filepath.Join(s.opts.Dir, "ledger.db")
	if s.ledger, err = openLedger(ctx, file, s.opts); err == nil {
		return nil
	}
	free, _, ferr := s.Disk()
	if ferr != nil || free >= brim {
		return err
	}
	if !s.giveReserve(free) {
		return fmt.Errorf("the disk is full: %d bytes are free where agent.data_dir is, make room there: %w", free, err)
	}
	s.ledger, err = openLedger(ctx, file, s.opts)
	return err
}

// brim is how little is free when the ledger is about to get nothing any more.
const brim = 1 << 20

// giveReserve makes room for the ledger, if there is a reserve.
func (s *Spool) giveReserve(free uint64) bool {
	if err := os.Remove(s.reserve()); err != nil {
		return false
	}
	s.opts.Log.Error().Uint64("free_bytes", free).Msg("the disk is full: the room that was held for the ledger is given up, so that what is recorded can be uploaded and deleted; make room where agent.data_dir is")
	return true
}

// holdReserve takes the reserve again once there is room for it.
func (s *Spool) holdReserve() {
	if info, err := os.Stat(s.reserve()); err == nil && info.Size() == reserveSize || s.Room() != nil {
		return
	}
	if err := writeReserve(s.reserve()); err != nil {
		s.opts.Log.Warn().Err(err).Msg("no room could be held for the ledger")
	}
}

func writeReserve(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, reserveSize) // zeros would take no room on some disks
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
