package s3

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// keys are the credentials of a store. Others may renew what they stand in, a shared
// file or a token's, while the agent runs; the SDK reads such a file once.
type keys struct {
	cache *aws.CredentialsCache
	now   func() time.Time

	mu   sync.Mutex
	last time.Time // when they were read again
}

// renewEvery is how often refused credentials are read again at most.
const renewEvery = time.Minute

func newKeys(load []func(*config.LoadOptions) error, now func() time.Time) *keys {
	return &keys{now: now, cache: aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		cfg, err := config.LoadDefaultConfig(ctx, load...)
		if err != nil {
			return aws.Credentials{}, &SetupError{err}
		}
		return cfg.Credentials.Retrieve(ctx)
	}))}
}

// static provides what the configuration names.
func static(o Options) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		c := aws.Credentials{AccessKeyID: o.AccessKeyID, SecretAccessKey: o.SecretAccessKey, SessionToken: o.SessionToken, Source: "configuration"}
		if o.Keys != nil {
			c.AccessKeyID, c.SecretAccessKey, c.SessionToken = o.Keys()
		}
		return c, nil
	})
}

// renewed returns err, and has the credentials read again before the next call if
// it says that the store does not take them.
func (k *keys) renewed(err error) error {
	refused := []string{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "InvalidAccessKeyId", "XAdminUserNotFound", "SignatureDoesNotMatch", "Forbidden", "AccessDenied"}
	if err == nil || !slices.Contains(refused, errorCode(err)) {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.now(); now.Sub(k.last).Abs() >= renewEvery {
		k.last = now
		k.cache.Invalidate()
	}
	return err
}
