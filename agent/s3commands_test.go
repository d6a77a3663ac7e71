package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/uploader/s3/s3test"
)

// counter is a desk whose destinations are there.
type counter struct {
	*desk
	objects *s3.Client
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	server := s3test.Run(t, false, "footage", "copy")
	c := &counter{desk: newDesk(t)}
	c.edit(`bucket = "footage"
access_key_id = "test"
secret_access_key = "hunter3"`, fmt.Sprintf("bucket = \"footage\"\nendpoint = %q\npath_style = true\naccess_key_id = %q\nsecret_access_key = %q", server.Endpoint, s3test.AccessKey, s3test.SecretKey))
	c.edit(`endpoint = "http://127.0.0.1:1"`, fmt.Sprintf("endpoint = %q\npath_style = true\naccess_key_id = %q\nsecret_access_key = %q", server.Endpoint, s3test.AccessKey, s3test.SecretKey))
	c.edit(`"env:A_TOKEN_THAT_ONLY_THE_SERVICE_HAS"`, `"test"`)
	c.edit(`"file:/nowhere/a-url-that-only-the-service-can-read"`, `"rtsp://127.0.0.1/y"`)
	c.objects = s3.New(s3.Options{
		BaseEndpoint: &server.Endpoint, Region: s3test.Region, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey}, nil
		}),
	})
	return c
}

func (c *counter) config() string { return filepath.Join(c.dir, "agent.toml") }

func (c *counter) edit(old, new string) {
	c.t.Helper()
	text, err := os.ReadFile(c.config())
	c.ok(err)
	if !strings.Contains(string(text), old) {
		c.t.Fatalf("the configuration does not hold %q", old)
	}
	c.ok(os.WriteFile(c.config(), []byte(strings.Replace(string(text), old, new, 1)), 0o600))
}

func (c *counter) put(bucket, key string, data []byte) {
	c.t.Helper()
	_, err := c.objects.PutObject(c.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)})
	c.ok(err)
}

// do runs a command as a script does: apart, and without a terminal.
func (c *counter) do(args ...string) (out, aside string, code int) {
	c.t.Helper()
	cmd := exec.Command(os.Args[0], append(args, "--config", c.config())...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), "RUN_AS_AGENT=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	for _, secret := range []string{"hunter", s3test.SecretKey} {
		if strings.Contains(stdout.String()+stderr.String(), secret) {
			c.t.Errorf("%v shows %s:\n%s%s", args, secret, &stdout, &stderr)
		}
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// want runs a command that succeeds.
func (c *counter) want(args ...string) (out string) {
	c.t.Helper()
	out, aside, code := c.do(args...)
	if code != 0 {
		c.t.Fatalf("%v: exit code %d\n%s%s", args, code, out, aside)
	}
	return out
}

func (c *counter) wantJSON(into any, args ...string) {
	c.t.Helper()
	if out := c.want(append(args, "--json")...); json.Unmarshal([]byte(out), into) != nil {
		c.t.Fatalf("%v: no JSON:\n%s", args, out)
	}
}

const oddKey = "recordings/a b/Vordertür \u65e5\u672c/../x+y%2F.mp4"

func TestListCommand(t *testing.T) {
	c := newCounter(t)
	if out := c.want("s3", "ls"); out != "" {
		t.Errorf("an empty bucket: %s", out)
	}
	var all []listedJSON
	if c.wantJSON(&all, "s3", "ls"); len(all) != 0 {
		t.Errorf("an empty bucket: %v", all)
	}
	c.put("footage", oddKeyHere, []byte("12345"))
	c.put("footage", "recordings/1.mp4", make([]byte, 2_000_000))
	c.put("footage", "other/2.mp4", nil)
	c.put("copy", "recordings/3.mp4", nil)
	if out := c.want("s3", "ls", "recordings/"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "     2000000  recordings/1.mp4\n") || !strings.Contains(out, oddKeyHere+"\n") {
		t.Errorf("listed:\n%s", out)
	}
	if c.wantJSON(&all, "s3", "ls", "recordings/"); len(all) != 2 || all[0].Key != "recordings/1.mp4" || all[0].Size != 2_000_000 || all[0].Modified == nil || all[1].Key != oddKeyHere {
		t.Errorf("%+v", all)
	}
	if out := c.want("s3", "ls", "--destination", "onsite"); strings.Count(out, "\n") != 1 || !strings.Contains(out, "recordings/3.mp4") {
		t.Errorf("of the mirror:\n%s", out)
	}
	if _, aside, code := c.do("s3", "ls", "--destination", "nowhere"); code != exitUnusable || !strings.Contains(aside, "it has: primary, onsite") {
		t.Errorf("no such destination: %d, %s", code, aside)
	}
	// A person sees rounded sizes and the sum.
	var out, aside bytes.Buffer
	s, err := openStorage(c.config(), "", terminal{out: &out, aside: &aside, shows: true})
	c.ok(err)
	c.ok(s.list(t.Context(), ""))
	if !strings.Contains(out.String(), "  2.0 MB  recordings/1.mp4") || !strings.HasPrefix(aside.String(), "3 objects, 2.0 MB in http") {
		t.Errorf("on a terminal:\n%s%s", &out, &aside)
	}
}

// oddKeyHere is without what a store that keeps files cannot keep.
const oddKeyHere = "recordings/a b/Vordertür \u65e5\u672c/x+y%2F.mp4"

func TestShownKeysStayOnTheirLine(t *testing.T) {
	for key, want := range map[string]string{
		oddKey: oddKey, "a\nb": `"a\nb"`, "\x1b[2Jx": `"\x1b[2Jx"`, "a\u202eb": `"a\u202eb"`,
	} {
		if got := shownKey(key); got != want {
			t.Errorf("%q is shown as %s", key, got)
		}
	}
}

func TestStatCommand(t *testing.T) {
	c := newCounter(t)
	seg := c.finished(1, gate, "Front gate")
	c.ok(c.spool.Verified(t.Context(), seg.ID, "onsite", "size, crc64nvme", begin))
	c.close()
	key := "recordings/" + seg.ID + ".mp4"
	c.put("footage", key, []byte("some bytes"))
	out := c.want("s3", "stat", key)
	for _, want := range []string{"10 bytes", "checksum        crc64nvme ", "segment " + seg.ID + " of camera Front gate", "also on this host (", "at onsite"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
	var j storedJSON
	if c.wantJSON(&j, "s3", "stat", key); j.Size != 10 || j.Destination != "primary" || j.Bucket != "footage" || *j.Algorithm != "crc64nvme" || j.Segment == nil || j.Segment.ID != seg.ID {
		t.Errorf("%+v", j)
	}
	if _, aside, code := c.do("s3", "stat", "nothing"); code != exitFailed || !strings.Contains(aside, `there is no object "nothing" in http`) || !strings.Contains(aside, "s3 ls") {
		t.Errorf("no object: %d, %s", code, aside)
	}
	c.edit(fmt.Sprintf("secret_access_key = %q", s3test.SecretKey), `secret_access_key = "wrong"`)
	if _, aside, code := c.do("s3", "ls"); code != exitFailed || !strings.Contains(aside, "the secret key does not belong to the access key") || !strings.Contains(aside, "correct s3.secret_access_key") {
		t.Errorf("a wrong key: %d, %s", code, aside)
	}
}

func TestURLCommand(t *testing.T) {
	c := newCounter(t)
	c.put("footage", oddKeyHere, []byte("some bytes"))
	link := c.want("s3", "url", oddKeyHere)
	if strings.Count(link, "\n") != 1 || !strings.HasPrefix(link, "http") || !strings.Contains(link, "X-Amz-Expires=7200") {
		t.Errorf("printed:\n%s", link)
	}
	response, err := http.Get(strings.TrimSpace(link))
	c.ok(err)
	defer response.Body.Close()
	if got, err := io.ReadAll(response.Body); err != nil || string(got) != "some bytes" {
		t.Errorf("%s: %q, %v", response.Status, got, err)
	}
	var j linkJSON
	if c.wantJSON(&j, "s3", "url", oddKeyHere, "--expires", "7d"); !strings.Contains(j.URL, "X-Amz-Expires=604800") || j.Expires == nil {
		t.Errorf("%+v", j)
	}
	for _, expires := range []string{"8d", "0s", "-1h", "soon"} {
		if out, aside, code := c.do("s3", "url", oddKeyHere, "--expires", expires); code != exitUnusable || out != "" || !strings.Contains(aside, "--expires") {
			t.Errorf("%s: %d, %s%s", expires, code, out, aside)
		}
	}
	if out, aside, code := c.do("s3", "url", "nothing"); code != exitFailed || out != "" || !strings.Contains(aside, "there is no object") {
		t.Errorf("no object: %d, %s%s", code, out, aside)
	}
}

func TestGetCommand(t *testing.T) {
	c := newCounter(t)
	data := bytes.Repeat([]byte("footage "), 200_000)
	c.put("footage", oddKeyHere, data)
	wantFile := func(name string) {
		t.Helper()
		if got, err := os.ReadFile(filepath.Join(c.dir, name)); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s has %d bytes: %v", name, len(got), err)
		}
	}
	if out := c.want("s3", "get", oddKeyHere); !strings.Contains(out, "x+y%2F.mp4: 1.6 MB, checked by its crc64nvme") {
		t.Errorf("said: %s", out)
	}
	wantFile("x+y%2F.mp4")
	if _, aside, code := c.do("s3", "get", oddKeyHere); code != exitFailed || !strings.Contains(aside, "is there already") || !strings.Contains(aside, "--force") || strings.Contains(aside, "\r") {
		t.Errorf("over a file: %d, %s", code, aside)
	}
	c.want("s3", "get", oddKeyHere, "--force")
	c.ok(os.Mkdir(filepath.Join(c.dir, "evidence"), 0o700))
	var j copyJSON
	if c.wantJSON(&j, "s3", "get", oddKeyHere, "-o", "evidence"); j.File != filepath.Join("evidence", "x+y%2F.mp4") || j.Size != int64(len(data)) || *j.CheckedBy != "crc64nvme" {
		t.Errorf("%+v", j)
	}
	c.want("s3", "get", oddKeyHere, "-o", "mine.mp4")
	wantFile("mine.mp4")
	if _, aside, code := c.do("s3", "get", "a/.."); code != exitUnusable || !strings.Contains(aside, "-o") {
		t.Errorf("no name: %d, %s", code, aside)
	}
	if _, aside, code := c.do("s3", "get", "nothing"); code != exitFailed || !strings.Contains(aside, "there is no object") {
		t.Errorf("no object: %d, %s", code, aside)
	}
	// Somebody who sits there sees how far it is.
	var out, aside bytes.Buffer
	s, err := openStorage(c.config(), "", terminal{out: &out, aside: &aside, bars: true})
	c.ok(err)
	c.ok(s.get(t.Context(), oddKeyHere, filepath.Join(c.dir, "seen.mp4"), false, false))
	if !strings.Contains(aside.String(), "seen.mp4") || !strings.Contains(aside.String(), "%") {
		t.Errorf("on a terminal: %q", aside.String())
	}
}

func TestRemoveCommandAsks(t *testing.T) {
	c := newCounter(t)
	seg := c.finished(1, gate, "Front gate")
	c.ok(c.spool.Verified(t.Context(), seg.ID, "primary", "size, crc64nvme", begin))
	c.ok(c.spool.FileMissing(t.Context(), seg.ID))
	c.ok(os.Remove(filepath.Join(c.data(), filepath.FromSlash(seg.Path))))
	c.close()
	key := "recordings/" + seg.ID + ".mp4"
	there := func() bool {
		_, err := c.objects.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("footage"), Key: &key})
		return err == nil
	}
	c.put("footage", key, []byte("some bytes"))
	if _, aside, code := c.do("s3", "rm", key); code != exitUnusable || !strings.Contains(aside, "--yes") || !there() {
		t.Errorf("without a terminal: %d, %s", code, aside)
	}
	for answer, gone := range map[string]bool{"": false, "\n": false, "n\n": false, "yes please\n": false, "y\n": true, "YES\n": true} {
		c.put("footage", key, []byte("some bytes"))
		var out, aside bytes.Buffer
		s, err := openStorage(c.config(), "", terminal{in: strings.NewReader(answer), out: &out, aside: &aside, asks: true})
		c.ok(err)
		err = s.remove(t.Context(), key, false, false)
		if (err == nil) != gone || there() == gone {
			t.Errorf("%q: %v; is there: %v", answer, err, there())
		}
		for _, want := range []string{"segment " + seg.ID + " of camera Front gate", "verified; nowhere else", "[y/N]"} {
			if !strings.Contains(aside.String(), want) {
				t.Errorf("%q is not said:\n%s", want, &aside)
			}
		}
	}
	c.put("footage", key, []byte("some bytes"))
	var j removedJSON
	if c.wantJSON(&j, "s3", "rm", key, "--yes"); there() || j.Key != key || j.Size != 10 {
		t.Errorf("%+v; is there: %v", j, there())
	}
	if _, aside, code := c.do("s3", "rm", key, "--yes"); code != exitFailed || !strings.Contains(aside, "there is no object") {
		t.Errorf("once more: %d, %s", code, aside)
	}
	c.put("footage", "other.mp4", nil)
	c.ok(os.RemoveAll(c.data())) // on a host that records nothing
	if _, aside, code := c.do("s3", "rm", "other.mp4", "--yes"); code != 0 || !strings.Contains(aside, "ledger: not known: ") {
		t.Errorf("without a ledger: %d, %s", code, aside)
	}
}
