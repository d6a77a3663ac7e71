package config

import (
	"errors"
	"fmt"
	"time"

	"recording-agent/capture/schedule"
)

// zone is the host's unless the key names another.
func (s *section) zone(name string) *time.Location {
	text := s.text(name, "")
	s.is(name, "time zone", "", "")
	if text == "" {
		return time.Local
	}
	zone, err := time.LoadLocation(text)
	if err != nil {
		s.problem(name, fmt.Sprintf("%q is not a time zone", text), `write a name like "Europe/Vienna", or leave it out for the host's`)
		return time.Local
	}
	return zone
}

func (p *parser) schedules(camera *section) (out []schedule.Schedule) {
	list := p.sections(camera.values, camera.key("schedule"))
	if len(list) > schedule.MaxSchedules {
		camera.problem("schedule", fmt.Sprintf("there are %d of them", len(list)), fmt.Sprintf("write at most %d", schedule.MaxSchedules))
		return nil
	}
	for _, w := range list {
		if parsed, ok := p.schedule(w); ok {
			out = append(out, parsed)
		}
	}
	return out
}

func (p *parser) schedule(w *section) (parsed schedule.Schedule, ok bool) {
	before := len(p.problems)
	text := schedule.Text{
		Kind: w.text("kind", ""), Start: w.text("start", "00:00"), End: w.text("end", "24:00"),
		Days: w.texts("days"), StartDate: w.text("start_date", ""), EndDate: w.text("end_date", ""),
	}
	w.done()
	if len(p.problems) > before { // a text that is none was replaced by its default
		return parsed, false
	}
	parsed, err := schedule.Parse(text)
	var wrong schedule.Errors
	errors.As(err, &wrong)
	for _, e := range wrong {
		w.problem(e.Field, e.Wrong, e.Instead)
	}
	if err != nil {
		return parsed, false
	}
	if len(text.Days) > 0 && parsed.Kind != schedule.Weekly {
		w.problem("days", "is not used", `write kind = "weekly" as well`)
	}
	if why := parsed.Never(); why != "" {
		p.problem(w.name, "never records: "+why, "correct that, or take the schedule out")
	}
	return parsed, true
}
