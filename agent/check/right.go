package check

import (
	"cmp"
	"net/url"
	"strings"

	"recording-agent/agent/config"
)

// kindOfStore is who a store's administrators learn the names of rights from.
type kindOfStore int

const (
	amazon kindOfStore = iota
	google
	another // of which some know AWS's policies, and some have rights of their own
)

func storeOf(d config.Destination) kindOfStore {
	u, err := url.Parse(d.Endpoint)
	switch {
	case d.Endpoint == "":
		return amazon
	case err != nil:
		return another
	}
	host := "." + strings.ToLower(u.Hostname())
	switch {
	case strings.HasSuffix(host, ".amazonaws.com"), strings.HasSuffix(host, ".amazonaws.com.cn"):
		return amazon
	case strings.HasSuffix(host, ".storage.googleapis.com"):
		return google
	}
	return another
}

// rights are what AWS calls the agent's rights, in words, and what Google calls them.
var rights = map[string]struct{ words, google string }{
	"s3:ListBucket":                 {"list the bucket", "storage.objects.list"},
	"s3:PutObject":                  {"upload objects", "storage.multipartUploads.create and storage.objects.create"},
	"s3:GetObject":                  {"read objects", "storage.objects.get"},
	"s3:ListMultipartUploadParts":   {"list the parts of an upload", "storage.multipartUploads.listParts"},
	"s3:ListBucketMultipartUploads": {"list uploads that are not complete", "storage.multipartUploads.list"},
	"s3:AbortMultipartUpload":       {"abort an upload", "storage.multipartUploads.abort"},
	"s3:PutObjectRetention":         {"lock objects", "storage.objects.setRetention"},
	"s3:DeleteObject":               {"delete objects", "storage.objects.delete"},
}

// lacking says that a right is missing, as the store's administrators call it.
func lacking(d config.Destination, action string) string {
	known := rights[action]
	switch kind := storeOf(d); {
	case kind == google && known.google != "":
		return "the service account of the key lacks " + known.google
	case kind == amazon:
		return "the key lacks " + action
	}
	return "the key lacks the right to " + cmp.Or(known.words, "do this") + " (" + action + " where policies are those of AWS)"
}

// allowingAs says how it is given, at such a store.
func allowingAs(kind kindOfStore, d config.Destination, action string) string {
	const policy = `"recording-agent check s3 --policy" prints `
	switch kind {
	case amazon:
		return "allow it on " + resourceOf(d, action) + "; " + policy + "the whole policy"
	case google:
		return "give it a role that has it on bucket " + d.Bucket + "; " + policy + "one with all that the agent needs"
	}
	return "allow it on bucket " + d.Bucket + " in the way of this store: a key that may list, read and write, or a policy, there " + resourceOf(d, action) + "; " + policy + "the whole one"
}

// deleting is what the right to delete is called.
func deleting(d config.Destination) string {
	switch storeOf(d) {
	case amazon:
		return "s3:DeleteObject"
	case google:
		return rights["s3:DeleteObject"].google
	}
	return "that right"
}
