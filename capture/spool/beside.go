package spool

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// View reads the ledger at one moment, beside the agent that writes to it and
// without holding it up. central says that there is a central server.
//
// It does what Look does for others, without opening any file itself: to close one
// again would take SQLite's locks from this process.
func (s *Spool) View(ctx context.Context, central bool, do func(*View) error) error {
	params := url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)", "busy_timeout(5000)", newestFirst}}
	db, err := s.ledger.damage.open(dsn(s.ledger.file, params))
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "BEGIN"); err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	return do(&View{opts: LookOptions{Dir: s.opts.Dir, Primary: s.primary(), Central: central}, ledger: &ledger{db: db, now: time.Now}})
}
