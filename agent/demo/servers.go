package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"recording-agent/agent/central/centraltest"
	"recording-agent/agent/demo/clips"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/uploader/s3/s3test"
)

const (
	bucket     = "footage"
	token      = "demo-token"
	clientName = "demo-host"
)

// camera is one that the agent is told of.
type camera struct{ id, name, url string }

// servers is the world around the agent.
type servers struct {
	dir        string
	cameras    []camera
	store      *s3test.Server
	objects    *s3.Client
	central    *centraltest.Server
	centralURL string

	hub     *rtsptest.Hub
	http    *http.Server
	playing errgroup.Group
	silence context.CancelFunc
}

func startServers(ctx context.Context, dir string, say io.Writer) (*servers, error) {
	s := &servers{dir: dir, silence: func() {}}
	if err := s.start(ctx, say); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *servers) start(ctx context.Context, say io.Writer) (err error) {
	s.store, err = s3test.Start(ctx, s3test.Options{Dir: filepath.Join(s.dir, "s3"), Buckets: []string{bucket}, Say: say})
	if err != nil {
		return err
	}
	s.objects = s3.New(s3.Options{
		Region: s3test.Region, BaseEndpoint: &s.store.Endpoint, UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider(s3test.AccessKey, s3test.SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
	if err := s.startCameras(ctx); err != nil {
		return err
	}
	return s.startCentral()
}

func (s *servers) startCameras(ctx context.Context) (err error) {
	if s.hub, err = rtsptest.NewHub(); err != nil {
		return err
	}
	ctx, s.silence = context.WithCancel(context.WithoutCancel(ctx))
	for _, c := range []struct {
		camera
		clip []byte
	}{
		{camera{id: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", name: "Front gate"}, clips.H264},
		{camera{id: "7c9e6679-7425-40de-944b-e07fc1f90ae7", name: "Yard"}, clips.H265},
	} {
		clip, err := rtsptest.ReadClip(c.clip, clips.Length)
		if err != nil {
			return fmt.Errorf("camera %s: %w", c.name, err)
		}
		path := "camera" + fmt.Sprint(len(s.cameras)+1)
		c.url = s.hub.URL(path)
		s.cameras = append(s.cameras, c.camera)
		s.playing.Go(func() error { return s.hub.Play(ctx, path, clip) })
	}
	return nil
}

func (s *servers) startCentral() error {
	var assigned []centraltest.Camera
	for _, c := range s.cameras {
		assigned = append(assigned, centraltest.Camera{ID: c.id, Name: c.name, IP: "127.0.0.1", URL: c.url, Type: "ip", Quality: "high"})
	}
	s.central = centraltest.New(centraltest.Options{Token: token, ClientName: clientName, Presign: s.presign})
	s.central.Assign(assigned, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start the central server: %w", err)
	}
	s.centralURL = "http://" + listener.Addr().String()
	s.http = &http.Server{Handler: s.central, ReadHeaderTimeout: 10 * time.Second}
	s.playing.Go(func() error {
		_ = s.http.Serve(listener) // ends with ErrServerClosed
		return nil
	})
	return nil
}

// presign makes the URL under which a browser plays an object.
func (s *servers) presign(key string) string {
	request, err := s3.NewPresignClient(s.objects).PresignGetObject(context.Background(),
		&s3.GetObjectInput{Bucket: aws.String(bucket), Key: &key}, s3.WithPresignExpires(2*time.Hour))
	if err != nil {
		return ""
	}
	return request.URL
}

func (s *servers) bucketDir() string { return filepath.Join(s.dir, "s3", "buckets", bucket) }

// stop ends what was started and waits for it.
func (s *servers) stop() {
	s.silence()
	if s.http != nil {
		_ = s.http.Close()
	}
	if s.hub != nil {
		s.hub.Close()
	}
	_ = s.playing.Wait()
	if s.store != nil {
		s.store.Stop()
	}
}
