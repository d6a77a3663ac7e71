package s3

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/capture/panics"
	"recording-agent/capture/spool"
)

// broken panics as soon as it is asked.
type broken struct{}

func (broken) Open() *spool.Upload                                { panic("an index out of range") }
func (broken) Opened(context.Context, spool.Upload) error         { return nil }
func (broken) PartSent(context.Context, spool.UploadPart) error   { return nil }
func (broken) PartLost(context.Context, int) error                { return nil }
func (broken) Abandoned(context.Context) error                    { return nil }
func (broken) Turn(context.Context, int64) (done func(), _ error) { return func() {}, nil }

// TestPanicOverAPart: parts are sent in goroutines of the SDK's, where nobody else
// could catch it.
func TestPanicOverAPart(t *testing.T) {
	d := &resuming{store: New(Options{Endpoint: "http://127.0.0.1:1"}), resume: broken{}, partSize: 5 << 20}
	_, err := d.UploadPart(t.Context(), &s3.UploadPartInput{PartNumber: aws.Int32(1), Body: bytes.NewReader([]byte("part"))})
	var panicked *panics.Error
	if !errors.As(err, &panicked) {
		t.Errorf("%v", err)
	}
}
