package uploader

import (
	"context"
	"fmt"

	"recording-agent/capture/spool"
)

const (
	// refusedBytes are made room for at a look when the system had none for footage
	// though enough was free: a quota, most likely. If it was not enough the next look
	// makes more.
	refusedBytes = 64 << 20
	// keptInodes is for how many more files there is to be room: less, a tenth of them,
	// where there are few at all.
	keptInodes = 256
)

// makeOtherRoom makes the room that cannot be seen by the bytes that are free: for more
// files, and below a quota. What is not safe goes only where it is certain that it
// helps: recording was refused, and the files are few or a quota is used up. Second names
// and snapshots keep those as well as bytes.
func (r *Retention) makeOtherRoom(ctx context.Context) (trouble string, err error) {
	why := r.opts.Refused()
	refused := why != spool.NotRefused
	free, total, err := r.opts.Inodes()
	if err != nil {
		return "", nil // then bytes alone are looked at
	}
	disk, _, err := r.opts.Disk()
	if err != nil {
		return "", fmt.Errorf("ask how much of the disk is free: %w", err)
	}
	wanted := min(keptInodes, total/10)
	if free < wanted && (free > 0 || refused) { // else the number means nothing: footage has room
		n := need{free: free, wanted: wanted, gain: oneFile, left: "%d more files have room", unit: 1}
		if refused {
			n.brink = wanted
		}
		return r.evictSeen(ctx, n, disk)
	}
	if refused {
		n := need{wanted: refusedBytes, gain: sizeOf, left: "%d MB are free", unit: 1e6}
		if why == spool.QuotaUsedUp {
			n.brink, n.left = brinkBytes, "%d MB of the quota are free"
		}
		return r.evictSeen(ctx, n, disk)
	}
	return "", nil
}

func oneFile(spool.Local) uint64 { return 1 }
