package spool

import (
	"errors"
	"fmt"

	"github.com/shirou/gopsutil/v4/disk"
)

// keptFree is what recording leaves of a disk: without room for the ledger nothing
// could be uploaded any more, nor deleted, and the disk would stay full.
const keptFree = 64 << 20

// ErrNoRoom says that recording would fill the disk to the brim.
var ErrNoRoom = errors.New("the disk is full")

// Room says whether more may be recorded: then it returns nil, else ErrNoRoom. Where
// the system does not tell how much is free it finds room. On a disk that others have
// filled to the brim it gives up the reserve.
func (s *Spool) Room() error {
	free, err := s.opts.Free(s.opts.Dir)
	if err != nil || free >= keptFree {
		return nil
	}
	if free < brim {
		s.giveReserve(free)
	}
	return fmt.Errorf("%w: %d MB are free, %d MB are kept so that what is recorded can still be uploaded and deleted", ErrNoRoom, free/1e6, keptFree/1_000_000)
}

// freeBytes is what the system says is free for the agent.
func freeBytes(dir string) (uint64, error) {
	usage, err := disk.Usage(dir)
	if err != nil {
		return 0, err
	}
	return usage.Free, nil
}
