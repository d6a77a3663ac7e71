package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"recording-agent/agent/config"
)

// clock is a time as people read it: without the day when that is today's.
func clock(t, now time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "never"
	}
	t, now = t.In(zone), now.In(zone)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	if now.Sub(t).Abs() < 300*day {
		return t.Format("2 Jan 15:04:05")
	}
	return t.Format("2 Jan 2006 15:04")
}

// sinceWhen is " since 13:40"; nothing for a time that is not known.
func sinceWhen(t, now time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return " since " + strings.TrimSuffix(clock(t, now, zone), t.In(zone).Format(":05"))
}

// length is a duration in its two largest units, rounded down.
func length(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60), " 0 s")
	case d < 2*day:
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60), " 0 min")
	case d < 1000*day:
		return strings.TrimSuffix(fmt.Sprintf("%d days %d h", int(d/day), int(d.Hours())%24), " 0 h")
	}
	return "years"
}

// ago is how long ago something was.
func ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case t.IsZero():
		return "none yet"
	case d < 2*time.Second:
		return "now"
	default:
		return length(d) + " ago"
	}
}

func size(bytes float64) string { return humanize.IBytes(uint64(max(0, bytes))) }

func bits(perSecond float64) string {
	if perSecond < 1e6 {
		return fmt.Sprintf("%.0f kbit/s", perSecond/1e3)
	}
	return fmt.Sprintf("%.1f Mbit/s", perSecond/1e6)
}

// destinationName is what people call a destination.
func destinationName(name string) string {
	if name == config.Primary {
		return "S3"
	}
	return name
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func allOf(cameras int) string {
	switch cameras {
	case 1:
		return "the camera"
	case 2:
		return "both cameras"
	}
	return fmt.Sprintf("all %d cameras", cameras)
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func sentenceCase(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// enumerate is "a, b and c", or "a, b and 4 more".
func enumerate(names []string, most int) string {
	if over := len(names) - most; over > 0 {
		names = append(append([]string{}, names[:most]...), fmt.Sprintf("%d more", over))
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
