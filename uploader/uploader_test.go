package uploader

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"
	"github.com/minio/crc64nvme"
	"github.com/rs/zerolog"

	"recording-agent/capture/mp4"
	"recording-agent/capture/spool"
	"recording-agent/uploader/s3"
)

// shelf is a store that does as it is told: what a real one cannot be made to do.
type shelf struct {
	mu     sync.Mutex
	upload func(ctx context.Context, segment string) error // nil: accept
	verify func(segment string) error
	part   func(ctx context.Context, segment string, number int) error
	parts  []string
	tried  []string
	stored []string
	looked []string
}

func (s *shelf) String() string { return "s3://shelf" }

func (s *shelf) PartSize() int64 { return 5 << 20 }

func (s *shelf) Check(context.Context, s3.Object, s3.Resume) error { return nil }

// SendPart accepts a part, with an upload for it.
func (s *shelf) SendPart(ctx context.Context, o s3.Object, number int, r s3.Resume) error {
	done, err := r.Turn(ctx, s.PartSize())
	if err != nil {
		return err
	}
	defer done()
	s.mu.Lock()
	f := s.part
	s.mu.Unlock()
	if f != nil {
		if err := f(ctx, o.Segment, number); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.parts = append(s.parts, fmt.Sprintf("%s/%d", o.Segment, number))
	s.mu.Unlock()
	if r.Open() == nil {
		if err := r.Opened(ctx, spool.Upload{ID: "upload-" + o.Segment, PartSize: s.PartSize()}); err != nil {
			return err
		}
	}
	return r.PartSent(ctx, spool.UploadPart{Number: number, Size: s.PartSize()})
}

func (s *shelf) Upload(ctx context.Context, o s3.Object, _ s3.Resume) error {
	s.mu.Lock()
	s.tried = append(s.tried, o.Segment)
	f := s.upload
	s.mu.Unlock()
	if f != nil {
		if err := f(ctx, o.Segment); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = append(s.stored, o.Segment)
	return nil
}

func (s *shelf) Verify(_ context.Context, o s3.Object, _ *spool.Upload) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = append(s.looked, o.Segment)
	if s.verify != nil {
		if err := s.verify(o.Segment); err != nil {
			return "", err
		}
	}
	return "size, crc64nvme", nil
}

func (s *shelf) tries(segment string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(s.tried), func(id string) bool { return id != segment }))
}

// storage is a spool with finished segments and an uploader on it.
type storage struct {
	t        *testing.T
	spool    *spool.Spool
	shelf    *shelf
	uploader *Uploader
	limits   Limits
	latency  Observer
	log      bytes.Buffer
	size     int64 // of each segment, as the ledger says; at least 1000
	stop     func()
}

func newStorage(t *testing.T, segments int) *storage {
	t.Helper()
	s := &storage{t: t, shelf: &shelf{}}
	var err error
	s.spool, err = spool.Open(t.Context(), spool.Options{
		Dir: t.TempDir(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now,
		Destinations: []spool.Destination{{Name: "primary", Bucket: "shelf", Key: func(seg spool.Segment) string { return seg.Start.Format("150405") + ".mp4" }}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range segments {
		s.add(i)
	}
	return s
}

func id(i int) string { return fmt.Sprintf("0190aaaa-0000-7000-8000-%012d", i) }

// add makes a finished segment; its content means nothing to an uploader.
func (s *storage) add(i int) {
	s.t.Helper()
	start := time.Date(1999, 12, 1, 0, i, 0, 0, time.UTC)
	path, err := spool.PathFor("gate", id(i), start)
	if err != nil {
		s.t.Fatal(err)
	}
	seg := spool.Segment{ID: id(i), CameraID: "gate", CameraName: "Gate", ClientName: "host", Path: path, Start: start}
	f, err := s.spool.Create(seg)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	data := bytes.Repeat([]byte{byte(i)}, 1000)
	if _, err := f.Write(data); err != nil {
		s.t.Fatal(err)
	}
	sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum(data)))
	s.must(s.spool.Begun(s.t.Context(), seg))
	s.must(s.spool.Finished(s.t.Context(), seg.ID, start, mp4.Result{Size: max(s.size, 1000), Checksum: sum, Duration: time.Minute, Frames: 1500}))
}

func (s *storage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *storage) run() {
	s.uploader = New(Options{
		Ledger: s.spool, Changed: s.spool.Subscribe(), Grown: s.spool.SubscribeGrowth(), Store: s.shelf, Destination: "primary", Parallel: 2, Backlog: 0.25, Bandwidth: NewBandwidth(s.limits, time.Now), Grace: func(error) time.Duration { return 10 * time.Second },
		Log: zerolog.New(zerolog.SyncWriter(&s.log)), Now: time.Now, Latency: s.latency,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = s.uploader.Run(ctx) })
	s.stop = sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
}

func (s *storage) close() {
	if s.stop != nil {
		s.stop()
	}
	s.must(s.spool.Close())
}

func (s *storage) state(i int) spool.Delivery {
	s.t.Helper()
	d, err := s.spool.Deliveries(s.t.Context(), id(i))
	if err != nil || len(d) != 1 {
		s.t.Fatalf("deliveries of segment %d: %+v, %v", i, d, err)
	}
	return d[0]
}

func (s *storage) verified(n int) (yes int) {
	for i := range n {
		if s.state(i).State == spool.Verified {
			yes++
		}
	}
	return yes
}

func after(d time.Duration) {
	time.Sleep(d) // in a bubble: no time is lost
	synctest.Wait()
}

// One bad segment does not hold up the others, even one whose fault looks like
// an outage of the destination; it is tried again and again, less and less often.
func TestBadSegmentDoesNotHoldUpOthers(t *testing.T) {
	for name, fault := range map[string]error{
		"its own fault":        &smithy.GenericAPIError{Code: "InvalidPart", Message: "no such part"},
		"looks like an outage": &smithy.GenericAPIError{Code: "AccessDenied", Message: "not under this prefix"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStorage(t, 20)
				defer s.close()
				s.shelf.upload = func(_ context.Context, segment string) error {
					if segment == id(0) {
						return fault
					}
					return nil
				}
				s.run()
				after(2 * time.Minute)
				if n := s.verified(20); n != 19 {
					t.Errorf("%d of 19 good segments are verified after two minutes", n)
				}
				after(8 * time.Hour)
				if n := s.shelf.tries(id(0)); n < 30 || n > 700 {
					t.Errorf("the bad segment was tried %d times in eight hours", n)
				}
				if !s.uploader.Status().LastSuccess.After(time.Time{}) || s.state(0).LastError == "" {
					t.Errorf("status %+v, delivery %+v", s.uploader.Status(), s.state(0))
				}
				s.shelf.mu.Lock()
				s.shelf.upload = nil
				s.shelf.mu.Unlock()
				after(11 * time.Minute)
				if n := s.verified(20); n != 20 {
					t.Errorf("%d segments are verified once the fault is mended", n)
				}
			})
		})
	}
}

// A destination that is away for a day is asked about once a minute, mentioned
// once a minute, and gets everything when it is back.
func TestDestinationAwayForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 30)
		defer s.close()
		s.shelf.upload = func(context.Context, string) error {
			return &smithy.GenericAPIError{Code: "ServiceUnavailable", Message: "back soon"}
		}
		s.run()
		after(24 * time.Hour)
		if n := len(s.shelf.tried); n < 700 || n > 2600 {
			t.Errorf("%d tries in a day", n)
		}
		if n := strings.Count(s.log.String(), "upload fails"); n < 700 || n > 24*60+10 {
			t.Errorf("said %d times in a day", n)
		}
		if st := s.uploader.Status(); st.Connected || st.LastError == "" || time.Since(st.Since) < 23*time.Hour {
			t.Errorf("status %+v", st)
		}
		s.shelf.mu.Lock()
		s.shelf.upload = nil
		s.shelf.mu.Unlock()
		after(3 * time.Minute)
		if n := s.verified(30); n != 30 {
			t.Errorf("%d of 30 segments are verified three minutes after the end", n)
		}
		if !strings.Contains(s.log.String(), "upload fails: over") {
			t.Error("the end was not said")
		}
	})
}

// An upload in flight gets its grace; nothing new starts, and the segment stays
// what it was.
func TestStopGivesGraceAndStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 5)
		defer s.close()
		s.shelf.upload = func(ctx context.Context, segment string) error {
			wait := 8 * time.Second // within the grace
			if segment == id(1) {
				wait = time.Hour
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(wait):
				return nil
			}
		}
		s.run()
		after(time.Second)
		began := time.Now()
		s.stop()
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("stopping took %v, the grace is 10 s", d)
		}
		if len(s.shelf.tried) != 2 {
			t.Errorf("segments %v were begun", s.shelf.tried)
		}
		if a, b := s.state(0), s.state(1); a.State != spool.Verified || b.State != spool.Pending || b.Attempts != 0 {
			t.Errorf("after the stop: %+v, %+v", a, b)
		}
	})
}

// What had been stored when the agent died is looked at, not sent again.
func TestStoredIsVerifiedAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 1)
		defer s.close()
		s.must(s.spool.Stored(t.Context(), id(0), "primary"))
		s.run()
		after(time.Second)
		if len(s.shelf.tried) != 0 || s.state(0).State != spool.Verified {
			t.Errorf("tried %v, delivery %+v", s.shelf.tried, s.state(0))
		}
	})
}

// A HEAD that fails is repeated; an object that is not the segment is replaced.
func TestVerificationDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 1)
		defer s.close()
		answers := []error{
			errors.New("the line broke"),
			&s3.MismatchError{Key: "k", What: "it has 10 bytes, the segment 1000"},
		}
		s.shelf.verify = func(string) error {
			if len(answers) == 0 {
				return nil
			}
			err := answers[0]
			answers = answers[1:]
			return err
		}
		s.run()
		after(time.Hour)
		if n := len(s.shelf.stored); n != 2 {
			t.Errorf("uploaded %d times: once, and once more after the mismatch, were expected", n)
		}
		if n := len(s.shelf.looked); n != 3 || s.state(0).State != spool.Verified {
			t.Errorf("looked %d times, delivery %+v", n, s.state(0))
		}
	})
}

// A file that has vanished is reported once and not looked for again.
func TestVanishedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 2)
		defer s.close()
		seg, err := s.spool.Segment(t.Context(), id(0))
		s.must(err)
		s.must(os.Remove(filepath.Join(s.spool.Dir(), filepath.FromSlash(seg.Path))))
		s.run()
		after(time.Hour)
		seg, err = s.spool.Segment(t.Context(), id(0))
		if err != nil || seg.State != spool.Missing || s.state(1).State != spool.Verified {
			t.Errorf("the segment is %q (%v), the other delivery %+v", seg.State, err, s.state(1))
		}
		if n := strings.Count(s.log.String(), `"level":"error"`); n != 1 {
			t.Errorf("%d error lines:\n%s", n, s.log.String())
		}
	})
}

// Bytes that the disk changed are uploaded as they are now, and that is said.
func TestDamagedOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 1)
		defer s.close()
		before, err := s.spool.Segment(t.Context(), id(0))
		s.must(err)
		s.must(os.WriteFile(filepath.Join(s.spool.Dir(), filepath.FromSlash(before.Path)), bytes.Repeat([]byte{9}, 1000), 0o600))
		refused := false
		s.shelf.upload = func(context.Context, string) error {
			if !refused {
				refused = true
				return &smithy.GenericAPIError{Code: "BadDigest", Message: "checksum"}
			}
			return nil
		}
		s.run()
		after(time.Minute)
		seg, err := s.spool.Segment(t.Context(), id(0))
		s.must(err)
		if seg.Checksum == before.Checksum || s.state(0).State != spool.Verified || !strings.Contains(s.log.String(), "look at the disk") {
			t.Errorf("segment %+v, delivery %+v\n%s", seg, s.state(0), s.log.String())
		}
	})
}

// Many bad segments, which are older and look like an outage, hold up none.
func TestManyBadSegmentsDoNotHoldUpOthers(t *testing.T) {
	const bad, good = 12, 20
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, bad+good)
		defer s.close()
		s.shelf.upload = func(_ context.Context, segment string) error {
			if segment < id(bad) {
				return &smithy.GenericAPIError{Code: "AccessDenied", Message: "not under this prefix"}
			}
			return nil
		}
		s.run()
		after(20 * time.Minute)
		if n := s.verified(bad + good); n != good {
			t.Errorf("%d of %d good segments are verified", n, good)
		}
		if n := strings.Count(s.log.String(), `"message":"upload fails"`); n > 21 {
			t.Errorf("%d lines about it in 20 minutes", n)
		}
	})
}

// A clock that was ahead when an upload failed does not put it off for long.
func TestClockThatWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 1)
		defer s.close()
		s.must(s.spool.DeliveryDeferred(t.Context(), id(0), "primary", "the clock is wrong", time.Now().Add(24*time.Hour)))
		s.run()
		after(time.Minute)
		if d := s.state(0); d.State != spool.Verified {
			t.Errorf("a minute later: %+v", d)
		}
	})
}

// A segment whose key is taken goes to a key of its own, at once.
func TestTakenKeyIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t, 2)
		defer s.close()
		first := true
		s.shelf.upload = func(_ context.Context, segment string) error {
			if segment == id(1) && first {
				first = false
				return fmt.Errorf("complete the upload: %w", &s3.TakenError{Key: "000100.mp4", Segment: "another"})
			}
			return nil
		}
		s.run()
		after(time.Second)
		for i, key := range []string{"000000.mp4", "000100_" + id(1) + ".mp4"} {
			if d := s.state(i); d.State != spool.Verified || d.Key != key {
				t.Errorf("segment %d: %+v", i, d)
			}
		}
		if n := strings.Count(s.log.String(), "do two agents have the same client_name?"); n != 1 {
			t.Errorf("said %d times:\n%s", n, s.log.String())
		}
	})
}
