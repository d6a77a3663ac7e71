package s3

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// google says that the store is Google Cloud Storage, whose S3-compatible side
// rejects the checksum headers of S3 and conditions on writes.
func (s *Store) google() bool { return s.opts.Checksum == ChecksumCRC32C }

// leaveAcceptEncodingUnsigned takes Accept-Encoding away while a request is
// signed: Google's front end rewrites it, and the signature would not fit any more.
func leaveAcceptEncodingUnsigned(stack *middleware.Stack) error {
	const header = "Accept-Encoding"
	var value string
	take := middleware.FinalizeMiddlewareFunc("TakeAcceptEncoding", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if req, ok := in.Request.(*smithyhttp.Request); ok {
			value = req.Header.Get(header)
			req.Header.Del(header)
		}
		return next.HandleFinalize(ctx, in)
	})
	giveBack := middleware.FinalizeMiddlewareFunc("GiveBackAcceptEncoding", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if req, ok := in.Request.(*smithyhttp.Request); ok && value != "" {
			req.Header.Set(header, value)
		}
		return next.HandleFinalize(ctx, in)
	})
	if err := stack.Finalize.Insert(take, "Signing", middleware.Before); err != nil {
		return err
	}
	return stack.Finalize.Insert(giveBack, "Signing", middleware.After)
}

// googleHash reads the CRC32C out of x-goog-hash: crc32c=…,md5=…, which may also
// come as two headers.
func googleHash(h http.Header) string {
	for _, value := range h.Values("X-Goog-Hash") {
		for _, field := range strings.Split(value, ",") {
			if sum, ok := strings.CutPrefix(strings.TrimSpace(field), "crc32c="); ok {
				return sum
			}
		}
	}
	return ""
}
