package check

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"recording-agent/capture/spool"
)

// smallDisk is a disk of its own. It takes rights that tests do not always have.
func smallDisk(t *testing.T, bytes int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		if os.Geteuid() == 0 && os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatal(err)
		}
		t.Skipf("a disk of its own cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestDiskThatIsReallyFull(t *testing.T) {
	dir := smallDisk(t, spool.KeptFree+1<<20)
	if err := os.WriteFile(filepath.Join(dir, "film"), make([]byte, spool.KeptFree+1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	tr := diskChecks(t, dir, "")
	tr.DataDir(t.Context())
	tr.want(t, "free space", Failed, "the disk is full", "make room")
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%v", left)
	}
}

// A disk that takes a file, and not its content.
func TestDiskThatFillsWhileItIsTried(t *testing.T) {
	dir := smallDisk(t, 1<<20)
	tr := diskChecks(t, dir, "")
	tr.Disk = func(string) (uint64, uint64, error) { return 100 << 30, 200 << 30, nil }
	tr.DataDir(t.Context())
	tr.want(t, "writable", Failed, "the disk is full", "make room")
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v is left behind", left)
	}
}

func TestDiskThatIsReadOnly(t *testing.T) {
	dir := smallDisk(t, 16<<20)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	tr := diskChecks(t, dir, "")
	tr.DataDir(t.Context())
	tr.want(t, "writable", Failed, "cannot be written to", "read-only")
}
