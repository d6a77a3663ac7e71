package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/crc64nvme"

	"recording-agent/capture/spool"
	"recording-agent/uploader/s3/s3test"
)

const bucket = "footage"

func options(endpoint string) Options {
	return Options{
		Bucket: bucket, Region: s3test.Region, Endpoint: endpoint, PathStyle: true,
		AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey, PartSize: 5 << 20, Checksum: ChecksumAuto,
	}
}

func newStore(t testing.TB, o Options) *Store {
	t.Helper()
	return New(o)
}

// memory is a Resume that forgets nothing.
type memory struct {
	mu        sync.Mutex
	open      *spool.Upload
	abandoned int
}

func (m *memory) Open() *spool.Upload {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open
}

func (m *memory) Opened(_ context.Context, u spool.Upload) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = &u
	return nil
}

func (m *memory) PartSent(_ context.Context, p spool.UploadPart) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := *m.open
	next.Parts = append(append([]spool.UploadPart(nil), m.open.Parts...), p)
	m.open = &next
	return nil
}

func (m *memory) PartLost(_ context.Context, number int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := *m.open
	next.Parts = slices.DeleteFunc(slices.Clone(m.open.Parts), func(p spool.UploadPart) bool { return p.Number == number })
	m.open = &next
	return nil
}

func (m *memory) Abandoned(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open, m.abandoned = nil, m.abandoned+1
	return nil
}

func (m *memory) Turn(context.Context, int64) (func(), error) { return func() {}, nil }

func checksumOf(data []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum(data)))
}

// object makes a file of random bytes.
func object(t testing.TB, size int) (Object, []byte) {
	t.Helper()
	data := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(data)
	name := filepath.Join(t.TempDir(), "segment.mp4")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return Object{
		Key: "recordings/gate/segment.mp4", Size: int64(size), Checksum: checksumOf(data), Segment: "segment-1",
		Metadata: map[string]string{"camera-name": "Vordertür №1"}, Body: f,
	}, data
}

// counting is a proxy before the real server that counts what passes, and can
// be told to interfere.
type counting struct {
	mu        sync.Mutex
	calls     map[string]int
	interfere func(op string, w http.ResponseWriter, r *http.Request, next http.Handler) bool
}

func operation(r *http.Request) string {
	q := r.URL.Query()
	switch {
	case r.Method == "POST" && q.Has("uploads"):
		return "create"
	case r.Method == "PUT" && q.Has("partNumber"):
		return "part"
	case r.Method == "POST" && q.Has("uploadId"):
		return "complete"
	case r.Method == "DELETE":
		return "abort"
	}
	return strings.ToLower(r.Method)
}

func proxy(t testing.TB, endpoint string) (*counting, string) {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	next := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // the signature covers it
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }}
	c := &counting{calls: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op := operation(r)
		c.mu.Lock()
		c.calls[op]++
		interfere := c.interfere
		c.mu.Unlock()
		if interfere == nil || !interfere(op, w, r, next) {
			next.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return c, server.URL
}

func (c *counting) count(op string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[op]
}

func (c *counting) set(f func(op string, w http.ResponseWriter, r *http.Request, next http.Handler) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interfere = f
}

func download(t testing.TB, s *Store, key string) (*s3.GetObjectOutput, []byte) {
	t.Helper()
	out, err := s.client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return out, data
}

func TestUploadAndVerify(t *testing.T) {
	for _, tc := range []struct {
		name     string
		tls      bool
		checksum Checksum
		size     int
		by       string
	}{
		{"multipart over http", false, ChecksumAuto, 12 << 20, "size, crc64nvme"},
		{"multipart over tls", true, ChecksumAuto, 12 << 20, "size, crc64nvme"},
		{"one part", false, ChecksumAuto, 100_000, "size, crc64nvme"},
		{"exactly one part over tls", true, ChecksumAuto, 5 << 20, "size, crc64nvme"},
		{"no checksums", false, ChecksumMD5, 12 << 20, "size, crc64nvme"}, // this store makes its own
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := s3test.Run(t, tc.tls, bucket)
			o := options(server.Endpoint)
			o.CAFile, o.Checksum = server.CAFile, tc.checksum
			s := newStore(t, o)
			obj, data := object(t, tc.size)
			sent := &memory{}
			if err := s.Upload(t.Context(), obj, sent); err != nil {
				t.Fatal(err)
			}
			by, err := s.Verify(t.Context(), obj, sent.Open())
			if err != nil || by != tc.by {
				t.Fatalf("verified by %q, %v", by, err)
			}
			head, got := download(t, s, obj.Key)
			if !bytes.Equal(got, data) {
				t.Error("the stored bytes are not the file's")
			}
			if aws.ToString(head.ContentType) != "video/mp4" || head.Metadata["camera-name"] != url.PathEscape("Vordertür №1") || head.Metadata[metaSegment] != obj.Segment {
				t.Errorf("content type %q, metadata %v", aws.ToString(head.ContentType), head.Metadata)
			}
			if tc.checksum == ChecksumAuto && (head.ChecksumType != types.ChecksumTypeFullObject || aws.ToString(head.ChecksumCRC64NVME) != obj.Checksum) {
				t.Errorf("checksum %q of type %q, the file's is %q", aws.ToString(head.ChecksumCRC64NVME), head.ChecksumType, obj.Checksum)
			}
		})
	}
}

func TestStoreRefusesDamagedFile(t *testing.T) {
	s := newStore(t, options(s3test.Run(t, false, bucket).Endpoint))
	for _, size := range []int{12 << 20, 1000} {
		obj, _ := object(t, size)
		obj.Checksum = checksumOf([]byte("other bytes")) // what was written is not what the disk returns
		err := s.Upload(t.Context(), obj, &memory{})
		if fault := Classify(err); err == nil || !fault.Damaged || fault.Scope != ScopeSegment {
			t.Errorf("%d bytes: %v, taken for %+v", size, err, fault)
		}
	}
}

func TestResumeSendsOnlyWhatIsMissing(t *testing.T) {
	c, endpoint := proxy(t, s3test.Run(t, false, bucket).Endpoint)
	s := newStore(t, options(endpoint))
	obj, data := object(t, 23<<20) // five parts
	c.set(func(op string, w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if op == "part" && r.URL.Query().Get("partNumber") == "4" {
			http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
			return true
		}
		return false
	})
	m := &memory{}
	if err := s.Upload(t.Context(), obj, m); err == nil {
		t.Fatal("an upload whose fourth part is refused succeeded")
	}
	sent := len(m.Open().Parts)
	if sent < 2 || c.count("abort") != 0 {
		t.Fatalf("%d parts are known, %d aborts", sent, c.count("abort"))
	}
	c.set(nil)
	before := c.count("part")
	if _, err := obj.Body.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if err := s.Upload(t.Context(), obj, m); err != nil {
		t.Fatal(err)
	}
	if got, want := c.count("part")-before, 5-sent; got != want || c.count("create") != 1 {
		t.Errorf("%d parts were sent after %d of 5, in %d uploads", got, sent, c.count("create"))
	}
	if by, err := s.Verify(t.Context(), obj, nil); err != nil || by != "size, crc64nvme" {
		t.Errorf("verified by %q, %v", by, err)
	}
	if _, got := download(t, s, obj.Key); !bytes.Equal(got, data) {
		t.Error("the stored bytes are not the file's")
	}
}

func TestUploadThatTheStoreForgot(t *testing.T) {
	s := newStore(t, options(s3test.Run(t, false, bucket).Endpoint))
	for _, size := range []int{12 << 20, 1000} {
		obj, _ := object(t, size)
		m := &memory{open: &spool.Upload{ID: "0190aaaa-0000-7000-8000-000000000001", PartSize: 5 << 20, Algorithm: algorithm}}
		if err := s.Upload(t.Context(), obj, m); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if _, err := s.Verify(t.Context(), obj, nil); err != nil || m.abandoned != 1 {
			t.Errorf("%d bytes: %v, abandoned %d times", size, err, m.abandoned)
		}
	}
}

func TestLostAnswerOfComplete(t *testing.T) {
	c, endpoint := proxy(t, s3test.Run(t, false, bucket).Endpoint)
	s := newStore(t, options(endpoint))
	obj, _ := object(t, 12<<20)
	c.set(func(op string, w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		if op != "complete" {
			return false
		}
		next.ServeHTTP(httptest.NewRecorder(), r) // it took effect
		w.WriteHeader(http.StatusBadGateway)
		return true
	})
	if err := s.Upload(t.Context(), obj, &memory{}); err != nil {
		t.Fatalf("the object was complete, its answer lost: %v", err)
	}
}

func TestOpenUploadOfOnePart(t *testing.T) {
	c, endpoint := proxy(t, s3test.Run(t, false, bucket).Endpoint)
	s := newStore(t, options(endpoint))
	big, _ := object(t, 12<<20)
	m := &memory{}
	c.set(func(op string, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		if op == "part" {
			w.WriteHeader(http.StatusForbidden)
		}
		return op == "part"
	})
	if err := s.Upload(t.Context(), big, m); err == nil || m.Open() == nil {
		t.Fatalf("no upload was left open: %v", err)
	}
	c.set(nil)
	small, _ := object(t, 1000) // a crash cut the segment short
	if err := s.Upload(t.Context(), small, m); err != nil {
		t.Fatal(err)
	}
	if by, err := s.Verify(t.Context(), small, nil); err != nil || by != "size, crc64nvme" || c.count("put") != 0 {
		t.Errorf("verified by %q, %v, with %d single puts", by, err, c.count("put"))
	}
}

func TestStoreWithoutChecksumsOfObjects(t *testing.T) {
	c, endpoint := proxy(t, s3test.Run(t, false, bucket).Endpoint)
	c.set(func(op string, w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		if op != "head" {
			return false
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		for k, v := range rec.Header() {
			if !strings.HasPrefix(strings.ToLower(k), "x-amz-checksum") {
				w.Header()[k] = v
			}
		}
		w.WriteHeader(rec.Code)
		return true
	})
	for _, tc := range []struct {
		size     int
		checksum Checksum
		by       string
	}{
		{12 << 20, ChecksumMD5, "size, md5 of parts"},
		{12 << 20, ChecksumAuto, "size, signed parts"},
		{1000, ChecksumAuto, "size, md5"},
	} {
		o := options(endpoint)
		o.Checksum = tc.checksum
		s := newStore(t, o)
		obj, _ := object(t, tc.size)
		sent := &memory{}
		if err := s.Upload(t.Context(), obj, sent); err != nil {
			t.Fatal(err)
		}
		if by, err := s.Verify(t.Context(), obj, sent.Open()); err != nil || by != tc.by {
			t.Errorf("%d bytes, %s: verified by %q, %v; %q was expected", tc.size, tc.checksum, by, err, tc.by)
		}
		obj.Size++
		var mismatch *MismatchError
		if _, err := s.Verify(t.Context(), obj, sent.Open()); !errors.As(err, &mismatch) {
			t.Errorf("an object of another size: %v", err)
		}
	}
}

func TestFaultsOfARealStore(t *testing.T) {
	server := s3test.Run(t, true, bucket)
	for _, tc := range []struct {
		name   string
		change func(o *Options)
		cause  string
		remedy string
	}{
		{"no bucket", func(o *Options) { o.Bucket = "no-such-bucket" }, "the bucket does not exist", "s3.bucket"},
		{"wrong key", func(o *Options) { o.AccessKeyID = "nobody" }, "the access key is not known", "s3.access_key_id"},
		{"wrong secret", func(o *Options) { o.SecretAccessKey = "wrong" }, "the secret key does not belong", "s3.secret_access_key"},
		{"unknown authority", func(o *Options) { o.CAFile = "" }, "an authority that is not trusted", "s3.ca_file"},
		{"plain http to a tls port", func(o *Options) { o.Endpoint = strings.Replace(o.Endpoint, "https", "http", 1) }, "", ""},
		{"nobody listens", func(o *Options) { o.Endpoint = "http://127.0.0.1:1" }, "nothing listens", "s3.endpoint"},
		{"no such host", func(o *Options) { o.Endpoint = "http://no-such-store.invalid" }, "is not known", "s3.endpoint"},
		{"wrong region", func(o *Options) { o.Region = "mars-north-1" }, "another region", "s3.region"},
		// The last: it stays in the environment.
		{"no such profile", func(*Options) { t.Setenv("AWS_PROFILE", "nobody") }, "set up S3", "AWS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(server.Endpoint)
			o.CAFile = server.CAFile
			tc.change(&o)
			obj, _ := object(t, 1000)
			err := newStore(t, o).Upload(t.Context(), obj, &memory{})
			if err == nil {
				t.Fatal("succeeded")
			}
			fault := Classify(err)
			if !strings.Contains(fault.Cause, tc.cause) || !strings.Contains(fault.Remedy, tc.remedy) {
				t.Errorf("%v\ntaken for %+v", err, fault)
			}
			if tc.cause != "" && fault.Scope != ScopeDestination {
				t.Errorf("%s concerns every segment", tc.name)
			}
			if strings.Contains(fault.Cause, s3test.SecretKey) {
				t.Errorf("the cause tells the secret: %s", fault.Cause)
			}
		})
	}
}

func TestUploadDoesNotBufferParts(t *testing.T) {
	s := newStore(t, options(s3test.Run(t, false, bucket).Endpoint))
	obj, _ := object(t, 64<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := s.Upload(t.Context(), obj, &memory{}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 { // the race detector has pools forget things
		t.Errorf("uploading 64 MiB allocated %d bytes", grown)
	}
}

// A file that grows is sent part by part; when it is finished only its end and
// its rewritten front go over the wire, the front last.
func TestLivePartsAreSentOnce(t *testing.T) {
	for _, checksum := range []Checksum{ChecksumAuto, ChecksumMD5} {
		t.Run(string(checksum), func(t *testing.T) {
			c, endpoint := proxy(t, s3test.Run(t, false, bucket).Endpoint)
			o := options(endpoint)
			o.Checksum = checksum
			s := newStore(t, o)
			var numbers []string
			c.set(func(op string, _ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
				if op == "part" {
					c.mu.Lock()
					numbers = append(numbers, r.URL.Query().Get("partNumber"))
					c.mu.Unlock()
				}
				return false
			})
			obj, data := object(t, 23<<20) // five parts
			growing := obj
			growing.Size, growing.Checksum = 0, ""
			m := &memory{}
			for n := range 3 {
				if err := s.SendPart(t.Context(), growing, n+1, m); err != nil {
					t.Fatal(err)
				}
			}
			copy(data, "another front")
			if err := os.WriteFile(obj.Body.(*os.File).Name(), data, 0o600); err != nil {
				t.Fatal(err)
			}
			obj.Checksum = checksumOf(data)
			if err := s.Upload(t.Context(), obj, m); err != nil {
				t.Fatal(err)
			}
			c.mu.Lock()
			sent := strings.Join(numbers, " ")
			c.mu.Unlock()
			if (sent != "1 2 3 4 5 1" && sent != "1 2 3 5 4 1") || c.count("create") != 1 {
				t.Errorf("parts sent: %s, in %d uploads", sent, c.count("create"))
			}
			if by, err := s.Verify(t.Context(), obj, m.Open()); err != nil || by != "size, crc64nvme" {
				t.Errorf("verified by %q, %v", by, err)
			}
			if _, got := download(t, s, obj.Key); !bytes.Equal(got, data) {
				t.Error("the stored bytes are not the file's")
			}
		})
	}
}

// Parts that can never become the object are given up, and all is sent again.
func TestDamagedPartsAreSentAgain(t *testing.T) {
	c, endpoint := proxy(t, s3test.Run(t, false, bucket).Endpoint)
	s := newStore(t, options(endpoint))
	obj, data := object(t, 12<<20)
	m := &memory{}
	if err := s.SendPart(t.Context(), obj, 2, m); err != nil {
		t.Fatal(err)
	}
	data[6<<20] ^= 1 // the second part was not what the segment is
	if err := os.WriteFile(obj.Body.(*os.File).Name(), data, 0o600); err != nil {
		t.Fatal(err)
	}
	obj.Checksum = checksumOf(data)
	err := s.Upload(t.Context(), obj, m)
	if err == nil || m.Open() != nil || c.count("abort") != 1 {
		t.Fatalf("after the store has refused the object: %v, upload %+v, %d aborts", err, m.Open(), c.count("abort"))
	}
	if _, err := obj.Body.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if err := s.Upload(t.Context(), obj, m); err != nil {
		t.Fatal(err)
	}
	if _, got := download(t, s, obj.Key); !bytes.Equal(got, data) {
		t.Error("the stored bytes are not the file's")
	}
}

// Inside TLS, too, a store that knows no checksums is given the SHA-256 of each
// body, in its signature: it would otherwise check nothing.
func TestBodiesAreSigned(t *testing.T) {
	for _, tc := range []struct {
		checksum Checksum
		echo     bool
		unsigned int
	}{{ChecksumAuto, false, 0}, {ChecksumMD5, false, 0}, {ChecksumAuto, true, 3}} {
		var mu sync.Mutex
		var hashes []string
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			switch operation(r) {
			case "create":
				_, _ = io.WriteString(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
			case "part":
				mu.Lock()
				hashes = append(hashes, r.Header.Get("X-Amz-Content-Sha256"))
				mu.Unlock()
				if tc.echo {
					w.Header().Set("X-Amz-Checksum-Crc64nvme", r.Header.Get("X-Amz-Checksum-Crc64nvme"))
				}
				w.Header().Set("ETag", `"1"`)
			default:
				_, _ = io.WriteString(w, "<CompleteMultipartUploadResult/>")
			}
		}))
		defer server.Close()
		o := options(server.URL)
		o.Checksum = tc.checksum
		o.CAFile = filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(o.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
		obj, _ := object(t, 20<<20)
		obj.Size, obj.Checksum = 0, "" // it is growing
		s, m := newStore(t, o), &memory{}
		for n := range 4 {
			if err := s.SendPart(t.Context(), obj, n+1, m); err != nil {
				t.Fatal(err)
			}
		}
		unsigned := 0
		for _, h := range hashes {
			if h == "UNSIGNED-PAYLOAD" {
				unsigned++
			} else if len(h) != 64 {
				t.Errorf("the signature covers %q", h)
			}
		}
		if len(hashes) != 4 || unsigned != tc.unsigned {
			t.Errorf("%s, echo %v: %d of %d parts were unsigned, want %d: %q", tc.checksum, tc.echo, unsigned, len(hashes), tc.unsigned, hashes)
		}
	}
}
