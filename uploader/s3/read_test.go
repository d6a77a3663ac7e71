package s3

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"recording-agent/uploader/s3/s3test"
)

// put stores an object of any kind, as other programs do.
func put(t *testing.T, s *Store, in s3.PutObjectInput, data string) {
	t.Helper()
	if err := s.setUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	in.Bucket, in.Body = aws.String(bucket), strings.NewReader(data)
	if _, err := s.client.PutObject(t.Context(), &in); err != nil {
		t.Fatalf("put %s: %v", aws.ToString(in.Key), err)
	}
}

func TestListGoesThroughPages(t *testing.T) {
	s := newStore(t, options(s3test.Run(t, false, bucket).Endpoint))
	want := []string{"a/Vordertür 1.mp4", "a/a+b%2Fc&d.mp4", "a/b c.mp4", "a/日本.mp4"}
	for _, key := range want {
		put(t, s, s3.PutObjectInput{Key: aws.String(key)}, "12345")
	}
	for i := range 1010 { // a page has a thousand
		put(t, s, s3.PutObjectInput{Key: aws.String(fmt.Sprintf("b/%04d", i))}, "")
	}
	var got []string
	for o, err := range s.List(t.Context(), "a/") {
		if err != nil {
			t.Fatal(err)
		}
		if o.Size != 5 || o.Modified.IsZero() || o.ETag == "" {
			t.Errorf("%+v", o)
		}
		got = append(got, o.Key)
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("there are %q, want %q", got, want)
	}
	seen := map[string]bool{}
	for o, err := range s.List(t.Context(), "b/") {
		if err != nil {
			t.Fatal(err)
		}
		seen[o.Key] = true
	}
	if len(seen) != 1010 {
		t.Errorf("%d of 1010 objects are listed", len(seen))
	}
	for range s.List(t.Context(), "") { // one who has seen enough
		break
	}
}

func TestStatSaysWhatTheStoreKnows(t *testing.T) {
	s := newStore(t, options(s3test.Run(t, false, bucket).Endpoint))
	o, data := object(t, 6<<20)
	o.Metadata = map[string]string{"camera-name": "Front gate"}
	if err := s.Upload(t.Context(), o, &memory{}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Stat(t.Context(), o.Key)
	if err != nil {
		t.Fatal(err)
	}
	if got.Size != o.Size || got.Segment != o.Segment || got.Checksum != (Digest{"crc64nvme", o.Checksum}) || got.ContentType != "video/mp4" || got.Metadata["camera-name"] == "" {
		t.Errorf("%+v", got)
	}
	if by, err := s.Compare(got, bytes.NewReader(data), o.Size); by != "crc64nvme" || err != nil {
		t.Errorf("compared by %q: %v", by, err)
	}
	data[1000] ^= 1
	var mismatch *MismatchError
	if _, err := s.Compare(got, bytes.NewReader(data), o.Size); !errors.As(err, &mismatch) {
		t.Errorf("a changed copy: %v", err)
	}
	var absent *AbsentError
	if _, err := s.Stat(t.Context(), "nothing"); !errors.As(err, &absent) {
		t.Errorf("no object: %v", err)
	}
	elsewhere := options(strings.TrimSuffix(s.String(), "/"+bucket))
	elsewhere.Bucket = "no-such-bucket"
	if _, err := newStore(t, elsewhere).Stat(t.Context(), "nothing"); err == nil || !strings.Contains(ExplainRead(err, "").Error(), "the bucket does not exist") {
		t.Errorf("no bucket: %v", err)
	}
}

// Objects of other programs have other checksums, or none of the whole.
func TestCompareByWhatThereIs(t *testing.T) {
	s := newStore(t, options(s3test.Run(t, false, bucket).Endpoint))
	for algorithm, want := range map[types.ChecksumAlgorithm]string{
		types.ChecksumAlgorithmCrc32: "crc32", types.ChecksumAlgorithmCrc32c: "crc32c",
		types.ChecksumAlgorithmSha1: "sha1", types.ChecksumAlgorithmSha256: "sha256", types.ChecksumAlgorithmCrc64nvme: "crc64nvme",
	} {
		key := "by-" + want
		put(t, s, s3.PutObjectInput{Key: aws.String(key), ChecksumAlgorithm: algorithm}, "some bytes")
		o, err := s.Stat(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if by, err := s.Compare(o, strings.NewReader("some bytes"), o.Size); by != want || err != nil {
			t.Errorf("%s: compared by %q: %v", want, by, err)
		}
		if _, err := s.Compare(o, strings.NewReader("some bytez"), o.Size); err == nil {
			t.Errorf("%s: another copy passes", want)
		}
	}
	if by, err := s.Compare(Stored{Size: 10, Checksum: Digest{"md5", fmt.Sprintf("%x", md5.Sum([]byte("some bytes")))}}, strings.NewReader("some bytes"), 10); by != "md5" || err != nil {
		t.Errorf("compared by %q: %v", by, err)
	}
	plain := options(strings.TrimSuffix(s.String(), "/"+bucket))
	plain.Checksum = ChecksumMD5
	s = newStore(t, plain)
	o, data := object(t, 6<<20)
	o.Key = "of-parts"
	if err := s.Upload(t.Context(), o, &memory{}); err != nil {
		t.Fatal(err)
	}
	stored, err := s.Stat(t.Context(), o.Key)
	if err != nil {
		t.Fatal(err)
	}
	stored.Checksum = Digest{} // this store makes one of its own; others do not
	by, err := s.Compare(stored, bytes.NewReader(data), o.Size)
	if err != nil || by != "md5 of parts" {
		t.Errorf("compared by %q: %v", by, err)
	}
	s.opts.PartSize = 7 << 20
	stored.ETag = strings.Repeat("0", 32) + "-1" // it was sent in parts of another size
	if by, err := s.Compare(stored, bytes.NewReader(data), o.Size); err != nil || by != "" {
		t.Errorf("nothing to compare with: %q, %v", by, err)
	}
}

func TestReadFromHereAndThere(t *testing.T) {
	s := newStore(t, options(s3test.Run(t, false, bucket).Endpoint))
	o, data := object(t, 1<<20)
	if err := s.Upload(t.Context(), o, &memory{}); err != nil {
		t.Fatal(err)
	}
	stored, err := s.Stat(t.Context(), o.Key)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []int64{0, 1, 500_000, o.Size - 1, o.Size} {
		body, err := s.Read(t.Context(), stored, from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		body.Close()
		if err != nil || !bytes.Equal(got, data[from:]) {
			t.Errorf("from %d: %d bytes, %v", from, len(got), err)
		}
	}
	r := s.Ranged(t.Context(), stored)
	for _, span := range [][2]int64{{0, 16}, {100, 300_000}, {700_000, 700_016}, {50, 60}, {o.Size - 10, o.Size}} {
		p := make([]byte, span[1]-span[0])
		if n, err := r.ReadAt(p, span[0]); err != nil || n != len(p) || !bytes.Equal(p, data[span[0]:span[1]]) {
			t.Errorf("%v: %d bytes, %v", span, n, err)
		}
	}
	if n, err := r.ReadAt(make([]byte, 20), o.Size-10); n != 10 || err != io.EOF {
		t.Errorf("past the end: %d bytes, %v", n, err)
	}
	put(t, s, s3.PutObjectInput{Key: aws.String(o.Key)}, "another")
	var changed *ChangedError
	if _, err := s.Read(t.Context(), stored, 100); !errors.As(err, &changed) {
		t.Errorf("another object: %v", err)
	}
	if _, err := s.Ranged(t.Context(), stored).ReadAt(make([]byte, 4), 0); !errors.As(err, &changed) {
		t.Errorf("another object, read here and there: %v", err)
	}
	if marked, err := s.Delete(t.Context(), o.Key); err != nil || marked {
		t.Errorf("deleted: %v, %v", marked, err)
	}
	var absent *AbsentError
	if _, err := s.Read(t.Context(), stored, 0); !errors.As(err, &absent) {
		t.Errorf("a deleted object: %v", err)
	}
}

// A store that knows neither conditions nor ranges must not pass for one that does.
func TestReadFromAStoreThatAnswersOtherwise(t *testing.T) {
	etag := "one"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"`+etag+`"`)
		fmt.Fprint(w, "0123456789")
	}))
	defer server.Close()
	s, o := newStore(t, options(server.URL)), Stored{Key: "x", Size: 10, ETag: "one"}
	if _, err := s.Read(t.Context(), o, 5); err == nil || !strings.Contains(err.Error(), "bytes 5 to 9") {
		t.Errorf("all of it instead of a range: %v", err)
	}
	etag = "two"
	var changed *ChangedError
	if _, err := s.Read(t.Context(), o, 0); !errors.As(err, &changed) {
		t.Errorf("another object: %v", err)
	}
}

// What a key may not do is said by the action that it takes.
func TestExplainReadNamesTheAction(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	_, err := newStore(t, options(server.URL)).Delete(t.Context(), "x")
	if said := ExplainRead(err, "s3:DeleteObject").Error(); !strings.Contains(said, "access denied") || !strings.Contains(said, "s3:DeleteObject") || strings.Contains(said, "PutObject") {
		t.Error(said)
	}
	_, err = newStore(t, options("http://127.0.0.1:1")).Stat(t.Context(), "x")
	if said := ExplainRead(err, "").Error(); !strings.Contains(said, "nothing listens at the store's address") {
		t.Error(said)
	}
}
