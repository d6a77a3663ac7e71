package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"recording-agent/uploader/s3/s3test"
)

// cutShort opens an upload as the agent does while it records, and sends some of
// the parts of an object.
func cutShort(t *testing.T, s *Store, key string, numbers ...int) []byte {
	t.Helper()
	o, data := object(t, 3*(5<<20)+1000)
	size := o.Size
	o.Key, o.Size = key, 0 // as long as it is recorded
	d := s.resuming(o, &memory{})
	if err := s.setUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateMultipartUpload(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		if err := d.sendPart(t.Context(), n, min(d.partSize, size-int64(n-1)*d.partSize)); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// unfinished lists what is there, by key.
func unfinished(t *testing.T, s *Store, prefix string) map[string]Leftover {
	t.Helper()
	list, err := s.Leftovers(t.Context(), prefix, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Leftover{}
	for _, l := range list {
		if _, twice := found[l.Key]; twice {
			t.Errorf("%s was listed twice", l.Key)
		}
		found[l.Key] = l
	}
	return found
}

func TestLeftoversAreJudged(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	s := newStore(t, options(server.Endpoint))
	cutShort(t, s, "recordings/a/whole.mp4", 1, 2)
	cutShort(t, s, "recordings/a/all.mp4", 2, 3, 4, 1)
	cutShort(t, s, "recordings/a/hole.mp4", 1, 2, 4)
	cutShort(t, s, "recordings/a/headless.mp4", 2, 3)
	cutShort(t, s, "recordings/a/empty.mp4")
	cutShort(t, s, "elsewhere/whole.mp4", 1)
	found := unfinished(t, s, "recordings/")
	for key, want := range map[string]struct {
		parts, missing int
		size           int64
	}{
		"whole":    {2, 0, 10 << 20},
		"all":      {4, 0, 15<<20 + 1000},
		"hole":     {3, 3, 10<<20 + 1000},
		"headless": {2, 1, 10 << 20},
		"empty":    {0, 0, 0},
	} {
		l, ok := found["recordings/a/"+key+".mp4"]
		if !ok || l.Parts != want.parts || l.Missing != want.missing || l.Size != want.size || l.Trouble != nil {
			t.Errorf("%s: %+v, want %+v", key, l, want)
		}
		if l.Playable() != (want.parts > 0 && want.missing == 0) {
			t.Errorf("%s: playable %v", key, l.Playable())
		}
		if idle := l.Idle(time.Now().Add(time.Hour)); idle < 59*time.Minute || idle > 61*time.Minute {
			t.Errorf("%s is idle for %v after an hour", key, idle)
		}
	}
	if len(found) != 5 {
		t.Errorf("%d uploads listed, want 5", len(found))
	}
	if idle := (&Leftover{}).Idle(time.Now()); idle != 0 {
		t.Errorf("an upload of unknown age is idle for %v: it would not be left alone", idle)
	}
	wanted, err := s.Leftovers(t.Context(), "recordings/", func(key string) bool { return key == "recordings/a/hole.mp4" })
	if err != nil || len(wanted) != 1 || wanted[0].Parts != 3 {
		t.Errorf("what was wanted: %v, %v", wanted, err)
	}
}

func TestCompleteAnUploadOfALostHost(t *testing.T) {
	for _, checksum := range []Checksum{ChecksumAuto, ChecksumMD5} {
		t.Run(string(checksum), func(t *testing.T) {
			server := s3test.Run(t, false, bucket)
			o := options(server.Endpoint)
			o.Checksum = checksum
			const key = "recordings/a/x.mp4"
			data := cutShort(t, newStore(t, o), key, 1, 2)[:10<<20]
			s := newStore(t, options(server.Endpoint)) // another host, which knows nothing
			if err := s.CompleteLeftover(t.Context(), unfinished(t, s, "")[key]); err != nil {
				t.Fatal(err)
			}
			head, got := download(t, s, key)
			if !bytes.Equal(got, data) || head.Metadata[metaSegment] != "segment-1" || head.Metadata["camera-name"] == "" {
				t.Errorf("%d bytes, want %d; metadata %v", len(got), len(data), head.Metadata)
			}
			if checksum == ChecksumAuto && (head.ChecksumType != types.ChecksumTypeFullObject || aws.ToString(head.ChecksumCRC64NVME) != checksumOf(data)) {
				t.Errorf("checksum %v of type %v, the bytes have %s", aws.ToString(head.ChecksumCRC64NVME), head.ChecksumType, checksumOf(data))
			}
			if left := unfinished(t, s, ""); len(left) > 0 {
				t.Errorf("%d uploads are left", len(left))
			}
			file := &writerAt{}
			if n, err := s.Fetch(t.Context(), key, file); err != nil || n != int64(len(data)) || !bytes.Equal(file.data, data) {
				t.Errorf("fetched %d bytes of %d (%v)", n, len(data), err)
			}
		})
	}
}

func TestCompleteNeverOverwrites(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	proxied, endpoint := proxy(t, server.Endpoint)
	direct, s := newStore(t, options(server.Endpoint)), newStore(t, options(endpoint))
	const key = "recordings/a/x.mp4"
	cutShort(t, direct, key, 1, 2)
	u := unfinished(t, direct, "")[key]
	put := func() {
		_, err := direct.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader("there")})
		if err != nil {
			t.Error(err)
		}
	}
	// The object appears between the look and the call.
	proxied.set(func(op string, w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		if op == "complete" {
			put()
		}
		return false
	})
	for _, when := range []string{"meanwhile", "before"} {
		var taken *TakenError
		if err := s.CompleteLeftover(t.Context(), u); !errors.As(err, &taken) || taken.Size != 5 {
			t.Errorf("an object that was made %s: %v", when, err)
		}
		if _, got := download(t, direct, key); string(got) != "there" {
			t.Errorf("an object that was made %s was overwritten", when)
		}
	}
	if n := proxied.count("complete"); n != 1 {
		t.Errorf("completing was tried %d times, want once: the second time the object is seen before", n)
	}
	if left := unfinished(t, direct, ""); len(left) != 1 || left[key].Parts != 2 {
		t.Errorf("the upload was not left as it was: %v", left)
	}
}

func TestCompleteWhereTheStoreIsDifficult(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	proxied, endpoint := proxy(t, server.Endpoint)
	s := newStore(t, options(endpoint))
	refuse := func(w http.ResponseWriter, status int, code string) bool {
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
		return true
	}
	for name, f := range map[string]func(op string, w http.ResponseWriter, r *http.Request, next http.Handler) bool{
		"without conditions": func(op string, w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			return op == "complete" && r.Header.Get("If-None-Match") != "" && refuse(w, 501, "NotImplemented")
		},
		"answer lost": func(op string, w http.ResponseWriter, r *http.Request, next http.Handler) bool {
			if op == "complete" {
				next.ServeHTTP(httptest.NewRecorder(), r)
				panic(http.ErrAbortHandler)
			}
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			key := "recordings/" + name + ".mp4"
			cutShort(t, s, key, 1, 2)
			u := unfinished(t, s, key)[key]
			proxied.set(f)
			err := s.CompleteLeftover(t.Context(), u)
			proxied.set(nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, got := download(t, s, key); len(got) != 10<<20 {
				t.Errorf("the object has %d bytes", len(got))
			}
		})
	}
	listing := func() error {
		_, err := s.Leftovers(t.Context(), "", nil)
		return err
	}
	proxied.set(func(_ string, w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		return r.URL.Query().Has("uploads") && refuse(w, 501, "NotImplemented")
	})
	if err := listing(); !errors.Is(err, ErrNoListing) {
		t.Errorf("a store that does not list uploads: %v", err)
	}
}

// A store that cannot say whether there is an object is not asked to make one:
// not every store heeds the condition.
func TestCompleteOnlyWhereNothingIs(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	proxied, endpoint := proxy(t, server.Endpoint)
	s := newStore(t, options(endpoint))
	const key = "recordings/a/x.mp4"
	cutShort(t, s, key, 1, 2)
	proxied.set(func(op string, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		if op == "head" {
			w.WriteHeader(http.StatusForbidden)
		}
		return op == "head"
	})
	if err := s.CompleteLeftover(t.Context(), unfinished(t, s, "")[key]); err == nil || proxied.count("complete") > 0 {
		t.Errorf("completed without knowing what is there: %v", err)
	}
}

// One upload whose parts cannot be listed does not hide the others.
func TestTroubleWithOneLeftover(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	proxied, endpoint := proxy(t, server.Endpoint)
	s := newStore(t, options(endpoint))
	cutShort(t, s, "bad.mp4", 1)
	cutShort(t, s, "good.mp4", 1)
	proxied.set(func(_ string, w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if bad := r.Method == "GET" && strings.Contains(r.URL.Path, "bad.mp4"); !bad {
			return false
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, "<Error><Code>InvalidArgument</Code></Error>")
		return true
	})
	found := unfinished(t, s, "")
	if bad := found["bad.mp4"]; bad.Trouble == nil || bad.Playable() {
		t.Errorf("the one with trouble: %+v", bad)
	}
	if good := found["good.mp4"]; !good.Playable() {
		t.Errorf("the other: %+v", good)
	}
}

// Some stores begin a page with the last part of the page before, or never end.
func TestListingsThatAreWrong(t *testing.T) {
	l := Leftover{}
	for _, n := range []int32{1, 2, 2, 3} {
		l.add(types.Part{PartNumber: aws.Int32(n), Size: aws.Int64(5)})
	}
	if l.Parts != 3 || l.Missing != 0 || l.Size != 15 {
		t.Errorf("a part that is listed twice: %+v", l)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("uploads") {
			fmt.Fprint(w, `<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><Upload><Key>a.mp4</Key><UploadId>1</UploadId></Upload></ListMultipartUploadsResult>`)
			return
		}
		fmt.Fprint(w, `<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker><Part><PartNumber>1</PartNumber></Part></ListPartsResult>`)
	}))
	defer server.Close()
	found := unfinished(t, newStore(t, options(server.URL)), "")
	if l := found["a.mp4"]; l.Parts != 1 || l.Idle(time.Now()) != 0 {
		t.Errorf("a store that never ends its lists and names no times: %+v", l)
	}
}

func TestOnlyEmptyUploadsAreAborted(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	s := newStore(t, options(server.Endpoint))
	cutShort(t, s, "empty.mp4")
	cutShort(t, s, "parts.mp4", 2)
	for key, u := range unfinished(t, s, "") {
		u.Parts = 0 // what was seen some time ago
		if err := s.AbortEmpty(t.Context(), u); (err == nil) != (key == "empty.mp4") {
			t.Errorf("%s: %v", key, err)
		}
	}
	if left := unfinished(t, s, ""); len(left) != 1 || left["parts.mp4"].Parts != 1 {
		t.Errorf("left: %v", left)
	}
}

func TestListingsOfManyPages(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	s := newStore(t, options(server.Endpoint))
	const uploads = 5
	for i := range uploads {
		cutShort(t, s, fmt.Sprintf("recordings/%d.mp4", i))
	}
	cutShort(t, s, "recordings/parts.mp4", 1, 2, 3, 4)
	calls := 0
	s.client = s3.New(s.client.Options(), func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("small pages", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				switch p := in.Parameters.(type) {
				case *s3.ListMultipartUploadsInput:
					p.MaxUploads = aws.Int32(2)
					calls++
				case *s3.ListPartsInput:
					p.MaxParts = aws.Int32(1)
					calls++
				}
				return next.HandleInitialize(ctx, in)
			}), middleware.Before)
		})
	})
	found := unfinished(t, s, "recordings/")
	if len(found) != uploads+1 || found["recordings/parts.mp4"].Parts != 4 || found["recordings/parts.mp4"].Missing != 0 {
		t.Errorf("%d uploads, want %d; %v", len(found), uploads+1, found["recordings/parts.mp4"])
	}
	if calls < 3+4+uploads {
		t.Errorf("%d calls: the pages were not small", calls)
	}
}

// writerAt is a file in memory.
type writerAt struct{ data []byte }

func (w *writerAt) WriteAt(p []byte, at int64) (int, error) {
	if grow := int(at) + len(p) - len(w.data); grow > 0 {
		w.data = append(w.data, make([]byte, grow)...)
	}
	return copy(w.data[at:], p), nil
}
