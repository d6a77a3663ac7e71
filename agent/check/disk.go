package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/shirou/gopsutil/v4/disk"

	"recording-agent/capture/spool"
)

const (
	diskWithin = 30 * time.Second

	// What is written to see how fast the disk is: in pieces, each made durable, as
	// segments are.
	pieces    = 8
	pieceSize = 1 << 20
	enough    = 10 * time.Second // of writing

	// A disk has to keep this much for each camera, in bytes per second: 8 Mbit/s. Below
	// slowest it is poor for any.
	perCamera = 1 << 20
	slowest   = 4 << 20
)

// diskUsage is what the system says.
func diskUsage(dir string) (free, total uint64, err error) {
	usage, err := disk.Usage(dir)
	if err != nil {
		return 0, 0, err
	}
	return usage.Free, usage.Total, nil
}

// DataDir tries the disk that segments are written to. It looks neither at the ledger
// nor at segments, and what it writes lies where recovery looks for nothing.
func (c *Checks) DataDir(ctx context.Context) {
	g := c.group("disk", "", "")
	dir := c.Config.Agent.DataDir
	found := make(chan func(), 1)
	// A system call that a dead disk or network share holds cannot be interrupted, so
	// this goroutine alone is not waited for: the process ends without it.
	go func() { found <- c.tryDir(ctx, g, dir) }()
	timer := time.NewTimer(diskWithin)
	defer timer.Stop()
	select {
	case tell := <-found:
		tell()
	case <-ctx.Done():
		select { // its file goes as well, if the disk lets it
		case <-found:
		case <-time.After(time.Second):
		}
	case <-timer.C:
		g.fail("writable", fmt.Sprintf("%s: the disk has not answered for %s", dir, spoken(diskWithin)), "look at the disk, its cable and the system's log; a network share may be gone")
	}
}

// tryDir tries, and returns what tells of it.
func (c *Checks) tryDir(ctx context.Context, g group, dir string) func() {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		made := canBeMade(dir)
		return func() {
			if made != nil {
				g.fail("writable", fmt.Sprintf("%s does not exist, and cannot be made: %v", dir, made),
					`name another directory as agent.data_dir, or make this one; for the service "recording-agent install" does, as administrator`)
				return
			}
			g.warn("writable", dir+" does not exist yet; the agent makes it when it starts", "if it should be there, look whether its disk is mounted")
			c.tellRoom(g, existing(dir))
		}
	case err != nil:
		return func() { g.fail("writable", fmt.Sprintf("%s cannot be looked at: %v", dir, err), writableRemedy) }
	case !info.IsDir():
		return func() { g.fail("writable", dir+" is not a directory", "correct agent.data_dir") }
	}
	count := pieces
	if free, _, err := c.diskOf(dir); err == nil && free < 2*spool.KeptFree {
		count = 0 // an agent beside needs it
	}
	speed, err := syncSpeed(ctx, dir, count)
	return func() {
		if err == nil {
			g.ok("writable", "%s", dir)
		} else {
			cause, remedy := explainWrite(err)
			g.fail("writable", fmt.Sprintf("%s: %s", dir, cause), remedy)
		}
		c.tellRoom(g, dir)
		if err == nil && count > 0 {
			c.tellSpeed(g, speed)
		}
	}
}

const writableRemedy = "give the user whom the agent runs as the right to write to agent.data_dir; run the check as that user"

func explainWrite(err error) (cause, remedy string) {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "it cannot be written to: " + err.Error(), writableRemedy
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full", "make room on the disk, or lower [retention] max_size"
	}
	return "it cannot be written to: " + err.Error(), "look at the disk and the system's log: it may be mounted read-only, or fail"
}

// existing is the nearest directory above that is there.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// canBeMade makes the first directory that is missing, and removes it.
func canBeMade(dir string) error {
	above := existing(dir)
	below, err := filepath.Rel(above, dir)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(below, string(filepath.Separator))
	try := filepath.Join(above, first)
	if err := os.Mkdir(try, 0o700); err != nil && !errors.Is(err, fs.ErrExist) { // an agent may start just now
		return err
	} else if err != nil {
		return nil
	}
	return os.Remove(try)
}

// tellRoom compares what is free with what retention and recording leave free.
func (c *Checks) tellRoom(g group, dir string) {
	free, total, err := c.diskOf(dir)
	if err != nil {
		g.warn("free space", "the system does not say how much is free: "+err.Error(), "")
		return
	}
	least, stops := c.Config.Retention.MinFree.Of(total), c.Config.Retention.OnFull == "stop_recording"
	text := fmt.Sprintf("%s of %s are free", humanize.Bytes(free), humanize.Bytes(total))
	below := fmt.Sprintf("%s, less than the %s of [retention] min_free", text, humanize.Bytes(least))
	switch {
	case free < spool.KeptFree:
		g.fail("free space", text+": the disk is full, nothing can be recorded", "make room on the disk: look what else lies on it, and whether uploads work")
	case free < least && stops:
		g.fail("free space", below+": nothing is recorded", `make room on the disk, or set on_full = "delete_oldest"`)
	case free < least:
		g.warn("free space", below+": the oldest footage goes first", "if uploads work this is as it is meant to be; else make room, or mend them")
	default:
		g.ok("free space", "%s; min_free is %s", text, humanize.Bytes(least))
	}
}

func (c *Checks) diskOf(dir string) (free, total uint64, err error) {
	if c.Disk != nil {
		return c.Disk(dir)
	}
	return diskUsage(dir)
}

// tellSpeed judges bytes per second by how many cameras there are.
func (c *Checks) tellSpeed(g group, speed float64) {
	need := float64(max(slowest, perCamera*len(c.Config.Cameras)))
	text := fmt.Sprintf("%s a second, synced each MB", humanize.Bytes(uint64(speed)))
	if speed < need {
		g.warn("sync speed", fmt.Sprintf("%s, less than the %s that are needed to be safe", text, humanize.Bytes(uint64(need))), "look what else uses the disk, and at its health; footage is dropped when it cannot keep up")
		return
	}
	g.ok("sync speed", "%s", text)
}

// syncSpeed makes a file, writes pieces and makes each of them durable, in bytes per
// second. The file is gone when it returns.
func syncSpeed(ctx context.Context, dir string, count int) (speed float64, err error) {
	f, err := os.CreateTemp(dir, ".check-*.tmp")
	if err != nil {
		return 0, err
	}
	defer func() {
		err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	}()
	piece := make([]byte, pieceSize)
	for i := range piece {
		piece[i] = byte(i * 7 / 3) // a file system must not take it for a hole
	}
	began, written := time.Now(), 0
	for range count {
		if _, err := f.Write(piece); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		written += pieceSize
		if ctx.Err() != nil || time.Since(began) > enough {
			break
		}
	}
	return float64(written) / max(time.Since(began).Seconds(), 1e-6), nil
}
