// Package s3 is one destination: it uploads a segment's file by multipart upload,
// resumes what was cut short, and has the store confirm what it holds. It is the
// only package that knows the AWS SDK.
package s3

//lint:file-ignore SA1019 manager is our choice, although transfermanager is to follow it: what resumes uploads decorates its client

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"recording-agent/capture/spool"
)

// Checksum is how a destination is told to check what it receives.
type Checksum string

const (
	// ChecksumAuto sends CRC64NVME checksums of each part and of the whole object,
	// so that the store itself refuses what was damaged on the way.
	ChecksumAuto Checksum = "auto"
	// ChecksumWhenRequired sends none: for stores that reject them. Each request is
	// then protected by the SHA-256 in its signature alone.
	ChecksumWhenRequired Checksum = "when_required"
)

// algorithm is what a ledger says of an upload whose parts carry checksums.
const algorithm = "CRC64NVME"

// maxParts is the most that S3 takes; manager would change the part size behind
// our back to keep to it.
const maxParts = 10_000

// Options configure a Store.
type Options struct {
	Bucket    string
	Region    string // empty: the SDK's default chain, then us-east-1
	Endpoint  string // http(s)://host:port of a compatible store; empty: AWS
	PathStyle bool   // bucket in the path, not in the host name

	AccessKeyID     string // empty: the SDK's default chain
	SecretAccessKey string
	SessionToken    string

	PartSize int64 // of new uploads, at least 5 MiB
	Checksum Checksum
	CAFile   string // PEM file of certificates to trust besides the system's
	Throttle Throttle
}

// Store is one bucket. It is safe for concurrent use.
type Store struct {
	opts   Options
	tls    bool
	mu     sync.Mutex  // of setting up
	client *s3.Client  // nil until that has succeeded
	echoes atomic.Bool // it checks the checksums of bodies: it repeats them in its answers
}

// New prepares a store. It does not talk to it.
func New(o Options) *Store {
	return &Store{opts: o, tls: !strings.HasPrefix(strings.ToLower(o.Endpoint), "http://")}
}

// SetupError says that certificates or the SDK's configuration cannot be read.
type SetupError struct{ Err error }

func (e *SetupError) Error() string { return "set up S3: " + e.Err.Error() }
func (e *SetupError) Unwrap() error { return e.Err }

// setUp makes the client when there is none yet. What keeps it from that may be
// mended while the agent records, so it is tried again with each upload.
func (s *Store) setUp(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return nil
	}
	client, err := newClient(ctx, s.opts)
	if err != nil {
		return &SetupError{err}
	}
	s.client = client
	return nil
}

func newClient(ctx context.Context, o Options) (*s3.Client, error) {
	client, err := httpClient(o.CAFile, o.Throttle)
	if err != nil {
		return nil, err
	}
	load := []func(*config.LoadOptions) error{config.WithHTTPClient(client), config.WithRetryMaxAttempts(3)}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(o.AccessKeyID, o.SecretAccessKey, o.SessionToken)))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	return s3.NewFromConfig(cfg, func(so *s3.Options) {
		if o.Endpoint != "" {
			so.BaseEndpoint = aws.String(o.Endpoint)
		}
		so.UsePathStyle = o.PathStyle
		so.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired // ours are explicit
		so.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	}), nil
}

// Object is a segment on its way to a store. While it is still being recorded it
// has neither size nor checksum.
type Object struct {
	Key      string
	Size     int64
	Checksum string // CRC64NVME of the whole file, base64, as in spool.Segment
	Segment  string // id; also in the metadata
	Metadata map[string]string
	Body     Body // an *os.File: it is read in place, part by part
}

// Body is a segment's file.
type Body interface {
	io.ReadSeeker
	io.ReaderAt
}

// Resume is what is known of an object's multipart upload, and takes down what
// becomes known. Opened, PartSent and Abandoned are durable when they return.
type Resume interface {
	Open() *spool.Upload // the upload that is open; nil when none is
	Opened(ctx context.Context, u spool.Upload) error
	PartSent(ctx context.Context, p spool.UploadPart) error
	Abandoned(ctx context.Context) error // the store does not know the upload any more
	// Turn waits until a body of size bytes may be sent; done is called when it was.
	Turn(ctx context.Context, size int64) (done func(), err error)
}

// PartSize is how large the parts of new uploads are, in bytes.
func (s *Store) PartSize() int64 { return max(s.opts.PartSize, manager.MinUploadPartSize) }

func (s *Store) resuming(o Object, r Resume) *resuming {
	d := &resuming{store: s, object: o, resume: r, partSize: s.PartSize()}
	if open := r.Open(); open != nil {
		d.partSize = open.PartSize // it belongs to the upload, whatever the configuration says by now
	}
	return d
}

// Upload sends an object: what the store has acknowledged before is not sent
// again. It is complete in the store when Upload returns nil.
func (s *Store) Upload(ctx context.Context, o Object, r Resume) error {
	if err := s.Check(ctx, o, r); err != nil {
		return err
	}
	d := s.resuming(o, r)
	if o.Size > d.partSize*maxParts {
		return fmt.Errorf("segment of %d bytes does not fit into %d parts of %d bytes: raise s3.part_size or shorten segment.duration", o.Size, maxParts, d.partSize)
	}
	up := manager.NewUploader(d, func(u *manager.Uploader) {
		u.PartSize = d.partSize
		u.Concurrency = 1 // the first part, which is asked for first, waits until the others are there
		u.LeavePartsOnError = true
		u.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	})
	in := &s3.PutObjectInput{
		Bucket: aws.String(s.opts.Bucket), Key: aws.String(o.Key), Body: o.Body,
		ContentType: aws.String(contentType), Metadata: encodeMetadata(o.Metadata, o.Segment),
	}
	if s.checksums() && o.Checksum != "" {
		in.ChecksumCRC64NVME = aws.String(o.Checksum)
	}
	_, err := up.Upload(ctx, in)
	return err
}

// SendPart sends one whole part of a file that is still growing, and opens its
// upload when none is open.
func (s *Store) SendPart(ctx context.Context, o Object, number int, r Resume) error {
	if err := s.setUp(ctx); err != nil {
		return err
	}
	d := s.resuming(o, r)
	if r.Open() == nil {
		_, err := d.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: aws.String(s.opts.Bucket), Key: aws.String(o.Key),
			ContentType: aws.String(contentType), Metadata: encodeMetadata(o.Metadata, o.Segment),
		})
		if err != nil {
			return err
		}
	}
	return d.sendPart(ctx, number, d.partSize)
}

// Check asks the store for an upload of which only the ledger knows, and forgets
// it when the store has.
func (s *Store) Check(ctx context.Context, o Object, r Resume) error {
	if err := s.setUp(ctx); err != nil {
		return err
	}
	return s.resuming(o, r).forgetGone(ctx)
}

const contentType = "video/mp4"

func (s *Store) checksums() bool { return s.opts.Checksum != ChecksumWhenRequired }

// metaSegment is the metadata key of the segment's id: it tells whether an object
// under our key is ours.
const metaSegment = "segment-id"

// encodeMetadata percent-encodes values: headers are ASCII, camera names are not.
func encodeMetadata(values map[string]string, segment string) map[string]string {
	out := map[string]string{metaSegment: segment}
	for k, v := range values {
		if v != "" {
			out[k] = escape(v)
		}
	}
	return out
}

// maxMetadata bounds each value: S3 takes 2 KiB of metadata in all.
const maxMetadata = 400

// escape percent-encodes a value, and cuts it where it is too long.
func escape(v string) string {
	runes := []rune(v)
	for len(url.PathEscape(string(runes))) > maxMetadata {
		runes = runes[:len(runes)-1]
	}
	return url.PathEscape(string(runes))
}

// Head is what a store says of an object.
type head struct {
	size     int64
	checksum string // CRC64NVME of the full object; empty when the store has none
	etag     string // without quotes; empty when the object is encrypted, and it says nothing of its bytes
	segment  string
}

func (s *Store) head(ctx context.Context, key string) (head, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: aws.String(s.opts.Bucket), Key: aws.String(key), ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil {
		return head{}, fmt.Errorf("look at the stored object: %w", err)
	}
	h := head{size: aws.ToInt64(out.ContentLength), segment: out.Metadata[metaSegment]}
	if sse := out.ServerSideEncryption; out.SSECustomerAlgorithm == nil && (sse == "" || sse == types.ServerSideEncryptionAes256) {
		h.etag = strings.Trim(aws.ToString(out.ETag), `"`)
	}
	if out.ChecksumType != types.ChecksumTypeComposite {
		h.checksum = aws.ToString(out.ChecksumCRC64NVME)
	}
	return h, nil
}

// MismatchError says that the store holds something else than was sent.
type MismatchError struct{ Key, What string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the stored object %s is not the segment: %s", e.Key, e.What)
}

// Verify has the store confirm an object. It returns the ground that the
// confirmation stands on: "size, crc64nvme"; where the store keeps no checksum of
// whole objects "size, md5 of parts", or, when its ETag is not made of those
// (an encrypted object's is not), "size, signed parts": each part was then
// checked by the store when it came, against the SHA-256 in its signature. sent
// is the multipart upload that made the object, nil when it is not known.
func (s *Store) Verify(ctx context.Context, o Object, sent *spool.Upload) (by string, err error) {
	if err := s.setUp(ctx); err != nil {
		return "", err
	}
	h, err := s.head(ctx, o.Key)
	if err != nil {
		return "", err
	}
	switch {
	case h.segment != "" && h.segment != o.Segment:
		return "", &MismatchError{o.Key, "it belongs to segment " + h.segment}
	case h.size != o.Size:
		return "", &MismatchError{o.Key, fmt.Sprintf("it has %d bytes, the segment %d", h.size, o.Size)}
	case h.checksum == "" && sent != nil && h.etag != "" && h.etag == etagOf(sent):
		return "size, md5 of parts", nil
	case h.checksum == "" && sent != nil && etagOf(sent) != "" && madeOfMD5(h.etag, len(sent.Parts)):
		return "", &MismatchError{o.Key, fmt.Sprintf("its ETag is %s, the parts that were sent make %s", h.etag, etagOf(sent))}
	case h.checksum == "":
		return "size, signed parts", nil
	case h.checksum != o.Checksum:
		return "", &MismatchError{o.Key, fmt.Sprintf("its checksum is %s, the segment's %s", h.checksum, o.Checksum)}
	}
	return "size, crc64nvme", nil
}

// etagOf is the ETag of an object that was put together of parts whose MD5 is
// known, as AWS and most stores make it; empty when it cannot be told.
func etagOf(u *spool.Upload) string {
	if u.Algorithm != "" {
		return ""
	}
	all := md5.New()
	parts := slices.SortedFunc(slices.Values(u.Parts), func(a, b spool.UploadPart) int { return a.Number - b.Number })
	for i, p := range parts {
		sum, err := hex.DecodeString(p.Checksum)
		if err != nil || p.Number != i+1 {
			return ""
		}
		all.Write(sum)
	}
	return fmt.Sprintf("%x-%d", all.Sum(nil), len(u.Parts))
}

// madeOfMD5 says whether an ETag has the form of etagOf.
func madeOfMD5(etag string, parts int) bool {
	sum, number, found := strings.Cut(etag, "-")
	_, err := hex.DecodeString(sum)
	return found && err == nil && len(sum) == 2*md5.Size && number == strconv.Itoa(parts)
}

// String names the destination in log lines and errors.
func (s *Store) String() string {
	if s.opts.Endpoint == "" {
		return "s3://" + s.opts.Bucket
	}
	return strings.TrimSuffix(s.opts.Endpoint, "/") + "/" + s.opts.Bucket
}

// stallTimeout is how long a connection may make no progress.
const stallTimeout = 60 * time.Second
