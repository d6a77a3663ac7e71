package check

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"recording-agent/uploader/s3/s3test"
)

const testBucket = "footage"

// bucketConfig is a host whose footage goes to a bucket.
func bucketConfig(endpoint, bucket, more string) string {
	return fmt.Sprintf("[agent]\nclient_name = \"ware house\"\n[s3]\nbucket = %q\nregion = \"us-east-1\"\nendpoint = %q\npath_style = true\naccess_key_id = %q\nsecret_access_key = %q\n%s",
		bucket, endpoint, s3test.AccessKey, s3test.SecretKey, more)
}

// stored lists what lies in a server's bucket, as files.
func stored(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// startStore starts a server, and tells where it keeps its buckets.
func startStore(t *testing.T, o s3test.Options) (s *s3test.Server, dir string) {
	t.Helper()
	if _, err := s3test.Binary(t.Context(), os.Stderr); err != nil {
		if os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	o.Dir, o.Buckets, o.Say = t.TempDir(), []string{testBucket}, os.Stderr
	s, err := s3test.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s, filepath.Join(o.Dir, "buckets", testBucket)
}

func TestBucketThatIsFine(t *testing.T) {
	t.Parallel()
	server, dir := startStore(t, s3test.Options{TLS: true})
	tr := checksOf(t, bucketConfig(server.Endpoint, testBucket, fmt.Sprintf("ca_file = %q\n", server.CAFile)))
	if err := tr.Buckets(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "dns", OK, "127.0.0.1 is an address")
	tr.want(t, "tls", Warning, "TLS 1.3", "expires on") // a test's certificate is for a day
	tr.want(t, "credentials", OK, "from the configuration")
	tr.want(t, "region", OK, "us-east-1")
	tr.want(t, "bucket", OK)
	tr.want(t, "upload", OK, "64 KiB", "recordings/recording-agent-check/ware_house.mp4")
	tr.want(t, "head", OK, "size, crc64nvme")
	tr.want(t, "ranged get", OK)
	tr.want(t, "presigned url", OK)
	tr.want(t, "delete", OK, "gone again")
	tr.want(t, "list parts", OK)
	tr.want(t, "list uploads", OK)
	tr.want(t, "abort", OK)
	tr.without(t, s3test.SecretKey, "X-Amz-Signature")
	if len(tr.steps) != 13 {
		t.Error(tr.text())
	}
	if left := stored(t, dir); len(left) > 0 {
		t.Errorf("it leaves %q", left)
	}
}

// gate stands before a server, and turns kinds of requests away.
type gate struct {
	mu     sync.Mutex
	refuse map[string]func(w http.ResponseWriter)
	seen   map[string]int
	date   time.Duration // is added to the Date of answers
}

// kindOf is the IAM action that a request needs.
func kindOf(r *http.Request) string {
	q, object := r.URL.Query(), strings.Count(strings.Trim(r.URL.Path, "/"), "/") > 0
	switch {
	case q.Has("X-Amz-Signature"):
		return "presigned"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return "s3:AbortMultipartUpload"
	case r.Method == http.MethodDelete:
		return "s3:DeleteObject"
	case r.Header.Get("X-Amz-Object-Lock-Mode") != "":
		return "s3:PutObjectRetention"
	case r.Method == http.MethodPut, r.Method == http.MethodPost:
		return "s3:PutObject"
	case q.Has("uploads"):
		return "s3:ListBucketMultipartUploads"
	case q.Has("uploadId"):
		return "s3:ListMultipartUploadParts"
	case object:
		return "s3:GetObject"
	case q.Has("list-type"):
		return "s3:ListBucket"
	}
	return "front"
}

// before puts a gate before a server, and returns its address.
func before(t *testing.T, endpoint string, g *gate) string {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host // the signature is over the host
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(g.date).UTC().Format(http.TimeFormat))
			return nil
		},
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		if g.seen == nil {
			g.seen = map[string]int{}
		}
		g.seen[kindOf(r)]++
		refuse := g.refuse[kindOf(r)]
		g.mu.Unlock()
		if refuse != nil {
			refuse(w)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	return web.URL
}

// says is an answer as S3 words it.
func says(status int, code, message string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message><RequestId>1</RequestId></Error>`, code, message)
	}
}

func TestEachPermissionThatIsMissing(t *testing.T) {
	t.Parallel()
	server, _ := startStore(t, s3test.Options{})
	objects, whole := "arn:aws:s3:::footage/recordings/*", "arn:aws:s3:::footage;"
	for action, tc := range map[string]struct {
		result  Result
		steps   []string
		on      string
		outcome string
	}{
		"s3:ListBucket":                 {Failed, []string{"bucket"}, whole, "cannot be told"},
		"s3:PutObject":                  {Failed, []string{"upload"}, objects, "nothing can be uploaded"},
		"s3:GetObject":                  {Failed, []string{"head", "ranged get"}, objects, "verified"},
		"s3:ListMultipartUploadParts":   {Warning, []string{"list parts"}, objects, "broken upload"},
		"s3:ListBucketMultipartUploads": {Warning, []string{"list uploads"}, whole, "not found"},
		"s3:AbortMultipartUpload":       {Warning, []string{"abort"}, objects, "lifecycle"},
		"s3:DeleteObject":               {OK, []string{"delete"}, "", "not allowed, as it should be"},
	} {
		t.Run(action, func(t *testing.T) {
			g := &gate{refuse: map[string]func(http.ResponseWriter){action: says(403, "AccessDenied", "Access Denied")}}
			tr := checksOf(t, bucketConfig(before(t, server.Endpoint, g), testBucket, ""))
			if err := tr.Buckets(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if tc.result == OK {
				tr.want(t, tc.steps[0], tc.result, "that right", tc.outcome)
			} else {
				tr.want(t, tc.steps[0], tc.result, action, rights[action].words, tc.on, tc.outcome)
			}
			var troubled []string
			for _, s := range tr.steps {
				if s.Result != OK {
					troubled = append(troubled, s.Step)
				}
			}
			if want := tc.steps; tc.result != OK && strings.Join(troubled, ",") != strings.Join(want, ",") {
				t.Errorf("troubled: %q\n%s", troubled, tr.text())
			}
			tr.without(t, s3test.SecretKey)
		})
	}
}

func TestPresignedURLThatIsRefused(t *testing.T) {
	t.Parallel()
	server, _ := startStore(t, s3test.Options{})
	for code, words := range map[string][]string{
		"AccessDenied":          {"s3:GetObject", "browsers cannot play"},
		"SignatureDoesNotMatch": {"secret key does not belong", "s3.secret_access_key"},
	} {
		g := &gate{refuse: map[string]func(http.ResponseWriter){"presigned": says(403, code, "X-Amz-Signature=hunter2")}}
		tr := checksOf(t, bucketConfig(before(t, server.Endpoint, g), testBucket, ""))
		if err := tr.Buckets(t.Context(), []string{"s3"}); err != nil {
			t.Fatal(err)
		}
		tr.want(t, "presigned url", Failed, words...)
		tr.without(t, "hunter2", "X-Amz-Signature", s3test.SecretKey)
	}
}

func TestPresignedURLThatDoesNotPlay(t *testing.T) {
	t.Parallel()
	server, _ := startStore(t, s3test.Options{})
	for words, status := range map[string]int{"other bytes": http.StatusPartialContent, "cannot seek": http.StatusOK, "answers a presigned URL with 404": http.StatusNotFound} {
		g := &gate{refuse: map[string]func(http.ResponseWriter){"presigned": func(w http.ResponseWriter) {
			w.WriteHeader(status)
			fmt.Fprint(w, "<html>a portal's page</html>")
		}}}
		tr := checksOf(t, bucketConfig(before(t, server.Endpoint, g), testBucket, ""))
		if err := tr.Buckets(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		tr.want(t, "presigned url", Failed, words)
		tr.want(t, "ranged get", OK)
		tr.without(t, "X-Amz-Signature")
	}
}

func TestBucketsThatAreWrong(t *testing.T) {
	t.Parallel()
	server, _ := startStore(t, s3test.Options{})
	secure, _ := startStore(t, s3test.Options{TLS: true})
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	plain := bucketConfig(server.Endpoint, testBucket, "")
	listing := func(answer func(http.ResponseWriter)) string {
		return bucketConfig(before(t, server.Endpoint, &gate{refuse: map[string]func(http.ResponseWriter){"s3:ListBucket": answer}}), testBucket, "")
	}
	for name, tc := range map[string]struct {
		config, step string
		words        []string
	}{
		"missing bucket":    {bucketConfig(server.Endpoint, "nowhere", ""), "bucket", []string{"does not exist", "s3.bucket"}},
		"wrong secret":      {strings.Replace(plain, s3test.SecretKey, "hunter2", 1), "credentials", []string{"secret key does not belong", "s3.secret_access_key"}},
		"unknown key":       {strings.Replace(plain, `"`+s3test.AccessKey+`"`, `"hunter3"`, 1), "credentials", []string{"access key is not known", "s3.access_key_id"}},
		"wrong region":      {strings.Replace(plain, "us-east-1", "eu-west-1", 1), "region", []string{"signed for eu-west-1", `set s3.region = "us-east-1"`}},
		"AWS's region":      {listing(says(400, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'")), "region", []string{"another region", `s3.region = "eu-central-1"`}},
		"clock":             {listing(says(403, "RequestTimeTooSkewed", "The difference between the request time and the server's time is too large.")), "clock", []string{"clock is wrong", "NTP"}},
		"token":             {listing(says(400, "ExpiredToken", "The provided token has expired.")), "credentials", []string{"token has expired", "s3.session_token"}},
		"nothing listens":   {bucketConfig(nobody.URL, testBucket, ""), "reach", []string{"nothing listens", "s3.endpoint"}},
		"unknown host":      {bucketConfig("https://store.invalid", testBucket, ""), "dns", []string{"store.invalid is not known", "s3.endpoint"}},
		"unknown authority": {bucketConfig(secure.Endpoint, testBucket, ""), "tls", []string{"not trusted", "s3.ca_file"}},
		"unknown region":    {"[agent]\nclient_name = \"host\"\n[s3]\nbucket = \"footage\"\nregion = \"eu-nowhere-9\"\naccess_key_id = \"test\"\nsecret_access_key = \"hunter2\"\n", "dns", []string{"is not known", "s3.region"}},
		"no TLS":            {bucketConfig(strings.Replace(server.Endpoint, "http:", "https:", 1), testBucket, ""), "tls", []string{"does not speak TLS", "http://"}},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.step == "dns" && os.Getenv("HTTPS_PROXY")+os.Getenv("https_proxy") != "" {
				t.Skip("names are looked up by a proxy")
			}
			tr := checksOf(t, tc.config)
			if err := tr.Buckets(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			tr.want(t, tc.step, Failed, tc.words...)
			if f := tr.failures(); len(f) != 1 {
				t.Error(tr.text())
			}
			tr.without(t, "hunter2", s3test.SecretKey)
		})
	}
}

func TestNoCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	server, _ := startStore(t, s3test.Options{})
	tr := checksOf(t, fmt.Sprintf("[agent]\nclient_name = \"host\"\n[s3]\nbucket = %q\nendpoint = %q\npath_style = true\n", testBucket, server.Endpoint))
	if err := tr.Buckets(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "credentials", Failed, "no credentials were found", "s3.access_key_id", "role")
}

func TestSkewedClockOfAStore(t *testing.T) {
	t.Parallel()
	server, _ := startStore(t, s3test.Options{})
	for off, result := range map[time.Duration]Result{0: OK, 20 * time.Minute: Failed, -20 * time.Second: Warning} {
		tr := checksOf(t, bucketConfig(before(t, server.Endpoint, &gate{date: off}), testBucket, ""))
		tr.Clock(t.Context())
		tr.want(t, "against s3", result)
	}
}

func TestMirrorIsNamedByItsSection(t *testing.T) {
	t.Parallel()
	server, _ := startStore(t, s3test.Options{})
	text := bucketConfig(server.Endpoint, testBucket, "") + fmt.Sprintf("[[mirror]]\nname = \"second\"\nbucket = \"nowhere\"\nendpoint = %q\npath_style = true\naccess_key_id = \"test\"\nsecret_access_key = %q\n", server.Endpoint, s3test.SecretKey)
	tr := checksOf(t, text)
	if err := tr.Buckets(t.Context(), []string{"second"}); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "bucket", Failed, "does not exist", "mirror[0].bucket")
	if err := tr.Buckets(t.Context(), []string{"third"}); err == nil {
		t.Error("a destination that there is not")
	}
}

func TestNoBucket(t *testing.T) {
	tr := cameraChecks(t)
	if err := tr.Buckets(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "buckets", OK, "this host only")
}

// What a store says of itself is more than what the step knows.
func TestPermissionThatTheStoreNames(t *testing.T) {
	t.Parallel()
	server, _ := startStore(t, s3test.Options{})
	denied := says(403, "AccessDenied", "User: arn:aws:iam::1:user/hunter2 is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:eu-west-1:1:key/2 because no identity-based policy allows it")
	g := &gate{refuse: map[string]func(http.ResponseWriter){"s3:PutObject": denied}}
	tr := checksOf(t, bucketConfig(before(t, server.Endpoint, g), testBucket, "encryption = \"aws:kms\"\nkms_key_id = \"2\"\n"))
	if err := tr.Buckets(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "upload", Failed, "lacks kms:GenerateDataKey", "the key 2")
	tr.without(t, "hunter2")
}

func TestSettingsThatTheBucketDoesNotTake(t *testing.T) {
	t.Parallel()
	server, dir := startStore(t, s3test.Options{})
	lock := "lock_mode = \"compliance\"\nlock_days = 30\n"
	tr := checksOf(t, bucketConfig(server.Endpoint, testBucket, lock)) // it has no object lock
	if err := tr.Buckets(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "upload", OK)
	tr.want(t, "delete", OK, "gone again") // no lock holds it
	tr.want(t, "settings", Failed, "without them is taken", "s3.lock_mode")
	if left := stored(t, dir); len(left) > 0 {
		t.Errorf("it leaves %q", left)
	}
	g := &gate{refuse: map[string]func(http.ResponseWriter){"s3:PutObjectRetention": says(403, "AccessDenied", "Access Denied")}}
	tr = checksOf(t, bucketConfig(before(t, server.Endpoint, g), testBucket, lock))
	if err := tr.Buckets(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	tr.want(t, "settings", Failed, "right to lock objects (s3:PutObjectRetention ", "arn:aws:s3:::footage/recordings/*")
}

func TestInterruptedBucketLeavesNothing(t *testing.T) {
	t.Parallel()
	server, dir := startStore(t, s3test.Options{})
	for _, kind := range []string{"presigned", "s3:ListMultipartUploadParts", "s3:DeleteObject"} {
		ctx, cancel := context.WithCancel(t.Context())
		answer := says(500, "InternalError", "We encountered an internal error.")
		g := &gate{}
		g.refuse = map[string]func(http.ResponseWriter){kind: func(w http.ResponseWriter) {
			cancel()
			g.mu.Lock()
			delete(g.refuse, kind)
			g.mu.Unlock()
			answer(w)
		}}
		tr := checksOf(t, bucketConfig(before(t, server.Endpoint, g), testBucket, ""))
		if err := tr.Buckets(ctx, nil); err != nil {
			t.Fatal(err)
		}
		cancel()
		if left := stored(t, dir); len(left) > 0 {
			t.Errorf("interrupted at %s it leaves %q", kind, left)
		}
	}
}
