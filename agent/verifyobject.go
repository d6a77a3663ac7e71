package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"recording-agent/agent/fetch"
	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

func (v *verifier) checkObject(ctx context.Context, key string) *verdict {
	out := &verdict{name: key, kind: object}
	s, err := v.storage()
	if err != nil {
		return out.fault("there is no such file here; as a key of an object it cannot be checked: %v", err)
	}
	o, err := s.store.Stat(ctx, key)
	if err != nil {
		return out.fault("%v", s3.ExplainRead(err, mayRead))
	}
	out.found.Size = o.Size
	seg, err := s.recorded(ctx, key)
	switch {
	case errors.Is(err, spool.ErrUnknown):
		out.note("this host's ledger does not know it")
	case err != nil:
		out.note("not compared with a ledger: %v", err)
	default:
		out.inLedger = true
		out.compareStored(o, seg.Segment)
	}
	if v.deep {
		return v.readObject(ctx, out, s, o, seg.Segment)
	}
	f, err := mp4.ReadForeign(s.store.Ranged(ctx, o), o.Size)
	if err != nil {
		return out.fault("%v", readFault(err))
	}
	out.describeForeign(f)
	out.unchecked = "the bytes that the store returns"
	if out.inLedger {
		out.belongsTo(seg.Segment)
	}
	return out
}

// storage opens the destination, once. It takes secrets, unlike all else.
func (v *verifier) storage() (*storage, error) {
	if v.cfg == nil {
		return nil, v.cfgErr
	}
	if v.opened == nil {
		s, err := openStorage(v.file, v.destination, v.terminal)
		if err != nil {
			return nil, err
		}
		v.opened = s
	}
	return v.opened, nil
}

// readFault tells a file that is at fault from a store that is.
func readFault(err error) error {
	var unfit *mp4.UnfitError
	if errors.As(err, &unfit) {
		return unfit
	}
	return s3.ExplainRead(err, mayRead)
}

// compareStored holds what the store says of an object against the ledger, without
// reading it.
func (out *verdict) compareStored(o s3.Stored, seg spool.Segment) {
	switch {
	case o.Segment != "" && o.Segment != seg.ID:
		out.fault("it is segment %s, by the ledger %s", few(o.Segment), seg.ID)
	case seg.Checksum == "": // it is not finished: there should be no object
		out.note("by the ledger its segment is not finished")
	case o.Size != seg.Size:
		out.fault("it has %d bytes, by the ledger %d", o.Size, seg.Size)
	case o.Checksum.Algorithm != "crc64nvme":
		out.note("the store has no crc64nvme to compare with the ledger's")
	case o.Checksum.Sum != seg.Checksum:
		out.fault("its crc64nvme is %s, by the ledger %s", few(o.Checksum.Sum), seg.Checksum)
	default:
		out.checkedBy = append(out.checkedBy, "the store's crc64nvme, which is that of the ledger")
	}
}

// readObject fetches an object, and checks what has come as a file.
func (v *verifier) readObject(ctx context.Context, out *verdict, s *storage, o s3.Stored, seg spool.Segment) *verdict {
	dir, err := os.MkdirTemp("", "verify-")
	if err != nil {
		return out.fault("it cannot be fetched: %v", err)
	}
	defer os.RemoveAll(dir)
	progress, done := func(int) {}, func() {}
	made, err := fetch.Object(ctx, s.store, o, filepath.Join(dir, "object.mp4"), fetch.Options{
		Begun:    func(from int64) { progress, done = s.bar(path.Base(o.Key), o.Size, from) },
		Progress: func(n int) { progress(n) },
	})
	done()
	var unfinished *fetch.UnfinishedError
	switch {
	case errors.As(err, &unfinished):
		return out.fault("%v", s3.ExplainRead(unfinished.Err, mayRead))
	case err != nil:
		return out.fault("%v", err)
	case made.By == "":
		out.note("the store has no checksum of the whole object")
	default:
		out.checkedBy = append(out.checkedBy, fmt.Sprintf("all its bytes by the store's %s", made.By))
	}
	f, err := os.Open(made.File)
	if err != nil {
		return out.fault("it cannot be read: %v", err)
	}
	defer f.Close()
	reading, read := v.reading(o.Key)
	defer read()
	in := interruptible{ctx, f, reading}
	out.read(in, made.Size, true)
	out.unfinished(false)
	if !out.inLedger {
		return out
	}
	out.belongsTo(seg)
	if seg.Checksum == "" || seg.Size != made.Size {
		return out
	}
	return out.compareWith(in, seg)
}
