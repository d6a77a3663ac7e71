package s3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Stored is an object as the store describes it.
type Stored struct {
	Key          string
	Size         int64 // bytes
	Modified     time.Time
	ETag         string // without quotes
	ContentType  string
	StorageClass string // empty: the store's default
	Encryption   string // at rest; empty: none, or the store does not say
	LockMode     string // object lock; empty: none
	LockedUntil  time.Time
	Version      string            // empty without versions
	Metadata     map[string]string // as the store has it; names are in lower case
	Segment      string            // id of the segment that it is; empty for other objects
	Checksum     Digest            // of the whole object; empty where the store has none
}

// Digest is a checksum of a whole object.
type Digest struct {
	Algorithm string // crc64nvme, crc32c, crc32, sha256, sha1, md5; empty: there is none
	Sum       string // base64, as S3 writes it; of md5 hex
}

// AbsentError says that there is no object under a key.
type AbsentError struct {
	Key, Store string
}

func (e *AbsentError) Error() string {
	return fmt.Sprintf("there is no object %q in %s", e.Key, e.Store)
}

// Stat asks the store for what it knows of an object. It is an *AbsentError when
// there is none under the key.
func (s *Store) Stat(ctx context.Context, key string) (Stored, error) {
	if err := s.setUp(ctx); err != nil {
		return Stored{}, err
	}
	in := &s3.HeadObjectInput{Bucket: aws.String(s.opts.Bucket), Key: aws.String(key)}
	if !s.google() {
		in.ChecksumMode = types.ChecksumModeEnabled
	}
	out, err := s.client.HeadObject(ctx, in)
	if absent(err) {
		return Stored{}, s.whatIsAbsent(ctx, key)
	}
	if err != nil {
		return Stored{}, s.keys.renewed(fmt.Errorf("look at the stored object: %w", err))
	}
	return s.stored(key, out), nil
}

// whatIsAbsent tells a missing object from a missing bucket: the answer to HEAD has
// no body that could say.
func (s *Store) whatIsAbsent(ctx context.Context, key string) error {
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(s.opts.Bucket)})
	if absent(err) {
		return fmt.Errorf("look at the stored object: %w", &types.NoSuchBucket{Message: aws.String(s.opts.Bucket)})
	}
	return &AbsentError{Key: key, Store: s.String()}
}

func (s *Store) stored(key string, out *s3.HeadObjectOutput) Stored {
	o := Stored{
		Key: key, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified), ETag: strings.Trim(aws.ToString(out.ETag), `"`),
		ContentType: aws.ToString(out.ContentType), StorageClass: string(out.StorageClass), Encryption: string(out.ServerSideEncryption),
		LockMode: strings.ToLower(string(out.ObjectLockMode)), LockedUntil: aws.ToTime(out.ObjectLockRetainUntilDate), Version: aws.ToString(out.VersionId),
		Metadata: maps.Clone(out.Metadata), Segment: out.Metadata[metaSegment], Checksum: wholeChecksum(out),
	}
	if o.Checksum.Algorithm == "" {
		if resp, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response); ok {
			if sum := googleHash(resp.Header); sum != "" {
				o.Checksum = Digest{"crc32c", sum}
			}
		}
	}
	if readable := out.SSECustomerAlgorithm == nil && (o.Encryption == "" || o.Encryption == string(types.ServerSideEncryptionAes256)); !readable {
		return o // its ETag is not made of its bytes
	}
	if o.Checksum.Algorithm == "" && isMD5(o.ETag) {
		o.Checksum = Digest{"md5", o.ETag}
	}
	return o
}

// wholeChecksum is the first checksum that covers the object as a whole. One that is
// made of those of its parts ends with their number.
func wholeChecksum(out *s3.HeadObjectOutput) Digest {
	if out.ChecksumType == types.ChecksumTypeComposite {
		return Digest{}
	}
	for _, d := range []struct {
		algorithm string
		sum       *string
	}{
		{"crc64nvme", out.ChecksumCRC64NVME}, {"crc32c", out.ChecksumCRC32C}, {"crc32", out.ChecksumCRC32}, {"sha256", out.ChecksumSHA256}, {"sha1", out.ChecksumSHA1},
	} {
		if sum := aws.ToString(d.sum); sum != "" && !strings.Contains(sum, "-") {
			return Digest{d.algorithm, sum}
		}
	}
	return Digest{}
}

// Delete removes an object. marked says that the bucket keeps versions: the object is
// hidden, and what it was is kept.
func (s *Store) Delete(ctx context.Context, key string) (marked bool, err error) {
	if err := s.setUp(ctx); err != nil {
		return false, err
	}
	out, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(s.opts.Bucket), Key: aws.String(key)})
	if err != nil {
		return false, s.keys.renewed(fmt.Errorf("delete the stored object: %w", err))
	}
	return aws.ToBool(out.DeleteMarker), nil
}

// ExplainRead puts an error of List, Stat, Read, Presign or Delete into words for
// whoever has asked: what is wrong, and what to do. allow names the actions that it
// takes, for a key that may not.
func ExplainRead(err error, allow string) error {
	var absent *AbsentError
	var changed *ChangedError
	switch {
	case errors.As(err, &absent):
		return fmt.Errorf(`%w: "recording-agent s3 ls" lists those that there are`, absent)
	case errors.As(err, &changed):
		return changed
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	}
	fault, code := Classify(err), errorCode(err)
	if code == "AccessDenied" || code == "Forbidden" {
		fault.Remedy = "give the key " + allow + " on this bucket"
	}
	if fault.Remedy == "" {
		return errors.New(fault.Cause)
	}
	return fmt.Errorf("%s: %s", fault.Cause, fault.Remedy)
}
