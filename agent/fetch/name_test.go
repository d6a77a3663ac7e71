package fetch

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFileName(t *testing.T) {
	for key, want := range map[string]string{
		"recordings/a/2026/150000.mp4": "150000.mp4",
		"plain.mp4":                    "plain.mp4",
		"a/Vordertür 1.mp4":            "Vordertür 1.mp4",
		"a/日本.mp4":                     "日本.mp4",
		"../../etc/passwd":             "passwd",
		"a/..":                         "", "a/": "", "": "", "a/. .": "",
		`..\..\windows\win.ini`:    "_.._.._windows_win.ini",
		"home/.bashrc":             "_.bashrc",
		"a/-rf":                    "_-rf",
		"a/CON":                    "_CON",
		"a/nul.mp4":                "_nul.mp4",
		"a/COM1.mp4":               "_COM1.mp4",
		"a/common.mp4":             "common.mp4",
		"a/\x1b[31mred\n.mp4":      "_[31mred_.mp4",
		"a/\u202e4pm.mp4":          "_4pm.mp4",
		"a/c:stream.mp4":           "c_stream.mp4",
		"a/ends with dots.. .":     "ends with dots",
		"a/" + "\xff\xfe" + ".mp4": "__.mp4",
	} {
		got, err := FileName(key)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is kept as %q, want %q (%v)", key, got, want, err)
		}
	}
}

func FuzzFileName(f *testing.F) {
	for _, key := range []string{"a/b.mp4", "../..", `a\b`, "a/" + strings.Repeat("日", 200), "CON", "\xff"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		name, err := FileName(key)
		if err != nil {
			return
		}
		if name == "" || len(name) > longest+1 || filepath.Base(name) != name || !filepath.IsLocal(name) || strings.ContainsAny(name, `/\:`) || name[0] == '.' || !utf8.ValidString(name) {
			t.Errorf("%q is kept as %q", key, name)
		}
	})
}
