package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

// writeMSI makes the Windows installer with msitools.
func writeMSI(stage, file string, c commit) error {
	for _, program := range []string{"wixl", "msibuild"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: install Debian's packages wixl and msitools, or leave windows/amd64 out with -only", err)
		}
	}
	version, err := c.installerVersion()
	if err != nil {
		return err
	}
	began := time.Now()
	source, err := filepath.Abs("packaging/windows/recording-agent.wxs")
	if err != nil {
		return err
	}
	// wixl finds files by names that are relative to where it runs.
	if _, err := runIn(stage, nil, "wixl", "-a", "x64", "-o", file, "-D", "version="+version, "-D", "product="+c.guid("product"), source); err != nil {
		return err
	}
	statements, err := os.ReadFile("packaging/windows/msi.sql")
	if err != nil {
		return err
	}
	args := []string{file}
	for _, s := range paragraphs(string(statements)) {
		args = append(args, "-q", s)
	}
	if _, err := run(nil, "msibuild", args...); err != nil {
		return err
	}
	return fixSummary(file, c, began, time.Now())
}

// guid is an id that belongs to this commit; the installer tells products and packages
// apart by theirs.
func (c commit) guid(what string) string {
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte("recording-agent/"+c.version()+"/"+what))
	return strings.ToUpper(id.String())
}

// paragraphs are the statements of a file, without comments.
func paragraphs(text string) (statements []string) {
	for p := range strings.SplitSeq(text, "\n\n") {
		p = strings.TrimSpace(comment.ReplaceAllString(p, ""))
		if p != "" {
			statements = append(statements, p)
		}
	}
	return statements
}

var comment = regexp.MustCompile(`(?m)^--.*\n?`)

// fixSummary puts the commit's time and a package code of its own where wixl has put
// the time of the build and a random one. No tool can set the times; they are the only
// ones in the file (property type 64, little-endian) that lie within the build.
func fixSummary(file string, c commit, began, ended time.Time) error {
	info, err := run(nil, "msiinfo", "suminfo", file)
	if err != nil {
		return err
	}
	code := regexp.MustCompile(`\{[0-9A-F-]{36}\}`).Find(info)
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if code == nil || bytes.Count(data, code) != 1 {
		return fmt.Errorf("the package code is not where it was in wixl's files:\n%s", info)
	}
	data = bytes.Replace(data, code, []byte("{"+c.guid("package")+"}"), 1)
	times := 0
	for i := 0; i+12 <= len(data); i += 4 {
		if binary.LittleEndian.Uint32(data[i:]) != 64 {
			continue
		}
		ticks := binary.LittleEndian.Uint64(data[i+4:])
		if ticks >= fileTime(began.Truncate(time.Second)) && ticks <= fileTime(ended) {
			binary.LittleEndian.PutUint64(data[i+4:], fileTime(c.when))
			times++
		}
	}
	if times != 2 {
		return fmt.Errorf("%d times of the build in %s, not two: wixl writes another format now", times, file)
	}
	return os.WriteFile(file, data, 0o644)
}

// fileTime counts 100 ns since 1601, as Windows does.
func fileTime(t time.Time) uint64 {
	const until1970 = 116444736000000000
	return uint64(t.UnixNano()/100) + until1970
}
