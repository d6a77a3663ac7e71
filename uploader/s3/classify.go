package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Scope is what a fault concerns.
type Scope int

const (
	// ScopeDestination: every other segment would fail as well.
	ScopeDestination Scope = iota
	// ScopeSegment: the others may do better.
	ScopeSegment
)

// Fault is an error, explained.
type Fault struct {
	Cause   string // what is wrong; holds no secret
	Remedy  string // what to do about it; may be empty
	Scope   Scope
	Damaged bool // the store refused the bytes: they are not those of the checksum
	Again   bool // the store does not hold what was uploaded
}

// known maps the error codes of S3 to words.
var known = map[string]Fault{
	"NoSuchBucket":                       {Cause: "the bucket does not exist", Remedy: "create it, or correct s3.bucket"},
	"AccessDenied":                       {Cause: "access denied", Remedy: "give the key s3:PutObject, s3:GetObject and s3:ListBucket on this bucket"},
	"AllAccessDisabled":                  {Cause: "access to the bucket is disabled", Remedy: "look at the account and at the bucket's policy"},
	"InvalidAccessKeyId":                 {Cause: "the access key is not known", Remedy: "correct s3.access_key_id"},
	"SignatureDoesNotMatch":              {Cause: "the secret key does not belong to the access key", Remedy: "correct s3.secret_access_key"},
	"RequestTimeTooSkewed":               {Cause: "this host's clock is wrong", Remedy: "set the clock, and have it kept by NTP"},
	"ExpiredToken":                       {Cause: "the session token has expired", Remedy: "renew s3.session_token, or use a role or a lasting key"},
	"XAdminUserNotFound":                 {Cause: "the access key is not known", Remedy: "correct s3.access_key_id"},
	"InvalidToken":                       {Cause: "the session token is not valid", Remedy: "correct s3.session_token, or leave it out"},
	"PermanentRedirect":                  {Cause: "the bucket is in another region", Remedy: "correct s3.region"},
	"AuthorizationHeaderMalformed":       {Cause: "the bucket is in another region", Remedy: "correct s3.region"},
	"IllegalLocationConstraintException": {Cause: "the bucket is in another region", Remedy: "correct s3.region"},
	"SlowDown":                           {Cause: "the store asks to slow down"},
	"SlowDownRead":                       {Cause: "the store asks to slow down"},
	"SlowDownWrite":                      {Cause: "the store asks to slow down"},
	"TooManyRequests":                    {Cause: "the store asks to slow down"},
	"TooManyRequestsException":           {Cause: "the store asks to slow down"},
	"RequestLimitExceeded":               {Cause: "the store asks to slow down"},
	"ServiceUnavailable":                 {Cause: "the store is not available for the moment"},
	"InternalError":                      {Cause: "the store has an internal error"},
	"QuotaExceeded":                      {Cause: "the store's quota is used up", Remedy: "make room in the bucket, or raise its quota"},
	"NotImplemented":                     {Cause: "the store does not know a feature that is used", Remedy: `try s3.checksum = "md5"`},
	"InvalidArgument":                    {Cause: "the store rejects the request", Remedy: `try s3.checksum = "md5"`},
	"InvalidRequest":                     {Cause: "the store rejects the request", Remedy: `try s3.checksum = "md5"`},
	"BadDigest":                          {Cause: "the store received other bytes than were announced", Scope: ScopeSegment, Damaged: true},
	"XAmzContentChecksumMismatch":        {Cause: "the store received other bytes than were announced", Scope: ScopeSegment, Damaged: true},
	"InvalidPart":                        {Cause: "the store has lost a part of the upload", Scope: ScopeSegment},
	"NoSuchUpload":                       {Cause: "the store does not know the upload any more", Scope: ScopeSegment},
	"EntityTooLarge":                     {Cause: "the segment is too large for the store", Remedy: "shorten segment.duration", Scope: ScopeSegment},
	"KeyTooLongError":                    {Cause: "the object key is too long for the store", Remedy: "shorten s3.key", Scope: ScopeSegment},
}

// Classify explains an error of Upload or Verify, in a line of limited length.
func Classify(err error) Fault {
	f := classify(err)
	f.Cause = brief(f.Cause)
	return f
}

func classify(err error) Fault {
	var mismatch *MismatchError
	var file *FileError
	var taken *TakenError
	var setup *SetupError
	switch {
	case errors.As(err, &setup):
		return Fault{Cause: setup.Error(), Remedy: "mend the shared AWS files, the AWS variables in the environment, or s3.ca_file"}
	case errors.As(err, &mismatch):
		return Fault{Cause: mismatch.Error(), Remedy: "it is uploaded again", Scope: ScopeSegment, Again: true}
	case errors.As(err, &taken):
		return Fault{Cause: taken.Error(), Remedy: "give each agent a client_name of its own", Scope: ScopeSegment}
	case errors.As(err, &file), errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return Fault{Cause: err.Error(), Remedy: "look at the disk", Scope: ScopeSegment}
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return classifyAPI(err, api)
	}
	return classifyNetwork(err)
}

func classifyAPI(err error, api smithy.APIError) Fault {
	code := api.ErrorCode()
	if f, ok := known[code]; ok {
		return withDetail(f, code, api.ErrorMessage())
	}
	status := 0
	var resp *awshttp.ResponseError
	if errors.As(err, &resp) {
		status = resp.HTTPStatusCode()
	}
	switch {
	case status == 301 || status == 307:
		return withDetail(known["PermanentRedirect"], code, api.ErrorMessage())
	case status == 401 || status == 403: // a HEAD has no body, and so no code
		return withDetail(known["AccessDenied"], code, api.ErrorMessage())
	case code == "NotFound" || code == "NoSuchKey":
		return Fault{Cause: "the object is not in the store", Remedy: "it is uploaded again", Scope: ScopeSegment, Again: true}
	case status == 429:
		return withDetail(known["SlowDown"], code, api.ErrorMessage())
	case status >= 500:
		return Fault{Cause: fmt.Sprintf("the store has an error of its own (%d %s)", status, code)}
	}
	return Fault{Cause: fmt.Sprintf("the store answers %d %s: %s", status, code, api.ErrorMessage()), Scope: ScopeSegment}
}

// withDetail adds the store's own words, but for those about keys: they can
// repeat what was sent.
func withDetail(f Fault, code, message string) Fault {
	f.Cause += " (" + code
	if message != "" && !strings.HasPrefix(code, "Signature") && !strings.HasPrefix(code, "InvalidAccessKey") && len(message) < 200 {
		f.Cause += ": " + message
	}
	f.Cause += ")"
	return f
}

func classifyNetwork(err error) Fault {
	var dns *net.DNSError
	var unknownCA x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	var timeout net.Error
	text := err.Error()
	switch {
	case errors.As(err, &dns):
		return Fault{Cause: "the store's host name " + dns.Name + " is not known", Remedy: "check the network and s3.endpoint"}
	case errors.As(err, &unknownCA):
		return Fault{Cause: "the store's certificate is signed by an authority that is not trusted", Remedy: "name the authority's certificate in s3.ca_file"}
	case errors.As(err, &host):
		return Fault{Cause: "the store's certificate is for another host name", Remedy: "correct s3.endpoint; for buckets in host names set s3.path_style = true"}
	case errors.As(err, &invalid):
		return Fault{Cause: "the store's certificate is not valid: " + invalid.Error(), Remedy: "check this host's clock, and the certificate's dates"}
	case errors.As(err, &record), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return Fault{Cause: "the store does not speak TLS on this port", Remedy: "use http:// in s3.endpoint, or the right port"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return Fault{Cause: "nothing listens at the store's address", Remedy: "check s3.endpoint and that the store runs"}
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return Fault{Cause: "there is no route to the store", Remedy: "check this host's network"}
	case strings.Contains(text, "get credentials"), strings.Contains(text, "failed to refresh cached credentials"), strings.Contains(text, "no EC2 IMDS role"):
		return Fault{Cause: "no credentials were found", Remedy: "set s3.access_key_id and s3.secret_access_key, or give this host a role"}
	case errors.Is(err, context.Canceled):
		return Fault{Cause: "the upload was interrupted by the shutdown"}
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return Fault{Cause: "the store does not answer in time", Remedy: "check the uplink"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Fault{Cause: "the connection to the store broke", Remedy: "check the uplink"}
	}
	return Fault{Cause: text, Scope: ScopeSegment}
}
