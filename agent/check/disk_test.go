package check

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func diskChecks(t *testing.T, dir, more string) *trial {
	t.Helper()
	return checksOf(t, fmt.Sprintf("[agent]\nclient_name = \"host\"\nstorage = \"local\"\ndata_dir = %q\n%s", dir, more))
}

func TestDiskThatIsFine(t *testing.T) {
	dir := t.TempDir()
	tr := diskChecks(t, dir, "[retention]\nmin_free = \"1MiB\"\n")
	tr.DataDir(t.Context())
	tr.want(t, "writable", OK, dir)
	tr.want(t, "free space", OK, "are free")
	if len(tr.steps) != 3 || tr.steps[2].Step != "sync speed" {
		t.Error(tr.text())
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
}

func TestDiskThatIsNotThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	tr := diskChecks(t, dir, "")
	tr.DataDir(t.Context())
	tr.want(t, "writable", Warning, "does not exist yet", "mounted")
	tr.want(t, "free space", OK)
	if _, err := os.Stat(filepath.Dir(dir)); err == nil {
		t.Error("the directory was made")
	}
}

func TestDiskThatCannotBe(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it takes a directory in which not even root makes another")
	}
	tr := diskChecks(t, "/proc/recording-agent/data", "")
	tr.DataDir(t.Context())
	tr.want(t, "writable", Failed, "cannot be made", "recording-agent install")
}

func TestDataDirThatIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tr := diskChecks(t, file, "")
	tr.DataDir(t.Context())
	tr.want(t, "writable", Failed, "not a directory", "agent.data_dir")
}

func TestDataDirThatMayNotBeWrittenTo(t *testing.T) {
	cause, remedy := explainWrite(&os.PathError{Op: "open", Path: "x", Err: os.ErrPermission})
	if cause == "" || remedy != writableRemedy {
		t.Error(cause, remedy)
	}
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	tr := diskChecks(t, dir, "")
	tr.DataDir(t.Context())
	tr.want(t, "writable", Failed, "cannot be written to", "user")
}

func TestFullDisk(t *testing.T) {
	const gb = 1_000_000_000
	for name, tc := range map[string]struct {
		free   uint64
		more   string
		result Result
		words  []string
	}{
		"full":                 {10_000_000, "", Failed, []string{"the disk is full", "make room"}},
		"below, and goes on":   {gb, "[retention]\nmin_free = \"2GB\"\n", Warning, []string{"1.0 GB", "2.0 GB", "oldest footage"}},
		"below, and it stops":  {gb, "[retention]\nmin_free = \"2GB\"\non_full = \"stop_recording\"\n", Failed, []string{"nothing is recorded", "delete_oldest"}},
		"more than is to stay": {3 * gb, "[retention]\nmin_free = \"2GB\"\n", OK, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tr := diskChecks(t, t.TempDir(), tc.more)
			tr.Disk = func(string) (uint64, uint64, error) { return tc.free, 100 * gb, nil }
			tr.DataDir(t.Context())
			tr.want(t, "free space", tc.result, tc.words...)
		})
	}
}

func TestSlowDisk(t *testing.T) {
	tr := diskChecks(t, t.TempDir(), "")
	tr.tellSpeed(tr.group("disk", "", ""), 1_000_000)
	tr.want(t, "sync speed", Warning, "1.0 MB a second", "4.2 MB", "health")
}
