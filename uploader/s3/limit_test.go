package s3

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// TestAnswersAreLimited: what a store, or a proxy in front of it, says is neither read
// without end nor kept at length.
func TestAnswersAreLimited(t *testing.T) {
	for _, c := range []struct {
		name string
		code int
		head string
		text string // again and again
	}{
		{"an error without end", http.StatusBadRequest, "<Error><Code>Odd</Code><Message>", "all is \x07 wrong "},
		{"another", http.StatusForbidden, "<Error><Code>", "AllIsWrong"},
		{"a list without end", http.StatusOK, "<ListPartsResult>", "<Part><PartNumber>1</PartNumber></Part>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(c.code)
				n, err := io.WriteString(w, c.head)
				for text := strings.Repeat(c.text, 1000); err == nil && n < 64<<20; sent = max(sent, n) {
					var more int
					more, err = io.WriteString(w, text)
					n += more
				}
			}))
			defer server.Close()
			s := New(Options{Bucket: bucket, Region: "us-east-1", Endpoint: server.URL, PathStyle: true, AccessKeyID: "test", SecretAccessKey: "test"})
			if err := s.setUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err := s.client.ListParts(t.Context(), &s3.ListPartsInput{Bucket: aws.String(bucket), Key: aws.String("key"), UploadId: aws.String("upload")})
			if err == nil {
				t.Fatal("no error")
			}
			cause := Classify(fmt.Errorf("list parts: %w", err)).Cause
			if utf8.RuneCountInString(cause) > maxCause+1 || strings.Contains(cause, "\x07") {
				t.Errorf("the cause has %d characters: %q", utf8.RuneCountInString(cause), cause)
			}
			server.CloseClientConnections()
			server.Close() // waits for the handler
			if sent > 2*maxAnswer+8<<20 {
				t.Errorf("%d bytes were taken", sent)
			}
		})
	}
}

// TestLongWordsOfAStore: they are kept with each segment that meets them.
func TestLongWordsOfAStore(t *testing.T) {
	for _, code := range []string{"Odd", strings.Repeat("Odd", 1e5)} {
		cause := Classify(&smithy.GenericAPIError{Code: code, Message: strings.Repeat("A", 1e6) + "\n"}).Cause
		if n := utf8.RuneCountInString(cause); n != maxCause+1 || !strings.HasPrefix(cause, "the store answers") {
			t.Errorf("%d characters: %.100s", n, cause)
		}
	}
}
