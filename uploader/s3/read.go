package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// ChangedError says that what lies under a key is not what it was at the beginning.
type ChangedError struct{ Key string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("the object %q has been replaced meanwhile: begin again", e.Key)
}

// Read opens an object at a byte, to its end. It is a *ChangedError when it is not
// the one any more that Stat has described.
func (s *Store) Read(ctx context.Context, o Stored, from int64) (io.ReadCloser, error) {
	return s.read(ctx, o, from, o.Size)
}

// read opens the bytes from from up to to.
func (s *Store) read(ctx context.Context, o Stored, from, to int64) (io.ReadCloser, error) {
	if err := s.setUp(ctx); err != nil {
		return nil, err
	}
	if from >= to {
		return http.NoBody, nil
	}
	in := &s3.GetObjectInput{Bucket: aws.String(s.opts.Bucket), Key: aws.String(o.Key)}
	if o.ETag != "" {
		in.IfMatch = aws.String(`"` + o.ETag + `"`)
	}
	if from > 0 || to < o.Size {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", from, to-1))
	}
	out, err := s.client.GetObject(ctx, in)
	var resp *awshttp.ResponseError
	if code := errorCode(err); code == "PreconditionFailed" || code == "InvalidRange" || errors.As(err, &resp) && resp.HTTPStatusCode() == http.StatusPreconditionFailed {
		return nil, &ChangedError{o.Key}
	}
	if absent(err) {
		return nil, &AbsentError{Key: o.Key, Store: s.String()}
	}
	if err != nil {
		return nil, s.keys.renewed(fmt.Errorf("read the object: %w", err))
	}
	if err := answers(in, out, o, from, to); err != nil {
		out.Body.Close()
		return nil, err
	}
	return out.Body, nil
}

// answers checks that what comes is what was asked for: not all stores know
// conditions and ranges.
func answers(in *s3.GetObjectInput, out *s3.GetObjectOutput, o Stored, from, to int64) error {
	if etag := strings.Trim(aws.ToString(out.ETag), `"`); etag != o.ETag {
		return &ChangedError{o.Key}
	}
	if in.Range != nil && !strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-%d/", from, to-1)) {
		return fmt.Errorf("the store was asked for bytes %d to %d of %q, and answers with %q", from, to-1, o.Key, aws.ToString(out.ContentRange))
	}
	return nil
}

// readAhead is how much of an object is fetched at once: its index is read in many
// small pieces that lie side by side.
const readAhead = 256 << 10

// Ranged is an object that is read here and there, with a request each time. It is
// for one goroutine.
type Ranged struct {
	Object Stored

	ctx   context.Context // of all its requests: io.ReaderAt takes none
	store *Store
	at    int64
	held  []byte // what was fetched last, of the object from at on
}

// Ranged reads the object that Stat has described, as long as ctx lasts.
func (s *Store) Ranged(ctx context.Context, o Stored) *Ranged {
	return &Ranged{Object: o, ctx: ctx, store: s}
}

// ReadAt implements io.ReaderAt.
func (r *Ranged) ReadAt(p []byte, at int64) (n int, err error) {
	for n < len(p) {
		if at+int64(n) >= r.Object.Size {
			return n, io.EOF
		}
		if err := r.hold(at+int64(n), len(p)-n); err != nil {
			return n, err
		}
		n += copy(p[n:], r.held[at+int64(n)-r.at:])
	}
	return n, nil
}

// hold sees to it that the byte at a place is held.
func (r *Ranged) hold(at int64, wanted int) error {
	if at >= r.at && at < r.at+int64(len(r.held)) {
		return nil
	}
	end := min(at+int64(max(wanted, readAhead)), r.Object.Size)
	body, err := r.store.read(r.ctx, r.Object, at, end)
	if err != nil {
		return err
	}
	defer body.Close()
	r.at, r.held = at, make([]byte, end-at)
	if _, err := io.ReadFull(body, r.held); err != nil {
		r.held = nil
		return fmt.Errorf("read the object %q at %d: %w", r.Object.Key, at, err)
	}
	return nil
}
