package reference

import (
	"flag"
	"os"
	"runtime"
	"strings"
	"testing"

	example "recording-agent"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

func TestReferenceIsCurrent(t *testing.T) {
	const file = "../../../docs/configuration.md"
	if runtime.GOOS == "windows" {
		t.Skip("the page shows the directories of Linux")
	}
	want, err := Markdown(example.Text)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.ReplaceAll(string(data), "\r\n", "\n"); got != want {
		t.Error(`docs/configuration.md is not what the code says: run "make docs"`)
	}
}

func TestMarkdown(t *testing.T) {
	page, err := Markdown(example.Text)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## `[[upload.window]]`",
		"| `duration` | duration | `5m` | 5s to 1h | aligned to UTC; cut at the first key frame at or after it; 5s to 1h |",
		"| `secret_access_key` | secret |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is missing in\n%s", want, page)
		}
	}
	for _, line := range strings.Split(page, "\n") {
		if n := strings.Count(line, "|") - strings.Count(line, `\|`); strings.HasPrefix(line, "| `") && n != 6 && !strings.Contains(line, "is written") {
			t.Errorf("a row with %d bars: %s", n, line)
		}
	}
}
