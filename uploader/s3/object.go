package s3

import (
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const contentType = "video/mp4"

// createInput says what an object is to be, for an upload of several parts.
func (s *Store) createInput(o Object) *s3.CreateMultipartUploadInput {
	in := &s3.CreateMultipartUploadInput{
		Bucket: aws.String(s.opts.Bucket), Key: aws.String(o.Key), ContentType: aws.String(contentType), Metadata: encodeMetadata(o.Metadata, o.Segment),
		StorageClass: types.StorageClass(s.opts.StorageClass), ServerSideEncryption: types.ServerSideEncryption(s.opts.Encryption), SSEKMSKeyId: s.kmsKey(),
		ObjectLockMode: s.lockMode(), ObjectLockRetainUntilDate: s.lockedUntil(),
	}
	if s.checksums() {
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject
	}
	return in
}

// putInput says the same for an object of at most one part.
func (s *Store) putInput(o Object) *s3.PutObjectInput {
	in := &s3.PutObjectInput{
		Bucket: aws.String(s.opts.Bucket), Key: aws.String(o.Key), ContentType: aws.String(contentType), Metadata: encodeMetadata(o.Metadata, o.Segment),
		StorageClass: types.StorageClass(s.opts.StorageClass), ServerSideEncryption: types.ServerSideEncryption(s.opts.Encryption), SSEKMSKeyId: s.kmsKey(),
		ObjectLockMode: s.lockMode(), ObjectLockRetainUntilDate: s.lockedUntil(),
		Body: o.Body,
	}
	if s.checksums() && o.Checksum != "" {
		in.ChecksumCRC64NVME = aws.String(o.Checksum)
	}
	return in
}

func (s *Store) kmsKey() *string {
	if s.opts.KMSKeyID == "" {
		return nil
	}
	return aws.String(s.opts.KMSKeyID)
}

func (s *Store) lockMode() types.ObjectLockMode {
	return types.ObjectLockMode(strings.ToUpper(s.opts.LockMode))
}

func (s *Store) lockedUntil() *time.Time {
	if s.opts.LockMode == "" {
		return nil
	}
	return aws.Time(s.opts.Now().UTC().AddDate(0, 0, s.opts.LockDays).Truncate(time.Second))
}

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
