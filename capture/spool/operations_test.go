package spool

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// docs/operations.md explains each cause of a gap.
func TestOperationsKnowsEachGap(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("gaps.go")
	if err != nil {
		t.Fatal(err)
	}
	causes := regexp.MustCompile(`(?m)^\t[A-Z]\w+ +Cause = "([^"]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(causes) < 12 {
		t.Fatalf("only %d causes were found", len(causes))
	}
	for _, c := range causes {
		if !strings.Contains(string(page), "| `"+c[1]+"` | ") {
			t.Errorf("docs/operations.md does not explain %q", c[1])
		}
	}
}

// It has each state of a segment, here, at destinations and at central.
func TestOperationsKnowsEachState(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("segment.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "\n## Segments\n")
	text, _, _ = strings.Cut(text, "\n## ")
	states := regexp.MustCompile(`(?m)^\t[A-Z]\w+ +\w*State = "([^"]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(states) < 15 {
		t.Fatalf("only %d states were found", len(states))
	}
	for _, s := range states {
		if !strings.Contains(text, "`"+s[1]+"`") {
			t.Errorf("docs/operations.md does not explain the state %q", s[1])
		}
	}
}
