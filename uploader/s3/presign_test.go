package s3

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"recording-agent/uploader/s3/s3test"
)

func TestPresignedURLIsFetchedOverPlainHTTP(t *testing.T) {
	s := newStore(t, options(s3test.Run(t, false, bucket).Endpoint))
	o, data := object(t, 300_000)
	o.Key = "recordings/gate/Vordertür 1.mp4"
	if err := s.Upload(t.Context(), o, &memory{}); err != nil {
		t.Fatal(err)
	}
	link, err := s.Presign(t.Context(), o.Key, "gate.mp4", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Range", "bytes=100000-199999")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusPartialContent || string(got) != string(data[100_000:200_000]) {
		t.Errorf("%s, %d bytes, %v", response.Status, len(got), err)
	}
	if kind := response.Header.Get("Content-Type"); kind != "video/mp4" {
		t.Errorf("it is said to be %q", kind)
	}
	if name := response.Header.Get("Content-Disposition"); !strings.Contains(name, `"gate.mp4"`) {
		t.Errorf("it is to be saved as %q", name)
	}
	for _, valid := range []time.Duration{0, -time.Second, MaxPresigned + time.Second} {
		if _, err := s.Presign(t.Context(), o.Key, "", valid); err == nil {
			t.Errorf("a URL that is valid for %s", valid)
		}
	}
}
