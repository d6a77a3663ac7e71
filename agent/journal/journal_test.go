package journal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"recording-agent/capture/outage"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func camera(since time.Time, cause string) Trouble {
	t := Trouble{Begins: CameraLost, Ends: CameraBack, Subject: "yard", Name: "Yard", Grace: 10 * time.Second}
	if !since.IsZero() {
		t.Of = outage.Trouble{Cause: cause, Remedy: "look at it", Since: since}
	}
	return t
}

func kinds(j *Journal) (out []Kind) {
	for _, e := range j.Entries() {
		out = append(out, e.Kind)
	}
	return out
}

func TestTroubleIsNotedOnceAndItsEnd(t *testing.T) {
	j := New()
	for s := range 60 {
		j.Follow(noon.Add(time.Duration(s)*time.Second), []Trouble{camera(noon, fmt.Sprint("no answer ", s))})
		if n := len(j.Entries()); (s < 10) != (n == 0) || n > 1 {
			t.Fatalf("after %d s there are %d entries", s, n)
		}
	}
	j.Follow(noon.Add(time.Minute), []Trouble{camera(time.Time{}, "")})
	j.Follow(noon.Add(2*time.Minute), []Trouble{camera(time.Time{}, "")})
	got := j.Entries()
	if len(got) != 2 {
		t.Fatalf("entries: %+v", got)
	}
	if e := got[1]; e.Kind != CameraLost || !e.At.Equal(noon) || e.Cause != "no answer 10" || e.Remedy == "" || e.Name != "Yard" {
		t.Errorf("its beginning: %+v", e)
	}
	if e := got[0]; e.Kind != CameraBack || e.Lasted != time.Minute || e.Subject != "yard" {
		t.Errorf("its end: %+v", e)
	}
}

func TestShortTroubleIsNotNoted(t *testing.T) {
	j := New()
	j.Follow(noon.Add(9*time.Second), []Trouble{camera(noon, "")})
	j.Follow(noon.Add(11*time.Second), []Trouble{camera(time.Time{}, "")})
	if got := j.Entries(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// Between two looks one trouble can end and the next begin.
func TestTroubleThatBeginsAnew(t *testing.T) {
	j := New()
	j.Follow(noon.Add(20*time.Second), []Trouble{camera(noon, "first")})
	j.Follow(noon.Add(60*time.Second), []Trouble{camera(noon.Add(50*time.Second), "second")})
	if got := kinds(j); !slices.Equal(got, []Kind{CameraLost, CameraBack, CameraLost}) {
		t.Fatalf("%v", got)
	}
	if e := j.Entries()[1]; e.Cause != "first" || e.Lasted != 50*time.Second {
		t.Errorf("the end of the first: %+v", e)
	}
}

func TestWhatIsTakenAwayIsNotBack(t *testing.T) {
	j := New()
	j.Follow(noon.Add(time.Minute), []Trouble{camera(noon, "gone")})
	j.Follow(noon.Add(2*time.Minute), nil)
	j.Follow(noon.Add(3*time.Minute), []Trouble{camera(time.Time{}, "")})
	if got := kinds(j); !slices.Equal(got, []Kind{CameraLost}) {
		t.Errorf("%v", got)
	}
}

// The agent that starts anew in the same process knows nothing of its cameras at first.
func TestStartEndsNoTrouble(t *testing.T) {
	j := New()
	j.Follow(noon.Add(time.Minute), []Trouble{camera(noon, "gone")})
	j.Note(Entry{At: noon.Add(2 * time.Minute), Kind: AgentStarted})
	j.Follow(noon.Add(2*time.Minute), []Trouble{camera(time.Time{}, "")})
	if got := kinds(j); !slices.Equal(got, []Kind{AgentStarted, CameraLost}) {
		t.Errorf("%v", got)
	}
}

// What flaps, and what talks much, leaves room for all else.
func TestBounds(t *testing.T) {
	j := New()
	j.Note(Entry{At: noon, Kind: AgentStarted})
	for i := range 10_000 {
		j.Note(Entry{At: noon, Kind: CameraLost, Subject: "yard", Cause: strings.Repeat("ü", 10_000)})
		j.Note(Entry{At: noon, Kind: CameraBack, Subject: "yard", Lasted: time.Duration(i)})
	}
	got := j.Entries()
	if len(got) != 1+2*mostOfOne || got[len(got)-1].Kind != AgentStarted || got[0].Lasted != 9999 {
		t.Errorf("%d entries, the newest %+v", len(got), got[0])
	}
	if n := len([]rune(got[1].Cause)); n > mostOfText+1 {
		t.Errorf("a cause of %d characters", n)
	}
	for i := range 2 * most {
		j.Note(Entry{At: noon, Kind: CameraLost, Subject: fmt.Sprint(i)})
	}
	if n := len(j.Entries()); n != most {
		t.Errorf("%d entries of many cameras", n)
	}
}
