package spool

import (
	"errors"
	"fmt"
	"slices"

	"github.com/shirou/gopsutil/v4/disk"
)

// KeptFree is what recording leaves of a disk, in bytes: without room for the ledger
// nothing could be uploaded any more, nor deleted, and the disk would stay full.
const KeptFree = 64 << 20

// ErrNoRoom says that recording would fill the disk to the brim.
var ErrNoRoom = errors.New("the disk is full")

// Room says whether more may be recorded: then it returns nil, else ErrNoRoom, or what
// Present has found. Where the system does not tell how much is free it finds room. On
// a disk that others have filled to the brim it gives up the reserve.
func (s *Spool) Room() error {
	if err := s.Present(); err != nil {
		return err
	}
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

// Inodes is how many more files the file system of the data directory has room for, and
// how many it can hold. Where it knows no such limit the second is 0.
func (s *Spool) Inodes() (free, total uint64, err error) {
	usage, err := disk.Usage(s.opts.Dir)
	if err != nil {
		return 0, 0, err
	}
	return usage.InodesFree, usage.InodesTotal, nil
}

// NoRoom says whether an error is that the disk is full, or what the agent may have of it.
func NoRoom(err error) bool {
	return errors.Is(err, ErrNoRoom) || slices.ContainsFunc(errsFull, func(full error) bool { return errors.Is(err, full) })
}

// Refusal is why the system has no room for footage, whatever it says is free.
type Refusal int

const (
	NotRefused  Refusal = iota
	RefusedRoom         // no room for more files, perhaps: deleting one may not help
	QuotaUsedUp         // what the agent's user may have: deleting helps
)

// Refused notes that the system has found no room for footage, with what it said.
func (s *Spool) Refused(err error) {
	why := RefusedRoom
	if errors.Is(err, errQuota) {
		why = QuotaUsedUp
	}
	s.refused.Store(int32(why))
}

// WasRefused says whether there was no room for footage since it was last asked.
func (s *Spool) WasRefused() Refusal { return Refusal(s.refused.Swap(int32(NotRefused))) }

// diskUsage is what the system says.
func diskUsage(dir string) (free, total uint64, err error) {
	usage, err := disk.Usage(dir)
	if err != nil {
		return 0, 0, err
	}
	return usage.Free, usage.Total, nil
}
