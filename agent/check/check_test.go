package check

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"recording-agent/agent/config"
	"recording-agent/uploader/s3"
)

// trial are checks whose steps are kept.
type trial struct {
	*Checks
	steps []Step
}

// checksOf are checks of a configuration, in the file's own words.
func checksOf(t *testing.T, text string) *trial {
	t.Helper()
	cfg, err := config.Parse("agent.toml", []byte(text), config.System())
	if err != nil {
		t.Fatal(err)
	}
	tr := &trial{}
	tr.Checks = &Checks{
		Config: cfg, Now: time.Now, Tell: func(s Step) { tr.steps = append(tr.steps, s) },
		Store: func(d config.Destination) *s3.Store {
			return s3.New(s3.Options{
				Bucket: d.Bucket, Region: d.Region, Endpoint: d.Endpoint, PathStyle: d.PathStyle, CAFile: d.CAFile, Checksum: s3.Checksum(d.Checksum),
				AccessKeyID: d.AccessKeyID.Reveal(), SecretAccessKey: d.SecretAccessKey.Reveal(), Stall: StoreStall,
				StorageClass: d.StorageClass, Encryption: d.Encryption, KMSKeyID: d.KMSKeyID, LockMode: d.LockMode, LockDays: d.LockDays,
			})
		},
		Session: sessionOf,
	}
	return tr
}

// text is what people see.
func (tr *trial) text() string {
	var out bytes.Buffer
	r := Report{Out: &out}
	for _, s := range tr.steps {
		r.Take(s)
	}
	return out.String()
}

// want looks for a step that ended as it should have, and says so in these words.
func (tr *trial) want(t *testing.T, step string, result Result, words ...string) {
	t.Helper()
	for _, s := range tr.steps {
		if s.Step != step {
			continue
		}
		if s.Result != result {
			t.Errorf("%s: %s, want %s\n%s", step, s.Result, result, tr.text())
		}
		for _, w := range words {
			if !strings.Contains(s.Found+"\n"+s.Remedy, w) {
				t.Errorf("%s: %q is missing in:\n%s\n%s", step, w, s.Found, s.Remedy)
			}
		}
		if result == Failed && s.Remedy == "" {
			t.Errorf("%s failed without a remedy: %s", step, s.Found)
		}
		return
	}
	t.Errorf("no step %q\n%s", step, tr.text())
}

// without makes sure that none of these texts is shown.
func (tr *trial) without(t *testing.T, secrets ...string) {
	t.Helper()
	all, err := json.Marshal(tr.steps)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if strings.Contains(string(all), s) {
			t.Errorf("%q is shown:\n%s", s, tr.text())
		}
	}
}

// failures are the steps that have failed.
func (tr *trial) failures() (out []string) {
	for _, s := range tr.steps {
		if s.Result == Failed {
			out = append(out, s.Step)
		}
	}
	return out
}

func TestReport(t *testing.T) {
	steps := []Step{
		{Check: "disk", Step: "writable", Result: OK, Found: "/data"},
		{Check: "camera", Subject: "gate", Name: "Gate", Step: "login", Result: Failed, Found: "the camera refuses the login", Remedy: "check user and password"},
		{Check: "camera", Subject: "yard", Name: "yard", Step: "reach", Result: Warning, Found: "slow"},
	}
	var out bytes.Buffer
	r := Report{Out: &out}
	for _, s := range steps {
		r.Take(s)
	}
	err := r.End(false)
	const want = `disk
  ok       writable: /data
camera gate (Gate)
  failed   login: the camera refuses the login
           → check user and password
camera yard
  warning  reach: slow
1 ok, 1 warning, 1 failed
`
	if out.String() != want || err == nil || !strings.Contains(err.Error(), "1 of 3") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestReportForPrograms(t *testing.T) {
	var out bytes.Buffer
	r := Report{Out: &out, JSON: true}
	if err := r.End(false); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(out.String()), ""); got != `{"result":"ok","steps":[]}` {
		t.Error(got)
	}
	out.Reset()
	r.Take(Step{Check: "disk", Step: "writable", Result: Warning, Found: "x"})
	err := r.End(true)
	var d document
	if json.Unmarshal(out.Bytes(), &d) != nil || d.Result != Interrupted || len(d.Steps) != 1 || err == nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestWhatOthersSayIsPlain(t *testing.T) {
	tr := checksOf(t, "[agent]\nclient_name = \"host\"\nstorage = \"local\"\n")
	tr.group("camera", "x", "a\x1b[2Jb").fail("login", "two\nlines \x1b]0;x\a", strings.Repeat("y", 1000))
	s := tr.steps[0]
	if strings.ContainsAny(s.Name+s.Found, "\x1b\n\a") || len(s.Remedy) > 600 {
		t.Errorf("%+q", s)
	}
}
