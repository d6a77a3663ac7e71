package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"recording-agent/capture/schedule"
)

func env(vars map[string]string) Env {
	return Env{
		Lookup: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if v, ok := vars[path]; ok {
				return []byte(v), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	}
}

func exampleFile(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("../../agent.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var testEnv = env(map[string]string{"AGENT_CENTRAL_TOKEN": "very-secret", "/run/url": "rtsp://u:very-secret@cam/1\n", "/run/empty": "\n"})

func TestExampleIsValidAndTellsTheDefaults(t *testing.T) {
	text := exampleFile(t)
	c, err := Parse("agent.example.toml", []byte(text), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	// With every default written out nothing changes.
	full := regexp.MustCompile(`(?m)^# ([a-z_]+ = |\[\[)`).ReplaceAllString(text, "$1")
	all, err := Parse("agent.example.toml", []byte(full), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	c.S3.Endpoint = all.S3.Endpoint
	if w := all.Upload.Windows; !reflect.DeepEqual(w, []UploadWindow{{From: 8 * time.Hour, To: 18 * time.Hour, MaxBandwidth: 625_000}}) {
		t.Errorf("windows of the example: %+v", w)
	}
	all.Upload.Windows = nil
	if m := all.Mirrors; len(m) != 1 || m[0].Name != "onsite" || !m[0].Required || m[0].Key != DefaultKey || !m[0].PathStyle {
		t.Errorf("mirrors of the example: %+v", m)
	}
	all.Mirrors = nil
	if s := all.Cameras[0].Schedules; !reflect.DeepEqual(s, []schedule.Schedule{{
		Kind: schedule.Weekly, Start: 22 * time.Hour, End: 6 * time.Hour, Days: schedule.On(time.Friday, time.Saturday),
		StartDate: schedule.Date{Year: 2026, Month: 1, Day: 1}, EndDate: schedule.Date{Year: 2026, Month: 12, Day: 31}, Active: true,
	}}) {
		t.Errorf("schedules of the example: %+v", s)
	}
	all.Cameras[0].Schedules = nil
	c.Status.AllowedHosts = all.Status.AllowedHosts
	if DefaultDataDir() != "/var/lib/recording-agent" {
		all.Agent.DataDir = c.Agent.DataDir
	}
	if !reflect.DeepEqual(c, all) {
		t.Errorf("the example's defaults are not the code's:\n%+v\n%+v", all, c)
	}
	if c.Central.Token.Reveal() != "very-secret" || c.Segment.Duration != 5*time.Minute || c.S3.PartSize != 5<<20 || c.Log.MaxAge != 30*24*time.Hour {
		t.Errorf("read: %+v", c)
	}
}

// Every key that the code knows stands in the example.
func TestExampleIsComplete(t *testing.T) {
	text := exampleFile(t)
	var source []byte
	for _, name := range []string{"validate.go", "camera.go", "destination.go", "schedule.go"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, data...)
	}
	keys := regexp.MustCompile(`[sw]\.(?:text|flag|count|choice|texts|duration|size|secret|bandwidth|clock|zone|share)\("([a-z0-9_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(keys) < 55 {
		t.Fatalf("only %d keys were found in the code", len(keys))
	}
	for _, k := range keys {
		if !regexp.MustCompile(`(?m)^(# )?` + k[1] + ` +=|^(# )?` + k[1] + ` = `).MatchString(text) {
			t.Errorf("agent.example.toml does not know %s", k[1])
		}
	}
}

const minimal = "[agent]\nclient_name = \"w\"\n"

func TestProblems(t *testing.T) {
	cam := func(line string) string {
		return minimal + "[[camera]]\nid = \"a\"\nurl = \"rtsp://h/1\"\n[[camera]] # second\nid = \"b\"\nurl = \"rtsp://h/2\"\n" + line
	}
	for _, tc := range []struct{ text, want string }{
		{"", "x.toml: agent.client_name: is missing"},
		{"[agent\n", "is not valid TOML"},
		{minimal + `data_dir = "C:\footage"`, "x.toml:3: agent.data_dir: holds a control character, which may be a backslash and the letter behind it; write paths of Windows in single quotes"},
		{minimal + `data_dir = "C:\Users\x"`, "is not valid TOML: expected eight hexadecimal digits after *** instead; write paths of Windows in single quotes"},
		{minimal + "[log]\nfile = \"D:\\logs\\x\"\n", "write paths of Windows in single quotes"},
		{minimal + "colour = 1\n", "x.toml:3: agent.colour: is not a known key; known here: client_name, data_dir"},
		{minimal + "[segmnt]\n", "x.toml:3: segmnt: is not a known section"},
		{minimal + "[segment]\ndurration = \"1m\"\n", "x.toml:4: segment.durration: is not a known key; did you mean duration?"},
		{minimal + "[segment]\nduration = 5\n", `x.toml:4: segment.duration: is a whole number; write a duration in quotes, like "5m"`},
		{minimal + "[segment]\nduration = \"3h\"\n", "x.toml:4: segment.duration: 3h is out of range; write 5s to 1h"},
		{minimal + "[segment]\nduration = \"5s\"\npart = \"6s\"\n", "x.toml:5: segment.part: is longer than segment.duration; write at most 5s"},
		{cam("transport = \"sctp\"\n"), `x.toml:9: camera[1].transport: "sctp" is not known; write one of auto, tcp, udp`},
		{cam("audio = \"yes\"\n"), "x.toml:9: camera[1].audio: is a text in quotes; write true or false, without quotes"},
		{cam("ca_file = \"/nope\"\n"), "x.toml:9: camera[1].ca_file: the file cannot be read"},
		{cam("stream = \"sub\"\n"), "x.toml:6: camera[1].url_sub: is missing"},
		{cam("stream = \"third\"\n"), `x.toml:9: camera[1].stream: "third" is not known; write one of main, sub`},
		{cam("url_sub = \"http://u:very-secret@h/\"\n"), "x.toml:9: camera[1].url_sub: is not the address of an RTSP stream"},
		{cam("keepalive = \"ping\"\n"), `x.toml:9: camera[1].keepalive: "ping" is not known; write one of auto, options, get_parameter`},
		{cam("timeout = \"0s\"\n"), "x.toml:9: camera[1].timeout: 0s is out of range; write 1s to 1m"},
		{cam("stall_timeout = \"1s\"\n"), "x.toml:9: camera[1].stall_timeout: 1s is out of range; write 2s to 10m"},
		{cam("keyframe_timeout = \"2h\"\n"), "x.toml:9: camera[1].keyframe_timeout: 2h is out of range; write 2s to 1h"},
		{cam("video = \"0\"\n"), `x.toml:9: camera[1].video: "0" is neither the number nor the name of a stream`},
		{cam("video = 2\n"), `x.toml:9: camera[1].video: is a whole number; write a text in quotes`},
		{cam("fingerprint = \"00:11\"\n"), `x.toml:9: camera[1].fingerprint: "00:11" is not a fingerprint; write the SHA-256`},
		{cam("fingerprint = \"" + strings.Repeat("0a", 32) + "\"\n"), "x.toml:9: camera[1].fingerprint: is not used; write an rtsps:// address"},
		{cam("[[camera]]\nid = \"A\"\nurl = \"rtsp://h/3\"\n"), `x.toml:10: camera[2].id: "A" is the id of camera[0] as well`},
		{cam("[[camera]]\nid = \"../x\"\nurl = \"rtsp://h/3\"\n"), `x.toml:10: camera[2].id: "../x" cannot be a directory's name`},
		{cam("[[camera]]\nid = \"..\"\nurl = \"rtsp://h/3\"\n"), `camera[2].id: ".." cannot be`},
		{cam("[[camera]]\nid = \"nul\"\nurl = \"rtsp://h/3\"\n"), `camera[2].id: "nul" cannot be`},
		{cam("[[camera]]\nid = \"c\"\n"), "x.toml:9: camera[2].url: is missing"},
		{cam("[[camera]]\nid = \"c\"\nurl = \"http://u:very-secret@h/\"\n"), "x.toml:11: camera[2].url: is not the address of an RTSP stream"},
		{cam("[[camera]]\nid = \"c\"\nurl = \"env:NOPE\"\n"), "x.toml:11: camera[2].url: the environment variable NOPE is not set"},
		{cam("[central]\nurl = \"https://c\"\ntoken = \"t\"\nclient_id = \"5b0c2f0e-6a51-4d0c-9f7e-2a1d6a3c9b10\"\n"), `x.toml:4: camera[0].id: "a" is not a UUID`},
		{minimal + "[central]\nurl = \"c\"\ntoken = \"file:/nope\"\n", "x.toml:5: central.token: the file cannot be read"},
		{minimal + "[s3]\nbucket = \"s3://Footage\"\n", `x.toml:4: s3.bucket: "s3://Footage" is not the name of a bucket`},
		{minimal + "[s3]\nkey = \"{camera_id}/{client}.mp4\"\n", "x.toml:4: s3.key: would be the same for each segment"},
		{minimal + "[s3]\nkey = \"{camera_id}/{client}/{start}{hour}.mp4\"\n", "x.toml:4: s3.key: {hour} is not known"},
		{minimal + "[s3]\npart_size = \"1MiB\"\n", "x.toml:4: s3.part_size: 1MiB is out of range; write 5MiB to 5GiB"},
		{minimal + "[s3]\naccess_key_id = \"test\"\n", "access_key_id and secret_access_key belong together"},
		{minimal + "[s3]\nstorage_class = \"DEEP_ARCHIVE\"\n", "x.toml:4: s3.storage_class: what lies in DEEP_ARCHIVE cannot be played"},
		{minimal + "[s3]\nstorage_class = \"standard\"\n", `x.toml:4: s3.storage_class: "standard" is not a storage class`},
		{minimal + "[s3]\nencryption = \"aes\"\n", `x.toml:4: s3.encryption: "aes" is not known; write one of AES256, aws:kms`},
		{minimal + "[s3]\nkms_key_id = \"k\"\n", "x.toml:4: s3.kms_key_id: is not used"},
		{minimal + "[s3]\nlock_days = 3\n", "s3.lock_mode: lock_mode and lock_days belong together"},
		{minimal + "[s3]\nbucket = \"abc\"\n[[mirror]]\nbucket = \"def\"\n", `mirror[0].name: "" cannot be the name of a mirror`},
		{minimal + "[s3]\nbucket = \"abc\"\n[[mirror]]\nname = \"primary\"\nbucket = \"def\"\n", `x.toml:6: mirror[0].name: "primary" is the name of another`},
		{minimal + "[s3]\nbucket = \"abc\"\n[[mirror]]\nname = \"m\"\n", `x.toml:5: mirror[0].bucket: is missing`},
		{minimal + "[[mirror]]\nname = \"m\"\nbucket = \"def\"\n", `x.toml:3: mirror[0]: mirrors nothing`},
		{minimal + "[s3]\nbucket = \"abc\"\n[[mirror]]\nname = \"m\"\nbucket = \"def\"\npart_size = \"1MiB\"\n", `x.toml:8: mirror[0].part_size: 1MiB is out of range`},
		{"[agent]\nclient_name = \"w\"\nstorage = \"local\"\n[s3]\nbucket = \"abc\"\n", `x.toml:3: agent.storage: is "local", but there are destinations`},
		{minimal + "[upload]\nmax_bandwidth = \"0\"\n", "upload.max_bandwidth: would let nothing through"},
		{minimal + "[retention]\nmin_free = \"95%\"\n", `retention.min_free: "95%" is neither a size nor 0% to 90%`},
		{minimal + "[retention]\nmin_free = \"much\"\n", `retention.min_free: "much" is neither a size nor 0% to 90%`},
		{minimal + "[retention]\nkeep_for = \"7d\"\nmax_age = \"6d\"\n", "retention.max_age: is shorter than keep_for"},
		{minimal + "[retention]\non_full = \"panic\"\n", `retention.on_full: "panic" is not known`},
		{minimal + "[s3]\nbucket = \"footage\"\n[[mirror]]\nname = \"copy\"\nbucket = \"footage\"\n", "mirror[0].bucket: is another destination's, under the same keys"},
		{minimal + "[s3]\nbucket = \"footage\"\nendpoint = \"https://storage.googleapis.com\"\nlock_mode = \"governance\"\nlock_days = 3\n", "not taken by Google Cloud Storage"},
		{minimal + "[upload]\nmax_bandwidth = \"5MB\"\n", `x.toml:4: upload.max_bandwidth: "5MB" is no bandwidth; write a bandwidth in quotes, like "20Mbit"`},
		{minimal + "[[upload.window]]\nfrom = \"8\"\n", `x.toml:4: upload.window[0].from: "8" is no time of day`},
		{minimal + "[[upload.window]]\nfrom = \"08:00\"\n", "x.toml:3: upload.window[0].to: is missing"},
		{minimal + "timezone = \"Europe/Vindobona\"\n", `x.toml:3: agent.timezone: "Europe/Vindobona" is not a time zone; write a name like "Europe/Vienna"`},
		{cam("[[camera.schedule]]\nstart = \"8\"\n"), `x.toml:10: camera[1].schedule[0].start: "8" is no time of day; write a time of day like "08:00"`},
		{cam("[[camera.schedule]]\nkind = \"daily\"\n[[camera.schedule]]\nkind = \"hourly\"\n"), `x.toml:12: camera[1].schedule[1].kind: "hourly" is not known; write one of once, daily, weekly, continuous`},
		{cam("[[camera.schedule]]\nstart = \"08:00\"\n"), `x.toml:9: camera[1].schedule[0].kind: "" is not known; write one of once`},
		{cam("[[camera.schedule]]\nkind = \"daily\"\nstart = 08:00:00\n"), `x.toml:11: camera[1].schedule[0].start: is a date or time; write a text in quotes, like "00:00"`},
		{cam("[[camera.schedule]]\nkind = \"weekly\"\ndays = [\"funday\"]\n"), `x.toml:11: camera[1].schedule[0].days: "funday" is no day of the week`},
		{cam("[[camera.schedule]]\nkind = \"daily\"\ndays = [\"monday\"]\n"), `x.toml:11: camera[1].schedule[0].days: is not used; write kind = "weekly" as well`},
		{cam("[[camera.schedule]]\nkind = \"once\"\n"), `x.toml:9: camera[1].schedule[0]: never records: once without a start date; correct that, or take the schedule out`},
		{cam("[[camera.schedule]]\nkind = \"daily\"\nstop = \"10:00\"\n"), `x.toml:11: camera[1].schedule[0].stop: is not a known key`},
		{cam("[camera.schedule]\nkind = \"daily\"\n"), `x.toml:9: camera[1].schedule: is not a list of tables; write [[camera.schedule]]`},
		{cam(strings.Repeat("[[camera.schedule]]\n", 1001)), `x.toml:6: camera[1].schedule: there are 1001 of them; write at most 1000`},
		{minimal + "[central]\nurl = \"https://c\"\ntoken = \"\"\n", "x.toml:5: central.token: is missing"},
		{minimal + "[central]\nurl = \"https://c\"\ntoken = \"t\"\n", "x.toml:3: central.client_id: is missing"},
		{minimal + "[central]\ncameras = true\n", "x.toml:4: central.cameras: there is no central server to get them from"},
		{minimal + "[central]\nurl = \"https://u:very-secret@c\"\n", `x.toml:4: central.url: "***@c" is not the address`},
		{minimal + "[central]\ntoken = very-secret\n", "x.toml:4: is not valid TOML"},
		{minimal + "[s3]\nendpoint = \"https://u:very-secret@c\"\n", `s3.endpoint: "***@c" is not`},
		{minimal + "[s3]\nca_file = \"/nope\"\n", "x.toml:4: s3.ca_file: the file cannot be read"},
		{minimal + "[s3]\nca_file = \"/run/url\"\n", "x.toml:4: s3.ca_file: there is no certificate in /run/url"},
		{minimal + "[segment]\npart = 1\n[s3]\naccess_key_id = \"test\"\n", "access_key_id and secret_access_key belong together"},
		{"camera = [1, \"x\"]\n" + minimal, "x.toml:1: camera: holds a whole number where a table is wanted; write [[camera]]"},
		{cam("[[camera]]\nid = \"c\"\nurl = \"\"\n"), "x.toml:11: camera[2].url: is missing"},
		{cam("[[camera]]\nid = \"c\"\nurl = \"rtsp://h/1#x\"\n"), "x.toml:11: camera[2].url: is not the address of an RTSP stream"},
		{cam("[[camera]]\nid = \"c\"\nurl = \"file:/run/empty\"\n"), "x.toml:11: camera[2].url: the file /run/empty is empty"},
		{minimal + "[status]\nlisten = \"8001\"\n", `x.toml:4: status.listen: "8001" is not an address`},
		{minimal + "[status]\ncert_file = \"/run/cert.pem\"\n", "x.toml:4: status.cert_file: and key_file belong together"},
		{minimal + "[status]\nkey_file = \"/run/key.pem\"\n", "status.cert_file: and key_file belong together"},
		{minimal + "[log]\nlevel = \"loud\" # why\n", `x.toml:4: log.level: "loud" is not known`},
		{minimal + "\"data_dir\" = '''\n[x]\ny = 1'''\n[status]\nallowed_hosts = [\n  \"a:1\", # [\n]\n", `x.toml:7: status.allowed_hosts: "a:1" is not a host name`},
	} {
		_, err := Parse("x.toml", []byte(tc.text), testEnv)
		var all Errors
		if !errors.As(err, &all) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s\nsays   %v\nwanted %s", tc.text, err, tc.want)
		} else if strings.Contains(err.Error(), "very-secret") {
			t.Errorf("a secret is told: %v", err)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Parse("x.toml", []byte("[agent]\nx = 1\n[segment]\nduration = 1\n[s3]\nbucket = 3\n"), testEnv)
	var all Errors
	if !errors.As(err, &all) || len(all) != 4 {
		t.Errorf("problems: %v", err)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	c, err := Parse("x.toml", []byte(minimal+"[[camera]]\nid = \"a\"\nurl = \"file:/run/url\"\n[s3]\naccess_key_id = \"test\"\nsecret_access_key = \"very-secret\"\n"), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if c.Cameras[0].URL.Reveal() != "rtsp://u:very-secret@cam/1" {
		t.Errorf("url %q", c.Cameras[0].URL.Reveal())
	}
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %v", c, *c, c.S3, c.Cameras)} {
		if strings.Contains(shown, "very-secret") {
			t.Errorf("shown: %s", shown)
		}
	}
}

func TestFingerprints(t *testing.T) {
	plain := strings.Repeat("0aB1", 16)
	withColons := strings.TrimSuffix(strings.Repeat("0A:b1:", 16), ":")
	for _, text := range []string{plain, withColons} {
		c, err := Parse("x.toml", []byte(minimal+"[[camera]]\nid = \"a\"\nurl = \"rtsps://h/1\"\nfingerprint = \""+text+"\"\n"), testEnv)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", c.Cameras[0].Fingerprint); got != strings.ToLower(plain) {
			t.Errorf("%s was read as %s", text, got)
		}
	}
}

func TestMainAndSubStream(t *testing.T) {
	for stream, want := range map[string]string{"": "rtsp://h/main", "stream = \"main\"\n": "rtsp://h/main", "stream = \"sub\"\n": "rtsp://h/sub"} {
		c, err := Parse("x.toml", []byte(minimal+"[[camera]]\nid = \"a\"\nurl = \"rtsp://h/main\"\nurl_sub = \"rtsp://h/sub\"\n"+stream), testEnv)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Cameras[0].StreamURL().Reveal(); got != want {
			t.Errorf("%q records %s, want %s", stream, got, want)
		}
	}
}

// Who only looks needs none of the secrets, but a configuration that is valid
// otherwise.
func TestWithoutSecrets(t *testing.T) {
	text := minimal + `[central]
url = "https://central.example.com"
token = "env:NOPE"
client_id = "5b0c2f0e-6a51-4d0c-9f7e-2a1d6a3c9b10"
[[camera]]
id = "8f14e45f-ceea-467f-9d4c-0a2b3c4d5e6f"
url = "file:/nowhere"
[[camera]]
id = "5b0c2f0e-6a51-4d0c-9f7e-2a1d6a3c9b10"
url = "file:/run/empty"
[s3]
bucket = "footage"
access_key_id = "env:NOPE"
secret_access_key = "file:/nowhere"
ca_file = "/nowhere"
`
	if _, err := Parse("x.toml", []byte(text), testEnv); err == nil {
		t.Fatal("there is nothing to be missed")
	}
	look := testEnv
	look.WithoutSecrets = true
	if c, err := Parse("x.toml", []byte(text), look); err != nil || len(c.Cameras) != 2 {
		t.Errorf("%v", err)
	}
	if _, err := Parse("x.toml", []byte(text+"colour = 1\n"), look); err == nil || !strings.Contains(err.Error(), "s3.colour") {
		t.Errorf("with another mistake: %v", err)
	}
}

func TestRenderKey(t *testing.T) {
	got := RenderKey("{camera_id}/{camera}/{date}/{start}_{client}_{segment}.mp4", KeyValues{
		CameraID: "c1", CameraName: "Tür / №1", Client: "ware house", Segment: "s1", Start: time.Date(2026, 11, 23, 9, 8, 7, 6_000_000, time.FixedZone("", 3600)),
	})
	if want := "c1/T_r____1/2026-11-23/20261123T080807.006Z_ware_house_s1.mp4"; got != want {
		t.Errorf("key %s, want %s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(minimal)
	f.Add("[[camera]]\nid = '''\n'''\n[[camera]]\n\"i\\u0064\" = {a=1}\n")
	if data, err := os.ReadFile("../../agent.example.toml"); err == nil {
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("x.toml", []byte(text), testEnv)
		if (c == nil) == (err == nil) {
			t.Fatalf("neither a configuration nor an error")
		}
		var all Errors
		if err != nil && (!errors.As(err, &all) || len(all) == 0) {
			t.Fatalf("error %v", err)
		}
	})
}

func TestKeyOwner(t *testing.T) {
	cameras := []Camera{{ID: "gate", Name: "Front gate"}, {ID: "yard", Name: "Yard"}}
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	key := func(template, camera, name, client string) string {
		return RenderKey(template, KeyValues{CameraID: camera, CameraName: name, Client: client, Segment: "0190aaaa-0000-7000-8000-000000000001", Start: start})
	}
	for _, tc := range []struct {
		template, camera, name, client string
		want                           bool
	}{
		{DefaultKey, "gate", "", "w.7", true},
		{DefaultKey, "a-camera-of-before", "", "w.7", true},
		{DefaultKey, "gate", "", "w-7", false},
		{DefaultKey, "gate", "", "xw.7", false},
		{DefaultKey, "gate", "", "w.7_", false},
		{"r/{camera_id}_{client}_{start}.mp4", "gate", "", "w.7", true},
		{"r/{camera_id}_{client}_{start}.mp4", "gate_x", "", "w.7", false}, // camera gate of client x_w.7
		{"r/{camera_id}/{camera}-{client}/{segment}.mp4", "gate", "Front gate", "w.7", true},
		{"r/{camera_id}/{camera}-{client}/{segment}.mp4", "gate", "Front gate-x", "w.7", false},
	} {
		k := key(tc.template, tc.camera, tc.name, tc.client)
		owns := KeyOwner(tc.template, "w.7", cameras)
		if got := owns(k); got != tc.want {
			t.Errorf("%s: %v, want %v", k, got, tc.want)
		}
		taken := strings.TrimSuffix(k, ".mp4") + "_0190aaaa-0000-7000-8000-000000000001.mp4"
		if got := owns(taken); got != tc.want {
			t.Errorf("%s: %v, want %v", taken, got, tc.want)
		}
	}
	if owns := KeyOwner(DefaultKey, "w.7", nil); owns("recordings/gate/2026-11-23/notes.mp4") || owns("other/recordings/gate/2026-11-23/20261123T100000.000Z_w.7.mp4") {
		t.Error("keys of another form are taken for ours")
	}
}

func TestMinimumThatIsKeptFree(t *testing.T) {
	for text, want := range map[string]uint64{"5%": 500, "3 GiB": 3 << 30, "5% or 400B": 400, "600B or 5%": 500, "0%": 0} {
		c, err := Parse("x.toml", []byte(minimal+"[retention]\nmin_free = \""+text+"\"\n"), testEnv)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Retention.MinFree.Of(10_000); got != want {
			t.Errorf("%s of 10000 bytes: %d, want %d", text, got, want)
		}
	}
}

// What a port that is open to the network lacks is said, and ends no recording.
func TestWarningsOfAnOpenPort(t *testing.T) {
	const cert = "cert_file = \"/run/cert.pem\"\nkey_file = \"/run/key.pem\"\n"
	for text, want := range map[string][]string{
		"":                              nil,
		"listen = \"127.0.0.1:8001\"\n": nil,
		"listen = \"[::1]:8001\"\ntoken = \"test\"\n":                          nil,
		"listen = \":8001\"\n":                                                 {"there is no status.token"},
		"listen = \"0.0.0.0:8001\"\n" + cert:                                   {"there is no status.token"},
		"listen = \"0.0.0.0:8001\"\ntoken = \"test\"\n":                        {"short", "without status.cert_file"},
		"listen = \"10.0.0.7:8001\"\ntoken = \"test-test-test-test\"\n" + cert: nil,
	} {
		c, err := Parse("x.toml", []byte(minimal+"[status]\n"+text), testEnv)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range c.Warnings {
			if strings.Contains(w, "status.") {
				got = append(got, w)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %q, want %q", text, got, want)
			continue
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("%s: %q, want %q", text, got[i], want[i])
			}
		}
	}
}
