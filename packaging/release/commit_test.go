package main

import (
	"strings"
	"testing"
	"time"
)

func TestVersions(t *testing.T) {
	for _, tc := range []struct {
		commit             commit
		version, installer string
	}{
		{commit{tag: "v1.2.3"}, "1.2.3", "1.2.3000"},
		{commit{tag: "v1.2.3", since: 5, hash: "0123456789ab"}, "1.2.3+5.g0123456789ab", "1.2.3005"},
		{commit{tag: "v1.2.3", since: 5, hash: "0123456789ab", dirty: true}, "1.2.3+5.g0123456789ab.dirty", "1.2.3005"},
		{commit{tag: "v1.2.3", dirty: true}, "1.2.3+dirty", "1.2.3000"},
		{commit{tag: "v1.3.0-rc.1"}, "1.3.0-rc.1", "1.3.0"},
		{commit{tag: "v0.0.0", since: 270, hash: "0123456789ab"}, "0.0.0+270.g0123456789ab", "0.0.270"},
		{commit{tag: "v0.0.0", since: 4000, hash: "0123456789ab"}, "0.0.0+4000.g0123456789ab", "0.0.999"},
	} {
		installer, err := tc.commit.installerVersion()
		if got := tc.commit.version(); got != tc.version || installer != tc.installer || err != nil {
			t.Errorf("%+v: %s and %s (%v), want %s and %s", tc.commit, got, installer, err, tc.version, tc.installer)
		}
	}
	for _, tag := range []string{"v256.0.0", "v1.0.66", "v1"} {
		if v, err := (commit{tag: tag}).installerVersion(); err == nil {
			t.Errorf("%s is %s for Windows Installer", tag, v)
		}
	}
}

func TestParseDescribed(t *testing.T) {
	if tag, since, err := parseDescribed("v1.2.3-rc.1-5-g0123456789ab"); tag != "v1.2.3-rc.1" || since != 5 || err != nil {
		t.Errorf("%s, %d, %v", tag, since, err)
	}
	for _, text := range []string{"v1-5-g0123456789ab", "v1.2.3", "", "version-5-g0"} {
		if tag, _, err := parseDescribed(text); err == nil {
			t.Errorf("%q is %s", text, tag)
		}
	}
}

func TestParagraphs(t *testing.T) {
	got := paragraphs("-- why\nUPDATE a\n\n-- only a comment\n-- of two lines\n\nINSERT b\n")
	if strings.Join(got, "|") != "UPDATE a|INSERT b" {
		t.Errorf("%q", got)
	}
}

func TestFileTime(t *testing.T) {
	if got := fileTime(time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC)); got != 116444736010000000 {
		t.Errorf("%d", got)
	}
}
