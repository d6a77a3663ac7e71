package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"recording-agent/agent/config"
)

// policy is a document of AWS IAM.
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid      string
	Effect   string
	Action   []string
	Resource string
}

// role is a custom role of Google Cloud IAM, as "gcloud iam roles create" reads it.
type role struct {
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Stage       string   `json:"stage"`
	Permissions []string `json:"includedPermissions"`
}

func googleRole(d config.Destination) role {
	return role{"Recording agent", "Give it to the service account of the HMAC key, on bucket " + d.Bucket, "GA", []string{
		"storage.objects.create", "storage.objects.get", "storage.objects.list",
		"storage.multipartUploads.create", "storage.multipartUploads.abort", "storage.multipartUploads.list", "storage.multipartUploads.listParts",
	}}
}

// Policy is the least that the agent needs at a destination, as a JSON document: of
// AWS IAM, which many other stores take as well, or at Google a role.
func Policy(d config.Destination) ([]byte, error) {
	if storeOf(d) == google {
		return indented(googleRole(d))
	}
	return indented(awsPolicy(d))
}

func awsPolicy(d config.Destination) policy {
	objects := []string{"s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"}
	if d.LockMode != "" {
		objects = append(objects, "s3:PutObjectRetention")
	}
	p := policy{Version: "2012-10-17", Statement: []statement{
		{"Footage", "Allow", objects, objectsARN(d)},
		{"Bucket", "Allow", []string{"s3:ListBucket", "s3:ListBucketMultipartUploads"}, bucketARN(d)},
	}}
	if d.Encryption == "aws:kms" {
		p.Statement = append(p.Statement, statement{"Encryption", "Allow", []string{"kms:GenerateDataKey", "kms:Decrypt"}, keyARN(d)})
	}
	return p
}

func indented(what any) ([]byte, error) {
	text, err := json.MarshalIndent(what, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("print the policy: %w", err)
	}
	return append(text, '\n'), nil
}

// WritePolicies writes the policies of the destinations that are named, one JSON
// document after the other; of all for none.
func WritePolicies(out io.Writer, all []config.Destination, names []string) error {
	chosen, err := destinationsNamed(all, names)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		return errors.New("there is no bucket in the configuration: write s3.bucket")
	}
	for _, d := range chosen {
		text, err := Policy(d)
		if err != nil {
			return err
		}
		if _, err := out.Write(text); err != nil {
			return fmt.Errorf("print the policy: %w", err)
		}
	}
	return nil
}

// partition is the part of AWS that a region belongs to.
func partition(d config.Destination) string {
	switch {
	case strings.HasPrefix(d.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(d.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func bucketARN(d config.Destination) string {
	return fmt.Sprintf("arn:%s:s3:::%s", partition(d), d.Bucket)
}

func objectsARN(d config.Destination) string {
	return bucketARN(d) + "/" + config.KeyPrefix(d.Key) + "*"
}

// keyARN is the key's own where the configuration has it in full. An alias cannot
// stand in a policy, and without a key it is the account's.
func keyARN(d config.Destination) string {
	switch {
	case strings.HasPrefix(d.KMSKeyID, "arn:") && !strings.Contains(d.KMSKeyID, ":alias/"):
		return d.KMSKeyID
	case d.KMSKeyID == "" || strings.Contains(d.KMSKeyID, "alias/"):
		return fmt.Sprintf("arn:%s:kms:*:*:key/*", partition(d))
	}
	return fmt.Sprintf("arn:%s:kms:*:*:key/%s", partition(d), d.KMSKeyID)
}
