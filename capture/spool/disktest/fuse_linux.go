//go:build !arm && !386

package disktest

import (
	"context"
	"os"
	"path"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// FS is a mounted file system in memory. The process that uses it has to be another
// one than the one that serves it: SQLite maps a file into memory, and a process
// that stands still at a page of its own file system does not go on.
type FS struct {
	Dir string // where it is mounted

	mu     sync.Mutex
	log    []Op
	nodes  uint64
	faults func(op Kind, path string) syscall.Errno
	reads  func(Range) syscall.Errno
}

// Reading is an operation that is not in the log, and can be made to fail.
const Reading Kind = "read"

// Mount mounts a file system that holds image, until the test ends. It takes rights
// that tests do not always have: without them the test is skipped.
func Mount(t testing.TB, dir string, image Image) *FS {
	t.Helper()
	f := &FS{Dir: dir, nodes: rootNode}
	root := &file{fs: f, number: rootNode, mode: syscall.S_IFDIR | 0o755, changed: time.Now()}
	second := time.Second
	o := &fs.Options{AttrTimeout: &second, EntryTimeout: &second}
	o.MountOptions = fuse.MountOptions{DirectMount: true, Name: "disktest", FsName: "disktest", MaxWrite: 1 << 20}
	server, err := fs.Mount(dir, root, o)
	if err != nil {
		if os.Geteuid() == 0 && os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatalf("FUSE: %v", err)
		}
		t.Skipf("FUSE: a file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	files := map[uint64]*file{rootNode: root}
	image.walk(func(dir uint64, name string, content []byte) uint64 {
		mode := uint32(syscall.S_IFREG | 0o640)
		if content == nil {
			mode = syscall.S_IFDIR | 0o750
		}
		n := files[dir].add(context.Background(), name, mode)
		n.content = append(n.content, content...)
		files[n.number] = n
		return n.number
	})
	return f
}

// Log returns what has happened so far.
func (f *FS) Log() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log[:len(f.log):len(f.log)]
}

// Fail makes operations fail with what faults returns, if that is not 0. path is
// that of the file or directory, from the root.
func (f *FS) Fail(faults func(op Kind, path string) syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = faults
}

// Range is what is read of a file.
type Range struct {
	Node     uint64 // stays the same when it is renamed
	Path     string
	From, To int64
}

// FailReads makes readings of files fail, by the bytes that they want as well: a sector
// of a disk may be dead. The kernel asks for more than a program does, and once more for
// less when that fails.
func (f *FS) FailReads(faults func(Range) syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads = faults
}

// file is a file or directory of it. All is guarded by the file system's mutex.
type file struct {
	fs.Inode
	fs      *FS
	number  uint64
	mode    uint32
	content []byte
	changed time.Time
}

// begin takes the mutex, unless the operation is to fail.
func (n *file) begin(op Kind, name string) syscall.Errno {
	where := path.Join(n.Path(nil), name)
	n.fs.mu.Lock()
	if n.fs.faults != nil {
		if errno := n.fs.faults(op, where); errno != 0 {
			n.fs.mu.Unlock()
			return errno
		}
	}
	return 0
}

func (n *file) say(op Op) { n.fs.log = append(n.fs.log, op) }

func (n *file) attributes(out *fuse.Attr) {
	out.Ino, out.Mode, out.Size, out.Nlink = n.number, n.mode, uint64(len(n.content)), 1
	out.Blocks, out.Blksize = (out.Size+511)/512, 4096
	out.Owner = fuse.Owner{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	out.SetTimes(&n.changed, &n.changed, &n.changed)
}

func (n *file) add(ctx context.Context, name string, mode uint32) *file {
	n.fs.nodes++
	child := &file{fs: n.fs, number: n.fs.nodes, mode: mode, changed: time.Now()}
	n.AddChild(name, n.NewPersistentInode(ctx, child, fs.StableAttr{Mode: mode & syscall.S_IFMT, Ino: child.number}), true)
	return child
}

func (n *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.fs.mu.Lock()
	defer n.fs.mu.Unlock()
	n.attributes(&out.Attr)
	return 0
}

func (n *file) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const blocks = 1 << 28
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks, out.Bfree, out.Bavail = 2*blocks, blocks, blocks
	return 0
}

func (n *file) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if errno := n.begin(Create, name); errno != 0 {
		return nil, nil, 0, errno
	}
	defer n.fs.mu.Unlock()
	child := n.add(ctx, name, syscall.S_IFREG|mode&0o7777)
	if n.number != rootNode || name != Marks {
		n.say(Op{Kind: Create, Node: child.number, Dir: n.number, Name: name})
	} else {
		child.number = 0
	}
	child.attributes(&out.Attr)
	return child.EmbeddedInode(), nil, child.caching(), 0
}

// caching: marks go into the log one by one.
func (n *file) caching() uint32 {
	if n.number == 0 {
		return fuse.FOPEN_DIRECT_IO
	}
	return 0
}

func (n *file) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if errno := n.begin(Mkdir, name); errno != 0 {
		return nil, errno
	}
	defer n.fs.mu.Unlock()
	child := n.add(ctx, name, syscall.S_IFDIR|mode&0o7777)
	n.say(Op{Kind: Mkdir, Node: child.number, Dir: n.number, Name: name})
	child.attributes(&out.Attr)
	return child.EmbeddedInode(), 0
}

func (n *file) Unlink(_ context.Context, name string) syscall.Errno {
	if errno := n.begin(Remove, name); errno != 0 {
		return errno
	}
	defer n.fs.mu.Unlock()
	child := n.GetChild(name)
	if child == nil {
		return syscall.ENOENT
	}
	if number := child.Operations().(*file).number; number != 0 {
		n.say(Op{Kind: Remove, Node: number, Dir: n.number, Name: name})
	}
	return 0
}

func (n *file) Rmdir(ctx context.Context, name string) syscall.Errno {
	if child := n.GetChild(name); child != nil && len(child.Children()) > 0 {
		return syscall.ENOTEMPTY
	}
	return n.Unlink(ctx, name)
}

func (n *file) Rename(_ context.Context, name string, to fs.InodeEmbedder, toName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.ENOTSUP
	}
	if errno := n.begin(Rename, name); errno != 0 {
		return errno
	}
	defer n.fs.mu.Unlock()
	child := n.GetChild(name)
	if child == nil {
		return syscall.ENOENT
	}
	n.say(Op{Kind: Rename, Node: child.Operations().(*file).number, Dir: n.number, Name: name, ToDir: to.(*file).number, ToName: toName})
	return 0
}

func (n *file) Open(_ context.Context, _ uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, n.caching(), 0
}

func (n *file) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if errno := n.begin(Reading, ""); errno != 0 {
		return nil, errno
	}
	defer n.fs.mu.Unlock()
	if n.fs.reads != nil {
		if errno := n.fs.reads(Range{n.number, n.Path(nil), off, off + int64(len(dest))}); errno != 0 {
			return nil, errno
		}
	}
	off = min(off, int64(len(n.content)))
	return fuse.ReadResultData(append([]byte(nil), n.content[off:min(off+int64(len(dest)), int64(len(n.content)))]...)), 0
}

// Opendir fails where reading does: go-fuse lists a directory by itself.
func (n *file) Opendir(context.Context) syscall.Errno {
	if errno := n.begin(Reading, ""); errno != 0 {
		return errno
	}
	n.fs.mu.Unlock()
	return 0
}

func (n *file) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	if errno := n.begin(Write, ""); errno != 0 {
		return 0, errno
	}
	defer n.fs.mu.Unlock()
	op := Op{Kind: Write, Node: n.number, Offset: off, Data: append([]byte(nil), data...)}
	if n.number == 0 {
		op.Kind = Mark
	} else {
		n.content = op.apply(n.content)
		n.changed = time.Now()
	}
	n.say(op)
	return uint32(len(data)), 0
}

func (n *file) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if errno := n.begin(Truncate, ""); errno != 0 {
		return errno
	}
	defer n.fs.mu.Unlock()
	if mode, ok := in.GetMode(); ok {
		n.mode = n.mode&syscall.S_IFMT | mode&0o7777
	}
	if mtime, ok := in.GetMTime(); ok {
		n.changed = mtime
	}
	if size, ok := in.GetSize(); ok {
		op := Op{Kind: Truncate, Node: n.number, Size: int64(size)}
		n.content = op.apply(n.content)
		n.say(op)
	}
	n.attributes(&out.Attr)
	return 0
}

func (n *file) Fsync(_ context.Context, _ fs.FileHandle, _ uint32) syscall.Errno {
	kind := Sync
	if n.mode&syscall.S_IFDIR != 0 {
		kind = SyncDir
	}
	if errno := n.begin(kind, ""); errno != 0 {
		return errno
	}
	defer n.fs.mu.Unlock()
	n.say(Op{Kind: kind, Node: n.number})
	return 0
}
