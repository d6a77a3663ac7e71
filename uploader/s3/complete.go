package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// TakenError says that what lies under an object's key is not the segment, and
// was not overwritten.
type TakenError struct {
	Key, Segment string
	Size         int64
}

func (e *TakenError) Error() string {
	if e.Segment == "" {
		return fmt.Sprintf("another object lies under the key %s", e.Key)
	}
	return fmt.Sprintf("another segment, %s, lies under the key %s", e.Segment, e.Key)
}

// CompleteMultipartUpload has the store put the parts together, and check that
// the whole has the checksum of the file.
func (d *resuming) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, opts ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error) {
	if open := d.resume.Open(); open != nil && open.Algorithm == algorithm {
		in.ChecksumType = types.ChecksumTypeFullObject
		in.MpuObjectSize = aws.Int64(d.object.Size)
	} else {
		in.ChecksumCRC64NVME = nil
	}
	err := d.create(ctx, func(condition *string) error {
		in.IfNoneMatch = condition
		_, err := d.store.client.CompleteMultipartUpload(ctx, in, opts...)
		return err
	})
	if err != nil {
		err = fmt.Errorf("complete the upload: %w", err)
		return nil, errors.Join(err, d.discard(ctx, err))
	}
	return &s3.CompleteMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key}, nil
}

// PutObject is how manager sends a file of at most one part. When an upload is
// open for it, it becomes the only part of that.
func (d *resuming) PutObject(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	open := d.resume.Open()
	if open == nil {
		return &s3.PutObjectOutput{}, d.put(ctx, in, opts...)
	}
	part, err := d.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: in.Bucket, Key: in.Key, UploadId: aws.String(open.ID), PartNumber: aws.Int32(1), Body: in.Body,
	}, opts...)
	if err != nil {
		return nil, err
	}
	_, err = d.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: in.Bucket, Key: in.Key, UploadId: aws.String(open.ID), ChecksumCRC64NVME: in.ChecksumCRC64NVME,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{
			{PartNumber: aws.Int32(1), ETag: part.ETag, ChecksumCRC64NVME: part.ChecksumCRC64NVME},
		}},
	}, opts...)
	return &s3.PutObjectOutput{}, err
}

// put sends a file that needs no upload of parts.
func (d *resuming) put(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) error {
	body := io.NewSectionReader(d.object.Body, 0, d.object.Size)
	in.Body, in.ChecksumAlgorithm = body, ""
	seal := d.store.seal()
	if !d.store.checksums() {
		whole, err := measure(body, "", seal)
		if err != nil {
			return err
		}
		in.ContentMD5 = aws.String(contentMD5(whole))
	} else if seal.Hash != nil {
		if _, err := copyAll(seal, body); err != nil {
			return &FileError{err}
		}
	}
	done, err := d.resume.Turn(ctx, d.object.Size)
	if err != nil {
		return err
	}
	defer done()
	return d.create(ctx, func(condition *string) error {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return &FileError{err}
		}
		in.IfNoneMatch = condition
		_, err := d.store.client.PutObject(ctx, in, append(opts, seal.apply)...)
		return err
	})
}

// create makes the object, but only where none is yet: two agents with the same
// name must not overwrite each other's footage. Where the store cannot be told so,
// it is asked before. Whatever error comes back, the object is looked at before it
// is believed: the answer may have been lost.
func (d *resuming) create(ctx context.Context, send func(condition *string) error) error {
	heeds := d.store.heeds.Load()
	if !heeds || d.store.opts.Endpoint != "" { // some take a condition and do not heed it
		switch h, err := d.store.head(ctx, d.object.Key); {
		case err == nil && !d.ours(h):
			return d.taken(ctx, h)
		case err == nil && d.whole(h):
			return d.abort(ctx) // what is open has become needless
		case err == nil: // what was salvaged of it, or an earlier state of the file
			return d.settle(ctx, send(nil))
		case !heeds && !absent(err): // to overwrite is worse than to wait
			return err
		}
	}
	if !heeds {
		return d.settle(ctx, send(nil))
	}
	err := send(aws.String("*"))
	switch errorCode(err) {
	case "NotImplemented":
		d.store.heeds.Store(false)
		return d.create(ctx, send)
	case "PreconditionFailed":
		h, headErr := d.store.head(ctx, d.object.Key)
		switch {
		case headErr != nil:
			return errors.Join(err, headErr)
		case !d.ours(h):
			return d.taken(ctx, h)
		case !d.whole(h):
			return d.settle(ctx, send(nil))
		}
		return d.abort(ctx)
	}
	return d.settle(ctx, err)
}

// settle finds out whether an attempt that failed has made the object all the same.
func (d *resuming) settle(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if h, headErr := d.store.head(ctx, d.object.Key); headErr != nil || !d.ours(h) || !d.whole(h) {
		return err
	}
	return nil
}

// ours says that an object is this segment. A store that drops metadata is
// believed when the bytes are the same.
func (d *resuming) ours(h head) bool {
	return h.segment == d.object.Segment || h.segment == "" && h.checksum != "" && d.whole(h)
}

// whole says that an object is proved to be the file. Where the store has no
// checksum of it, its ETag must be what the file would make, in these parts or in
// one piece: the same length is no proof, nor are the parts in the ledger, since the
// first of them may be from before the file was finished.
func (d *resuming) whole(h head) bool {
	switch {
	case h.size != d.object.Size:
		return false
	case h.checksum != "":
		return h.checksum == d.object.Checksum
	case h.crc32c != "":
		sum, err := crc32c(d.object.Body, d.object.Size)
		return err == nil && sum == h.crc32c
	}
	if isMD5(h.etag) {
		return h.etag == md5Of(d.object)
	}
	parts := int((d.object.Size + d.partSize - 1) / d.partSize)
	return madeOfMD5(h.etag, parts) && h.etag == md5OfParts(d.object, d.partSize)
}

// absent says that the store has said plainly that there is no object.
func absent(err error) bool {
	code := errorCode(err)
	return code == "NotFound" || code == "NoSuchKey"
}

// taken gives up what was sent under a key that cannot be had: an upload cannot
// move to another. The file is still here.
func (d *resuming) taken(ctx context.Context, h head) error {
	err := &TakenError{Key: d.object.Key, Segment: h.segment, Size: h.size}
	return errors.Join(err, d.abort(ctx))
}

// discard gives up an upload whose parts can never become the object: the next
// attempt begins with none. The file is still here.
func (d *resuming) discard(ctx context.Context, reason error) error {
	never := []string{"BadDigest", "XAmzContentChecksumMismatch", "InvalidPart", "InvalidPartOrder", "NoSuchUpload", "ConditionalRequestConflict"}
	if !slices.Contains(never, errorCode(reason)) {
		return nil
	}
	return d.abort(ctx)
}

func (d *resuming) abort(ctx context.Context) error {
	open := d.resume.Open()
	if open == nil {
		return nil
	}
	if !d.store.abort(ctx, d.object.Key, open.ID) {
		return nil // it is tried again after the next failure
	}
	return d.resume.Abandoned(ctx)
}

// abort gives up an upload. It says no if it may still be there and another try may
// do better: one that is forbidden will not.
func (s *Store) abort(ctx context.Context, key, uploadID string) bool {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: aws.String(s.opts.Bucket), Key: aws.String(key), UploadId: aws.String(uploadID),
	})
	return err == nil || slices.Contains([]string{"NoSuchUpload", "AccessDenied", "NotImplemented", "MethodNotAllowed"}, errorCode(err))
}

// errorCode is the store's code for an error; empty for any other.
func errorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
