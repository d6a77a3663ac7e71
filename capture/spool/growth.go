package spool

import (
	"cmp"
	"slices"
)

// Growth is how far the file of a segment that is being recorded has come.
type Growth struct {
	SegmentID string
	Watermark int64 // bytes that are on the disk for good and, but for the file's front, final
}

// Grown notes a segment's watermark. It is kept in memory only: the ledger is not
// written at each sync, and what is still growing at a crash is recovered as a
// whole.
func (s *Spool) Grown(segmentID string, watermark int64) {
	s.mu.Lock()
	s.growing[segmentID] = watermark
	subs := s.growthSubs
	s.mu.Unlock()
	hint(subs)
}

// settled forgets a segment that grows no more.
func (s *Spool) settled(segmentID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.growing, segmentID)
}

// Growing lists the segments that are being recorded, in the order in which they
// began.
func (s *Spool) Growing() []Growth {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Growth, 0, len(s.growing))
	for id, watermark := range s.growing {
		out = append(out, Growth{id, watermark})
	}
	slices.SortFunc(out, func(a, b Growth) int { return cmp.Compare(a.SegmentID, b.SegmentID) }) // UUIDs of version 7
	return out
}

// SubscribeGrowth returns a channel with one slot that receives a hint after each
// sync of a segment that is being recorded.
func (s *Spool) SubscribeGrowth() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{}, 1)
	s.growthSubs = append(s.growthSubs, c)
	return c
}
