package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
	Missing  int // number of the first part that is missing before others; 0: they run from 1 without a hole

	parts []types.CompletedPart
}

// Idle is for how long nothing has come.
func (l *Leftover) Idle(now time.Time) time.Duration {
	if l.LastPart.After(l.Opened) {
		return now.Sub(l.LastPart)
	}
	return now.Sub(l.Opened)
}

// Playable says that the parts there are can be put together: a segment's first
// part holds what is needed to read those behind it.
func (l *Leftover) Playable() bool { return l.Parts > 0 && l.Missing == 0 }

// ErrNoListing says that the store cannot list incomplete uploads.
var ErrNoListing = errors.New("the store cannot list incomplete uploads")

// Leftovers lists the incomplete uploads whose keys begin with prefix, oldest key
// first.
func (s *Store) Leftovers(ctx context.Context, prefix string) ([]Leftover, error) {
	if err := s.setUp(ctx); err != nil {
		return nil, err
	}
	var out []Leftover
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{Bucket: aws.String(s.opts.Bucket), Prefix: aws.String(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if errorCode(err) == "NotImplemented" {
			return nil, fmt.Errorf("%w: %w", ErrNoListing, err)
		}
		if err != nil {
			return nil, fmt.Errorf("list incomplete uploads: %w", err)
		}
		for _, u := range page.Uploads {
			l := Leftover{Key: aws.ToString(u.Key), ID: aws.ToString(u.UploadId), Opened: aws.ToTime(u.Initiated)}
			err := s.listParts(ctx, &l)
			if errorCode(err) == "NoSuchUpload" {
				continue // whoever began it has completed it meanwhile
			}
			if err != nil {
				return nil, err
			}
			out = append(out, l)
		}
	}
	return out, nil
}

func (s *Store) listParts(ctx context.Context, l *Leftover) error {
	pages := s3.NewListPartsPaginator(s.client, &s3.ListPartsInput{Bucket: aws.String(s.opts.Bucket), Key: aws.String(l.Key), UploadId: aws.String(l.ID)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the parts of %s: %w", l.Key, err)
		}
		for _, p := range page.Parts {
			l.add(p)
		}
	}
	return nil
}

// add takes parts in the order of their numbers, as stores list them.
func (l *Leftover) add(p types.Part) {
	l.Parts++
	if int(aws.ToInt32(p.PartNumber)) != l.Parts && l.Missing == 0 {
		l.Missing = l.Parts
	}
	l.Size += aws.ToInt64(p.Size)
	if t := aws.ToTime(p.LastModified); t.After(l.LastPart) {
		l.LastPart = t
	}
	l.parts = append(l.parts, types.CompletedPart{PartNumber: p.PartNumber, ETag: p.ETag, ChecksumCRC64NVME: p.ChecksumCRC64NVME})
}

// CompleteLeftover makes an object of the parts that are there. What lies under
// its key already is not overwritten: then the error is a *TakenError.
func (s *Store) CompleteLeftover(ctx context.Context, l Leftover) error {
	if h, err := s.head(ctx, l.Key); err == nil {
		return &TakenError{Key: l.Key, Segment: h.segment}
	}
	in := &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(s.opts.Bucket), Key: aws.String(l.Key), UploadId: aws.String(l.ID),
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
	if err != nil {
		return fmt.Errorf("complete the upload of %s: %w", l.Key, err)
	}
	return nil
}

// AbortEmpty removes an upload that has no parts. Those that have some are never
// aborted: they may be the only copy of what they hold.
func (s *Store) AbortEmpty(ctx context.Context, l Leftover) error {
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
	left, err := s.Leftovers(ctx, key)
	if err != nil {
		return
	}
	for _, l := range left {
		if l.Key == key && l.Parts == 0 {
			_ = s.AbortEmpty(ctx, l)
		}
	}
}

// Fetch copies an object.
func (s *Store) Fetch(ctx context.Context, key string, to io.Writer) (size int64, err error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(s.opts.Bucket), Key: aws.String(key)})
	if err != nil {
		return 0, fmt.Errorf("fetch %s: %w", key, err)
	}
	defer out.Body.Close()
	if size, err = io.Copy(to, out.Body); err != nil {
		return size, fmt.Errorf("fetch %s: %w", key, err)
	}
	return size, nil
}
