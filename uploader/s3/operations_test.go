package s3

import (
	"os"
	"strings"
	"testing"
)

// docs/operations.md has what stores answer, and says the same about it as the agent.
func TestOperationsKnowsEachAnswer(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for code, f := range known {
		row := "| " + f.Cause + " | "
		if f.Remedy != "" {
			row += f.Remedy + " |"
		}
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/operations.md lacks, for %s,\n%s", code, row)
		}
	}
}
