package capture

import (
	"os"
	"strings"
	"testing"
)

// docs/operations.md has each state of a camera.
func TestOperationsKnowsEachState(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []State{Connecting, Live, Waiting, OffSchedule} {
		if !strings.Contains(string(page), "| `"+string(s)+"` | ") {
			t.Errorf("docs/operations.md does not explain the state %q", s)
		}
	}
}
