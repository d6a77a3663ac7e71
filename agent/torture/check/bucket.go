package check

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

// Bucket is where the objects are.
type Bucket struct {
	Client *s3.Client
	Name   string
	Clips  map[string]Pictures // what each camera plays
	Temp   string              // a directory for objects while they are looked at
}

// Uploads lists the multipart uploads that are open.
func (b Bucket) Uploads(ctx context.Context) (keys []string, err error) {
	pages := s3.NewListMultipartUploadsPaginator(b.Client, &s3.ListMultipartUploadsInput{Bucket: &b.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the uploads that are open: %w", err)
		}
		for _, u := range page.Uploads {
			keys = append(keys, aws.ToString(u.Key))
		}
	}
	return keys, nil
}

// Objects gets all objects and looks into each.
func (b Bucket) Objects(ctx context.Context, parallel int) (objects []Object, err error) {
	var mu sync.Mutex
	var looks errgroup.Group
	looks.SetLimit(parallel)
	pages := s3.NewListObjectsV2Paginator(b.Client, &s3.ListObjectsV2Input{Bucket: &b.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the objects: %w", err)
		}
		for _, listed := range page.Contents {
			looks.Go(func() error {
				o, err := b.object(ctx, aws.ToString(listed.Key))
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				objects = append(objects, o)
				return nil
			})
		}
	}
	return objects, looks.Wait()
}

func (b Bucket) object(ctx context.Context, key string) (Object, error) {
	o := Object{Key: key}
	if levels := strings.Split(key, "/"); len(levels) > 1 {
		o.Camera = levels[1] // recordings/{camera_id}/…
	}
	got, err := b.Client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.Name, Key: &key})
	if err != nil {
		return o, fmt.Errorf("get %s: %w", key, err)
	}
	defer got.Body.Close()
	f, err := os.CreateTemp(b.Temp, "object-*.mp4")
	if err != nil {
		return o, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if o.Size, err = io.Copy(f, got.Body); err != nil {
		return o, fmt.Errorf("get %s: %w", key, err)
	}
	clip := b.Clips[o.Camera]
	if len(clip) == 0 {
		o.Damage = "no camera has sent it"
		return o, nil
	}
	o.Frames, o.Damage = inspect(ctx, filepath.Clean(f.Name()), clip)
	if got := aws.ToString(got.ContentType); o.Damage == "" && got != "video/mp4" {
		o.Damage = "its type is " + got
	}
	return o, nil
}
