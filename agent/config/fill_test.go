package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestFill(t *testing.T) {
	layout, err := ParseLayout(exampleFile(t))
	if err != nil {
		t.Fatal(err)
	}
	fill := func(tables map[string][]Table) *Config {
		t.Helper()
		text, err := layout.Fill("# head\n", tables)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse("x.toml", []byte(text), testEnv)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !strings.HasPrefix(text, "# head\n") || strings.Contains(text, "cctv-footage-bucket") && c.S3.Bucket == "" {
			t.Errorf("written:\n%s", text)
		}
		for _, k := range Describe() { // set or commented out, each key is there
			if !strings.Contains(text, k.Name+" = ") && !strings.Contains(text, k.Name+"   = ") && !strings.Contains(text, k.Name+"  = ") {
				t.Errorf("%s.%s is missing in\n%s", k.Section, k.Name, text)
			}
		}
		return c
	}
	least := fill(map[string][]Table{"agent": {{"client_name": "w"}}})
	want, err := Parse("x.toml", []byte(minimal), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(least, want) {
		t.Errorf("with nothing set: %+v\nwant %+v", least, want)
	}

	odd := "a\"b\\c # \u00e9\t"
	c := fill(map[string][]Table{
		"agent":     {{"client_name": odd[:len(odd)-1]}},
		"camera":    {{"id": "gate", "url": "rtsp://h/1"}, {"id": "yard", "url": "file:/run/url", "audio": false}},
		"s3":        {{"bucket": "abc", "path_style": true, "key": "r/{camera_id}/{client}/{start}.mp4"}},
		"mirror":    {{"name": "m", "bucket": "def", "region": "eu-central-1"}, {"name": "n", "bucket": "ghi"}},
		"retention": {{"keep_for": "2d"}},
		"upload":    {{"parallel": 7}},
	})
	if c.Agent.ClientName != odd[:len(odd)-1] || len(c.Cameras) != 2 || c.Cameras[1].URL.Reveal() != "rtsp://u:very-secret@cam/1" || c.Cameras[1].Audio {
		t.Errorf("read back: %+v", c)
	}
	if c.S3.Bucket != "abc" || !c.S3.PathStyle || len(c.Mirrors) != 2 || c.Mirrors[0].Region != "eu-central-1" || c.Mirrors[1].Bucket != "ghi" || c.Retention.KeepFor != 48*time.Hour || c.Upload.Parallel != 7 {
		t.Errorf("read back: %+v", c)
	}

	for _, tables := range []map[string][]Table{{"agent": {{"clientname": "w"}}}, {"agnt": {{"client_name": "w"}}}} {
		if text, err := layout.Fill("", tables); err == nil {
			t.Errorf("%v was written as\n%s", tables, text)
		}
	}
}
