package s3

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// MaxPresigned is the longest that S3 lets a presigned URL be valid.
const MaxPresigned = 7 * 24 * time.Hour

// Presign makes a URL under which anyone reads an object for as long as it is valid,
// at most MaxPresigned. It holds a signature: it goes to who asks for the object, and
// nowhere else. With temporary credentials it ends with these. A name, if there is
// one, is what a browser saves the object under. The store is not asked.
func (s *Store) Presign(ctx context.Context, key, name string, valid time.Duration) (string, error) {
	if valid <= 0 || valid > MaxPresigned {
		return "", fmt.Errorf("a presigned URL cannot be valid for %s: S3 takes up to %s", valid, MaxPresigned)
	}
	if err := s.setUp(ctx); err != nil {
		return "", err
	}
	in := &s3.GetObjectInput{Bucket: aws.String(s.opts.Bucket), Key: aws.String(key), ResponseContentType: aws.String(contentType)}
	if name != "" {
		in.ResponseContentDisposition = aws.String(fmt.Sprintf("attachment; filename=%q", name))
	}
	request, err := s3.NewPresignClient(s.client).PresignGetObject(ctx, in, s3.WithPresignExpires(valid))
	if err != nil {
		return "", fmt.Errorf("presign %s: %w", key, err)
	}
	return request.URL, nil
}
