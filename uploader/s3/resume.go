package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/minio/crc64nvme"

	"recording-agent/capture/spool"
)

// resuming stands between manager and the SDK's client: it answers what the store
// has acknowledged before from the ledger, so that an ordinary upload of the
// file sends only what is missing or has changed.
type resuming struct {
	store    *Store
	object   Object
	resume   Resume
	partSize int64
}

// CreateMultipartUpload answers with the upload that is open already, if there
// is one.
func (d *resuming) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput, opts ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error) {
	if err := d.forgetGone(ctx); err != nil {
		return nil, err
	}
	if open := d.resume.Open(); open != nil {
		return &s3.CreateMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key, UploadId: aws.String(open.ID)}, nil
	}
	upload := spool.Upload{PartSize: d.partSize}
	in.ChecksumAlgorithm = ""
	if d.store.checksums() {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject
		upload.Algorithm = algorithm
	}
	out, err := d.store.client.CreateMultipartUpload(ctx, in, opts...)
	if err != nil {
		return nil, err
	}
	upload.ID = aws.ToString(out.UploadId)
	if err := d.resume.Opened(ctx, upload); err != nil {
		return nil, err
	}
	return out, nil
}

// forgetGone asks for an upload of which only the ledger knows: a store that has
// dropped it may cut the connection in the middle of a part instead of saying so.
func (d *resuming) forgetGone(ctx context.Context) error {
	open := d.resume.Open()
	if open == nil {
		return nil
	}
	_, err := d.store.client.ListParts(ctx, &s3.ListPartsInput{
		Bucket: aws.String(d.store.opts.Bucket), Key: aws.String(d.object.Key), UploadId: aws.String(open.ID), MaxParts: aws.Int32(1),
	})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "NoSuchUpload" {
		return d.resume.Abandoned(ctx)
	}
	return nil // any other trouble shows when the parts are sent
}

// UploadPart answers with the part that is there already, when these are the
// bytes that it was made of.
func (d *resuming) UploadPart(ctx context.Context, in *s3.UploadPartInput, opts ...func(*s3.Options)) (*s3.UploadPartOutput, error) {
	body, ok := in.Body.(io.ReadSeeker)
	if !ok {
		return nil, errors.New("a part that cannot be read twice")
	}
	open := d.resume.Open()
	if open == nil {
		return nil, errors.New("a part of an upload that is not open")
	}
	part, err := measure(body, open.Algorithm)
	if err != nil {
		return nil, err
	}
	part.Number = int(aws.ToInt32(in.PartNumber))
	for _, known := range open.Parts {
		if known.Number == part.Number && known.Size == part.Size && known.Checksum == part.Checksum {
			return d.answer(open, known), nil
		}
	}
	in.ChecksumAlgorithm = ""
	if open.Algorithm == algorithm {
		in.ChecksumCRC64NVME = aws.String(part.Checksum)
		opts = append(opts, d.unsigned)
	}
	out, err := d.store.client.UploadPart(ctx, in, opts...)
	if err != nil {
		return nil, err
	}
	part.ETag = aws.ToString(out.ETag)
	if err := d.resume.PartSent(ctx, part); err != nil {
		return nil, err
	}
	return d.answer(open, part), nil
}

func (d *resuming) answer(open *spool.Upload, p spool.UploadPart) *s3.UploadPartOutput {
	out := &s3.UploadPartOutput{ETag: aws.String(p.ETag)}
	if open.Algorithm == algorithm {
		out.ChecksumCRC64NVME = aws.String(p.Checksum)
	}
	return out
}

// unsigned leaves a part's SHA-256 out of the signature: inside TLS, and with the
// part's own checksum, it would only be a second hash of the same bytes.
func (d *resuming) unsigned(o *s3.Options) {
	if d.store.tls {
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	}
}

// measure reads a part's bytes once, for its size and checksum: CRC64NVME, or MD5
// in an upload that carries no checksums, because that is what the ETags of most
// stores are made of.
func measure(body io.ReadSeeker, alg string) (spool.UploadPart, error) {
	var h hash.Hash = crc64nvme.New()
	if alg == "" {
		h = md5.New()
	}
	n, err := io.Copy(h, body)
	if err == nil {
		_, err = body.Seek(0, io.SeekStart)
	}
	if err != nil {
		return spool.UploadPart{}, &FileError{err}
	}
	if alg == "" {
		return spool.UploadPart{Size: n, Checksum: hex.EncodeToString(h.Sum(nil))}, nil
	}
	return spool.UploadPart{Size: n, Checksum: base64.StdEncoding.EncodeToString(h.Sum(nil))}, nil
}

// FileError says that the local file could not be read: nothing that the store
// or the network can help.
type FileError struct{ Err error }

func (e *FileError) Error() string { return "read the segment's file: " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// CompleteMultipartUpload has the store put the parts together, and check that
// the whole has the checksum of the file. Whatever error comes back, the object
// is looked at before it is believed: the answer may have been lost.
func (d *resuming) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, opts ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error) {
	if open := d.resume.Open(); open != nil && open.Algorithm == algorithm {
		in.ChecksumType = types.ChecksumTypeFullObject
		in.MpuObjectSize = aws.Int64(d.object.Size)
	} else {
		in.ChecksumCRC64NVME = nil
	}
	out, err := d.store.client.CompleteMultipartUpload(ctx, in, opts...)
	if err == nil {
		return out, nil
	}
	h, headErr := d.store.head(ctx, d.object.Key)
	if headErr != nil || h.segment != d.object.Segment || h.size != d.object.Size || h.checksum != "" && h.checksum != d.object.Checksum {
		return nil, fmt.Errorf("complete the upload: %w", err)
	}
	return &s3.CompleteMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key}, nil
}

// PutObject is how manager sends a file of at most one part. When an upload is
// open for it, it becomes the only part of that.
func (d *resuming) PutObject(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	if err := d.forgetGone(ctx); err != nil {
		return nil, err
	}
	open := d.resume.Open()
	if open == nil {
		if in.ChecksumCRC64NVME != nil {
			opts = append(opts, d.unsigned)
		}
		return d.store.client.PutObject(ctx, in, opts...)
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

// AbortMultipartUpload is refused: manager aborts on any error, and the parts may
// be the only copy there is.
func (d *resuming) AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error) {
	return nil, errors.New("an upload is resumed, not aborted")
}
