package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"

	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
)

// How often, and how far apart, a file is looked at that the ledger knows: an agent
// may be at work on it, and what was seen of two moments is no fault.
const (
	fileLooks  = 3
	secondLook = time.Second
)

func (v *verifier) checkFile(ctx context.Context, name string) *verdict {
	for look := 1; ; look++ {
		out := v.lookAt(ctx, name)
		if len(out.faults) == 0 || !out.inLedger || look == fileLooks {
			return out
		}
		timer := time.NewTimer(secondLook)
		select {
		case <-ctx.Done():
			timer.Stop()
			return out
		case <-timer.C:
		}
	}
}

func (v *verifier) lookAt(ctx context.Context, name string) *verdict {
	out := fileVerdict(name)
	f, err := spool.OpenToRead(name)
	if err != nil {
		return out.fault("it cannot be opened: %v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return out.fault("it cannot be looked at: %v", err)
	}
	progress, done := v.reading(name)
	defer done()
	in := interruptible{ctx, f, progress}
	out.read(in, info.Size(), v.deep)
	return v.againstLedger(ctx, out, in, name)
}

// againstLedger holds what was read of a file against what the ledger has.
func (v *verifier) againstLedger(ctx context.Context, out *verdict, f io.ReaderAt, name string) *verdict {
	seg, err := v.segmentOf(ctx, name, out.found.SegmentID)
	out.unfinished(err == nil && seg.State == spool.Recording)
	switch {
	case errors.Is(err, spool.ErrUnknown):
		return out.note("the ledger does not know it")
	case v.unconfigured:
		return out.note("not compared with a ledger: there is no configuration here")
	case err != nil:
		return out.note("not compared with a ledger: %v", err)
	}
	out.inLedger = true
	out.belongsTo(seg)
	if out.recording || seg.Checksum == "" {
		return out
	}
	return out.compareWith(f, seg)
}

// segmentOf finds the segment of a file: by where it lies, or by the id in it.
func (v *verifier) segmentOf(ctx context.Context, name, id string) (spool.Segment, error) {
	if v.cfg == nil {
		return spool.Segment{}, v.cfgErr
	}
	var seg spool.Segment
	err := spool.Look(ctx, lookOptions(v.cfg), func(view *spool.View) error {
		seg = spool.Segment{}
		e, err := spool.Entry{}, spool.ErrUnknown
		if path, inside := within(v.cfg.Agent.DataDir, name); inside {
			e, err = view.At(ctx, path)
		}
		if errors.Is(err, spool.ErrUnknown) && id != "" {
			e, err = view.Known(ctx, id)
		}
		seg = e.Segment
		return err
	})
	return seg, err
}

// within is the path of a file relative to a directory, with slashes, if it is inside.
func within(dir, name string) (path string, inside bool) {
	real := func(p string) string {
		if abs, err := filepath.Abs(p); err == nil {
			p = abs
		}
		if r, err := filepath.EvalSymlinks(p); err == nil {
			p = r
		}
		return p
	}
	rel, err := filepath.Rel(real(dir), real(name))
	return filepath.ToSlash(rel), err == nil && filepath.IsLocal(rel)
}

// compareWith reads a finished file for its checksum.
func (out *verdict) compareWith(f io.ReaderAt, seg spool.Segment) *verdict {
	if out.found.Size != seg.Size {
		return out.fault("it has %d bytes, by the ledger %d", out.found.Size, seg.Size)
	}
	sum, err := mp4.Checksum(f, out.found.Size)
	switch {
	case err != nil:
		return out.fault("%v", err)
	case sum != seg.Checksum:
		return out.fault("its crc64nvme is %s, by the ledger %s", sum, seg.Checksum)
	}
	out.checkedBy = append(out.checkedBy, "crc64nvme of the ledger")
	return out
}
