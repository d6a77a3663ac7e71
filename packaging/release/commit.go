package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// commit is what is released.
type commit struct {
	tag   string // the newest before it, like v1.2.3; v0.0.0 without any
	since int    // commits after the tag
	hash  string
	when  time.Time
	dirty bool // files differ from it: what is made is not reproducible
}

func head() (c commit, err error) {
	where, err := git("log", "-1", "--format=%h %ct", "--abbrev=12")
	if err != nil {
		return c, err
	}
	var seconds int64
	if _, err := fmt.Sscanf(where, "%s %d", &c.hash, &seconds); err != nil {
		return c, fmt.Errorf("read %q: %w", where, err)
	}
	c.when = time.Unix(seconds, 0).UTC()
	changed, err := git("status", "--porcelain")
	if err != nil {
		return c, err
	}
	c.dirty = changed != ""
	// Without a tag describe fails.
	if described, err := git("describe", "--tags", "--long", "--match", "v[0-9]*", "--abbrev=12"); err == nil {
		c.tag, c.since, err = parseDescribed(described)
		return c, err
	}
	count, err := git("rev-list", "--count", "HEAD")
	if err != nil {
		return c, err
	}
	c.tag = "v0.0.0"
	c.since, err = strconv.Atoi(count)
	return c, err
}

// described is a tag of semantic versioning, the commits since, and the commit.
var described = regexp.MustCompile(`^(v\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)-(\d+)-g[0-9a-f]+$`)

func parseDescribed(text string) (tag string, since int, err error) {
	m := described.FindStringSubmatch(text)
	if m == nil {
		return "", 0, fmt.Errorf("%q does not come from a tag like v1.2.3 or v1.2.3-rc.1", text)
	}
	since, err = strconv.Atoi(m[2])
	return m[1], since, err
}

// version is a semantic version that grows from commit to commit, for dpkg and rpm as
// well: 1.2.3, and 1.2.3+5.g0123456789ab five commits later.
func (c commit) version() string {
	v := strings.TrimPrefix(c.tag, "v")
	if c.since > 0 {
		v += fmt.Sprintf("+%d.g%s", c.since, c.hash)
	}
	if c.dirty {
		v += map[bool]string{true: ".", false: "+"}[c.since > 0] + "dirty"
	}
	return v
}

// installerVersion is the version for Windows Installer, which compares three numbers,
// of at most 255, 255 and 65535: commits since the tag count in the last one.
func (c commit) installerVersion() (string, error) {
	core, _, _ := strings.Cut(strings.TrimPrefix(c.tag, "v"), "-")
	var major, minor, patch int
	if _, err := fmt.Sscanf(core, "%d.%d.%d", &major, &minor, &patch); err != nil {
		return "", fmt.Errorf("tag %s: %w", c.tag, err)
	}
	last := patch*commitsPerPatch + min(c.since, commitsPerPatch-1)
	if major > 255 || minor > 255 || last > 65535 {
		return "", errors.New("version " + c.version() + " is beyond what Windows Installer can compare")
	}
	return fmt.Sprintf("%d.%d.%d", major, minor, last), nil
}

const commitsPerPatch = 1000
