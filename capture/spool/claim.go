package spool

import (
	"context"
	"fmt"
	"time"
)

// Claim is who works on a multipart upload that a store has.
type Claim int

const (
	// Unclaimed: nobody here. A row may know the upload, but the file that it was
	// made from is gone.
	Unclaimed Claim = iota
	// KeyClaimed: a file here goes to the upload's key by other means, or has done so.
	KeyClaimed
	// UploadClaimed: a file here is being sent by this upload.
	UploadClaimed
	// Forgotten: perhaps a segment of ours went to the key so long ago that its row was pruned.
	Forgotten
)

// Claim says what the ledger knows of an upload, when by the store it was opened, and of
// the key that it is for.
func (s *Spool) Claim(ctx context.Context, destination, key, uploadID string, opened time.Time) (Claim, error) {
	const wanted = `FROM deliveries JOIN segments ON segments.id = segment_id WHERE destination = ?1`
	const here = `deliveries.state IN ('pending','stored') AND segments.state IN ('recording','finished')`
	var c Claim
	err := s.ledger.db.QueryRowContext(ctx, `SELECT coalesce(max(claim), 0) FROM (
		SELECT 2 AS claim `+wanted+` AND `+here+` AND upload_id = ?2
		UNION ALL
		SELECT 1 AS claim `+wanted+` AND key = ?3 AND (deliveries.state = 'verified' OR `+here+`)
		UNION ALL
		SELECT 3 AS claim FROM pruned WHERE sent_us > ?4 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE destination = ?1 AND key = ?3))`,
		destination, uploadID, key, micros(opened)).Scan(&c)
	if err != nil {
		return 0, fmt.Errorf("ledger: look for upload %s: %w", uploadID, err)
	}
	return c, nil
}

// Cameras are the ids of those that there were ever segments of, with the name that
// each had last.
func (s *Spool) Cameras(ctx context.Context) (names map[string]string, err error) {
	// From one id to the next: the ledger has very many rows. Prune leaves one of each.
	rows, err := s.ledger.db.QueryContext(ctx, `WITH RECURSIVE known (camera) AS (
		SELECT min(camera_id) FROM segments
		UNION ALL SELECT (SELECT min(camera_id) FROM segments WHERE camera_id > camera) FROM known WHERE camera IS NOT NULL)
		SELECT camera, (SELECT camera_name FROM segments WHERE camera_id = camera ORDER BY end_us DESC LIMIT 1) FROM known WHERE camera IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("ledger: list cameras: %w", err)
	}
	defer rows.Close()
	names = map[string]string{}
	for rows.Next() {
		var id, name string
		if err := rows.Scan(&id, &name); err != nil {
			return nil, fmt.Errorf("ledger: list cameras: %w", err)
		}
		names[id] = name
	}
	return names, rows.Err()
}
