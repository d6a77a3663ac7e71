// Command release makes everything that is handed out of one commit: packages for
// Linux, archives, the Windows installer, what is in them (SBOM), and their checksums.
// The same commit gives the same bytes: all times are that of the commit.
//
// It is "make package", and runs at the root of the repository. It needs git, Go,
// and for the Windows installer wixl and msibuild.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	out := flag.String("out", "dist", "directory of what is made; what is in it goes")
	only := flag.String("only", "", "targets, like linux/amd64,windows/amd64 (default: all)")
	as := flag.String("as", "", "version instead of that of the commit, for tests")
	flag.Parse()
	if err := release(*out, *only, *as); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// target is a system to build for, as Go and as its packages call it.
type target struct {
	os, arch string
	nfpm     string // architecture for nfpm
}

var targets = []target{
	{"linux", "amd64", "amd64"},
	{"linux", "arm64", "arm64"},
	{"linux", "arm", "arm7"},
	{"windows", "amd64", ""},
}

func (t target) String() string { return t.os + "/" + t.arch }

// label is the part of a file's name.
func (t target) label() string {
	if t.arch == "arm" {
		return t.os + "_armv7"
	}
	return t.os + "_" + t.arch
}

func chosen(only string) ([]target, error) {
	if only == "" {
		return targets, nil
	}
	var some []target
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(targets, func(t target) bool { return t.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("target %q is not one of %v", name, targets)
		}
		some = append(some, targets[i])
	}
	return some, nil
}

func release(out, only, as string) error {
	some, err := chosen(only)
	if err != nil {
		return err
	}
	c, err := head()
	if err != nil {
		return err
	}
	if as != "" {
		c.tag, c.since, c.dirty = "v"+as, 0, false
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	stages, err := os.MkdirTemp("", "recording-agent-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stages)
	for _, t := range some {
		stage := filepath.Join(stages, t.label())
		if err := makeStage(stage, t, c); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		if err := packageStage(stage, out, t, c); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		fmt.Println("packaged", t, c.version())
	}
	return writeSums(out)
}

func packageStage(stage, out string, t target, c commit) error {
	name := filepath.Join(out, "recording-agent_"+c.version()+"_"+t.label())
	bom := writeBOM(stage, name+".cdx.json", t, c)
	if t.os == "windows" {
		return errors.Join(bom, writeZip(stage, name+".zip", c), writeMSI(stage, name+".msi", c))
	}
	return errors.Join(bom, writeTar(stage, name+".tar.gz", c), writePackage("deb", stage, out, t, c), writePackage("rpm", stage, out, t, c))
}
