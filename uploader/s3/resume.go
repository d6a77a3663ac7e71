package s3

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

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
// is one. What the object is to be is not manager's to say.
func (d *resuming) CreateMultipartUpload(ctx context.Context, _ *s3.CreateMultipartUploadInput, opts ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error) {
	if open := d.resume.Open(); open != nil {
		return &s3.CreateMultipartUploadOutput{UploadId: aws.String(open.ID)}, nil
	}
	create := d.store.createInput(d.object)
	upload := spool.Upload{PartSize: d.partSize}
	if create.ChecksumAlgorithm != "" {
		upload.Algorithm = algorithm
	}
	out, err := d.store.client.CreateMultipartUpload(ctx, create, opts...)
	if err != nil {
		d.store.doubtful.Store(d.object.Key, nil)
		return nil, err
	}
	if attempts, ok := retry.GetAttemptResults(out.ResultMetadata); ok && len(attempts.Results) > 1 {
		d.store.doubtful.Store(d.object.Key, nil)
	}
	upload.ID = aws.ToString(out.UploadId)
	if err := d.resume.Opened(ctx, upload); err != nil {
		d.store.abort(ctx, d.object.Key, upload.ID) // nobody would know it; if that fails too, housekeeping finds it
		return nil, err
	}
	return out, nil
}

// compare asks the store for an upload of which only the ledger knows: a store that
// has dropped it may cut the connection in the middle of a part instead of saying
// so. done says that it is gone because it has become the object: the answer, or
// the note of it, was lost.
func (d *resuming) compare(ctx context.Context) (done bool, err error) {
	open := d.resume.Open()
	if open == nil {
		return false, nil
	}
	out, err := d.store.client.ListParts(ctx, &s3.ListPartsInput{
		Bucket: aws.String(d.store.opts.Bucket), Key: aws.String(d.object.Key), UploadId: aws.String(open.ID),
	})
	switch {
	case errorCode(err) == "NoSuchUpload":
		h, err := d.store.head(ctx, d.object.Key)
		if err == nil && d.ours(h) && d.whole(h) {
			return true, nil
		}
		return false, d.resume.Abandoned(ctx)
	case err != nil, aws.ToBool(out.IsTruncated):
		return false, nil // any other trouble shows when the parts are sent
	}
	return false, d.forgetLost(ctx, open, out.Parts)
}

// forgetLost has parts sent again that the store does not have.
func (d *resuming) forgetLost(ctx context.Context, open *spool.Upload, there []types.Part) error {
	etags := make(map[int]string, len(there))
	for _, p := range there {
		etags[int(aws.ToInt32(p.PartNumber))] = strings.Trim(aws.ToString(p.ETag), `"`)
	}
	for _, p := range open.Parts {
		if etags[p.Number] != strings.Trim(p.ETag, `"`) {
			if err := d.resume.PartLost(ctx, p.Number); err != nil {
				return err
			}
		}
	}
	return nil
}

// UploadPart makes an error of what the code panics over: manager calls it in a goroutine
// of its own, where a panic would end the recordings as well.
func (d *resuming) UploadPart(ctx context.Context, in *s3.UploadPartInput, opts ...func(*s3.Options)) (out *s3.UploadPartOutput, err error) {
	panicked := d.store.opts.Panics.Guard("sending a part", func() { out, err = d.uploadPart(ctx, in, opts...) })
	if panicked != nil {
		return nil, panicked
	}
	return out, err
}

// uploadPart answers with the part that is there already, when these are the
// bytes that it was made of. The first part goes last: it holds the tables of the
// whole file, and what the store has of a file whose host is lost has to be
// readable without its end.
func (d *resuming) uploadPart(ctx context.Context, in *s3.UploadPartInput, opts ...func(*s3.Options)) (*s3.UploadPartOutput, error) {
	body, ok := in.Body.(io.ReadSeeker)
	if !ok {
		return nil, errors.New("a part that cannot be read twice")
	}
	open := d.resume.Open()
	if open == nil {
		return nil, errors.New("a part of an upload that is not open")
	}
	number := int(aws.ToInt32(in.PartNumber))
	if number == 1 {
		if err := d.sendRest(ctx); err != nil {
			return nil, err
		}
		open = d.resume.Open()
	}
	known := find(open.Parts, number)
	if known != nil && d.unchanged(open, known) {
		return d.answer(open, *known), nil
	}
	seal := d.store.seal()
	part, err := measure(body, open.Algorithm, seal)
	if err != nil {
		return nil, err
	}
	part.Number = number
	if known != nil && known.Size == part.Size && known.Checksum == part.Checksum {
		return d.answer(open, *known), nil
	}
	done, err := d.resume.Turn(ctx, part.Size)
	if err != nil {
		return nil, err
	}
	defer done()
	in.ChecksumAlgorithm = ""
	if open.Algorithm == algorithm {
		in.ChecksumCRC64NVME = aws.String(part.Checksum)
	} else {
		in.ContentMD5 = aws.String(contentMD5(part))
	}
	out, err := d.store.client.UploadPart(ctx, in, append(opts, seal.apply)...)
	if err != nil {
		return nil, err
	}
	d.store.echoes.Store(aws.ToString(out.ChecksumCRC64NVME) == part.Checksum)
	part.ETag = aws.ToString(out.ETag)
	if err := d.resume.PartSent(ctx, part); err != nil {
		return nil, err
	}
	return d.answer(open, part), nil
}

func find(parts []spool.UploadPart, number int) *spool.UploadPart {
	for i := range parts {
		if parts[i].Number == number {
			return &parts[i]
		}
	}
	return nil
}

// unchanged says that a part need not be read to know that the store has it: a
// file grows at its end and changes in its front alone. Where the store checks
// the whole object at the end, or says what to compare the file with, that is
// proved there; elsewhere it is read.
func (d *resuming) unchanged(open *spool.Upload, known *spool.UploadPart) bool {
	proved := open.Algorithm == algorithm || d.store.google()
	return known.Number > 1 && proved && known.Size == d.sizeOf(known.Number)
}

func (d *resuming) sizeOf(number int) int64 {
	return min(d.partSize, d.object.Size-int64(number-1)*d.partSize)
}

// sendRest sends what is missing behind the first part. After a failure no other
// part is begun; those under way are not wasted.
func (d *resuming) sendRest(ctx context.Context) error {
	last := int((d.object.Size + d.partSize - 1) / d.partSize)
	open := d.resume.Open()
	var rest errgroup.Group
	var failed atomic.Bool
	rest.SetLimit(partsAtOnce)
	for n := 2; n <= last; n++ {
		if known := find(open.Parts, n); known != nil && d.unchanged(open, known) {
			continue
		}
		rest.Go(func() error {
			if failed.Load() {
				return nil
			}
			err := d.sendPart(ctx, n, d.sizeOf(n))
			if err != nil {
				failed.Store(true)
			}
			return err
		})
	}
	return rest.Wait()
}

// partsAtOnce is how many parts of one segment are sent at once; of all segments
// together, Resume.Turn decides.
const partsAtOnce = 2

func (d *resuming) sendPart(ctx context.Context, number int, size int64) error {
	_, err := d.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: aws.String(d.store.opts.Bucket), Key: aws.String(d.object.Key), UploadId: aws.String(d.resume.Open().ID),
		PartNumber: aws.Int32(int32(number)), Body: io.NewSectionReader(d.object.Body, int64(number-1)*d.partSize, size),
	})
	return err
}

func (d *resuming) answer(open *spool.Upload, p spool.UploadPart) *s3.UploadPartOutput {
	out := &s3.UploadPartOutput{ETag: aws.String(p.ETag)}
	if open.Algorithm == algorithm {
		out.ChecksumCRC64NVME = aws.String(p.Checksum)
	}
	return out
}

// FileError says that the local file could not be read: nothing that the store
// or the network can help.
type FileError struct{ Err error }

func (e *FileError) Error() string { return "read the segment's file: " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// AbortMultipartUpload is refused: manager aborts on any error, and the parts may
// be the only copy there is.
func (d *resuming) AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error) {
	return nil, errors.New("an upload is resumed, not aborted")
}
