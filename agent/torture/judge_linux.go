package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"recording-agent/agent/torture/check"
	"recording-agent/uploader/s3/s3test"
)

// judge gathers the evidence, and tells the verdict.
func (w *world) judge(ctx context.Context) error {
	return judge(ctx, w.dir, w.log.What, "http://"+w.storeAt)
}

// judgeAgain judges what an earlier run has left.
func judgeAgain(ctx context.Context, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "diary.json"))
	if err != nil {
		return err
	}
	var d diaryEntries
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "disk.img")); err == nil {
		disk, err := mountDisk(ctx, dir)
		if err != nil {
			return err
		}
		defer disk.close()
	}
	store, err := s3test.Start(ctx, s3test.Options{Dir: filepath.Join(dir, "s3"), Buckets: []string{bucket}, Say: os.Stdout})
	if err != nil {
		return err
	}
	defer store.Stop()
	return judge(ctx, dir, d, store.Endpoint)
}

func judge(ctx context.Context, dir string, d diaryEntries, endpoint string) error {
	e, err := gather(ctx, dir, d, endpoint)
	if err != nil {
		return err
	}
	v := check.Judge(e)
	fmt.Printf("\n%s, %d kills of the agent, %d cameras\n", d.To.Sub(d.From).Round(time.Second), d.Kills, len(d.Cameras))
	v.Print(os.Stdout)
	if v.Failed() {
		return errFailed
	}
	return nil
}

func gather(ctx context.Context, dir string, d diaryEntries, endpoint string) (e check.Evidence, err error) {
	e = check.Evidence{From: d.From, To: d.To, Outages: d.Outages, Clock: d.Clock, Faults: d.Faults}
	clips := map[string]check.Pictures{}
	for i, id := range d.Cameras {
		if clips[id], err = check.ReadClip(ctx, clipOf(i).file(dir)); err != nil {
			return e, err
		}
	}
	b := check.Bucket{Name: bucket, Clips: clips, Temp: dir, Client: client(endpoint)}
	began := time.Now()
	var errs [6]error
	e.Objects, errs[0] = b.Objects(ctx, 2)
	e.Uploads, errs[1] = b.Uploads(ctx)
	e.Sent, errs[2] = check.Sent(filepath.Join(dir, sentLog))
	e.Rows, errs[3] = check.Rows(filepath.Join(dir, "central.log"))
	e.Gaps, e.GivenUp, errs[4] = check.Ledger(ctx, filepath.Join(d.Data, "ledger.db"))
	e.Local, errs[5] = check.Local(segmentsOf(d.Data))
	fmt.Printf("the bucket was looked through in %.0f s\n", time.Since(began).Seconds())
	return e, errors.Join(errs[:]...)
}

func client(endpoint string) *s3.Client {
	return s3.New(s3.Options{
		Region: s3test.Region, BaseEndpoint: aws.String(endpoint), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s3test.AccessKey, s3test.SecretKey, ""),
	})
}
