package s3test

import (
	"context"
	"fmt"
	"os/exec"
)

// AddUser makes keys that may do nothing but what the policy of a bucket allows.
func (s *Server) AddUser(ctx context.Context, accessKey, secretKey string) error {
	add := exec.CommandContext(ctx, s.binary, "admin", "--access", AccessKey, "--secret", SecretKey, "--region", Region, "--endpoint-url", s.Endpoint,
		"create-user", "--access", accessKey, "--secret", secretKey, "--role", "user")
	if out, err := add.CombinedOutput(); err != nil {
		return fmt.Errorf("make a user of the S3 server: %w\n%s", err, out)
	}
	return nil
}
