package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

const (
	diskSize = 1 << 30
	// leftFree is less than what recording leaves free.
	leftFree = 40 << 20
)

// disk is a file system of its own for the agent's data, and a file that fills it.
type disk struct{ place, filler string }

// openDisk makes one in a file, which takes rights and a loop device.
func openDisk(ctx context.Context, dir string) (*disk, error) {
	image, place := filepath.Join(dir, "disk.img"), filepath.Join(dir, "data")
	if os.Geteuid() != 0 {
		return nil, errors.New("only root can mount a disk of its own")
	}
	if err := os.MkdirAll(place, 0o750); err != nil {
		return nil, err
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return nil, err
	}
	if err := os.Truncate(image, diskSize); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("a disk of its own cannot be made: mkfs.ext4: %w %s", err, out)
	}
	return mountDisk(ctx, dir)
}

func mountDisk(ctx context.Context, dir string) (*disk, error) {
	place := filepath.Join(dir, "data")
	if out, err := exec.CommandContext(ctx, "mount", "-o", "loop", filepath.Join(dir, "disk.img"), place).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("a disk of its own cannot be mounted: %w %s", err, out)
	}
	return &disk{place, filepath.Join(place, "filler")}, nil
}

// fill takes all but so much that recording has to stop.
func (d *disk) fill() error {
	f, err := os.Create(d.filler)
	if err != nil {
		return err
	}
	defer f.Close()
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.place, &s); err != nil {
		return err
	}
	n := int64(s.Bavail)*int64(s.Bsize) - leftFree
	if n <= 0 {
		return nil
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, n); err != nil && !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("fill the disk: %w", err)
	}
	return nil
}

func (d *disk) free() error {
	err := os.Remove(d.filler)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (d *disk) close() { _ = syscall.Unmount(d.place, syscall.MNT_DETACH) }
