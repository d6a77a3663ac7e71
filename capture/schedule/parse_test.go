package schedule

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for clock, want := range map[string]time.Duration{
		"08:00": 8 * time.Hour, "8:05": 8*time.Hour + 5*time.Minute, "08:00:30": 8*time.Hour + 30*time.Second,
		"23:59:59.999999": 24*time.Hour - time.Microsecond, "00:00": 0, "24:00": 24 * time.Hour, "24:00:00": 24 * time.Hour,
	} {
		s, err := Parse(Text{Kind: "daily", Start: "00:00", End: clock})
		if err != nil || s.End != want || !s.Active {
			t.Errorf("%s: %v %v", clock, s.End, err)
		}
	}
	s, err := Parse(Text{ID: "a-1", Name: " Night\n\u0007shift ", Kind: "weekly", Start: "22:00", End: "06:00", StartDate: "2026-11-23", EndDate: "2027-01-01", Days: []string{"MON", " friday ", "Mon"}})
	want := Schedule{ID: "a-1", Name: "Night  shift", Kind: Weekly, Start: 22 * time.Hour, End: 6 * time.Hour,
		StartDate: Date{2026, 11, 23}, EndDate: Date{2027, 1, 1}, Days: On(time.Monday, time.Friday), Active: true}
	if err != nil || s != want {
		t.Errorf("%+v %v", s, err)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	good := Text{ID: "a", Kind: "daily", Start: "08:00", End: "09:00"}
	for want, spoil := range map[string]func(*Text){
		`id: "a b" is not a plain id; write up to 64 of`:                                       func(s *Text) { s.ID = "a b" },
		`id: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"… is not a plain id`:                    func(s *Text) { s.ID = strings.Repeat("x", 65) },
		`kind: "hourly" is not known; write one of once, daily, weekly, continuous`:            func(s *Text) { s.Kind = "hourly" },
		`start: "" is no time of day; write a time of day like "08:00"`:                        func(s *Text) { s.Start = "" },
		`start: "24:00" is the end of a day; write "00:00"`:                                    func(s *Text) { s.Start = "24:00" },
		`end: "25:00" is no time of day`:                                                       func(s *Text) { s.End = "25:00" },
		`end: "08:00:00.0000000000" is no time of day`:                                         func(s *Text) { s.End = "08:00:00.0000000000" },
		`end: "08:00Z" is no time of day`:                                                      func(s *Text) { s.End = "08:00Z" },
		`start_date: "2026-02-29" is no date; write a date like "2026-11-23"`:                  func(s *Text) { s.StartDate = "2026-02-29" },
		`end_date: "0000-01-01" is no date`:                                                    func(s *Text) { s.EndDate = "0000-01-01" },
		`days: "funday" is no day of the week; write monday, tuesday`:                          func(s *Text) { s.Days = []string{"mon", "funday"} },
		`days: holds 101 days`:                                                                 func(s *Text) { s.Days = make([]string, 101) },
		"kind: \"\" is not known; write one of once, daily, weekly, continuous\nend: \"x\" is": func(s *Text) { s.Kind, s.End = "", "x" },
	} {
		text := good
		spoil(&text)
		_, err := Parse(text)
		var all Errors
		if !errors.As(err, &all) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v says %v\nwanted %s", text, err, want)
		}
	}
}

func TestLongNameIsCut(t *testing.T) {
	s, err := Parse(Text{Name: strings.Repeat("ö", 199) + " x", Kind: "daily", Start: "08:00", End: "09:00"})
	if err != nil || s.Name != strings.Repeat("ö", 199) {
		t.Errorf("%q %v", s.Name, err)
	}
}

const fromCentral = `{"id": "5b0c2f0e-6a51-4d0c-9f7e-2a1d6a3c9b10", "name": "Night", "schedule_type": "weekly",
	"start_time": "22:00:00", "end_time": "06:00:00.250000", "start_date": "2026-11-23", "end_date": null,
	"days_of_week": ["monday", "Friday", 3, null, "holiday", ["sunday"]], "is_active": true, "camera": {"id": "8f14e45f-ceea-467f-9d4c-0a2b3c4d5e6f"}}`

func TestParseJSON(t *testing.T) {
	s, err := ParseJSON([]byte(fromCentral))
	want := Schedule{ID: "5b0c2f0e-6a51-4d0c-9f7e-2a1d6a3c9b10", Name: "Night", Kind: Weekly, Start: 22 * time.Hour, End: 6*time.Hour + 250*time.Millisecond,
		StartDate: Date{2026, 11, 23}, Days: On(time.Monday, time.Friday), Active: true}
	if err != nil || s != want {
		t.Errorf("%+v %v", s, err)
	}
	for _, days := range []string{`null`, `"monday"`, `{"monday": true}`, `[]`, `[1, 2]`, `7`} {
		text := strings.Replace(fromCentral, `["monday", "Friday", 3, null, "holiday", ["sunday"]]`, days, 1)
		if s, err := ParseJSON([]byte(text)); err != nil || s.Days != 0 {
			t.Errorf("days %s: %v %v", days, s.Days, err)
		}
	}
	for text, active := range map[string]bool{`"is_active": false`: false, `"is_active": null`: true, `"was": 1`: true} {
		if s, err := ParseJSON([]byte(strings.Replace(fromCentral, `"is_active": true`, text, 1))); err != nil || s.Active != active {
			t.Errorf("%s: %v %v", text, s.Active, err)
		}
	}
}

func TestWhatIsWrongWithJSONIsSaidInItsNames(t *testing.T) {
	for want, replace := range map[string][2]string{
		`schedule_type: "hourly" is not known`:       {`"weekly"`, `"hourly"`},
		`start_time: "late" is no time of day`:       {`"22:00:00"`, `"late"`},
		`end_time: is a JSON number; write a string`: {`"06:00:00.250000"`, `6`},
		`end_time: "" is no time of day`:             {`"end_time"`, `"until"`},
		`start_date: "soon" is no date`:              {`"2026-11-23"`, `"soon"`},
		`id: "../x" is not a plain id`:               {`"5b0c2f0e-6a51-4d0c-9f7e-2a1d6a3c9b10"`, `"../x"`},
		`schedule: is not a JSON object; write one`:  {`{"id"`, `["id"`},
		`schedule: is 65`:                            {`"Night"`, `"` + strings.Repeat("x", MaxJSON) + `"`},
	} {
		_, err := ParseJSON([]byte(strings.Replace(fromCentral, replace[0], replace[1], 1)))
		var all Errors
		if !errors.As(err, &all) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v\nwanted %s", err, want)
		}
	}
	for _, text := range []string{"", "null", "[]", "7", `"x"`} {
		if s, err := ParseJSON([]byte(text)); err == nil {
			t.Errorf("%s is %+v", text, s)
		}
	}
}

// FuzzParseJSON: nothing that central can write is more than an error, and what
// can be read is written and read again as it was.
func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(fromCentral))
	f.Add([]byte(`{"schedule_type":"once","start_time":"8:00","end_time":"24:00","start_date":"0001-01-01","end_date":"9999-12-31"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseJSON(data)
		checkParsed(t, s, err)
	})
}

func FuzzParse(f *testing.F) {
	f.Add("a", "Night", "weekly", "22:00", "06:00:00.5", "2026-11-23", "", "mon,tuesday")
	f.Add("", "", "once", "00:00", "24:00", "2026-11-23", "9999-12-31", "")
	f.Fuzz(func(t *testing.T, id, name, kind, start, end, startDate, endDate, days string) {
		text := Text{ID: id, Name: name, Kind: kind, Start: start, End: end, StartDate: startDate, EndDate: endDate}
		if days != "" {
			text.Days = strings.Split(days, ",")
		}
		s, err := Parse(text)
		checkParsed(t, s, err)
	})
}

func checkParsed(t *testing.T, s Schedule, err error) {
	t.Helper()
	if err != nil {
		var all Errors
		if !errors.As(err, &all) || len(all) == 0 || len(err.Error()) > 32<<10 {
			t.Fatalf("error %v", err)
		}
		return
	}
	if _, err := NewSet(time.UTC, []Schedule{s}); err != nil {
		t.Fatalf("parsed, but refused: %v", err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseJSON(text); err != nil || again != s {
		t.Fatalf("%+v\nwritten as %s\nand read as %+v %v", s, text, again, err)
	}
}
