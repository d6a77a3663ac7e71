package disktest

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Model is how much a file system promises.
type Model int

const (
	// Posix promises what POSIX does: a file's content after its own sync, a name
	// after the sync of its directory. Of the rest any part may be there: names one
	// by one, unless one depends on another; of a file each sector as it was at some
	// time since the last sync, and a length that it had at some other: zeros where a
	// length came without its data.
	Posix Model = iota
	// Journal is what ext4, XFS and NTFS do besides: names and lengths become durable
	// in order, all of them with each sync of anything, and a length not before the
	// data that it uncovers. Sectors that are overwritten come in any order.
	Journal
)

// Keep is what becomes of what was not synced.
type Keep int

const (
	Some Keep = iota
	None
	All
)

// Cut is what a power cut leaves on the disk; the disk itself is not changed.
func (d *Disk) Cut(model Model, keep Keep, sector int64, rng *rand.Rand) Image {
	c := cut{disk: d, model: model, keep: keep, sector: sector, rng: rng, names: map[uint64]map[string]uint64{}}
	c.likely = []float64{0.1, 0.5, 0.95}[rng.IntN(3)]
	switch keep {
	case Some:
		c.until = d.flushed + c.some(d.at-d.flushed)
	case None:
		c.until = d.flushed
	case All:
		c.until = d.at
	}
	c.link()
	image := Image{}
	c.read(image, rootNode, "")
	return image
}

type cut struct {
	disk   *Disk
	model  Model
	keep   Keep
	sector int64
	rng    *rand.Rand
	likely float64 // is it that one thing which was not synced survives: nearly all of them is the worst
	until  int     // to where a journal was written
	names  map[uint64]map[string]uint64
}

// some is how many of n changes that follow each other survive.
func (c *cut) some(n int) int {
	if c.rng.Float64() < c.likely {
		return n
	}
	return c.rng.IntN(n + 1)
}

func (c *cut) dir(number uint64) map[string]uint64 {
	if c.names[number] == nil {
		c.names[number] = maps.Clone(c.disk.nodes[number].names)
	}
	return c.names[number]
}

// link applies those changes of directories that survive.
func (c *cut) link() {
	type place struct {
		dir  uint64
		name string
	}
	lost := map[place]bool{}
	for _, e := range c.disk.pending {
		from, to := place{e.Dir, e.Name}, place{e.ToDir, e.ToName}
		survives := e.at <= c.until
		if c.model == Posix {
			survives = c.keep == All || c.keep == Some && c.rng.Float64() < c.likely
		}
		if !survives || lost[from] || lost[to] {
			lost[from] = true
			if e.Kind == Rename {
				lost[to] = true
			}
			continue
		}
		e.link(c.dir)
	}
}

func (c *cut) read(image Image, number uint64, under string) {
	entries := c.dir(number)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		n := c.disk.nodes[entries[name]]
		if n.dir {
			image[under+name] = nil
			c.read(image, entries[name], under+name+"/")
			continue
		}
		image[under+name] = c.content(n)
	}
}

// content is what a file holds.
func (c *cut) content(n *node) []byte {
	sized := 0 // edits that the length has seen
	switch {
	case c.model == Journal:
		for sized < len(n.pending) && n.pending[sized].at <= c.until {
			sized++
		}
	case c.keep == All:
		sized = len(n.pending)
	case c.keep == Some:
		sized = c.some(len(n.pending))
	}
	size := int64(len(n.synced))
	for _, e := range n.pending[:sized] {
		size = e.sizeAfter(size)
	}
	out := make([]byte, size)
	copy(out, n.synced)
	for at := int64(0); at < size; at += c.sector {
		c.fill(out[at:min(at+c.sector, size)], at, n, sized)
	}
	return out
}

func (op Op) sizeAfter(size int64) int64 {
	if op.Kind == Truncate {
		return op.Size
	}
	return max(size, op.Offset+int64(len(op.Data)))
}

// fill makes a sector what it was at some time since the last sync.
func (c *cut) fill(sector []byte, at int64, n *node, sized int) {
	end := at + int64(len(sector))
	// What a truncation has cut off, and a length beyond it has seen, is zero.
	first := 0
	for i, e := range n.pending[:sized] {
		if e.Kind == Truncate && e.Size < end {
			first = i + 1
		}
	}
	last := first
	for i := first; i < len(n.pending); i++ {
		e := n.pending[i]
		if e.Kind == Truncate && e.Size < end && i >= sized {
			break
		}
		if e.Kind == Write && e.Offset < end && e.Offset+int64(len(e.Data)) > at {
			last = i + 1
		}
	}
	seen := first
	switch {
	case last == first:
	case c.keep == All:
		seen = last
	case c.model == Journal && end > int64(len(n.synced)):
		seen = max(first, sized)
		if last > seen {
			seen += c.some(last - seen)
		}
	case c.keep == Some:
		seen += c.some(last - first)
	}
	for _, e := range n.pending[:seen] {
		switch {
		case e.Kind == Truncate && e.Size < end:
			clear(sector[max(0, e.Size-at):])
		case e.Kind == Write && e.Offset < end && e.Offset+int64(len(e.Data)) > at:
			from := max(at, e.Offset)
			copy(sector[from-at:], e.Data[from-e.Offset:])
		}
	}
}
