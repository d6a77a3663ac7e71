package s3

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Listed is an object as a listing shows it.
type Listed struct {
	Key          string
	Size         int64 // bytes
	Modified     time.Time
	ETag         string // without quotes
	StorageClass string // empty: the store does not say
}

// List goes through the objects whose keys begin with prefix, in the store's order.
// It holds one page of them, a thousand at most. An error ends it.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		if err := s.setUp(ctx); err != nil {
			yield(Listed{}, err)
			return
		}
		// A store that does not go on would be asked for ever.
		pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: aws.String(s.opts.Bucket), Prefix: aws.String(prefix)},
			func(o *s3.ListObjectsV2PaginatorOptions) { o.StopOnDuplicateToken = true })
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(Listed{}, s.keys.renewed(fmt.Errorf("list objects: %w", err)))
				return
			}
			for _, o := range page.Contents {
				l := Listed{
					Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified),
					ETag: strings.Trim(aws.ToString(o.ETag), `"`), StorageClass: string(o.StorageClass),
				}
				if !yield(l, nil) {
					return
				}
			}
		}
	}
}
