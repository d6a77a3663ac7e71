package private

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// What is asked of Windows. That it does so cannot be seen under Wine, which knows
// permissions of Unix only.
func TestOnly(t *testing.T) {
	wanted, err := windows.SecurityDescriptorFromString(only)
	if err != nil {
		t.Fatal(err)
	}
	control, _, err := wanted.Control()
	if err != nil || control&windows.SE_DACL_PROTECTED == 0 {
		t.Errorf("rights are taken over from the directory above: %#x, %v", control, err)
	}
	list, _, err := wanted.DACL()
	if err != nil {
		t.Fatal(err)
	}
	var who []string
	for i := range uint32(list.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &ace); err != nil {
			t.Fatal(err)
		}
		sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart))
		who = append(who, sid.String())
		if ace.Header.AceFlags&(windows.OBJECT_INHERIT_ACE|windows.CONTAINER_INHERIT_ACE) != windows.OBJECT_INHERIT_ACE|windows.CONTAINER_INHERIT_ACE {
			t.Errorf("what %s may do does not hold for what is inside", sid)
		}
	}
	if want := []string{"S-1-5-18", "S-1-5-32-544", "S-1-3-4"}; !slices.Equal(who, want) { // system, administrators, owner
		t.Errorf("it is open to %v, want %v", who, want)
	}
}

func TestDirectory(t *testing.T) {
	there, err := os.MkdirTemp("", "private") // Wine cannot remove it: it takes the owner's right to for nobody's
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(there)
	before := accessOf(t, there)
	if err := Directory(there); err != nil || accessOf(t, there) != before {
		t.Errorf("what was there before has changed: %v, %s", err, accessOf(t, there))
	}
	dir := filepath.Join(there, "data", "deep")
	if err := Directory(dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "segment.mp4")
	if err := os.WriteFile(file, []byte("footage"), 0o640); err != nil {
		t.Errorf("its owner cannot work in it: %v", err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "footage" {
		t.Errorf("its owner cannot read what is in it: %v", err)
	}
	if err := Restrict(filepath.Join(there, "missing")); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func accessOf(t *testing.T, name string) string {
	t.Helper()
	is, err := windows.GetNamedSecurityInfo(name, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		t.Fatal(err)
	}
	return is.String()
}
