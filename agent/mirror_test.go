package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"recording-agent/uploader/s3/s3test"
	"recording-agent/uploader/wiretest"
)

// A mirror that is away holds up neither the primary destination nor central, but
// the local files stay until it has them as well.
func TestMirrorThatIsAway(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	toMirror := wiretest.New(t, strings.TrimPrefix(h.store.Endpoint, "http://"))
	toMirror.Set(wiretest.Fault{Cut: true})
	h.more = fmt.Sprintf("[[mirror]]\nname = \"onsite\"\nbucket = %q\nendpoint = \"http://%s\"\npath_style = true\naccess_key_id = %q\nsecret_access_key = %q\nkey = \"copies/{camera_id}/{start}_{client}.mp4\"\n",
		mirrorBucket, toMirror.Address, s3test.AccessKey, s3test.SecretKey)
	h.configure()
	h.start()
	completed := func() (keys []string) {
		for _, r := range h.central.Recordings() {
			if r.Status == "completed" {
				keys = append(keys, r.FilePath)
			}
		}
		return keys
	}
	h.until(40*time.Second, func() string {
		if n := len(completed()); n < 4 {
			return fmt.Sprintf("four segments completed at central, there are %d", n)
		}
		return ""
	})
	keys := completed()
	if n := len(h.files()); n < len(keys) {
		t.Fatalf("%d files are here, %d segments have no copy in the mirror", n, len(keys))
	}
	h.kill()
	h.silence()
	toMirror.Set(wiretest.Fault{})
	h.start()
	h.until(60*time.Second, h.backlog)
	h.stop()
	h.account(1)
	for _, key := range keys {
		parts := strings.Split(key, "/") // recordings/{camera_id}/{date}/{start}_{client}.mp4
		first, err := h.object(key)
		if err != nil {
			t.Fatal(err)
		}
		second, err := h.objectIn(mirrorBucket, "copies/"+parts[1]+"/"+parts[3])
		if err != nil {
			t.Fatalf("%s is not in the mirror: %v", key, err)
		}
		a, _ := os.ReadFile(first)
		b, _ := os.ReadFile(second)
		if len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%s: %d bytes, in the mirror %d", key, len(a), len(b))
		}
	}
}

// Without a destination segments are kept and registered all the same.
func TestLocalStorage(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.local = true
	h.configure()
	h.start()
	h.until(30*time.Second, func() string {
		n := 0
		for _, r := range h.central.Recordings() {
			if r.Status == "completed" {
				n++
			}
		}
		if n < 4 {
			return fmt.Sprintf("four segments completed at central, there are %d", n)
		}
		return ""
	})
	h.stop()
	rows := h.central.Recordings()
	if n := len(h.files()); n < len(rows) {
		t.Errorf("%d files are kept of %d segments", n, len(rows))
	}
	for _, r := range rows {
		if r.Status == "completed" && (r.FileSize == 0 || r.FilePath != "" || r.Extra["storage_type"] != "local") {
			t.Errorf("central has been told %+v", r)
		}
	}
}
