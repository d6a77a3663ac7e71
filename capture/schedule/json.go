package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxJSON is how long, in bytes, a schedule of the central server may be, with
// the camera in it.
const MaxJSON = 64 << 10

// wire is a schedule as the central server writes it. What else is in it, like the
// camera, is for others.
type wire struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Kind      string          `json:"schedule_type"`
	Start     string          `json:"start_time"`
	End       string          `json:"end_time"`
	StartDate string          `json:"start_date,omitempty"`
	EndDate   string          `json:"end_date,omitempty"`
	Days      json.RawMessage `json:"days_of_week"` // nobody there has looked at it
	Active    *bool           `json:"is_active"`
}

// wireNames are the names of fields that are others there.
var wireNames = map[string]string{"kind": "schedule_type", "start": "start_time", "end": "end_time", "days": "days_of_week"}

// ParseJSON reads a schedule of the central server. Of days_of_week it takes what
// is a day, and a schedule without is_active is active. Its error is of type
// Errors, with the server's names of the fields.
func ParseJSON(data []byte) (Schedule, error) {
	if len(data) > MaxJSON {
		return Schedule{}, Errors{{"schedule", fmt.Sprintf("is %d bytes long", len(data)), fmt.Sprintf("at most %d are read", MaxJSON)}}
	}
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) && kind.Field != "" {
			return Schedule{}, Errors{{kind.Field, "is a JSON " + kind.Value, "write a " + kind.Type.String()}}
		}
		return Schedule{}, Errors{{"schedule", "is not a JSON object", "write one with id, schedule_type, start_time and end_time"}}
	}
	s, err := Parse(Text{ID: w.ID, Name: w.Name, Kind: w.Kind, Start: w.Start, End: w.End, StartDate: w.StartDate, EndDate: w.EndDate, Days: daysIn(w.Days)})
	var errs Errors
	if errors.As(err, &errs) {
		for i := range errs {
			if name, ok := wireNames[errs[i].Field]; ok {
				errs[i].Field = name
			}
		}
		return Schedule{}, errs
	}
	s.Active = w.Active == nil || *w.Active
	return s, nil
}

// daysIn takes the days of the week out of what should be a list of them.
func daysIn(list json.RawMessage) (days []string) {
	var entries []any
	if json.Unmarshal(list, &entries) != nil {
		return nil
	}
	seen := Days(0)
	for _, e := range entries {
		text, _ := e.(string)
		if day, ok := dayOfWeek(text); ok && !seen.Has(day) {
			seen |= On(day)
			days = append(days, text)
		}
	}
	return days
}

// MarshalJSON writes a schedule as the central server does, for ParseJSON: so
// that it can be kept for a time without that server.
func (s Schedule) MarshalJSON() ([]byte, error) {
	days := []string{}
	for day := time.Sunday; day <= time.Saturday; day++ {
		if s.Days.Has(day) {
			days = append(days, strings.ToLower(day.String()))
		}
	}
	list, err := json.Marshal(days)
	if err != nil {
		return nil, err
	}
	return json.Marshal(wire{
		ID: s.ID, Name: s.Name, Kind: string(s.Kind), Start: clockText(s.Start), End: clockText(s.End),
		StartDate: s.StartDate.String(), EndDate: s.EndDate.String(), Days: list, Active: &s.Active,
	})
}

// clockText is like 08:00:00, with a fraction where there is one.
func clockText(d time.Duration) string {
	if d == wholeDay {
		return "24:00:00"
	}
	return midnight(0).Add(d).Format("15:04:05.999999999")
}
