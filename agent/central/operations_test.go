package central

import (
	"os"
	"strings"
	"testing"
)

// docs/operations.md has what central can answer, and says the same about it as the agent.
func TestOperationsKnowsEachAnswer(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for kind := Unreachable; kind <= Senseless; kind++ {
		for _, call := range []string{"register", "cameras"} {
			cause, remedy := (&Error{Call: call, Kind: kind, Status: 599, Detail: "detail"}).Explain()
			cause, _, _ = strings.Cut(strings.ReplaceAll(cause, " (599", ": "), ":")
			if row := "| " + cause + " | " + remedy; !strings.Contains(string(page), row) {
				t.Errorf("docs/operations.md lacks\n%s", row)
			}
		}
	}
}
