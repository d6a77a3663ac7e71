package private

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// service is the SID of an account of a service.
const service = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

// What is asked of Windows. That it does so cannot be seen under Wine, which knows
// permissions of Unix only.
func TestOnly(t *testing.T) {
	for text, want := range map[string][]string{
		only:                           {"S-1-5-18 1f01ff", "S-1-5-32-544 1f01ff", "S-1-3-4 1f01ff"}, // system, administrators, owner
		fmt.Sprintf(onlyWith, service): {"S-1-5-18 1f01ff", "S-1-5-32-544 1f01ff", service + " 1301bf"},
	} {
		wanted, err := windows.SecurityDescriptorFromString(text)
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
		if who := rights(t, list, true); !slices.Equal(who, want) {
			t.Errorf("it is open to %v, want %v", who, want)
		}
		if !isClosed(wanted) {
			t.Errorf("%s is not taken for closed", text)
		}
	}
}

// rights lists who may do what. within says that it is to hold for all in the directory.
func rights(t *testing.T, list *windows.ACL, within bool) (who []string) {
	t.Helper()
	for i := range uint32(list.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(list, i, &ace); err != nil {
			t.Fatal(err)
		}
		sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart))
		who = append(who, fmt.Sprintf("%s %x", sid, uint32(ace.Mask)))
		if held := ace.Header.AceFlags&(windows.OBJECT_INHERIT_ACE|windows.CONTAINER_INHERIT_ACE) == windows.OBJECT_INHERIT_ACE|windows.CONTAINER_INHERIT_ACE; held != within {
			t.Errorf("what %s may do holds for what is inside: %v", sid, held)
		}
	}
	return who
}

func TestClosed(t *testing.T) {
	for text, want := range map[string]bool{
		"D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)":                              true,
		"D:AI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)":                               false, // more may come from above
		"D:PAI(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;BU)":                        false, // %ProgramData%
		"D:PAI(A;OICI;FA;;;SY)(A;OICI;FR;;;AU)":                              false,
		"D:PAI(A;OICI;FA;;;SY)(A;OICI;FR;;;WD)":                              false,
		"D:PAI(D;OICI;FR;;;WD)(A;OICI;FA;;;SY)(A;OICI;FA;;;" + service + ")": true,
		"O:BA": false, // without a list all may do all
	} {
		is, err := windows.SecurityDescriptorFromString(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := isClosed(is); got != want {
			t.Errorf("%s is closed: %v", text, got)
		}
	}
	if closed(filepath.Join(os.TempDir(), "missing")) {
		t.Error("a directory that is not there is taken for closed")
	}
}

// A right is added to those of others, and takes the place of what the account had.
func TestGrantedBesides(t *testing.T) {
	had, err := windows.SecurityDescriptorFromString("D:(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;BU)")
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := had.DACL()
	if err != nil {
		t.Fatal(err)
	}
	for _, right := range []Right{Read, Modify, Modify} {
		if list, err = with(list, service, right); err != nil {
			t.Fatal(err)
		}
	}
	who := rights(t, list, true)
	slices.Sort(who)
	if want := []string{"S-1-5-18 1f01ff", "S-1-5-32-545 1200a9", service + " 1301bf"}; !slices.Equal(who, want) {
		t.Errorf("it is open to %v, want %v", who, want)
	}
	if list, err = with(nil, service, List); err != nil {
		t.Fatal(err)
	}
	if who := rights(t, list, false); !slices.Equal(who, []string{service + " 1200a9"}) {
		t.Errorf("it is open to %v", who)
	}
	if _, err := with(nil, "nobody", Read); err == nil {
		t.Error("nobody was given a right")
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
	for _, err := range []error{Close(filepath.Join(there, "missing"), service), Grant(filepath.Join(there, "missing"), service, Read)} {
		if err == nil || !strings.Contains(err.Error(), "missing") {
			t.Errorf("a directory that is not there: %v", err)
		}
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
