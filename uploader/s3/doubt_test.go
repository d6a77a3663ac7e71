package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recording-agent/capture/spool"
	"recording-agent/uploader/s3/s3test"
)

func refuse(w http.ResponseWriter, status int, code string) bool {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>no</Message></Error>", code)
	return true
}

// changed writes other bytes of the same length to an object's file.
func changed(t testing.TB, o Object, data []byte) Object {
	t.Helper()
	if err := os.WriteFile(o.Body.(*os.File).Name(), data, 0o600); err != nil {
		t.Fatal(err)
	}
	o.Checksum = checksumOf(data)
	return o
}

// Where a store cannot be told a condition, or does not heed it, it is asked what
// there is; while it does not say, nothing is overwritten.
func TestUnansweredLookOverwritesNothing(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	for _, size := range []int{1000, 12 << 20} {
		for name, heeds := range map[string]bool{"without conditions": false, "conditions not heeded": true} {
			t.Run(fmt.Sprintf("%d bytes, %s", size, name), func(t *testing.T) {
				p, endpoint := proxy(t, server.Endpoint)
				direct, s := newStore(t, options(server.Endpoint)), newStore(t, options(endpoint))
				s.heeds.Store(heeds)
				obj, _ := object(t, size)
				obj.Key = "recordings/" + strings.ReplaceAll(t.Name(), " ", "_") + ".mp4"
				place(t, direct, obj.Key, "segment-2", "others' footage")
				p.set(func(op string, w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
					r.Header.Del("If-None-Match")
					return op == "head" && !heeds && refuse(w, 503, "SlowDown")
				})
				err := s.Upload(t.Context(), obj, &memory{})
				if _, there := download(t, direct, obj.Key); err == nil || string(there) != "others' footage" {
					t.Errorf("the upload says %v; under the key are %d bytes", err, len(there))
				}
			})
		}
	}
}

// An object of the same segment and length is not the file on a store that keeps
// no checksums, unless its ETag says so: it is replaced.
func TestSameLengthIsNoProof(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	p, endpoint := proxy(t, server.Endpoint)
	direct := newStore(t, options(server.Endpoint))
	o := options(endpoint)
	o.Checksum = ChecksumMD5
	s := newStore(t, o)
	p.set(func(op string, w http.ResponseWriter, r *http.Request, next http.Handler) bool {
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
	// The tail was sent, the network went, and somebody salvaged what there was: with
	// the front of the file as it was while it was recorded.
	obj, data := object(t, 12<<20)
	m := &memory{}
	for n := 1; n <= 2; n++ {
		if err := s.SendPart(t.Context(), obj, n, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.resuming(obj, m).sendPart(t.Context(), 3, 2<<20); err != nil {
		t.Fatal(err)
	}
	for _, l := range unfinished(t, direct, "") {
		if err := direct.CompleteLeftover(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	copy(data, "another front")
	obj = changed(t, obj, data)
	if err := s.Upload(t.Context(), obj, m); err != nil {
		t.Fatal(err)
	}
	if by, err := s.Verify(t.Context(), obj, m.Open()); err != nil || by != "size, md5 of parts" {
		t.Errorf("verified by %q, %v", by, err)
	}
	if _, got := download(t, direct, obj.Key); !bytes.Equal(got, data) {
		t.Error("the object is not the file")
	}
	noUploads(t, s)
}

// A policy that forbids to abort does not keep a segment from being sent anew.
func TestAbortIsForbidden(t *testing.T) {
	p, endpoint := proxy(t, s3test.Run(t, false, bucket).Endpoint)
	s := newStore(t, options(endpoint))
	obj, data := object(t, 12<<20)
	m := &memory{}
	if err := s.SendPart(t.Context(), obj, 2, m); err != nil {
		t.Fatal(err)
	}
	data[6<<20] ^= 1
	obj = changed(t, obj, data)
	p.set(func(op string, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		return op == "abort" && refuse(w, 403, "AccessDenied")
	})
	if err := s.Upload(t.Context(), obj, m); err == nil || m.Open() != nil {
		t.Fatalf("the store has refused the object: %v, upload %+v", err, m.Open())
	}
	if err := s.Upload(t.Context(), obj, m); err != nil {
		t.Error(err)
	}
}

// A part that the store has lost is sent again, the others are not.
func TestPartThatTheStoreLost(t *testing.T) {
	p, endpoint := proxy(t, s3test.Run(t, false, bucket).Endpoint)
	s := newStore(t, options(endpoint))
	obj, data := object(t, 22<<20)
	m := &memory{}
	for n := 2; n <= 4; n++ {
		if err := s.SendPart(t.Context(), obj, n, m); err != nil {
			t.Fatal(err)
		}
	}
	// Another part under the third's number: the store's ETag is not the ledger's any more.
	other, _ := object(t, 22<<20)
	stray := &memory{open: &spool.Upload{ID: m.Open().ID, PartSize: m.Open().PartSize, Algorithm: m.Open().Algorithm}}
	if err := s.resuming(other, stray).sendPart(t.Context(), 3, 5<<20-1); err != nil {
		t.Fatal(err)
	}
	before := p.count("part")
	if err := s.Upload(t.Context(), obj, m); err != nil {
		t.Fatal(err)
	}
	if n := p.count("part") - before; n != 3 { // the third, the fifth and the first
		t.Errorf("%d parts were sent, want 3", n)
	}
	if _, got := download(t, s, obj.Key); !bytes.Equal(got, data) {
		t.Error("the object is not the file")
	}
}

// An upload that cannot be noted is not left behind.
func TestUploadThatCannotBeNoted(t *testing.T) {
	s := newStore(t, options(s3test.Run(t, false, bucket).Endpoint))
	obj, _ := object(t, 12<<20)
	if err := s.SendPart(t.Context(), obj, 1, &fullLedger{}); err == nil {
		t.Fatal("a part was sent")
	}
	noUploads(t, s)
}

func TestThrottledStoreIsAnOutage(t *testing.T) {
	p, endpoint := proxy(t, s3test.Run(t, false, bucket).Endpoint)
	s := newStore(t, options(endpoint))
	obj, _ := object(t, 1000)
	for code, status := range map[string]int{"TooManyRequests": 429, "SlowDownWrite": 503, "Throttled": 429} {
		p.set(func(_ string, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			return refuse(w, status, code)
		})
		if f := Classify(s.Upload(t.Context(), obj, &memory{})); f.Scope != ScopeDestination || !strings.Contains(f.Cause, "slow down") {
			t.Errorf("%d %s: %+v", status, code, f)
		}
	}
}

// fullLedger takes no more notes.
type fullLedger struct{ memory }

func (*fullLedger) Opened(context.Context, spool.Upload) error {
	return errors.New("database or disk is full")
}

// Credentials that others renew while the agent runs are read again when the store
// refuses the old ones: a shared file's, and those of the configuration.
func TestCredentialsAreRenewed(t *testing.T) {
	server := s3test.Run(t, false, bucket)
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(key, secret string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("[default]\naws_access_key_id="+key+"\naws_secret_access_key="+secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	key := "expired"
	for name, o := range map[string]Options{
		"shared file":   {},
		"configuration": {AccessKeyID: "expired", Keys: func() (string, string, string) { return key, s3test.SecretKey, "" }},
	} {
		t.Run(name, func(t *testing.T) {
			write("expired", "expired")
			key = "expired"
			now := time.Now()
			all := options(server.Endpoint)
			all.AccessKeyID, all.SecretAccessKey, all.Keys, all.Now = o.AccessKeyID, "", o.Keys, func() time.Time { return now }
			s := newStore(t, all)
			obj, _ := object(t, 1000)
			obj.Key = "recordings/" + strings.ReplaceAll(name, " ", "-") + ".mp4"
			for range 2 {
				if f := Classify(s.Upload(t.Context(), obj, &memory{})); f.Cause == "" || f.Scope != ScopeDestination {
					t.Fatalf("with expired keys: %+v", f)
				}
			}
			write(s3test.AccessKey, s3test.SecretKey)
			key = s3test.AccessKey
			now = now.Add(renewEvery)
			_ = s.Upload(t.Context(), obj, &memory{}) // is refused once more, and has them read
			if err := s.Upload(t.Context(), obj, &memory{}); err != nil {
				t.Errorf("after they were renewed: %v", err)
			}
		})
	}
}
