package s3

//lint:file-ignore SA1019 manager is our choice, although transfermanager is to follow it

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Leftover is a multipart upload that is not complete. Whoever began it may be at
// work, or may have burned.
type Leftover struct {
	Key      string
	ID       string
	Opened   time.Time
	LastPart time.Time // when its youngest part came; zero without parts
	Size     int64     // of the parts together, in bytes
	Parts    int
	Missing  int   // number of the first part that is missing before others; 0: they run from 1 without a hole
	Trouble  error // its parts could not be listed: nothing else is known of it

	parts        []types.CompletedPart
	checksumType types.ChecksumType
}

// Idle is for how long nothing has come. Where the store names no times that is
// not known, and it is none.
func (l *Leftover) Idle(now time.Time) time.Duration {
	last := l.Opened
	if l.LastPart.After(last) {
		last = l.LastPart
	}
	if last.IsZero() {
		return 0
	}
	return now.Sub(last)
}

// Playable says that the parts there are can be put together: a segment's first
// part holds what is needed to read those behind it.
func (l *Leftover) Playable() bool { return l.Parts > 0 && l.Missing == 0 && l.Trouble == nil }

// ErrNoListing says that the store cannot list incomplete uploads.
var ErrNoListing = errors.New("the store cannot list incomplete uploads")

// Leftovers lists the incomplete uploads whose keys begin with prefix, oldest key
// first. The parts of those whose keys are not wanted are not asked for; nil wants all.
func (s *Store) Leftovers(ctx context.Context, prefix string, wanted func(key string) bool) ([]Leftover, error) {
	if err := s.setUp(ctx); err != nil {
		return nil, err
	}
	var out []Leftover
	in := &s3.ListMultipartUploadsInput{Bucket: aws.String(s.opts.Bucket), Prefix: aws.String(prefix)}
	for last := (types.MultipartUpload{}); ; {
		page, err := s.listUploads(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Uploads {
			l := Leftover{Key: aws.ToString(u.Key), ID: aws.ToString(u.UploadId), Opened: aws.ToTime(u.Initiated)}
			if !strings.HasPrefix(l.Key, prefix) || wanted != nil && !wanted(l.Key) {
				continue
			}
			switch err := s.listParts(ctx, &l); {
			case errorCode(err) == "NoSuchUpload":
				continue // whoever began it has completed it meanwhile
			case errorCode(err) != "": // one that the store cannot answer for must not hide the others
				l = Leftover{Key: l.Key, ID: l.ID, Opened: l.Opened, Trouble: err}
			case err != nil:
				return nil, err
			}
			out = append(out, l)
		}
		key, id := aws.ToString(page.NextKeyMarker), aws.ToString(page.NextUploadIdMarker)
		// A store that does not go on would be asked for ever.
		if !aws.ToBool(page.IsTruncated) || key == "" || key == aws.ToString(last.Key) && id == aws.ToString(last.UploadId) {
			return out, nil
		}
		last.Key, last.UploadId = page.NextKeyMarker, page.NextUploadIdMarker
		in.KeyMarker, in.UploadIdMarker = last.Key, last.UploadId
	}
}

func (s *Store) listUploads(ctx context.Context, in *s3.ListMultipartUploadsInput) (*s3.ListMultipartUploadsOutput, error) {
	page, err := s.client.ListMultipartUploads(ctx, in)
	if in.UploadIdMarker != nil && errorCode(err) == "InvalidArgument" { // versitygw rejects the marker that it has given
		in.UploadIdMarker = nil
		page, err = s.client.ListMultipartUploads(ctx, in)
	}
	if code := errorCode(err); code == "NotImplemented" || code == "MethodNotAllowed" {
		return nil, fmt.Errorf("%w: %w", ErrNoListing, err)
	}
	if err != nil {
		return nil, fmt.Errorf("list incomplete uploads: %w", err)
	}
	return page, nil
}

func (s *Store) listParts(ctx context.Context, l *Leftover) error {
	pages := s3.NewListPartsPaginator(s.client, &s3.ListPartsInput{
		Bucket: aws.String(s.opts.Bucket), Key: aws.String(l.Key), UploadId: aws.String(l.ID),
	}, func(o *s3.ListPartsPaginatorOptions) { o.StopOnDuplicateToken = true })
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the parts of %s: %w", l.Key, err)
		}
		if slices.Contains(page.ChecksumType.Values(), page.ChecksumType) { // some name a type that they do not take back
			l.checksumType = page.ChecksumType
		}
		for _, p := range page.Parts {
			l.add(p)
		}
	}
	return nil
}

// add takes parts in the order of their numbers, as stores list them. Some begin
// a page with the last part of the one before.
func (l *Leftover) add(p types.Part) {
	number := int(aws.ToInt32(p.PartNumber))
	if l.Parts > 0 && int(aws.ToInt32(l.parts[l.Parts-1].PartNumber)) == number {
		return
	}
	l.Parts++
	if number != l.Parts && l.Missing == 0 {
		l.Missing = l.Parts
	}
	l.Size += aws.ToInt64(p.Size)
	if t := aws.ToTime(p.LastModified); t.After(l.LastPart) {
		l.LastPart = t
	}
	l.parts = append(l.parts, types.CompletedPart{PartNumber: p.PartNumber, ETag: p.ETag, ChecksumCRC64NVME: p.ChecksumCRC64NVME})
}

// Vacant looks whether there is an object under a key; then the error is a
// *TakenError.
func (s *Store) Vacant(ctx context.Context, key string) error {
	if err := s.setUp(ctx); err != nil {
		return err
	}
	h, err := s.head(ctx, key)
	switch {
	case err == nil:
		return &TakenError{Key: key, Segment: h.segment, Size: h.size}
	case absent(err):
		return nil
	}
	return err
}

// CompleteLeftover makes an object of the parts that are there. What lies under
// its key already is not overwritten: then the error is a *TakenError. Unless the
// store says plainly that there is nothing, nothing is done.
func (s *Store) CompleteLeftover(ctx context.Context, l Leftover) error {
	if !l.Playable() {
		return fmt.Errorf("the upload of %s cannot be completed: part %d is missing", l.Key, max(l.Missing, 1))
	}
	if err := s.Vacant(ctx, l.Key); err != nil {
		return err
	}
	in := &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(s.opts.Bucket), Key: aws.String(l.Key), UploadId: aws.String(l.ID), ChecksumType: l.checksumType,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: l.parts},
	}
	if s.heeds.Load() {
		in.IfNoneMatch = aws.String("*")
	}
	_, err := s.client.CompleteMultipartUpload(ctx, in)
	if errorCode(err) == "NotImplemented" && in.IfNoneMatch != nil {
		s.heeds.Store(false)
		in.IfNoneMatch = nil
		_, err = s.client.CompleteMultipartUpload(ctx, in)
	}
	if err == nil {
		return nil
	}
	// There was nothing a moment ago. What is there now and has our length came of
	// this call, or of one of the SDK's own repetitions of it.
	var taken *TakenError
	if errors.As(s.Vacant(ctx, l.Key), &taken) {
		if taken.Size == l.Size {
			return nil
		}
		return taken
	}
	return fmt.Errorf("complete the upload of %s: %w", l.Key, err)
}

// AbortEmpty removes an upload that has no parts. Those that have some are never
// aborted: they may be the only copy of what they hold.
func (s *Store) AbortEmpty(ctx context.Context, l Leftover) error {
	if err := s.setUp(ctx); err != nil {
		return err
	}
	now := Leftover{Key: l.Key, ID: l.ID}
	if err := s.listParts(ctx, &now); err != nil {
		return err
	}
	if now.Parts > 0 {
		return fmt.Errorf("upload of %s: parts have come meanwhile", l.Key)
	}
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: aws.String(s.opts.Bucket), Key: aws.String(l.Key), UploadId: aws.String(l.ID),
	})
	if err != nil {
		return fmt.Errorf("abort the empty upload of %s: %w", l.Key, err)
	}
	return nil
}

// sweep aborts the empty uploads under a key whose object is complete: the answer
// that told of them was lost. What it misses, daily housekeeping finds.
func (s *Store) sweep(ctx context.Context, key string) {
	if _, doubtful := s.doubtful.LoadAndDelete(key); !doubtful {
		return
	}
	left, err := s.Leftovers(ctx, key, func(k string) bool { return k == key })
	if err != nil {
		return
	}
	for _, l := range left {
		if l.Key == key && l.Parts == 0 {
			_ = s.AbortEmpty(ctx, l)
		}
	}
}

// Fetch copies an object, in ranges: after a broken connection only the range that
// it hit is asked for again.
func (s *Store) Fetch(ctx context.Context, key string, to io.WriterAt) (size int64, err error) {
	if err := s.setUp(ctx); err != nil {
		return 0, err
	}
	size, err = manager.NewDownloader(s.client).Download(ctx, to, &s3.GetObjectInput{Bucket: aws.String(s.opts.Bucket), Key: aws.String(key)})
	if err != nil {
		return size, fmt.Errorf("fetch %s: %w", key, err)
	}
	return size, nil
}
