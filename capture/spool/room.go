package spool

import (
	"errors"
	"fmt"

	"github.com/shirou/gopsutil/v4/disk"
)

// KeptFree is what recording leaves of a disk, in bytes: without room for the ledger
// nothing could be uploaded any more, nor deleted, and the disk would stay full.
const KeptFree = 64 << 20

// ErrNoRoom says that recording would fill the disk to the brim.
var ErrNoRoom = errors.New("the disk is full")

// Room says whether more may be recorded: then it returns nil, else ErrNoRoom. Where
// the system does not tell how much is free it finds room. On a disk that others have
// filled to the brim it gives up the reserve.
func (s *Spool) Room() error {
	free, _, err := s.Disk()
	if err != nil || free >= KeptFree {
		return nil
	}
	if free < brim {
		s.giveReserve(free)
	}
	return fmt.Errorf("%w: %d MB are free, %d MB are kept so that what is recorded can still be uploaded and deleted", ErrNoRoom, free/1e6, KeptFree/1_000_000)
}

// Disk is how large the disk is that segments are written to, and how much of it is
// free for the agent, in bytes.
func (s *Spool) Disk() (free, total uint64, err error) { return s.opts.Disk(s.opts.Dir) }

// diskUsage is what the system says.
func diskUsage(dir string) (free, total uint64, err error) {
	usage, err := disk.Usage(dir)
	if err != nil {
		return 0, 0, err
	}
	return usage.Free, usage.Total, nil
}
