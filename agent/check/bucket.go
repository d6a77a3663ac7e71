package check

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"recording-agent/agent/config"
	"recording-agent/uploader/s3"
)

const (
	bucketWithin = 2 * time.Minute
	tidyWithin   = 15 * time.Second

	probeSize  = 64 << 10
	expiresIn  = 14 * 24 * time.Hour // of a certificate: worth a word
	probeTitle = "recording-agent-check/{client}.mp4"
)

// bucketTrial is one destination that is being tried.
type bucketTrial struct {
	group
	now    func() time.Time
	d      config.Destination
	client string
}

// Buckets tries destinations, one after the other: those that are named by name,
// section or bucket, all for none. The error says that there is no such destination.
func (c *Checks) Buckets(ctx context.Context, names []string) error {
	chosen, err := destinationsNamed(c.Config.Destinations(), names)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		c.group("s3", "", "").ok("buckets", "there is none in the configuration: footage is kept on this host only")
	}
	for _, d := range chosen {
		c.bucket(ctx, d)
	}
	return nil
}

func destinationsNamed(all []config.Destination, names []string) (out []config.Destination, err error) {
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		at := slices.IndexFunc(all, func(d config.Destination) bool { return d.Name == name || d.Section == name || d.Bucket == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no destination or bucket with the name %q", name)
		}
		out = append(out, all[at])
	}
	return out, nil
}

func (c *Checks) bucket(ctx context.Context, d config.Destination) {
	ctx, cancel := context.WithTimeout(ctx, bucketWithin)
	defer cancel()
	b := &bucketTrial{c.group("s3", d.Name, d.Bucket), c.Now, d, c.Config.Agent.ClientName}
	// The object that is made is to be gone again: no lock holds it, and no storage
	// class that cannot be read or costs for months. The upload that is only opened
	// has both.
	plain := d
	plain.LockMode, plain.LockDays, plain.StorageClass = "", 0, ""
	store := c.Store(plain)
	if !b.reach(ctx, store) || !b.enter(ctx, store) {
		return
	}
	if b.object(ctx, store.NewProbe(b.key(), probeSize)) {
		b.unfinished(ctx, c.Store(d).NewProbe(b.key(), probeSize))
	}
}

// key lies where segments lie, so that a policy for these lets it in, and is none
// that a segment can have.
func (b *bucketTrial) key() string {
	return config.RenderKey(config.KeyPrefix(b.d.Key)+probeTitle, config.KeyValues{Client: b.client})
}

// reach tries the way to the store, and who answers there.
func (b *bucketTrial) reach(ctx context.Context, store *s3.Store) bool {
	address, err := store.Address(ctx)
	if err != nil {
		return b.failed("address", err)
	}
	if !b.find(ctx, address) {
		return false
	}
	front, err := store.Front(ctx)
	if err != nil {
		return b.failed(frontStep(address), err)
	}
	b.tellFront(address, front)
	return true
}

// find looks the store's name up, unless that is the work of a proxy.
func (b *bucketTrial) find(ctx context.Context, address *url.URL) bool {
	host := address.Hostname()
	if proxy := s3.Proxy(address); proxy != "" {
		b.ok("proxy", "%s is reached through %s, as the environment says", host, proxy)
		return true
	}
	if net.ParseIP(host) != nil {
		b.ok("dns", "%s is an address", host)
		return true
	}
	found, err := s3.LookUp(ctx, address)
	if err != nil && b.d.Endpoint == "" { // the name is made of bucket and region
		b.fail("dns", s3.Classify(err).Cause, b.here("check the network, and that s3.region is a region of AWS"))
		return false
	}
	if err != nil {
		return b.failed("dns", err)
	}
	b.ok("dns", "%s is %s", host, strings.Join(found[:min(3, len(found))], ", "))
	return true
}

func frontStep(address *url.URL) string {
	if address.Scheme == "https" {
		return "tls"
	}
	return "reach"
}

func (b *bucketTrial) tellFront(address *url.URL, front s3.Front) {
	left := front.Expires.Sub(b.now())
	switch {
	case front.Encryption == "" && isLoopback(address):
		b.ok("reach", "%s answers, without TLS", address.Host)
	case front.Encryption == "":
		b.warn("reach", address.Host+" answers without TLS: footage crosses the network unprotected", b.here("use https:// in s3.endpoint where the store can"))
	case left < expiresIn:
		b.warn("tls", fmt.Sprintf("%s; the store's certificate expires on %s", front.Encryption, front.Expires.Format(time.DateOnly)), "have it renewed: nothing is uploaded from then on")
	default:
		b.ok("tls", "%s, certificate until %s", front.Encryption, front.Expires.Format(time.DateOnly))
	}
}

func isLoopback(address *url.URL) bool {
	host := address.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// enter tries credentials, region and bucket, which the answer to one question tells
// apart. It says no where nothing further can succeed.
func (b *bucketTrial) enter(ctx context.Context, store *s3.Store) bool {
	source, err := store.Source(ctx)
	if err != nil {
		return b.failed("credentials", err)
	}
	used, err := store.Region(ctx)
	if err != nil {
		return b.failed("region", err)
	}
	err = store.NewProbe(b.key(), 1).List(ctx)
	at := entrance(err)
	if at == "credentials" || at == "clock" {
		return b.failed(at, err)
	}
	if at == "region" { // comes before the credentials are looked at
		b.ok("credentials", "found (%s)", sourceText(source))
		b.failRegion(used, s3.RegionOf(err), err)
		return false
	}
	b.ok("credentials", "accepted (%s)", sourceText(source))
	b.ok("region", "%s", used)
	switch {
	case err == nil:
		b.ok("bucket", "it is there, and its objects can be listed")
	case s3.Denied(err):
		b.denied("bucket", "s3:ListBucket", "what lies in it cannot be told from what does not", err)
	default:
		return b.failed("bucket", err)
	}
	return true
}

func sourceText(source string) string {
	if source == "configuration" {
		return "from the configuration"
	}
	return "from " + source + ", found by the SDK"
}

// entrance is the step that has failed with an error of the first question.
func entrance(err error) string {
	switch code := s3.Code(err); {
	case slices.Contains([]string{"InvalidAccessKeyId", "XAdminUserNotFound", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired", "NotSignedUp"}, code):
		return "credentials"
	case code == "RequestTimeTooSkewed":
		return "clock"
	case slices.Contains([]string{"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}, code):
		return "region"
	}
	return "bucket"
}

func (b *bucketTrial) failRegion(used, right string, err error) {
	fault := s3.Classify(err)
	if right != "" && right != used {
		fault.Remedy = fmt.Sprintf("set s3.region = %q", right)
	}
	b.fail("region", fmt.Sprintf("requests are signed for %s: %s", used, fault.Cause), b.here(fault.Remedy))
}

// object makes an object, as segments become one, looks at it, and takes it away. It
// says no if none could be made.
func (b *bucketTrial) object(ctx context.Context, p *s3.Probe) (made bool) {
	if err := p.Begin(ctx); err != nil {
		b.refused("upload", b.writeAction("s3:PutObject"), "nothing can be uploaded", err)
		b.tidy(ctx, p.Abort)
		return false
	}
	if err := p.Complete(ctx); err != nil {
		b.failComplete(ctx, p, err)
		b.tidy(ctx, p.Abort)
		return false
	}
	b.ok("upload", "a multipart upload of %d KiB, as %s", probeSize>>10, b.key())
	gone := false
	defer func() {
		if !gone {
			b.tidy(ctx, p.Delete)
		}
	}()
	by, err := p.Verify(ctx)
	b.judge("head", err, b.readAction(), "no upload can be verified, so that no local file may go", "verified by %s", by)
	b.judge("ranged get", p.ReadRange(ctx), b.readAction(), "nothing can be fetched or played", "the right bytes")
	b.judge("presigned url", p.ReadPresigned(ctx), b.readAction(), "browsers cannot play what is in the bucket", "a range, fetched without credentials")
	err = p.Delete(ctx)
	gone = err == nil || s3.Denied(err)
	switch {
	case err == nil:
		b.ok("delete", "allowed; the object is gone again")
	case s3.Denied(err):
		b.ok("delete", "not allowed, as it should be: only the operator's own command needs %s; %s stays", deleting(b.d), b.key())
	default:
		fault := s3.Classify(err)
		b.warn("delete", fault.Cause+"; "+b.key()+" stays", b.here(fault.Remedy))
	}
	return true
}

// failComplete tells why no object was made. One of an earlier check may lie there,
// and is replaced only after a look at it.
func (b *bucketTrial) failComplete(ctx context.Context, p *s3.Probe, err error) {
	if s3.Code(err) == "PreconditionFailed" {
		if _, headErr := p.Verify(ctx); s3.Denied(headErr) {
			b.denied("upload", b.readAction(), "an object that lies under the key cannot be looked at", headErr)
			return
		}
	}
	b.refused("upload", b.writeAction("s3:PutObject"), "nothing can be uploaded", err)
}

// unfinished opens an upload as segments have it, in their storage class and under
// their lock, and gives it up.
func (b *bucketTrial) unfinished(ctx context.Context, p *s3.Probe) {
	if err := p.Begin(ctx); err != nil {
		b.refusedSettings(err)
		b.tidy(ctx, p.Abort)
		return
	}
	if b.d.LockMode != "" || b.d.StorageClass != "" {
		b.ok("settings", "storage class and lock are taken")
	}
	b.want("list parts", p.ListParts(ctx), "s3:ListMultipartUploadParts", "what a broken upload has sent cannot be compared with the store", "of an upload that is open")
	b.want("list uploads", p.ListUploads(ctx), "s3:ListBucketMultipartUploads", "uploads that broke off are not found, and cost; salvage finds nothing", "those that are not complete")
	err := p.Abort(ctx)
	b.want("abort", err, "s3:AbortMultipartUpload", "uploads that broke off stay and cost; let a lifecycle rule of the bucket remove them", "nothing of the upload stays")
	if err != nil {
		b.tidy(ctx, p.Abort)
	}
}

// refusedSettings tells why an upload of a segment's own settings is not taken where
// a plain one was.
func (b *bucketTrial) refusedSettings(err error) {
	switch fault := s3.Classify(err); {
	case s3.Denied(err) && b.d.LockMode != "":
		b.denied("settings", "s3:PutObjectRetention", "nothing can be uploaded with s3.lock_mode", err)
	case b.d.LockMode != "" || b.d.StorageClass != "":
		b.fail("settings", "an upload without them is taken: "+fault.Cause, b.here("correct s3.storage_class and s3.lock_mode: a lock needs a bucket that was made with object lock"))
	default:
		b.refused("settings", "s3:PutObject", "nothing can be uploaded", err)
	}
}

// tidy takes a trace away, even after an interrupt. What cannot be taken away has
// been told of, or is a few bytes that a lifecycle rule removes.
func (b *bucketTrial) tidy(ctx context.Context, away func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyWithin)
	defer cancel()
	_ = away(ctx)
}
