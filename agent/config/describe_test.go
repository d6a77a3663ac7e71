package config

import (
	"slices"
	"testing"
)

// What is described is what stands in the example, key by key, and with its defaults.
func TestDescribeKnowsWhatTheExampleShows(t *testing.T) {
	layout, err := ParseLayout(exampleFile(t))
	if err != nil {
		t.Fatal(err)
	}
	var shown, described []string
	values := map[string]string{}
	for _, s := range layout.Sections {
		for _, k := range s.Keys {
			if s.Name == "mirror" && k.Name != "name" && k.Name != "required" {
				continue // those of [s3]
			}
			shown = append(shown, s.Name+"."+k.Name)
			if k.Off && !s.Off {
				values[s.Name+"."+k.Name] = k.Value
			}
		}
	}
	for _, k := range Describe() {
		name := k.Section + "." + k.Name
		described = append(described, name)
		if v, ok := values[name]; ok && v != `"`+k.Default+`"` && v != k.Default && v != "["+k.Default+"]" {
			t.Errorf("%s: the example shows %s, the code has %q", name, v, k.Default)
		}
		if k.Type == "" {
			t.Errorf("%s has no type", name)
		}
	}
	slices.Sort(shown)
	slices.Sort(described)
	if !slices.Equal(shown, described) {
		t.Errorf("the example shows %q\nthe code reads   %q", shown, described)
	}
}

func TestDescribe(t *testing.T) {
	keys := map[string]Key{}
	for _, k := range Describe() {
		keys[k.Section+"."+k.Name] = k
	}
	for name, want := range map[string]Key{
		"segment.duration":     {Type: "duration", Default: "5m", Limits: "5s to 1h"},
		"retention.keep_for":   {Type: "duration", Default: "0s", Limits: "0s to 3650d"},
		"retention.max_size":   {Type: "size", Default: "0B"},
		"retention.min_free":   {Type: "size, percentage, or both", Default: "5% or 2GiB", Limits: "0% to 90%"},
		"s3.secret_access_key": {Type: "secret"},
		"s3.encryption":        {Type: "one of a list", Limits: "AES256, aws:kms"},
		"camera.schedule.days": {Type: "list of texts"},
		"upload.window.from":   {Type: "time of day", Limits: "00:00 to 24:00"},
		"upload.parallel":      {Type: "whole number", Default: "4", Limits: "1 to 64"},
		"camera.audio":         {Type: "true or false", Default: "true"},
	} {
		got := keys[name]
		got.Section, got.Name = "", ""
		if got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestLayoutLeavesTheTextAsItIs(t *testing.T) {
	text := exampleFile(t)
	layout, err := ParseLayout(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := layout.Text(); got != text {
		t.Errorf("the example came out as\n%s", got)
	}
	if _, err := ParseLayout("# head\n[agent]\nclient_name =\n"); err == nil {
		t.Error("a line that is nothing was accepted")
	}
}
