package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// docs/operations.md knows each problem that /health can have, by its words.
func TestOperationsKnowsEachProblem(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("health.go")
	if err != nil {
		t.Fatal(err)
	}
	problems := regexp.MustCompile(`complaint\{"([^"]*)"(?: \+ \S+(?: \+ "([^"]*)")?)?,`).FindAllStringSubmatch(string(source), -1)
	problems = append(problems, []string{"", failedStart{cause: os.ErrNotExist}.problem().What, ""})
	if len(problems) < 8 {
		t.Fatalf("only %d problems were found", len(problems))
	}
	for _, p := range problems {
		words := p[1]
		if strings.HasSuffix(words, " ") {
			words += "…" + p[2]
		}
		if !strings.Contains(string(page), "| "+words+" | ") {
			t.Errorf("docs/operations.md does not know the problem %q", words)
		}
	}
}
