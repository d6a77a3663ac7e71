package config

import (
	"crypto/x509"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Primary is the name of [s3] among the destinations.
const Primary = "primary"

// Destinations are all that segments go to, the primary first; none when they
// stay on this host.
func (c *Config) Destinations() []Destination {
	if c.S3.Bucket == "" {
		return nil
	}
	return append([]Destination{c.S3}, c.Mirrors...)
}

// bucketName follows the naming rules of S3 for general purpose buckets.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// mirrorName is what may stand in the ledger, in metrics and in log lines.
var mirrorName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

func (p *parser) destinations(primary *section, mirrors []*section, c *Config) {
	c.S3 = p.destination(primary, Destination{Name: Primary, Required: true, Key: DefaultKey})
	names := []string{Primary}
	for _, s := range mirrors {
		m := Destination{Name: s.text("name", ""), Required: s.flag("required", true), Key: c.S3.Key}
		switch {
		case !mirrorName.MatchString(m.Name):
			s.problem("name", fmt.Sprintf("%q cannot be the name of a mirror", m.Name), "write 1 to 32 of a-z 0-9 _ -, and keep it: the ledger knows the mirror by it")
		case slices.Contains(names, m.Name):
			s.problem("name", fmt.Sprintf("%q is the name of another destination as well", m.Name), "give each mirror a name of its own")
		}
		names = append(names, m.Name)
		switch m = p.destination(s, m); {
		case m.Bucket == "":
			s.problem("bucket", "is missing", "write the name of the mirror's bucket")
		case slices.ContainsFunc(append([]Destination{c.S3}, c.Mirrors...), m.samePlace):
			s.problem("bucket", "is another destination's, under the same keys", "name another bucket, endpoint or key: a copy has to be elsewhere")
		}
		c.Mirrors = append(c.Mirrors, m)
	}
	switch {
	case c.Agent.Storage == "local" && (c.S3.Bucket != "" || len(mirrors) > 0):
		p.problem("agent.storage", `is "local", but there are destinations`, "take [s3] and [[mirror]] out, or storage")
	case len(mirrors) > 0 && c.S3.Bucket == "":
		p.problem("mirror[0]", "mirrors nothing", "write s3.bucket: the first destination is [s3]")
	case c.Agent.Storage != "local" && c.S3.Bucket == "":
		c.Warnings = append(c.Warnings, `no s3.bucket: segments stay on this host; write agent.storage = "local" if that is meant`)
	}
}

func (d Destination) samePlace(o Destination) bool {
	return d.Bucket == o.Bucket && d.Endpoint == o.Endpoint && d.Key == o.Key
}

// isGoogle says whether a destination is, or is treated like, Google Cloud Storage.
func (d Destination) isGoogle() bool {
	u := webURL(d.Endpoint)
	return d.Checksum == "crc32c" || d.Checksum == "auto" && u != nil && strings.HasSuffix("."+strings.ToLower(u.Hostname()), ".storage.googleapis.com")
}

func (p *parser) destination(s *section, d Destination) Destination {
	d.Section = s.name
	d.Bucket, d.Region = s.text("bucket", ""), s.text("region", "")
	d.Endpoint, d.PathStyle = strings.TrimSuffix(s.text("endpoint", ""), "/"), s.flag("path_style", false)
	d.AccessKeyID, d.SecretAccessKey, d.SessionToken = s.secret("access_key_id"), s.secret("secret_access_key"), s.secret("session_token")
	d.Key = s.text("key", d.Key)
	d.PartSize, d.Live = s.size("part_size", 5<<20, 5<<20, 5<<30), s.flag("live", true)
	d.Checksum, d.CAFile = s.choice("checksum", "auto", "crc64nvme", "crc32c", "md5"), s.text("ca_file", "")
	d.StorageClass = s.text("storage_class", "")
	d.Encryption, d.KMSKeyID = s.choice("encryption", "", "AES256", "aws:kms"), s.text("kms_key_id", "")
	d.LockMode, d.LockDays = s.choice("lock_mode", "", "governance", "compliance"), s.count("lock_days", 0, 0, 36500)
	s.done()
	p.checkPlace(s, d)
	p.checkObjects(s, d)
	return d
}

// checkPlace looks at where a destination is, and how it is entered.
func (p *parser) checkPlace(s *section, d Destination) {
	name := d.Bucket
	if d.isGoogle() {
		name = strings.ReplaceAll(name, "_", "-") // it allows that as well
	}
	if d.Bucket != "" && !bucketName.MatchString(name) {
		s.problem("bucket", fmt.Sprintf("%q is not the name of a bucket", d.Bucket), "write 3 to 63 of a-z 0-9 . -, without s3:// or a path")
	}
	if d.Endpoint != "" {
		if u := webURL(d.Endpoint); u == nil || u.Path != "" {
			s.problem("endpoint", fmt.Sprintf("%q is not the address of a store", withoutUser(d.Endpoint)), `write "https://host:port"`)
		}
	}
	if d.AccessKeyID.IsSet() != d.SecretAccessKey.IsSet() && !s.unset("access_key_id") && !s.unset("secret_access_key") {
		s.problem("access_key_id", "access_key_id and secret_access_key belong together", "set both, or leave both out for the SDK's default chain")
	}
	p.certificates(s, d.CAFile)
}

// certificates looks at what ca_file names.
func (p *parser) certificates(s *section, file string) {
	if file == "" || p.env.WithoutSecrets {
		return
	}
	pem, err := p.env.ReadFile(file)
	if err != nil {
		s.problem("ca_file", "the file cannot be read: "+err.Error(), "check path and permissions")
	} else if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		s.problem("ca_file", "there is no certificate in "+file, "write a file with certificates in PEM form")
	}
}

var storageClass = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// checkObjects looks at how objects are named and kept.
func (p *parser) checkObjects(s *section, d Destination) {
	if wrong, instead := checkKey(d.Key); wrong != "" {
		s.problem("key", wrong, instead)
	}
	switch {
	case d.StorageClass != "" && !storageClass.MatchString(d.StorageClass):
		s.problem("storage_class", fmt.Sprintf("%q is not a storage class", d.StorageClass), `write it as the store does, like "STANDARD_IA"`)
	case d.StorageClass == "GLACIER" || d.StorageClass == "DEEP_ARCHIVE":
		s.problem("storage_class", "what lies in "+d.StorageClass+" cannot be played before it has been restored", `write "GLACIER_IR", or let a lifecycle rule of the bucket move old footage`)
	}
	if d.KMSKeyID != "" && d.Encryption != "aws:kms" {
		s.problem("kms_key_id", "is not used", `write encryption = "aws:kms" as well`)
	}
	if d.isGoogle() && (d.LockMode != "" || d.Encryption != "") {
		s.problem("lock_mode", "lock_mode and encryption are not taken by Google Cloud Storage from clients of S3", "leave them out, and set retention and encryption on the bucket")
	}
	if (d.LockMode == "") != (d.LockDays == 0) {
		s.problem("lock_mode", "lock_mode and lock_days belong together", "set both, or leave both out")
	}
}
