package s3

import (
	"context"
	"io"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	smithy "github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	// maxAnswer is how much is read of an answer that is not an object, in bytes: a list
	// of a thousand parts takes a tenth of it. The SDK would read on for as long as a
	// store, or what stands in front of it, sends.
	maxAnswer = 4 << 20
	// maxCause is how long what is told of a fault may be, in characters: it is kept with
	// each segment that meets it.
	maxCause = 500
)

// limitAnswers bounds what is read of answers.
func limitAnswers(stack *smithy.Stack) error {
	limit := smithy.DeserializeMiddlewareFunc("LimitAnswer", func(ctx context.Context, in smithy.DeserializeInput, next smithy.DeserializeHandler) (smithy.DeserializeOutput, smithy.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if resp, ok := out.RawResponse.(*smithyhttp.Response); ok && (resp.StatusCode >= 300 || middleware.GetOperationName(ctx) != "GetObject") {
			resp.Body = struct {
				io.Reader
				io.Closer
			}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
		}
		return out, metadata, err
	})
	return stack.Deserialize.Add(limit, smithy.After) // nothing has read of it before
}

// brief makes a short line of what may be a store's own words.
func brief(text string) string {
	line := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(line); len(runes) > maxCause {
		return string(runes[:maxCause]) + "…"
	}
	return line
}
