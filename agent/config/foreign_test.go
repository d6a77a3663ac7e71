package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestForeignCamera(t *testing.T) {
	const id, url = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "rtsp://u:very-secret@h/1"
	got, err := Foreign(id, "Gate", url)
	if err != nil {
		t.Fatal(err)
	}
	inFile := parsed(t, minimal+"[[camera]]\nid = \""+id+"\"\nname = \"Gate\"\nurl = \""+url+"\"\n").Cameras[0]
	if !reflect.DeepEqual(got, inFile) {
		t.Errorf("camera %+v, in a file it is %+v", got, inFile)
	}
	if got, _ := Foreign(id, "", url); got.Name != id {
		t.Errorf("without a name: %+v", got)
	}
	t.Setenv("URL", url)
	for _, tc := range []struct{ id, name, url, want string }{
		{"gate", "", url, "is not a UUID"},
		{"../" + id, "", url, "cannot be a directory's name"},
		{id, strings.Repeat("x", 201), url, "is not a plain name"},
		{id, "", "http://u:very-secret@h/1", "is not the address of an RTSP stream"},
		{id, "", "env:URL", "is not the address of an RTSP stream"},
		{id, "", "file:/etc/passwd", "is not the address of an RTSP stream"},
		{id, "", "", "camera.url: is missing"},
		{"", "", url, "camera.id: is missing"},
	} {
		_, err := Foreign(tc.id, tc.name, tc.url)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "very-secret") {
			t.Errorf("%v: %v, want %s", tc, err, tc.want)
		}
	}
}
