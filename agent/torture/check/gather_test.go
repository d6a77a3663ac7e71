package check

import (
	"os"
	"path/filepath"
	"testing"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// An answer is lost unless the client has shown that it came.
func TestRows(t *testing.T) {
	rows, err := Rows(write(t, `{"row":{"ID":"1","Segment":"a"}}
{"row":{"ID":"2","Segment":"a"}}
{"answered":"2"}
{"row":{"ID":"3","Segment":"b"}}
{"row":{"ID":"3","Segment":"b","Statuses":["recording"]}}
{"row":{"ID":"4","Segm`))
	if err != nil || len(rows) != 3 {
		t.Fatalf("%+v, %v", rows, err)
	}
	for i, lost := range []bool{true, false, false} {
		if rows[i].Lost != lost {
			t.Errorf("row %s: lost %v, want %v", rows[i].ID, rows[i].Lost, lost)
		}
	}
}

func TestSent(t *testing.T) {
	sent, err := Sent(write(t, `{"camera":"a","number":1,"at":"2026-03-01T12:00:00Z"}
{"camera":"b","number":1,"at":"2026-03-01T12:00:00Z"}
{"camera":"a","number":3,"at":"2026-03-01T12:00:01Z"}
`))
	if err != nil || len(sent["a"]) != 3 || len(sent["b"]) != 1 || sent["a"][2] != (Frame{3, at(1)}) || sent["a"][1] != (Frame{2, at(1)}) {
		t.Errorf("%+v, %v", sent, err)
	}
}
