// Package disktest is a disk for tests: a file system in memory that logs each
// operation, fails on demand, and can tell what a disk may hold after a power cut
// at any point of its log.
package disktest

import "slices"

// Kind is what an operation does.
type Kind string

// The operations of the log.
const (
	Create   Kind = "create"
	Mkdir    Kind = "mkdir"
	Remove   Kind = "remove" // of a file or of an empty directory
	Rename   Kind = "rename"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"     // of a file
	SyncDir  Kind = "sync dir" // of a directory
	Mark     Kind = "mark"     // not an operation: what the program under test wrote to Marks
)

// Marks is a file that is not on the disk. What is written to it becomes a mark in the
// log, so that a program can say what it had been promised at this point.
const Marks = "marks"

// Op is one operation.
type Op struct {
	Kind   Kind
	Node   uint64 // the file or directory that it is about
	Dir    uint64 // where its name is
	Name   string
	ToDir  uint64 // of a rename
	ToName string
	Offset int64
	Size   int64 // of a truncated file
	Data   []byte
}

// rootNode is the number of the root directory.
const rootNode = 1

// node is a file or directory with what of it is on the disk and what may be.
type node struct {
	dir     bool
	synced  []byte // a file's content at its last sync
	pending []edit // of a file, since then
	names   map[string]uint64
}

// edit is a write or truncation that has not been synced, and its place in the log.
type edit struct {
	Op
	at int
}

// Disk is what a disk has been told up to some point of a log.
type Disk struct {
	at      int // operations so far
	nodes   map[uint64]*node
	pending []edit // changes of directories that have not been synced
	flushed int    // the last sync of anything: a journal was written then
}

// NewDisk returns a disk on which image has been for long.
func NewDisk(image Image) *Disk {
	d := &Disk{nodes: map[uint64]*node{rootNode: {dir: true, names: map[string]uint64{}}}}
	number := uint64(rootNode)
	image.walk(func(dir uint64, name string, content []byte) uint64 {
		number++
		d.nodes[dir].names[name] = number
		d.nodes[number] = &node{dir: content == nil, synced: slices.Clone(content), names: map[string]uint64{}}
		return number
	})
	return d
}

// Do carries out the next operation of the log.
func (d *Disk) Do(op Op) {
	d.at++
	switch op.Kind {
	case Create, Mkdir:
		d.nodes[op.Node] = &node{dir: op.Kind == Mkdir, names: map[string]uint64{}}
		d.pending = append(d.pending, edit{op, d.at})
	case Remove, Rename:
		d.pending = append(d.pending, edit{op, d.at})
	case Write, Truncate:
		n := d.nodes[op.Node]
		n.pending = append(n.pending, edit{op, d.at})
	case Sync:
		n := d.nodes[op.Node]
		for _, e := range n.pending {
			n.synced = e.apply(n.synced)
		}
		n.pending, d.flushed = nil, d.at
	case SyncDir:
		d.flushed = d.at
		d.pending = slices.DeleteFunc(d.pending, func(e edit) bool {
			if e.Dir != op.Node && (e.Kind != Rename || e.ToDir != op.Node) {
				return false
			}
			e.link(func(dir uint64) map[string]uint64 { return d.nodes[dir].names })
			return true
		})
	}
}

// apply does to content what the operation does; content may be changed.
func (op Op) apply(content []byte) []byte {
	end := op.Size
	if op.Kind == Write {
		end = max(op.Offset+int64(len(op.Data)), int64(len(content)))
	}
	if end < int64(len(content)) {
		return content[:end]
	}
	if grown := end - int64(len(content)); grown > 0 {
		content = append(content, make([]byte, grown)...)
	}
	copy(content[min(op.Offset, end):], op.Data)
	return content
}

// link does to directories what the operation does.
func (op Op) link(names func(dir uint64) map[string]uint64) {
	switch op.Kind {
	case Create, Mkdir:
		names(op.Dir)[op.Name] = op.Node
	case Remove:
		delete(names(op.Dir), op.Name)
	case Rename:
		delete(names(op.Dir), op.Name)
		names(op.ToDir)[op.ToName] = op.Node
	}
}
