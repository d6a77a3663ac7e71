package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/uploader/s3"
	"recording-agent/uploader/s3/s3test"
	"recording-agent/uploader/wiretest"
)

const bucket = "footage"

// world is a store behind a line, with one object in it.
type world struct {
	*testing.T
	line   *wiretest.Line
	store  *s3.Store
	client *sdk.Client
	data   []byte
	file   string
}

const key = "recordings/gate/1.mp4"

func newWorld(t *testing.T, size int) *world {
	server := s3test.Run(t, false, bucket)
	w := &world{T: t, line: wiretest.New(t, strings.TrimPrefix(server.Endpoint, "http://")), file: filepath.Join(t.TempDir(), "1.mp4")}
	w.store = s3.New(s3.Options{
		Bucket: bucket, Region: s3test.Region, Endpoint: "http://" + w.line.Address, PathStyle: true,
		AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey, Stall: time.Second,
	})
	w.client = sdk.New(sdk.Options{
		BaseEndpoint: &server.Endpoint, Region: s3test.Region, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey}, nil
		}),
	})
	w.data = make([]byte, size)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range w.data {
		w.data[i] = byte(rng.Uint32())
	}
	w.put(w.data)
	return w
}

func (w *world) put(data []byte) {
	w.Helper()
	if _, err := w.client.PutObject(w.Context(), &sdk.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: bytes.NewReader(data)}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) stat() s3.Stored {
	w.Helper()
	o, err := w.store.Stat(w.Context(), key)
	if err != nil {
		w.Fatal(err)
	}
	return o
}

// files are what lies where the copy is to lie.
func (w *world) files() (names []string) {
	w.Helper()
	entries, err := os.ReadDir(filepath.Dir(w.file))
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (w *world) wantWhole(data []byte) {
	w.Helper()
	got, err := os.ReadFile(w.file)
	if err != nil || !bytes.Equal(got, data) {
		w.Errorf("the copy has %d bytes, the object %d: %v", len(got), len(data), err)
	}
	if names := w.files(); len(names) != 1 {
		w.Errorf("beside the copy there is more: %q", names)
	}
}

func TestCopyIsCheckedAndNothingIsOverwritten(t *testing.T) {
	w := newWorld(t, 3<<20)
	told := 0
	c, err := Object(t.Context(), w.store, w.stat(), w.file, Options{Progress: func(n int) { told += n }})
	if err != nil || c.By != "crc64nvme" || c.Resumed != 0 || c.File != w.file || told != len(w.data) {
		t.Fatalf("%+v, told of %d bytes: %v", c, told, err)
	}
	w.wantWhole(w.data)
	other := []byte("another")
	w.put(other)
	var exists *ExistsError
	if _, err := Object(t.Context(), w.store, w.stat(), w.file, Options{}); !errors.As(err, &exists) {
		t.Errorf("over a file: %v", err)
	}
	w.wantWhole(w.data)
	if _, err := Object(t.Context(), w.store, w.stat(), w.file, Options{Force: true}); err != nil {
		t.Error(err)
	}
	w.wantWhole(other)
	w.put(nil)
	if c, err := Object(t.Context(), w.store, w.stat(), w.file, Options{Force: true}); err != nil || c.Size != 0 {
		t.Errorf("an empty object: %+v, %v", c, err)
	}
	w.wantWhole(nil)
}

// What comes into the copy's place while it is fetched stays there.
func TestFileThatComesMeanwhileIsKept(t *testing.T) {
	w := newWorld(t, 1<<20)
	mine := []byte("somebody's")
	_, err := Object(t.Context(), w.store, w.stat(), w.file, Options{Begun: func(int64) {
		if err := os.WriteFile(w.file, mine, 0o600); err != nil {
			t.Fatal(err)
		}
	}})
	var exists *ExistsError
	if got, _ := os.ReadFile(w.file); !errors.As(err, &exists) || !bytes.Equal(got, mine) {
		t.Errorf("%v; the file holds %q", err, got)
	}
}

// Each connection ends after a megabyte: what has come is not fetched again.
func TestBrokenConnectionsAreGoneOnWith(t *testing.T) {
	w := newWorld(t, 4<<20)
	o := w.stat()
	w.line.Set(wiretest.Fault{Truncate: 1 << 20})
	told := 0
	c, err := Object(t.Context(), w.store, o, w.file, Options{Progress: func(n int) { told += n }})
	if err != nil || c.By != "crc64nvme" || told != len(w.data) {
		t.Fatalf("%+v, told of %d bytes: %v", c, told, err)
	}
	w.wantWhole(w.data)
}

// interrupted begins a copy that ends in the middle.
func (w *world) interrupted(o s3.Stored) (partial string) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	defer cancel()
	told := 0
	_, err := Object(ctx, w.store, o, w.file, Options{Progress: func(n int) {
		if told += n; told > len(w.data)/2 {
			cancel()
		}
	}})
	var unfinished *UnfinishedError
	if !errors.As(err, &unfinished) || unfinished.At <= int64(len(w.data)/2) || !errors.Is(err, context.Canceled) {
		w.Fatalf("interrupted: %v", err)
	}
	names := w.files()
	if len(names) != 1 || !strings.HasSuffix(names[0], ".partial") {
		w.Fatalf("after an interruption there is %q", names)
	}
	return filepath.Join(filepath.Dir(w.file), names[0])
}

func TestInterruptedCopyIsGoneOnWith(t *testing.T) {
	w := newWorld(t, 8<<20)
	w.interrupted(w.stat())
	begun := int64(-1)
	c, err := Object(t.Context(), w.store, w.stat(), w.file, Options{Begun: func(from int64) { begun = from }})
	if err != nil || c.Resumed <= int64(len(w.data)/2) || begun != c.Resumed {
		t.Fatalf("%+v, begun at %d: %v", c, begun, err)
	}
	w.wantWhole(w.data)
}

// What was begun of an object that was replaced since is not gone on with, and goes.
func TestInterruptedCopyOfAnObjectThatIsReplaced(t *testing.T) {
	w := newWorld(t, 8<<20)
	w.interrupted(w.stat())
	other := bytes.Repeat([]byte("other"), 1<<20)
	w.put(other)
	c, err := Object(t.Context(), w.store, w.stat(), w.file, Options{})
	if err != nil || c.Resumed != 0 {
		t.Fatalf("%+v: %v", c, err)
	}
	w.wantWhole(other) // and nothing beside it
}

// What was damaged on the disk between two attempts is not passed off as the object.
func TestDamagedCopyIsRemoved(t *testing.T) {
	w := newWorld(t, 8<<20)
	partial := w.interrupted(w.stat())
	f, err := os.OpenFile(partial, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte{w.data[1000] ^ 1}, 1000)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = Object(t.Context(), w.store, w.stat(), w.file, Options{})
	var mismatch *s3.MismatchError
	if err == nil || !strings.Contains(err.Error(), "what was fetched is not what the store has: its crc64nvme is ") || errors.As(err, &mismatch) || len(w.files()) != 0 {
		t.Fatalf("%v; there is %q", err, w.files())
	}
	if _, err := Object(t.Context(), w.store, w.stat(), w.file, Options{}); err != nil {
		t.Error(err)
	}
	w.wantWhole(w.data)
}

// An object that is replaced in the middle is not put together from both.
func TestObjectThatChangesIsNotMixed(t *testing.T) {
	w := newWorld(t, 8<<20)
	o := w.stat()
	w.line.Set(wiretest.Fault{Truncate: 2 << 20})
	other := bytes.Repeat([]byte("other"), 2<<20)
	once := false
	_, err := Object(t.Context(), w.store, o, w.file, Options{Progress: func(int) {
		if !once {
			once = true
			w.put(other)
		}
	}})
	var changed *s3.ChangedError
	if !errors.As(err, &changed) {
		t.Fatalf("the object was replaced: %v", err)
	}
	w.line.Set(wiretest.Fault{})
	left := w.files()
	c, err := Object(t.Context(), w.store, w.stat(), w.file, Options{})
	if err != nil || c.Resumed != 0 || len(left) != 0 {
		t.Fatalf("%+v, with %q before: %v", c, left, err)
	}
	w.wantWhole(other)
}

func TestStoreThatIsGoneEndsTheCopy(t *testing.T) {
	w := newWorld(t, 4<<20)
	gone := &goneStore{Store: w.store, after: 1}
	_, err := Object(t.Context(), gone, w.stat(), w.file, Options{})
	var unfinished *UnfinishedError
	if !errors.As(err, &unfinished) || unfinished.At != 1000 || gone.asked != tries {
		t.Errorf("asked %d times: %v", gone.asked, err)
	}
}

// goneStore answers a few times with a little, and then never again.
type goneStore struct {
	*s3.Store
	after, asked int
}

func (g *goneStore) Read(context.Context, s3.Stored, int64) (io.ReadCloser, error) {
	if g.asked++; g.asked > g.after {
		return nil, errors.New("connection refused")
	}
	return io.NopCloser(bytes.NewReader(make([]byte, 1000))), nil
}
