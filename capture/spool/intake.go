package spool

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// intake is what of the last run is still to be taken in, behind the cameras.
type intake struct {
	mu     sync.Mutex
	gone   []string      // segments whose file was not found where it should be
	files  []lone        // oldest first
	open   []openSegment // to be recovered: the last run did not finish them
	begun  bool          // it was looked what there is
	cut    int           // segments that the last run had open when it ended
	total  int           // of files, at the start
	bytes  int64         // of files
	unread Unread
}

// lone is a file that has no row.
type lone struct {
	path, camera, id string
	start            time.Time
	size             int64 // 0: not known yet
}

// openSegment is a segment that the last run did not finish.
type openSegment struct {
	id      string
	adopted bool // in this run
	dated   Dating
}

// Unread is how many segments wait to be read through: their checksum is not known, and
// they are not uploaded before it is.
type Unread struct {
	Segments int
	Bytes    int64
}

// Intake is how far the taking in of what the last run has left has come.
type Intake struct {
	Files  int   // that have no row yet
	Of     int   // as many there were at the start
	Bytes  int64 // of these files, as far as it is known
	Unread Unread
	Cut    int // segments that the last run had open when it ended: it was killed
}

// Done says that nothing is left.
func (i Intake) Done() bool { return i.Files == 0 && i.Unread.Segments == 0 }

// Intake says how far it has come.
func (s *Spool) Intake() Intake {
	in := &s.intake
	in.mu.Lock()
	defer in.mu.Unlock()
	i := Intake{Files: len(in.files) + len(in.gone), Of: in.total, Bytes: in.bytes, Unread: in.unread, Cut: in.cut}
	i.Unread.Segments += len(in.open)
	return i
}

// begin notes what there is to do.
func (in *intake) begin(gone []string, files []lone) {
	slices.SortFunc(files, func(a, b lone) int {
		// Of one moment our own comes first, so that it gets the key it had: see plan.
		return cmp.Or(a.start.Compare(b.start), compareBool(foreign(a.id), foreign(b.id)), cmp.Compare(a.path, b.path))
	})
	in.mu.Lock()
	defer in.mu.Unlock()
	in.gone, in.files, in.total, in.begun = gone, files, len(gone)+len(files), true
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// oldest is when the oldest file begins that has no row yet; zero: there is none. What is
// newer is not deleted to make room before it.
func (in *intake) oldest() time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.files) == 0 {
		return time.Time{}
	}
	return in.files[0].start
}

// lasts says whether there are files that have no row, or rows whose file was not found.
func (in *intake) lasts() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.files)+len(in.gone) > 0
}

// undated says whether there is something left that is to get its times together with the
// rest: else what follows it would be dated without it, and its time be missing.
func (in *intake) undated() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.files)+len(in.gone) > 0 || slices.ContainsFunc(in.open, func(o openSegment) bool { return o.dated == DatedLater })
}

func (in *intake) pending() (gone []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.gone)
}

// settled forgets a segment whose file was not found.
func (in *intake) settled(id string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.gone = slices.DeleteFunc(in.gone, func(one string) bool { return one == id })
}

// next are the oldest files.
func (in *intake) next(n int) []lone {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.files[:min(n, len(in.files))])
}

// taken forgets the n oldest files.
func (in *intake) taken(n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, f := range in.files[:n] {
		in.bytes -= f.size
	}
	if in.files = in.files[n:]; len(in.files) == 0 {
		in.files = nil // the memory of many
	}
}

// measured notes how large a file is.
func (in *intake) measured(sizes map[string]int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.files {
		f := &in.files[i]
		in.bytes += sizes[f.path] - f.size
		f.size = sizes[f.path]
	}
}

// followedBy is when the next file of a camera begins that has no row yet; zero: none
// does. Those of other recorders do not count.
func (in *intake) followedBy(camera string, start time.Time) time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, f := range in.files {
		if f.camera == camera && f.start.After(start) && !foreign(f.id) {
			return f.start
		}
	}
	return time.Time{}
}

// recoverLater has a segment recovered that the last run did not finish.
func (in *intake) recoverLater(o openSegment) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.open = append(in.open, o)
}

// wereCut notes how many segments the last run had open when it ended.
func (in *intake) wereCut(segments int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.cut = segments
}

// nextOpen is the next of those; without an id: there is none.
func (in *intake) nextOpen() openSegment {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.open) == 0 {
		return openSegment{}
	}
	return in.open[0]
}

// recovered forgets the segment that nextOpen has said.
func (in *intake) recovered() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.open = in.open[1:]
}

// counted notes how much waits to be read through.
func (in *intake) counted(u Unread) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.unread = u
}
