package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

var (
	// ErrAway says that the data directory is not there: its disk was removed, or is
	// not mounted. What is written to its path now would go to another disk.
	ErrAway = errors.New("the data directory is gone")
	// ErrReplaced says that it is there, and not as what was opened, or is another: the
	// spool has to be opened anew.
	ErrReplaced = errors.New("the data directory is another one now")
	// ErrLedgerDamaged says that SQLite has found the ledger damaged: when the spool is
	// opened anew, that is set aside.
	ErrLedgerDamaged = errors.New("the ledger is damaged")
)

// Present says whether the data directory is the one that was opened: then it
// returns nil, else ErrAway or ErrReplaced.
func (s *Spool) Present() error {
	id, err := os.ReadFile(filepath.Join(s.opts.Dir, "spool.id"))
	if err == nil && len(id) == 0 {
		err = errors.New("spool.id is empty")
	}
	if err != nil {
		return fmt.Errorf("%w: %v", ErrAway, err) // not that a segment's file does not exist
	}
	now, err := os.Stat(s.lock.Path())
	if err != nil {
		return fmt.Errorf("%w: %v", ErrAway, err)
	}
	if string(id) != s.id || !os.SameFile(now, s.locked) {
		return ErrReplaced
	}
	return nil
}

// Check writes to the ledger, durably, what it holds already. Of a row that stays as
// it is SQLite would write nothing.
func (s *Spool) Check(ctx context.Context) error {
	_, err := s.ledger.db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations)))
	if damage := Damage(err); damage != nil {
		return damage
	}
	if err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	now, err := os.Stat(s.ledger.file)
	if err == nil && !os.SameFile(now, s.ledger.opened) {
		err = errors.New("it was replaced while the agent runs")
	}
	if err != nil {
		return fmt.Errorf("the ledger's file: %w", err)
	}
	return nil
}

// Damage is ErrLedgerDamaged if an error of a verb or question says that SQLite has
// found the ledger damaged, else nil.
func Damage(err error) error {
	if !damaged(err) {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrLedgerDamaged, err)
}
