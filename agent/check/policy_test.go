package check

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/agent/config"
	"recording-agent/uploader/s3/s3test"
)

func decodePolicy(t *testing.T, d config.Destination) (p policy) {
	t.Helper()
	text, err := Policy(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// allow lets a user do at the bucket what a policy says, and nothing else.
func allow(t *testing.T, endpoint, user string, p policy) {
	t.Helper()
	type forUser struct {
		statement
		Principal map[string][]string
	}
	var all []forUser
	for _, s := range p.Statement {
		if len(s.Action) > 0 {
			all = append(all, forUser{s, map[string][]string{"AWS": {user}}})
		}
	}
	text, err := json.Marshal(map[string]any{"Version": p.Version, "Statement": all})
	if err != nil {
		t.Fatal(err)
	}
	root := s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), Region: s3test.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s3test.AccessKey, s3test.SecretKey, ""),
	})
	if _, err := root.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String(testBucket), Policy: aws.String(string(text))}); err != nil {
		t.Fatal(err)
	}
}

// A real store's own judgement of the policy: it is enough, and nothing in it is too
// much.
func TestPolicyIsEnoughAndNotMore(t *testing.T) {
	t.Parallel()
	server, _ := startStore(t, s3test.Options{Users: true})
	if err := server.AddUser(t.Context(), "agent", "minioadmin2"); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(`"`+s3test.AccessKey+`"`, `"agent"`, `"`+s3test.SecretKey+`"`, `"minioadmin2"`).Replace(bucketConfig(server.Endpoint, testBucket, ""))
	try := func(p policy) *trial {
		allow(t, server.Endpoint, "agent", p)
		tr := checksOf(t, text)
		if err := tr.Buckets(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		tr.without(t, "minioadmin")
		return tr
	}
	least := decodePolicy(t, checksOf(t, text).Config.S3)
	tr := try(least)
	for _, s := range tr.steps {
		if s.Result != OK {
			t.Errorf("with the policy as it is printed:\n%s", tr.text())
		}
	}
	tr.want(t, "delete", OK, "not allowed")
	for i, s := range least.Statement {
		for _, action := range s.Action {
			p := decodePolicy(t, checksOf(t, text).Config.S3)
			p.Statement[i].Action = slices.DeleteFunc(p.Statement[i].Action, func(a string) bool { return a == action })
			tr := try(p)
			named := slices.ContainsFunc(tr.steps, func(s Step) bool {
				return s.Result != OK && strings.Contains(s.Found, "("+action+" ") && strings.Contains(s.Remedy, "--policy")
			})
			if !named {
				t.Errorf("without %s:\n%s", action, tr.text())
			}
		}
	}
}

func TestPolicyOfSettings(t *testing.T) {
	t.Parallel()
	d := config.Destination{Name: config.Primary, Bucket: "footage", Region: "eu-west-1", Key: config.DefaultKey, LockMode: "governance", Encryption: "aws:kms", KMSKeyID: "1234"}
	p := decodePolicy(t, d)
	if len(p.Statement) != 3 || !slices.Contains(p.Statement[0].Action, "s3:PutObjectRetention") || p.Statement[2].Resource != "arn:aws:kms:*:*:key/1234" {
		t.Errorf("%+v", p)
	}
	if got := p.Statement[0].Resource; got != "arn:aws:s3:::footage/recordings/*" {
		t.Error(got)
	}
	for id, want := range map[string]string{
		"": "arn:aws-cn:kms:*:*:key/*", "alias/footage": "arn:aws-cn:kms:*:*:key/*",
		"arn:aws-cn:kms:cn-north-1:1:key/5": "arn:aws-cn:kms:cn-north-1:1:key/5",
	} {
		d.Region, d.KMSKeyID = "cn-north-1", id
		if got := decodePolicy(t, d).Statement[2].Resource; got != want {
			t.Errorf("%q: %s, want %s", id, got, want)
		}
	}
	var out bytes.Buffer
	mirror := config.Destination{Name: "second", Bucket: "copy", Key: config.DefaultKey}
	if err := WritePolicies(&out, []config.Destination{d, mirror}, nil); err != nil || strings.Count(out.String(), "2012-10-17") != 2 {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := WritePolicies(&out, nil, nil); err == nil {
		t.Error("a policy for no bucket")
	}
}

// A right is called what the store's administrators call it.
func TestRightsByTheStoresNames(t *testing.T) {
	t.Parallel()
	at := func(endpoint string) config.Destination {
		return config.Destination{Bucket: "footage", Key: config.DefaultKey, Endpoint: endpoint}
	}
	for endpoint, want := range map[string][2]string{
		"":                                   {"the key lacks s3:ListMultipartUploadParts", "arn:aws:s3:::footage/recordings/*; "},
		"https://s3.eu-west-1.amazonaws.com": {"the key lacks s3:ListMultipartUploadParts", "arn:aws:s3:::footage/recordings/*; "},
		"https://storage.googleapis.com":     {"service account of the key lacks storage.multipartUploads.listParts", "role"},
		"https://s3.eu-central-003.backblazeb2.com":   {"right to list the parts of an upload", "in the way of this store"},
		"https://amazonaws.com.evil.example:9000":     {"right to list the parts of an upload", "in the way of this store"},
		"https://notstorage.googleapis.com.example":   {"right to list the parts of an upload", "in the way of this store"},
		"https://footage.storage.googleapis.com:443/": {"service account", "bucket footage"},
	} {
		d, action := at(endpoint), "s3:ListMultipartUploadParts"
		if got := lacking(d, action); !strings.Contains(got, want[0]) {
			t.Errorf("%q: %s", endpoint, got)
		}
		if got := allowingAs(storeOf(d), d, action); !strings.Contains(got, want[1]) || strings.Contains(got, "arn:") && storeOf(d) == google {
			t.Errorf("%q: %s", endpoint, got)
		}
	}
	text, err := Policy(at("https://storage.googleapis.com"))
	if err != nil {
		t.Fatal(err)
	}
	var r role
	if err := json.Unmarshal(text, &r); err != nil || strings.Contains(string(text), "s3:") {
		t.Fatalf("%v\n%s", err, text)
	}
	for action, right := range rights {
		for _, permission := range strings.Split(right.google, " and ") {
			needed := action != "s3:DeleteObject" && action != "s3:PutObjectRetention"
			if slices.Contains(r.Permissions, permission) != needed {
				t.Errorf("%s in the role: %v", permission, !needed)
			}
		}
	}
}

// docs/aws.md shows what is printed.
func TestPageShowsThePolicy(t *testing.T) {
	page, err := os.ReadFile("../../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "prints it for a configuration")
	text = text[strings.Index(text, "{"):]
	var shown policy
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&shown); err != nil {
		t.Fatal(err)
	}
	if want := decodePolicy(t, config.Destination{Bucket: "cctv-footage-bucket", Key: config.DefaultKey}); !reflect.DeepEqual(shown, want) {
		t.Errorf("the page shows %+v, want %+v", shown, want)
	}
}
