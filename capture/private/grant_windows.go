package private

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/windows"
)

// Right is what an account may do with a file or directory.
type Right int

// The rights that Grant gives.
const (
	Read   Right = iota // read and run it, and what is in it
	Modify              // write and delete as well
	List                // a directory: see what is in it, and be told of changes
)

// masks are the rights as Windows shows them: "read and execute", "modify".
var masks = map[Right]windows.ACCESS_MASK{
	Read: windows.FILE_GENERIC_READ | windows.FILE_GENERIC_EXECUTE, List: windows.FILE_GENERIC_READ | windows.FILE_GENERIC_EXECUTE,
	Modify: windows.FILE_GENERIC_READ | windows.FILE_GENERIC_WRITE | windows.FILE_GENERIC_EXECUTE | windows.DELETE,
}

// Grant gives an account, as SID, a right besides those that others have. Of a directory it holds
// for all in it, also for what comes later, unless the right is List.
func Grant(path, account string, right Right) error {
	if err := grant(path, account, right); err != nil {
		return fmt.Errorf("give the service's account the right to use %s: %w", path, err)
	}
	return nil
}

func grant(path, account string, right Right) error {
	is, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	had, _, err := is.DACL()
	if err != nil {
		return err
	}
	list, err := with(had, account, right)
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION, nil, nil, list, nil)
}

// with is a list of rights with one more, in the place of what the account had.
func with(had *windows.ACL, account string, right Right) (*windows.ACL, error) {
	sid, err := windows.StringToSid(account)
	if err != nil {
		return nil, err
	}
	var pinned runtime.Pinner
	pinned.Pin(sid)
	defer pinned.Unpin()
	inheritance := uint32(windows.SUB_CONTAINERS_AND_OBJECTS_INHERIT)
	if right == List {
		inheritance = windows.NO_INHERITANCE
	}
	return windows.ACLFromEntries([]windows.EXPLICIT_ACCESS{{
		AccessPermissions: masks[right], AccessMode: windows.SET_ACCESS, Inheritance: inheritance,
		Trustee: windows.TRUSTEE{TrusteeForm: windows.TRUSTEE_IS_SID, TrusteeValue: windows.TrusteeValueFromSID(sid)},
	}}, had)
}
