package s3

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/uploader/s3/s3test"
)

// What an object is to be is said when it is begun, in one part or in several.
func TestObjectOptions(t *testing.T) {
	p, endpoint := proxy(t, s3test.Run(t, false, bucket).Endpoint)
	want := map[string]string{
		"X-Amz-Storage-Class": "STANDARD_IA", "X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "alias/footage",
		"X-Amz-Object-Lock-Mode": "GOVERNANCE", "X-Amz-Object-Lock-Retain-Until-Date": "2026-03-11T12:00:00Z",
	}
	p.set(func(op string, w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if op != "create" && op != "put" {
			return false
		}
		for name, value := range want {
			if got := r.Header.Get(name); got != value {
				t.Errorf("%s: %s is %q", op, name, got)
			}
		}
		w.WriteHeader(http.StatusForbidden) // this server has neither keys nor classes
		return true
	})
	o := options(endpoint)
	o.StorageClass, o.Encryption, o.KMSKeyID, o.LockMode, o.LockDays = "STANDARD_IA", "aws:kms", "alias/footage", "governance", 10
	o.Now = func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC) }
	s := newStore(t, o)
	for op, size := range map[string]int{"put": 1 << 20, "create": 6 << 20} {
		obj, _ := object(t, size)
		if err := s.Upload(t.Context(), obj, &memory{}); err == nil || p.count(op) == 0 {
			t.Errorf("%s: %v after %d calls", op, err, p.count(op))
		}
	}
}

// A real store locks what it was told to lock.
func TestLockedObject(t *testing.T) {
	server := s3test.Run(t, false)
	o := options(server.Endpoint)
	o.LockMode, o.LockDays = "governance", 2
	s := newStore(t, o)
	if err := s.setUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucket), ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1 << 20, 6 << 20} {
		obj, _ := object(t, size)
		obj.Key = "recordings/" + time.Duration(size).String() + ".mp4"
		r := &memory{}
		if err := s.Upload(t.Context(), obj, r); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if by, err := s.Verify(t.Context(), obj, r.Open()); err != nil || by != "size, crc64nvme" {
			t.Errorf("%d bytes: verified by %q, %v", size, by, err)
		}
		if _, err := s.client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String(obj.Key)}); err == nil {
			t.Errorf("%d bytes: a locked object was deleted", size)
		}
	}
}
