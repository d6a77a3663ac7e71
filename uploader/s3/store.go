// Package s3 is one destination: it uploads a segment's file by multipart upload,
// resumes what was cut short, and has the store confirm what it holds. It is the
// only package that knows the AWS SDK.
package s3

//lint:file-ignore SA1019 manager is our choice, although transfermanager is to follow it: what resumes uploads decorates its client

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rs/zerolog"

	"recording-agent/capture/panics"
	"recording-agent/capture/spool"
)

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
	Keys            func() (id, secret, token string) // nil: the three above; asked again when the store refuses what it said

	PartSize int64 // of new uploads, at least 5 MiB
	Checksum Checksum
	CAFile   string // PEM file of certificates to trust besides the system's
	Throttle Throttle
	Stall    time.Duration    // a connection without progress for so long is given up; 0: 60 s
	Now      func() time.Time // nil: time.Now
	Panics   *panics.Page     // where panics over a part are reported; nil: nowhere, they are errors all the same

	StorageClass string // empty: the bucket's default
	Encryption   string // at rest: AES256, aws:kms; empty: the bucket's default
	KMSKeyID     string // for aws:kms; empty: the account's default key
	LockMode     string // object lock: governance, compliance; empty: the bucket's default
	LockDays     int    // from the opening of the upload
}

// Store is one bucket. It is safe for concurrent use.
type Store struct {
	opts   Options
	tls    bool
	mu     sync.Mutex // of setting up
	client *s3.Client // nil until that has succeeded
	keys   *keys
	echoes atomic.Bool // it checks the checksums of bodies: it repeats them in its answers
	heeds  atomic.Bool // it knows If-None-Match, as far as we know

	doubtful sync.Map // keys for which an upload may have been opened without our learning of it
}

// New prepares a store. It does not talk to it.
func New(o Options) *Store {
	o.Checksum = resolve(o.Checksum, o.Endpoint)
	if o.Stall == 0 {
		o.Stall = 60 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Panics == nil {
		o.Panics = panics.NewBook(zerolog.Nop(), o.Now).Own()
	}
	s := &Store{opts: o, tls: !strings.HasPrefix(strings.ToLower(o.Endpoint), "http://")}
	s.heeds.Store(!s.google())
	return s
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
	client, keys, err := newClient(ctx, s.opts)
	if err != nil {
		return &SetupError{err}
	}
	s.client, s.keys = client, keys
	return nil
}

func newClient(ctx context.Context, o Options) (*s3.Client, *keys, error) {
	client, err := httpClient(o.CAFile, o.Throttle, o.Stall)
	if err != nil {
		return nil, nil, err
	}
	load := []func(*config.LoadOptions) error{config.WithHTTPClient(client), config.WithRetryMaxAttempts(3)}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(static(o)))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, nil, err
	}
	keys := newKeys(load, o.Now)
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	return s3.NewFromConfig(cfg, func(so *s3.Options) {
		if o.Endpoint != "" {
			so.BaseEndpoint = aws.String(o.Endpoint)
		}
		so.UsePathStyle = o.PathStyle || o.Checksum == ChecksumCRC32C
		so.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired // ours are explicit
		so.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		so.APIOptions = append(so.APIOptions, limitAnswers)
		if o.Checksum == ChecksumCRC32C {
			so.APIOptions = append(so.APIOptions, leaveAcceptEncodingUnsigned)
		}
		so.Credentials = keys.cache
	}), keys, nil
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
	PartLost(ctx context.Context, number int) error // the store does not have it any more
	Abandoned(ctx context.Context) error            // the store does not know the upload any more
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
	if err := s.setUp(ctx); err != nil {
		return err
	}
	return s.keys.renewed(s.upload(ctx, o, r))
}

func (s *Store) upload(ctx context.Context, o Object, r Resume) error {
	done, err := s.resuming(o, r).compare(ctx)
	if err != nil || done {
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
	if _, err := up.Upload(ctx, s.putInput(o)); err != nil {
		return err
	}
	s.sweep(ctx, o.Key)
	return nil
}

// SendPart sends one whole part of a file that is still growing, and opens its
// upload when none is open.
func (s *Store) SendPart(ctx context.Context, o Object, number int, r Resume) error {
	if err := s.setUp(ctx); err != nil {
		return err
	}
	d := s.resuming(o, r)
	if r.Open() == nil {
		if _, err := d.CreateMultipartUpload(ctx, nil); err != nil {
			return s.keys.renewed(err)
		}
	}
	return s.keys.renewed(d.sendPart(ctx, number, d.partSize))
}

// Check compares an upload of which only the ledger knows with what the store has
// of it, and forgets what the store has not.
func (s *Store) Check(ctx context.Context, o Object, r Resume) error {
	if err := s.setUp(ctx); err != nil {
		return err
	}
	_, err := s.resuming(o, r).compare(ctx)
	return err
}

// String names the destination in log lines and errors.
func (s *Store) String() string {
	if s.opts.Endpoint == "" {
		return "s3://" + s.opts.Bucket
	}
	return strings.TrimSuffix(s.opts.Endpoint, "/") + "/" + s.opts.Bucket
}
