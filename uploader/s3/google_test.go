package s3

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/uploader/s3/s3test"
)

// google is what the S3-compatible side of Google Cloud Storage does differently
// from S3, before a real S3 server: it refuses checksum headers, chunked bodies and
// conditions on writes, rewrites Accept-Encoding on its way in, checks Content-MD5,
// and answers with x-goog-hash and an ETag that is not made of MD5.
type google struct {
	t       *testing.T
	backend *Store
	damage  atomic.Bool // what is stored, as its x-goog-hash says

	mu      sync.Mutex
	refused []string
}

func (g *google) refuse(w http.ResponseWriter, op, code, reason string) {
	g.mu.Lock()
	g.refused = append(g.refused, op+": "+reason)
	g.mu.Unlock()
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>"+reason+"</Message></Error>")
}

func (g *google) refusals() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.refused)
}

func (g *google) serve(op string, w http.ResponseWriter, r *http.Request, next http.Handler) bool {
	if reason := g.objection(r); reason != "" {
		g.refuse(w, op, "InvalidArgument", reason)
		return true
	}
	if r.Method == http.MethodPut {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return true
		}
		sum := md5.Sum(body)
		if r.Header.Get("Content-Md5") != base64.StdEncoding.EncodeToString(sum[:]) {
			g.refuse(w, op, "BadDigest", "the MD5 does not match")
			return true
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	r.Header.Set("Accept-Encoding", "gzip,"+r.Header.Get("Accept-Encoding")) // as Google's front end does
	if r.Method == http.MethodHead {
		w = &googleAnswer{ResponseWriter: w, google: g, key: strings.TrimPrefix(r.URL.Path, "/"+bucket+"/")}
	}
	next.ServeHTTP(w, r)
	return true
}

func (g *google) objection(r *http.Request) string {
	for name := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-checksum") || strings.HasPrefix(lower, "x-amz-sdk-checksum") || lower == "x-amz-trailer" || lower == "x-amz-mp-object-size" {
			return "the header " + name + " is not known"
		}
	}
	switch {
	case strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked"), strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING"):
		return "chunked bodies are not known"
	case r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Match") != "":
		return "conditions on writes are not known"
	case !strings.HasPrefix(r.URL.Path, "/"+bucket):
		return "the bucket is not in the path"
	case strings.Contains(strings.ToLower(r.Header.Get("Authorization")), "accept-encoding"):
		return "Accept-Encoding is signed, and changed on its way"
	}
	return ""
}

// googleAnswer puts Google's headers into the answer to a HEAD.
type googleAnswer struct {
	http.ResponseWriter
	google *google
	key    string
}

func (a *googleAnswer) WriteHeader(status int) {
	h := a.Header()
	for name := range h {
		if strings.HasPrefix(strings.ToLower(name), "x-amz-checksum") {
			h.Del(name)
		}
	}
	if status == http.StatusOK {
		h.Set("Etag", `"CJqyoZ7Q3o8DEAE="`)
		h.Add("X-Goog-Hash", "crc32c="+a.google.crc32c(a.key))
	}
	a.ResponseWriter.WriteHeader(status)
}

func (g *google) crc32c(key string) string {
	_, data := download(g.t, g.backend, key)
	if g.damage.Load() {
		data[0] ^= 1
	}
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

func newGoogle(t *testing.T, checksum Checksum) (*google, *counting, *Store) {
	t.Helper()
	server := s3test.Run(t, false, bucket)
	g := &google{t: t, backend: newStore(t, options(server.Endpoint))}
	if err := g.backend.setUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, endpoint := proxy(t, server.Endpoint)
	p.set(g.serve)
	o := options(endpoint)
	o.Checksum, o.PathStyle = checksum, checksum != ChecksumCRC32C
	return g, p, newStore(t, o)
}

func TestGoogleCloudStorage(t *testing.T) {
	for _, size := range []int{1 << 20, 12 << 20} {
		g, _, s := newGoogle(t, ChecksumCRC32C)
		o, data := object(t, size)
		r := &memory{}
		if err := s.Upload(t.Context(), o, r); err != nil || len(g.refusals()) > 0 {
			t.Fatalf("%d bytes: %v, refused %v", size, err, g.refusals())
		}
		by, err := s.Verify(t.Context(), o, r.Open())
		if err != nil || by != "size, crc32c" {
			t.Errorf("%d bytes: verified by %q, %v", size, by, err)
		}
		if _, there := download(t, g.backend, o.Key); !bytes.Equal(there, data) {
			t.Errorf("%d bytes: the object is not the file", size)
		}
		g.damage.Store(true)
		if _, err := s.Verify(t.Context(), o, r.Open()); !Classify(err).Again {
			t.Errorf("%d bytes: an object with another CRC32C: %v", size, err)
		}
	}
}

// Live parts, an agent that was killed, and a key that is taken.
func TestGoogleCloudStorageResumes(t *testing.T) {
	g, p, s := newGoogle(t, ChecksumCRC32C)
	o, data := object(t, 12<<20)
	r := &memory{}
	for _, part := range []int{1, 2} {
		if err := s.SendPart(t.Context(), o, part, r); err != nil {
			t.Fatal(err)
		}
	}
	front := slices.Clone(data[:100])
	slices.Reverse(front) // as finishing does
	copy(data, front)
	o = rewritten(t, o, data)
	if err := s.Upload(t.Context(), o, r); err != nil {
		t.Fatal(err)
	}
	if n := p.count("part"); n != 4 {
		t.Errorf("%d parts were sent: two live ones, the last, and the first again were expected", n)
	}
	if by, err := s.Verify(t.Context(), o, r.Open()); err != nil || by != "size, crc32c" {
		t.Errorf("verified by %q, %v", by, err)
	}
	place(t, g.backend, "taken.mp4", "segment-2", "others' footage")
	o.Key = "taken.mp4"
	if err := s.Upload(t.Context(), o, &memory{}); err == nil {
		t.Error("another segment's object was overwritten")
	}
	out, err := g.backend.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if err != nil || len(out.Uploads) != 0 {
		t.Errorf("%d uploads are open, %v", len(out.Uploads), err)
	}
}

// Spoken to like any S3 server, it refuses: the other tests mean something.
func TestGoogleRefusesWhatS3Knows(t *testing.T) {
	for _, checksum := range []Checksum{ChecksumCRC64NVME, ChecksumMD5} {
		g, _, s := newGoogle(t, checksum)
		o, _ := object(t, 1<<20)
		if err := s.Upload(t.Context(), o, &memory{}); err == nil || len(g.refusals()) == 0 {
			t.Errorf("%s: %v, refused %v", checksum, err, g.refusals())
		}
	}
}

func TestGoogleIsKnownByItsName(t *testing.T) {
	for endpoint, want := range map[string]Checksum{
		"https://storage.googleapis.com": ChecksumCRC32C, "https://storage.googleapis.com:443": ChecksumCRC32C,
		"https://storage.googleapis.com.example": ChecksumCRC64NVME, "": ChecksumCRC64NVME,
	} {
		if got := resolve(ChecksumAuto, endpoint); got != want {
			t.Errorf("%s: %s", endpoint, got)
		}
	}
	if got := googleHash(http.Header{"X-Goog-Hash": {"md5=AAAA", "crc32c=n03x6A=="}}); got != "n03x6A==" {
		t.Errorf("in two headers: %q", got)
	}
	if got := googleHash(http.Header{"X-Goog-Hash": {"crc32c=n03x6A==,md5=AAAA"}}); got != "n03x6A==" {
		t.Errorf("in one header: %q", got)
	}
}

// A part that the ledger has and the file does not is found by the CRC32C, and all
// is sent anew.
func TestGoogleFindsAPartThatIsNotTheFile(t *testing.T) {
	_, _, s := newGoogle(t, ChecksumCRC32C)
	o, data := object(t, 12<<20)
	r := &memory{}
	if err := s.SendPart(t.Context(), o, 2, r); err != nil {
		t.Fatal(err)
	}
	data[6<<20] ^= 1
	o = rewritten(t, o, data)
	if err := s.Upload(t.Context(), o, r); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(t.Context(), o, r.Open()); !Classify(err).Again {
		t.Fatalf("verified all the same: %v", err)
	}
	if err := s.Upload(t.Context(), o, r); err != nil { // as the uploader does
		t.Fatal(err)
	}
	if by, err := s.Verify(t.Context(), o, r.Open()); err != nil {
		t.Errorf("after it was sent anew: %q, %v", by, err)
	}
}

// rewritten is the object after its file was given other bytes.
func rewritten(t *testing.T, o Object, data []byte) Object {
	t.Helper()
	if err := os.WriteFile(o.Body.(*os.File).Name(), data, 0o600); err != nil {
		t.Fatal(err)
	}
	o.Checksum = checksumOf(data)
	return o
}
