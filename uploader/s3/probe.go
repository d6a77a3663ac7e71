package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"recording-agent/capture/spool"
)

// Probe is a small object of random bytes, to see what a store lets us do. Each
// method is one request, or the few that uploads make of it, and returns the store's
// own error: Classify explains it, DeniedAction names what is missing.
type Probe struct {
	store  *Store
	object Object
	data   []byte
	resume *remembered
}

// NewProbe makes one of size bytes, which is to lie under key. Nothing is sent.
func (s *Store) NewProbe(key string, size int) *Probe {
	data := make([]byte, size)
	_, _ = rand.Read(data) // it never fails
	body := bytes.NewReader(data)
	whole, _ := measure(body, algorithm, io.Discard) // nor does memory
	return &Probe{
		store: s, data: data, resume: &remembered{},
		object: Object{Key: key, Size: int64(size), Checksum: whole.Checksum, Segment: "recording-agent-check", Body: body},
	}
}

// Source is where the credentials come from; the error says that there are none.
func (s *Store) Source(ctx context.Context) (string, error) {
	if err := s.setUp(ctx); err != nil {
		return "", err
	}
	c, err := s.keys.cache.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("get credentials: %w", err)
	}
	return c.Source, nil
}

// List asks for the names of objects, as the first thing: unlike a HEAD it is
// answered with a reason.
func (p *Probe) List(ctx context.Context) error {
	if err := p.store.setUp(ctx); err != nil {
		return err
	}
	_, err := p.store.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: aws.String(p.store.opts.Bucket), Prefix: aws.String(p.object.Key), MaxKeys: aws.Int32(1),
	})
	return err
}

// Region is the one that requests are signed for.
func (s *Store) Region(ctx context.Context) (string, error) {
	if err := s.setUp(ctx); err != nil {
		return "", err
	}
	return s.client.Options().Region, nil
}

// Begin opens a multipart upload and sends its only part.
func (p *Probe) Begin(ctx context.Context) error {
	if err := p.store.setUp(ctx); err != nil {
		return err
	}
	d := p.store.resuming(p.object, p.resume)
	if _, err := d.CreateMultipartUpload(ctx, nil); err != nil {
		return err
	}
	return d.sendPart(ctx, 1, p.object.Size)
}

// Complete makes an object of it, as segments become one.
func (p *Probe) Complete(ctx context.Context) error {
	return p.store.Upload(ctx, p.object, p.resume)
}

// Verify has the store confirm the object.
func (p *Probe) Verify(ctx context.Context) (by string, err error) {
	return p.store.Verify(ctx, p.object, p.resume.open)
}

// ReadRange reads the second half of the object.
func (p *Probe) ReadRange(ctx context.Context) error {
	from := len(p.data) / 2
	out, err := p.store.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String(p.store.opts.Bucket), Key: aws.String(p.object.Key), Range: aws.String(rangeFrom(from)),
	})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	return same(out.Body, p.data[from:])
}

// ReadPresigned reads it once more as a browser does: with a presigned URL alone. The
// URL is in no error: it holds a signature.
func (p *Probe) ReadPresigned(ctx context.Context) error {
	link, err := p.store.Presign(ctx, p.object.Key, "", time.Minute)
	if err != nil {
		return err
	}
	client, err := httpClient(p.store.opts.CAFile, nil, p.store.opts.Stall)
	if err != nil {
		return &SetupError{err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return errors.New("the presigned URL is none")
	}
	from := len(p.data) / 2
	req.Header.Set("Range", rangeFrom(from))
	resp, err := client.Do(req)
	var withURL *url.Error
	switch {
	case errors.As(err, &withURL):
		return fmt.Errorf("read a presigned URL: %w", withURL.Err)
	case err != nil:
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusPartialContent:
		return same(resp.Body, p.data[from:])
	case http.StatusOK:
		return errors.New("the store does not answer with the range that was asked for: browsers cannot seek")
	}
	return refusal(resp)
}

// refusal is the error of an answer, without what the store repeats of the request.
func refusal(resp *http.Response) error {
	var body struct {
		Code string `xml:"Code"`
	}
	_ = xml.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&body) // what is no XML has no code
	if _, ok := known[body.Code]; ok {
		return &smithy.GenericAPIError{Code: body.Code}
	}
	if resp.StatusCode == http.StatusForbidden {
		return &smithy.GenericAPIError{Code: "AccessDenied"}
	}
	return fmt.Errorf("the store answers a presigned URL with %d", resp.StatusCode)
}

func rangeFrom(at int) string { return fmt.Sprintf("bytes=%d-", at) }

// same compares what came with what was sent.
func same(got io.Reader, want []byte) error {
	data, err := io.ReadAll(io.LimitReader(got, int64(len(want))+1))
	if err != nil {
		return fmt.Errorf("read the object: %w", err)
	}
	if !bytes.Equal(data, want) {
		return errors.New("the store gives back other bytes than were sent")
	}
	return nil
}

// ListParts lists the parts of the upload.
func (p *Probe) ListParts(ctx context.Context) error {
	l := Leftover{Key: p.object.Key, ID: p.resume.open.ID}
	if err := p.store.listParts(ctx, &l); err != nil {
		return err
	}
	if l.Parts != 1 {
		return fmt.Errorf("the store lists %d parts of an upload of one", l.Parts)
	}
	return nil
}

// ListUploads lists incomplete uploads.
func (p *Probe) ListUploads(ctx context.Context) error {
	_, err := p.store.listUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: aws.String(p.store.opts.Bucket), Prefix: aws.String(p.object.Key)})
	return err
}

// Abort gives up the upload; nothing of it stays.
func (p *Probe) Abort(ctx context.Context) error {
	if p.resume.open == nil {
		return nil
	}
	_, err := p.store.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: aws.String(p.store.opts.Bucket), Key: aws.String(p.object.Key), UploadId: aws.String(p.resume.open.ID),
	})
	return err
}

// Delete deletes the object.
func (p *Probe) Delete(ctx context.Context) error {
	_, err := p.store.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(p.store.opts.Bucket), Key: aws.String(p.object.Key)})
	return err
}

// Code is the store's own word for an error; empty for one that is not the store's.
func Code(err error) string { return errorCode(err) }

// Denied says that the store knows who asks and does not let them.
func Denied(err error) bool {
	if slices.Contains([]string{"AccessDenied", "Forbidden"}, errorCode(err)) {
		return true
	}
	var resp *awshttp.ResponseError
	return errors.As(err, &resp) && resp.HTTPStatusCode() == http.StatusForbidden && known[errorCode(err)].Cause == ""
}

var namedAction = regexp.MustCompile(`not authorized to perform: ([a-z0-9]{1,20}:[A-Za-z]{1,60})\b`)

// DeniedAction is the IAM action that the store says is missing; empty when it does
// not say.
func DeniedAction(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	if m := namedAction.FindStringSubmatch(api.ErrorMessage()); m != nil {
		return m[1]
	}
	return ""
}

var namedRegion = regexp.MustCompile(`expecting ['"]([a-z0-9-]{1,40})['"]`)

// RegionOf is the region that a store names in an error; empty when it names none.
func RegionOf(err error) string {
	var resp *awshttp.ResponseError
	if errors.As(err, &resp) && resp.Response != nil {
		if region := resp.Response.Header.Get("X-Amz-Bucket-Region"); region != "" {
			return region
		}
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		if m := namedRegion.FindStringSubmatch(api.ErrorMessage()); m != nil {
			return m[1]
		}
	}
	return ""
}

// remembered is a Resume without a ledger.
type remembered struct{ open *spool.Upload }

func (r *remembered) Open() *spool.Upload { return r.open }

func (r *remembered) Opened(_ context.Context, u spool.Upload) error {
	r.open = &u
	return nil
}

func (r *remembered) PartSent(_ context.Context, part spool.UploadPart) error {
	next := *r.open
	next.Parts = append(slices.Clone(r.open.Parts), part)
	r.open = &next
	return nil
}

func (r *remembered) PartLost(_ context.Context, number int) error {
	next := *r.open
	next.Parts = slices.DeleteFunc(slices.Clone(r.open.Parts), func(p spool.UploadPart) bool { return p.Number == number })
	r.open = &next
	return nil
}

func (r *remembered) Abandoned(context.Context) error {
	r.open = nil
	return nil
}

func (r *remembered) Turn(context.Context, int64) (func(), error) { return func() {}, nil }
