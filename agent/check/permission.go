package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"recording-agent/agent/config"
	"recording-agent/uploader/s3"
)

// here says "mirror[0]." where a remedy says "s3.".
func (b *bucketTrial) here(remedy string) string {
	return strings.ReplaceAll(remedy, "s3.", b.d.Section+".")
}

// failed tells of an error in the words of the status port. It returns false.
func (b *bucketTrial) failed(step string, err error) bool {
	fault := s3.Classify(err)
	b.fail(step, fault.Cause, b.here(cmp.Or(fault.Remedy, storeRemedy)))
	return false
}

const storeRemedy = "try again later; if it goes on, look at the store's own state and log"

// refused tells of an error of a step that needs a permission.
func (b *bucketTrial) refused(step, action, outcome string, err error) {
	if s3.Denied(err) {
		b.denied(step, action, outcome, err)
		return
	}
	b.failed(step, err)
}

// denied names the permission that is missing, which action is what AWS calls it.
func (b *bucketTrial) denied(step, action, outcome string, err error) {
	cause, remedy := b.missing(action, outcome, err)
	b.fail(step, cause, remedy)
}

func (b *bucketTrial) missing(action, outcome string, err error) (cause, remedy string) {
	if named := s3.DeniedAction(err); named != "" { // the store speaks as AWS does
		return fmt.Sprintf("access denied: the key lacks %s; %s", named, outcome), allowingAs(amazon, b.d, named)
	}
	return fmt.Sprintf("access denied: %s; %s", lacking(b.d, action), outcome), allowingAs(storeOf(b.d), b.d, action)
}

// judge tells how a step has ended that nothing works without.
func (b *bucketTrial) judge(step string, err error, action, outcome, found string, args ...any) {
	if err != nil {
		b.refused(step, action, outcome, err)
		return
	}
	b.ok(step, found, args...)
}

// want tells how a step has ended that footage does not depend on.
func (b *bucketTrial) want(step string, err error, action, outcome, found string) {
	switch {
	case err == nil:
		b.ok(step, "%s", found)
	case s3.Denied(err):
		cause, remedy := b.missing(action, outcome, err)
		b.warn(step, cause, remedy)
	case slices.Contains([]string{"NotImplemented", "MethodNotAllowed"}, s3.Code(err)):
		b.warn(step, "the store cannot do it: "+outcome, "")
	default:
		fault := s3.Classify(err)
		b.warn(step, fault.Cause+"; "+outcome, b.here(cmp.Or(fault.Remedy, storeRemedy)))
	}
}

// writeAction and readAction name besides what an encrypted object needs: which of
// the two is missing, not every store says.
func (b *bucketTrial) writeAction(action string) string {
	if b.d.Encryption == "aws:kms" {
		return action + " or kms:GenerateDataKey or kms:Decrypt"
	}
	return action
}

func (b *bucketTrial) readAction() string {
	if b.d.Encryption == "aws:kms" {
		return "s3:GetObject or kms:Decrypt"
	}
	return "s3:GetObject"
}

// resourceOf is what an action has to be allowed on.
func resourceOf(d config.Destination, action string) string {
	switch {
	case strings.HasPrefix(action, "kms:"):
		return "the key " + cmp.Or(d.KMSKeyID, "that encrypts the bucket")
	case strings.HasPrefix(action, "s3:List") && action != "s3:ListMultipartUploadParts":
		return bucketARN(d)
	}
	return objectsARN(d)
}
