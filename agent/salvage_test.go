package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	uploads3 "recording-agent/uploader/s3"
	"recording-agent/uploader/s3/s3test"
)

// salvage runs the command with nothing but credentials, on another machine.
func (h *host) salvage(args ...string) (said string, code int) {
	h.t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"salvage", "--bucket", hostBucket, "--endpoint", h.store.Endpoint, "--region", s3test.Region, "--path-style"}, args...)...)
	cmd.Dir = h.t.TempDir()
	cmd.Env = append(os.Environ(), "RUN_AS_AGENT=1", "AWS_ACCESS_KEY_ID="+s3test.AccessKey, "AWS_SECRET_ACCESS_KEY="+s3test.SecretKey)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

func (h *host) openUploads() int {
	h.t.Helper()
	out, err := h.objects.ListMultipartUploads(h.t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(hostBucket)})
	if err != nil {
		h.t.Fatal(err)
	}
	return len(out.Uploads)
}

// A host burns in the middle of its segments. What it had sent is salvaged from
// elsewhere, and plays.
func TestSalvageOfALostHost(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	h := newHost(t)
	h.segment = "1h"
	h.configure()
	h.start()
	h.until(60*time.Second, func() string {
		for _, id := range h.cameras {
			if n := h.partsOf(id); n < 2 {
				return fmt.Sprintf("two parts of camera %s in the store, there are %d", id, n)
			}
		}
		return ""
	})
	h.kill()
	h.silence()
	if err := os.RemoveAll(h.data()); err != nil {
		t.Fatal(err)
	}
	_, err := h.objects.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: aws.String(hostBucket), Key: aws.String("recordings/x/empty.mp4")})
	if err != nil {
		t.Fatal(err)
	}

	for _, tc := range []struct {
		args []string
		want string
	}{
		{nil, "an agent may be at work"},
		{[]string{"--yes"}, "There is nothing to complete."},
		{[]string{"--older-than", "0s"}, "Nothing has been changed. With --yes 2 of them become objects."},
		{[]string{"--older-than", "0s", "--prefix", "elsewhere/", "--yes"}, "0 incomplete uploads"},
	} {
		if said, code := h.salvage(tc.args...); code != 0 || !strings.Contains(said, tc.want) || h.openUploads() != 3 {
			t.Fatalf("salvage %v, exit code %d, %d uploads open:\n%s", tc.args, code, h.openUploads(), said)
		}
	}
	said, code := h.salvage("--older-than", "0s", "--yes")
	if code != 0 || !strings.Contains(said, "Salvaged: 2 of 2.") || h.openUploads() != 1 {
		t.Fatalf("exit code %d, %d uploads open:\n%s", code, h.openUploads(), said)
	}
	t.Logf("salvage said:\n%s", said)
	found := regexp.MustCompile(`\n(recordings/\S+\.mp4)\n  camera ".*" \((\S+)\) of host, from .* UTC, ([0-9.]+) seconds, ([0-9]+) pictures`).FindAllStringSubmatch(said, -1)
	if len(found) != 2 {
		t.Fatalf("%d objects are described:\n%s", len(found), said)
	}
	for _, m := range found {
		path, err := h.object(m[1])
		if err != nil {
			t.Fatal(err)
		}
		pictures, _ := strconv.Atoi(m[4])
		if !strings.Contains(m[1], m[2]) || pictures < 50 || m[3] == "0.0" {
			t.Errorf("%s: %s", m[1], m[0])
		}
		// ffprobe also counts those of the fragment in which the last part ends.
		if n := countPictures(t, path); n < pictures || n > pictures+60 {
			t.Errorf("%s plays %d pictures, %d were reported", m[1], n, pictures)
		}
	}
	if said, code := h.salvage("--older-than", "0s", "--yes"); code != 0 || !strings.Contains(said, "There is nothing to complete.") {
		t.Errorf("once more, exit code %d:\n%s", code, said)
	}
}

// What could not be looked at is not called empty, and the command does not say that
// all is well.
func TestSalvageThatMayNotLook(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		if r.URL.Query().Has("uploads") {
			fmt.Fprint(w, `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated><Upload><Key>recordings/a/x.mp4</Key><UploadId>1</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>`)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>no s3:ListMultipartUploadParts</Message></Error>")
	}))
	defer server.Close()
	var said bytes.Buffer
	s := &salvage{
		store: uploads3.New(uploads3.Options{Bucket: "footage", Region: "us-east-1", Endpoint: server.URL, PathStyle: true, AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey}),
		out:   &said, prefix: "recordings/", olderThan: time.Hour, now: time.Now,
	}
	err := s.run(t.Context(), true)
	if err == nil || strings.Contains(said.String(), "empty") || !strings.Contains(said.String(), "its parts cannot be listed: access denied") {
		t.Errorf("%v\n%s", err, &said)
	}
}

// Whoever may write to the bucket chooses its keys, and a store its errors: a terminal is
// not to obey them, nor a reader to take one upload for several.
func TestSalvageShowsKeysPlainly(t *testing.T) {
	const refused, listed, obeyed = "recordings/a/\u009b2J\u202ex.mp4", "recordings/b/\u009b2Jy.mp4", "\u009b31m"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		switch {
		case r.URL.Query().Has("uploads"):
			fmt.Fprint(w, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>")
			for _, key := range []string{refused, listed} {
				fmt.Fprintf(w, "<Upload><Key>%s</Key><UploadId>1</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>", key)
			}
			fmt.Fprint(w, "</ListMultipartUploadsResult>")
		case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "y.mp4") && r.URL.Query().Has("uploadId"):
			fmt.Fprint(w, `<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber><ETag>"e"</ETag><Size>6000000</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Part></ListPartsResult>`)
		default:
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, "<Error><Code>Access%sDenied</Code><Message>no%s</Message></Error>", obeyed, obeyed)
		}
	}))
	defer server.Close()
	var said bytes.Buffer
	s := &salvage{
		store: uploads3.New(uploads3.Options{Bucket: "footage", Region: "us-east-1", Endpoint: server.URL, PathStyle: true, AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey}),
		out:   &said, prefix: "recordings/", olderThan: time.Hour, now: time.Now,
	}
	if err := s.run(t.Context(), true); err == nil {
		t.Error("what was refused is no error")
	}
	for key, times := range map[string]int{refused: 1, listed: 2} { // to be completed, and why it was not
		if n := strings.Count(said.String(), "\n"+strconv.Quote(key)+"\n"); n != times {
			t.Errorf("%q is shown quoted %d times", key, n)
		}
	}
	if !strings.Contains(said.String(), "FAILED: ") || !strings.Contains(said.String(), "its parts cannot be listed: ") {
		t.Errorf("not all was tried:\n%q", said.String())
	}
	for _, line := range strings.Split(said.String(), "\n") {
		if plain(line) != line {
			t.Errorf("a terminal would obey %q", line)
		}
	}
}
