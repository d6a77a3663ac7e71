package spool

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/google/uuid"
)

// remember keeps what others need of a row that goes. Its id is kept, so that its file
// does not begin a segment anew, unless its footage is nowhere: then it is to be uploaded
// whenever it turns up.
func (g goner) remember(ctx context.Context, tx *sql.Tx) error {
	var ids int64
	if g.state != Missing || g.verified {
		res, err := tx.ExecContext(ctx, `INSERT INTO pruned_ids (key) VALUES (?) ON CONFLICT DO NOTHING`, idKey(g.id))
		if err == nil {
			ids, err = res.RowsAffected()
		}
		if err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE pruned SET until_us = max(until_us, ?2), sent_us = max(sent_us, ?3), ids = ids + ?4,
			deleted = deleted + (?1 = 'deleted'), missing = missing + (?1 = 'missing'), empty = empty + (?1 = 'empty'),
			lost = lost + ?5, lost_bytes = lost_bytes + iif(?5, ?6, 0), lost_us = max(lost_us, iif(?5, ?2, 0))`,
		g.state, g.end, g.sent, ids, g.lost, g.size)
	return err
}

// idKey is what is remembered of an id. In those of version 7 it is the time at which
// they were made, by the microsecond, each of this host's another: the oldest have the
// lowest.
func idKey(id string) int64 {
	if u, err := uuid.Parse(id); err == nil {
		return int64(binary.BigEndian.Uint64(u[:8]))
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // it never fails
	return int64(h.Sum64())
}

// wasPruned says whether there was a segment, whose row is gone.
func (s *Spool) wasPruned(ctx context.Context, id string) (yes bool, err error) {
	err = s.ledger.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pruned_ids WHERE key = ?)`, idKey(id)).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("ledger: look whether segment %s was pruned: %w", id, err)
	}
	return yes, nil
}

// forgetting is how many ids are forgotten in one go.
const forgetting = 1000

// forgetIDs forgets the oldest ids when there are too many.
func (s *Spool) forgetIDs(ctx context.Context, rest func(worked time.Duration) bool) error {
	for {
		began, n := time.Now(), int64(0)
		err := s.ledger.tx(ctx, func(tx *sql.Tx) error {
			var ids int64
			if err := tx.QueryRowContext(ctx, `SELECT ids FROM pruned`).Scan(&ids); err != nil || ids <= s.keep.ids {
				return err
			}
			res, err := tx.ExecContext(ctx, `DELETE FROM pruned_ids WHERE key IN (SELECT key FROM pruned_ids ORDER BY key LIMIT ?)`, min(forgetting, ids-s.keep.ids))
			if err == nil {
				n, err = res.RowsAffected()
			}
			if err == nil {
				_, err = tx.ExecContext(ctx, `UPDATE pruned SET ids = ids - ?`, n)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("ledger: forget old ids: %w", err)
		}
		if n == 0 || !rest(time.Since(began)) {
			return nil
		}
	}
}

// PrunedUntil is the end of the newest footage whose row is gone: of what was recorded
// before nobody here may know. It is zero where none was pruned.
func (s *Spool) PrunedUntil(ctx context.Context) (time.Time, error) {
	var us int64
	if err := s.ledger.db.QueryRowContext(ctx, `SELECT until_us FROM pruned`).Scan(&us); err != nil {
		return time.Time{}, fmt.Errorf("ledger: look what was pruned: %w", err)
	}
	return fromMicros(us), nil
}

// addPruned adds the segments whose rows are gone to a count of the others.
func (l *ledger) addPruned(ctx context.Context, counts map[State]int) error {
	var deleted, missing, empty int
	if err := l.db.QueryRowContext(ctx, `SELECT deleted, missing, empty FROM pruned`).Scan(&deleted, &missing, &empty); err != nil {
		return fmt.Errorf("ledger: count what was pruned: %w", err)
	}
	counts[Deleted] += deleted
	counts[Missing] += missing
	counts[Empty] += empty
	return nil
}
