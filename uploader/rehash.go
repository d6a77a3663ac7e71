package uploader

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/minio/crc64nvme"

	"recording-agent/capture/spool"
)

// rehash reads a segment that the store refused. When the disk no longer returns
// what was written, the segment becomes what it returns: footage with a wrong
// bit is better than none, and the log says so.
func (u *Uploader) rehash(ctx context.Context, seg spool.Segment) {
	size, checksum, err := u.hash(seg)
	if err == nil && (size != seg.Size || checksum != seg.Checksum) {
		u.log.Error().Str("segment", seg.ID).Str("camera", seg.CameraID).Str("file", seg.Path).
			Str("written", seg.Checksum).Str("read", checksum).Msg("the disk returns other bytes than were written: the segment is uploaded as it is now; look at the disk")
		err = u.opts.Ledger.Damaged(ctx, seg.ID, size, checksum)
	}
	if err != nil {
		u.log.Error().Err(err).Str("segment", seg.ID).Msg("a segment that the store refused could not be checked")
	}
}

func (u *Uploader) hash(seg spool.Segment) (size int64, checksum string, err error) {
	f, err := u.opts.Ledger.Open(seg)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := crc64nvme.New()
	size, err = io.Copy(h, f)
	if err != nil {
		return 0, "", fmt.Errorf("read segment %s: %w", seg.ID, err)
	}
	return size, base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, h.Sum64())), nil
}
