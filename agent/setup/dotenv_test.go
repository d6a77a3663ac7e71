package setup

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var dotenvLines = map[string]string{
	"A=b":                               "b",
	"  export A = b ":                   "b",
	"A=b # why":                         "b",
	"A=b#c":                             "b#c",
	"A= # nothing":                      "",
	"A=\t# nothing":                     "",
	"A=b # c # d":                       "b",
	"A=":                                "",
	"A=''":                              "",
	`A="b # c" # d`:                     "b # c",
	`A='b # c'# d`:                      "b # c",
	`A="pa$$w0rd$HOME"`:                 "pa$$w0rd$HOME",
	"A=pa$$w0rd$HOME":                   "pa$$w0rd$HOME",
	"A='pa$$w0rd'":                      "pa$$w0rd",
	"A=r8/x+y==":                        "r8/x+y==",
	"A=b=c":                             "b=c",
	`A=C:\data\new`:                     `C:\data\new`,
	`A="a\"b"`:                          `a"b`,
	"A=b c":                             "b c",
	"A=Tür №1":                          "Tür №1",
	"A=it's":                            "it's",
	`A=a"b"`:                            `a"b"`,
	"A=http://h:8000/x?a=b&c=d#e":       "http://h:8000/x?a=b&c=d#e",
	"A=old\nA=new":                      "new",
	"\ufeffA=b":                         "b",
	"# A=x\n\n#\nA=b\n":                 "b",
	"A=b\r\nB=c\r\n":                    "b",
	"A=b\n?? = nonsense\nnonsense here": "b",
	"A=b\nA2":                           "b",
}

func TestReadDotenv(t *testing.T) {
	for text, want := range dotenvLines {
		got, complaints, err := ReadDotenv(strings.NewReader(text))
		if err != nil || got["A"] != want {
			t.Errorf("%q was read as %q (%v, %v), want %q", text, got, complaints, err, want)
		}
	}
	got, complaints, err := ReadDotenv(strings.NewReader("A=b\nB='hunter2\nwhat hunter2 is=\n C = d\n"))
	if err != nil || !maps.Equal(got, map[string]string{"A": "b", "C": "d"}) || len(complaints) != 2 {
		t.Errorf("with bad lines: %q, %q, %v", got, complaints, err)
	}
	if all := strings.Join(complaints, "\n"); !strings.Contains(all, "line 2 ") || !strings.Contains(all, "line 3 ") || strings.Contains(all, "hunter2") {
		t.Errorf("complaints: %s", all)
	}
	got, complaints, err = ReadDotenv(strings.NewReader("A=b\r\nB=\"hunter2\r\nA=hunter2\r\n  \\\" hunter2\r\n\" # end\r\nC=d\r\n? hunter2\r\nD='"))
	if want := []string{"lines 2 to 5 are", "line 7 ", "line 8 "}; err != nil || !maps.Equal(got, map[string]string{"A": "b", "C": "d"}) || len(complaints) != len(want) {
		t.Errorf("with a value over several lines: %q, %q, %v", got, complaints, err)
	} else {
		for i, c := range complaints {
			if !strings.HasPrefix(c, want[i]) || strings.Contains(c, "hunter2") {
				t.Errorf("complaint %q, want %q", c, want[i])
			}
		}
	}
	for _, bad := range []string{"A=\x00", "A=\xff", strings.Repeat("A=b\n", maxDotenv/4+1)} {
		if _, _, err := ReadDotenv(strings.NewReader(bad)); err == nil {
			t.Errorf("%.10q was read", bad)
		}
	}
}

// What the predecessor's own library reads.
func TestReadsWhatPythonDotenvReads(t *testing.T) {
	const program = `import dotenv, json, sys; print(json.dumps(dotenv.dotenv_values(sys.argv[1], encoding="utf-8-sig", interpolate=False)))`
	python := []string{"python3", "/usr/bin/python3"} // packages of the system are the second's
	at := slices.IndexFunc(python, func(p string) bool { return exec.Command(p, "-c", "import dotenv").Run() == nil })
	if at < 0 {
		if os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatal("python-dotenv is not installed")
		}
		t.Skip("python-dotenv is not installed")
	}
	for text := range dotenvLines {
		if strings.Contains(text, "# nothing") || strings.Contains(text, "??") {
			continue // it takes the comment for the value, and any name
		}
		file := filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(python[at], "-c", program, file).Output()
		if err != nil {
			t.Fatal(err)
		}
		theirs := map[string]*string{}
		if err := json.Unmarshal(out, &theirs); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for name, value := range theirs {
			if value != nil {
				want[name] = *value
			}
		}
		if got, _, _ := ReadDotenv(strings.NewReader(text)); !maps.Equal(got, want) {
			t.Errorf("%q was read as %q, python-dotenv reads %q", text, got, want)
		}
	}
}

func FuzzReadDotenv(f *testing.F) {
	for text := range dotenvLines {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, complaints, err := ReadDotenv(strings.NewReader(text))
		if err != nil && values != nil {
			t.Fatal("values and an error")
		}
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
		if len(values)+len(complaints) > lines {
			t.Fatalf("%d values and %d complaints from %d lines", len(values), len(complaints), lines)
		}
		for name, value := range values {
			if name == "" || strings.ContainsAny(name, " =\n\x00") || strings.Contains(value, "\x00") {
				t.Fatalf("read %q=%q", name, value)
			}
		}
	})
}
