package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"recording-agent/agent/config"
)

// ownPlaces gives the service's user the directories that it writes to, and
// returns them.
func ownPlaces(cfg *config.Config, who account) (writable []string, err error) {
	ours := func(entry string) bool { return ofAgent(entry) || ofLog(entry, cfg.Log.File) }
	dataDir, err := own("agent.data_dir", cfg.Agent.DataDir, who, ours)
	if err != nil {
		return nil, err
	}
	if err := ownContents(dataDir, who); err != nil {
		return nil, fmt.Errorf("give what is in agent.data_dir to user %s: %w", who.name, err)
	}
	if cfg.Log.File == "" {
		return []string{dataDir}, nil
	}
	logs, err := own("the directory of log.file", filepath.Dir(cfg.Log.File), who, ours)
	if err != nil {
		return nil, err
	}
	if err := give(cfg.Log.File, who); err != nil {
		return nil, fmt.Errorf("give log.file to user %s: %w", who.name, err)
	}
	return []string{dataDir, logs}, nil
}

// ofAgent says whether a directory's entry is of an agent that ran there.
func ofAgent(entry string) bool {
	return slices.Contains([]string{"segments", "inbox", "lock", "spool.id", "reserve", assignedFile, "lost+found"}, entry) ||
		strings.HasPrefix(entry, "ledger.db") // also what was set aside
}

// ofLog says whether it is a log, or one of before, which has a date in its name.
func ofLog(entry, log string) bool {
	name := filepath.Base(log)
	return log != "" && (entry == name || strings.HasPrefix(entry, strings.TrimSuffix(name, filepath.Ext(name))+"-"))
}

// ownContents takes over what an earlier run under another user left. In the inbox other
// programs may have directories of their own: those stay theirs.
func ownContents(dataDir string, who account) error {
	before, err := ownerOf(filepath.Join(dataDir, "spool.id"))
	if errors.Is(err, fs.ErrNotExist) {
		before, err = 0, nil // root, who may have made an inbox
	}
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dataDir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if name := entry.Name(); !ofAgent(name) || name == "lost+found" {
			continue
		}
		err := filepath.WalkDir(filepath.Join(dataDir, entry.Name()), func(path string, _ os.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if owner, err := ownerOf(path); entry.Name() == "inbox" && (err != nil || owner != before && owner != 0) {
				return nil
			}
			return errors.Join(err, give(path, who))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// give gives a file that is there to the service's user.
func give(path string, who account) error {
	owner, err := ownerOf(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && owner == who.uid {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Lchown(path, who.uid, who.gid)
}

func ownerOf(path string) (uid int, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	return int(info.Sys().(*syscall.Stat_t).Uid), nil
}

// own makes a directory that does not exist yet, and gives it to the service's user. One
// that holds what is not the agent's, somebody's home as it may be, stays whose it is. It
// returns the path without symbolic links, which the unit needs.
func own(what, dir string, who account, ours func(entry string) bool) (string, error) {
	if !filepath.IsAbs(dir) {
		return "", fmt.Errorf("%s %q is relative: a service has no directory of its own, write the whole path", what, dir)
	}
	if err := lasts(dir); err != nil {
		return "", fmt.Errorf("%s %w", what, err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("make %s: %w", what, err)
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", what, err)
	}
	if err := lasts(dir); err != nil {
		return "", fmt.Errorf("%s %w", what, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("look into %s: %w", what, err)
	}
	foreign := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return !ours(e.Name()) })
	switch {
	case foreign < 0:
		if err := give(dir, who); err != nil {
			return "", fmt.Errorf("give %s to user %s: %w", what, who.name, err)
		}
	case !who.writes(dir):
		return "", fmt.Errorf("%s %s is not the agent's alone, %s is in it: name a directory below it, which is made, or let user %s write there", what, dir, entries[foreign].Name(), who.name)
	}
	return dir, reaches(what, dir, who)
}

// lasts refuses what is another directory for the service (the unit's PrivateTmp).
func lasts(dir string) error {
	for _, temporary := range []string{"/tmp", "/var/tmp"} {
		if dir = filepath.Clean(dir); dir == temporary || strings.HasPrefix(dir, temporary+"/") {
			return fmt.Errorf("%s would not last: the service has a %s of its own, which is deleted when it stops; choose another place", dir, temporary)
		}
	}
	return nil
}

// writes says whether the account may make files in a directory.
func (a account) writes(dir string) bool {
	return a.command("test", "-w", dir, "-a", "-x", dir).Run() == nil
}

// reaches finds what is between the account and a directory that it is to write to.
func reaches(what, dir string, who account) error {
	if who.writes(dir) {
		return nil
	}
	for above := filepath.Dir(dir); above != "/"; above = filepath.Dir(above) {
		if who.command("test", "-x", above).Run() != nil && who.command("test", "-d", above).Run() == nil {
			return fmt.Errorf("user %s, which the service runs as, cannot get into %s, where %s is: choose another place, or open it: chmod o+x %s", who.name, above, what, above)
		}
	}
	return fmt.Errorf("user %s, which the service runs as, cannot write to %s %s: look at its rights, and whether it is mounted read-only", who.name, what, dir)
}
