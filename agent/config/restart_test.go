package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const wholeConfig = minimal + "[[camera]]\nid = \"a\"\nurl = \"rtsp://h/1\"\n[s3]\nbucket = \"abc\"\n"

func parsed(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("x.toml", []byte(text), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatNeedsARestart(t *testing.T) {
	before := parsed(t, wholeConfig)
	for _, tc := range []struct {
		more string
		keys []string
	}{
		{"", nil},
		{"[segment]\nduration = \"10s\"\n[log]\nlevel = \"debug\"\n[[camera]]\nid = \"b\"\nurl = \"rtsp://h/2\"\n", nil},
		{"access_key_id = \"test\"\nsecret_access_key = \"test\"\nca_file = \"\"\npart_size = \"6MiB\"\n", []string{"s3.access_key_id", "s3.secret_access_key", "s3.part_size"}},
		{"[[mirror]]\nname = \"m\"\nbucket = \"def\"\n[log]\nlevel = \"debug\"\nformat = \"json\"\n", []string{"mirror", "log.format"}},
		{"[[upload.window]]\nfrom = \"08:00\"\nto = \"09:00\"\n[central]\nheartbeat_interval = \"30s\"\n", []string{"central.heartbeat_interval", "upload.window"}},
		{"[status]\nlisten = \"127.0.0.1:1\"\nallowed_hosts = [\"h\"]\n", []string{"status.listen", "status.allowed_hosts"}},
	} {
		if keys := NeedsRestart(before, parsed(t, wholeConfig+tc.more)); !slices.Equal(keys, tc.keys) {
			t.Errorf("%q needs a restart for %v, want %v", tc.more, keys, tc.keys)
		}
	}
	moved := parsed(t, strings.Replace(wholeConfig, "[agent]", "[agent]\ntimezone = \"Asia/Kolkata\"\ndata_dir = \"/x\"", 1))
	if keys := NeedsRestart(before, moved); !slices.Equal(keys, []string{"agent.data_dir"}) {
		t.Errorf("needs a restart for %v", keys)
	}
}

// The names that are told are those that are written.
func TestRestartNamesAreKeys(t *testing.T) {
	example := exampleFile(t)
	root := reflect.TypeFor[Config]()
	for i := range root.NumField() {
		section := root.Field(i)
		if section.Type.Kind() != reflect.Struct {
			continue
		}
		for j := range section.Type.NumField() {
			field := section.Type.Field(j)
			if section.Name == "S3" && slices.Contains([]string{"Name", "Section", "Required"}, field.Name) || live[section.Name] || live[section.Name+"."+field.Name] {
				continue // these stand in no file, or never need a restart
			}
			name := keyOf(section) + "." + keyOf(field)
			if !regexp.MustCompile(`(?m)^(# )?\[\[`+regexp.QuoteMeta(name)+`\]\]|^(# )?`+keyOf(field)+` *= `).MatchString(example) || !strings.Contains(example, "["+keyOf(section)) {
				t.Errorf("%s.%s is called %s, which is no key of the example", section.Name, field.Name, name)
			}
		}
	}
}
