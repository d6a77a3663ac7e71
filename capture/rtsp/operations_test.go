package rtsp

import (
	"os"
	"strings"
	"testing"
)

// docs/operations.md has each cause, and says the same about it as the agent.
func TestOperationsKnowsEachCause(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for cause, remedy := range remedies {
		if row := "| " + string(cause) + " | " + remedy + " |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/operations.md lacks\n%s", row)
		}
	}
}
