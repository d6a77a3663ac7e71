package spool

import (
	"context"
	"fmt"
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
)

// Claim says what the ledger knows of an upload, and of the key that it is for.
func (s *Spool) Claim(ctx context.Context, destination, key, uploadID string) (Claim, error) {
	const wanted = `FROM deliveries JOIN segments ON segments.id = segment_id WHERE destination = ?1`
	const here = `deliveries.state IN ('pending','stored') AND segments.state IN ('recording','finished')`
	var c Claim
	err := s.ledger.db.QueryRowContext(ctx, `SELECT coalesce(max(claim), 0) FROM (
		SELECT 2 AS claim `+wanted+` AND `+here+` AND upload_id = ?2
		UNION ALL
		SELECT 1 AS claim `+wanted+` AND key = ?3 AND (deliveries.state = 'verified' OR `+here+`))`,
		destination, uploadID, key).Scan(&c)
	if err != nil {
		return 0, fmt.Errorf("ledger: look for upload %s: %w", uploadID, err)
	}
	return c, nil
}
