package s3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"recording-agent/capture/spool"
)

// head is what a store says of an object.
type head struct {
	size     int64
	checksum string // CRC64NVME of the full object; empty when the store has none
	crc32c   string // likewise, base64
	etag     string // without quotes; empty when the object is encrypted, and it says nothing of its bytes
	segment  string
}

func (s *Store) head(ctx context.Context, key string) (head, error) {
	in := &s3.HeadObjectInput{Bucket: aws.String(s.opts.Bucket), Key: aws.String(key)}
	if !s.google() {
		in.ChecksumMode = types.ChecksumModeEnabled
	}
	out, err := s.client.HeadObject(ctx, in)
	if err != nil {
		return head{}, fmt.Errorf("look at the stored object: %w", err)
	}
	h := head{size: aws.ToInt64(out.ContentLength), segment: out.Metadata[metaSegment]}
	if sse := out.ServerSideEncryption; out.SSECustomerAlgorithm == nil && (sse == "" || sse == types.ServerSideEncryptionAes256) {
		h.etag = strings.Trim(aws.ToString(out.ETag), `"`)
	}
	if out.ChecksumType != types.ChecksumTypeComposite {
		h.checksum, h.crc32c = aws.ToString(out.ChecksumCRC64NVME), aws.ToString(out.ChecksumCRC32C)
	}
	if resp, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response); ok && h.crc32c == "" {
		h.crc32c = googleHash(resp.Header)
	}
	return h, nil
}

// MismatchError says that the store holds something else than was sent.
type MismatchError struct{ Key, What string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the stored object %s is not the segment: %s", e.Key, e.What)
}

// Verify has the store confirm an object. It returns the ground that the
// confirmation stands on: "size, crc64nvme" or "size, crc32c"; where the store
// keeps no checksum of whole objects "size, md5" or "size, md5 of parts", or, when its ETag is
// not made of those (an encrypted object's is not), "size, signed parts": each
// part was then checked by the store when it came, against its MD5 and the SHA-256
// in its signature. sent is the multipart upload that made the object, nil when it
// is not known. Without a body, when the file is gone, what only that could prove is
// left out.
func (s *Store) Verify(ctx context.Context, o Object, sent *spool.Upload) (by string, err error) {
	if err := s.setUp(ctx); err != nil {
		return "", err
	}
	h, err := s.head(ctx, o.Key)
	if err != nil {
		return "", s.keys.renewed(err)
	}
	switch {
	case h.segment != "" && h.segment != o.Segment:
		return "", &MismatchError{o.Key, "it belongs to segment " + h.segment}
	case h.size != o.Size:
		return "", &MismatchError{o.Key, fmt.Sprintf("it has %d bytes, the segment %d", h.size, o.Size)}
	case h.checksum != "" && h.checksum != o.Checksum:
		return "", &MismatchError{o.Key, fmt.Sprintf("its checksum is %s, the segment's %s", h.checksum, o.Checksum)}
	case h.checksum != "":
		return "size, crc64nvme", nil
	case h.crc32c != "" && o.Body != nil:
		return "size, crc32c", compareCRC32C(o, h)
	}
	return verifyByParts(o, h, sent)
}

func compareCRC32C(o Object, h head) error {
	sum, err := crc32c(o.Body, o.Size)
	if err == nil && sum != h.crc32c {
		err = &MismatchError{o.Key, fmt.Sprintf("its CRC32C is %s, the file's %s", h.crc32c, sum)}
	}
	return err
}

// verifyByParts is for stores without a checksum of whole objects.
func verifyByParts(o Object, h head, sent *spool.Upload) (by string, err error) {
	switch {
	case sent != nil && h.etag != "" && h.etag == etagOf(sent):
		return "size, md5 of parts", nil
	case sent != nil && etagOf(sent) != "" && madeOfMD5(h.etag, len(sent.Parts)):
		return "", &MismatchError{o.Key, fmt.Sprintf("its ETag is %s, the parts that were sent make %s", h.etag, etagOf(sent))}
	case sent == nil && o.Body != nil && isMD5(h.etag) && md5Of(o) == h.etag:
		return "size, md5", nil
	}
	return "size, signed parts", nil
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
