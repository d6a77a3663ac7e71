package s3

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/uploader/s3/s3test"
)

// place puts an object under a key, as somebody else would.
func place(t testing.TB, s *Store, key, segment, text string) {
	t.Helper()
	if err := s.setUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	in := &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader([]byte(text))}
	if segment != "" {
		in.Metadata = map[string]string{metaSegment: segment}
	}
	if _, err := s.client.PutObject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// What another agent has put under a segment's key is never overwritten, whether
// the store can be told so or not; what is the segment's own is replaced.
func TestTakenKey(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	for _, tc := range []struct {
		name    string
		size    int
		segment string // of the object that lies there
		heeds   bool   // the store knows If-None-Match
		taken   bool
	}{
		{"one part, another segment", 1 << 20, "segment-2", true, true},
		{"several parts, another segment", 6 << 20, "segment-2", true, true},
		{"one part, not a segment", 1 << 20, "", true, true},
		{"several parts, salvaged before", 6 << 20, "segment-1", true, false},
		{"one part, salvaged before", 1 << 20, "segment-1", true, false},
		{"a store without conditions, another segment", 6 << 20, "segment-2", false, true},
		{"a store without conditions, one part", 1 << 20, "segment-2", false, true},
		{"a store without conditions, salvaged before", 6 << 20, "segment-1", false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, endpoint := proxy(t, server.Endpoint)
			s := newStore(t, options(endpoint))
			o, data := object(t, tc.size)
			o.Key = "recordings/" + t.Name() + ".mp4"
			place(t, newStore(t, options(server.Endpoint)), o.Key, tc.segment, "others' footage")
			if !tc.heeds {
				p.set(func(_ string, w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
					if r.Header.Get("If-None-Match") == "" {
						return false
					}
					w.Header().Set("Content-Type", "application/xml")
					w.WriteHeader(http.StatusNotImplemented)
					_, _ = w.Write([]byte("<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented.</Message></Error>"))
					return true
				})
			}
			err := s.Upload(t.Context(), o, &memory{})
			_, there := download(t, s, o.Key)
			var taken *TakenError
			if tc.taken {
				if !errors.As(err, &taken) || taken.Segment != tc.segment {
					t.Fatalf("the upload says %v", err)
				}
				if string(there) != "others' footage" {
					t.Error("the object was overwritten")
				}
				noUploads(t, s)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(there, data) {
				t.Error("the object is not the segment")
			}
		})
	}
}

// Of two agents that finish the same key at the same moment one gives way.
func TestRaceForAKey(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	first, second := newStore(t, options(server.Endpoint)), newStore(t, options(server.Endpoint))
	var errs [2]error
	var both sync.WaitGroup
	for i, s := range []*Store{first, second} {
		o, _ := object(t, 6<<20)
		o.Segment = []string{"segment-1", "segment-2"}[i]
		both.Go(func() { errs[i] = s.Upload(t.Context(), o, &memory{}) })
	}
	both.Wait()
	var taken *TakenError
	if (errs[0] == nil) == (errs[1] == nil) || !errors.As(errors.Join(errs[:]...), &taken) {
		t.Errorf("the two say %v", errs)
	}
}

func noUploads(t testing.TB, s *Store) {
	t.Helper()
	out, err := s.client.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range out.Uploads {
		t.Errorf("upload of %s is still open", aws.ToString(u.Key))
	}
}
