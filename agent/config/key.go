package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// DefaultKey is the object key unless s3.key says otherwise.
const DefaultKey = "recordings/{camera_id}/{date}/{start}_{client}.mp4"

// maxKey is the longest key, in characters, that the central server can store.
const maxKey = 500

// KeyValues fill in a key template.
type KeyValues struct {
	CameraID, CameraName, Client, Segment string
	Start                                 time.Time
}

var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// RenderKey fills in a template: {camera_id}, {camera} (its name), {client},
// {segment} (its id), {date} as 2006-01-02 and {start} as
// 20060102T150405.000Z, both in UTC. Characters that are not safe in a key become
// underscores.
func RenderKey(template string, v KeyValues) string {
	start := v.Start.UTC()
	values := map[string]string{
		"{camera_id}": v.CameraID, "{camera}": v.CameraName, "{client}": v.Client, "{segment}": v.Segment,
		"{date}": start.Format("2006-01-02"), "{start}": start.Format("20060102T150405.000Z"),
	}
	return placeholder.ReplaceAllStringFunc(template, func(name string) string { return safe(values[name]) })
}

// safe keeps letters and digits of ASCII and . _ -
func safe(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 128 && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("._-", r)) {
			return r
		}
		return '_'
	}, s)
}

// KeyPrefix is what all keys of a template begin with, up to its first placeholder.
func KeyPrefix(template string) string {
	prefix, _, _ := strings.Cut(template, "{")
	return prefix
}

// KeyOwner tells the keys that a client's segments can have from those of other
// clients. A camera's id or name may be any where it is a whole step of the path;
// elsewhere only those that are configured are known, because an unknown one could
// hold a part of another client's name.
func KeyOwner(template, client string, cameras []Camera) func(key string) bool {
	var ids, names []string
	for _, c := range cameras {
		ids, names = append(ids, regexp.QuoteMeta(safe(c.ID))), append(names, regexp.QuoteMeta(safe(c.Name)))
	}
	patterns := map[string]string{
		"{camera_id}": either(ids), "{camera}": either(names), "{client}": regexp.QuoteMeta(safe(client)), "{segment}": "[0-9a-f-]{36}",
		"{date}": `\d{4}-\d{2}-\d{2}`, "{start}": `\d{8}T\d{6}\.\d{3}Z`,
	}
	steps := strings.Split(strings.TrimSuffix(template, ".mp4"), "/")
	for i, step := range steps {
		if step == "{camera_id}" || step == "{camera}" {
			steps[i] = "[^/]+"
			continue
		}
		var b strings.Builder
		end := 0
		for _, at := range placeholder.FindAllStringIndex(step, -1) {
			b.WriteString(regexp.QuoteMeta(step[end:at[0]]) + patterns[step[at[0]:at[1]]])
			end = at[1]
		}
		steps[i] = b.String() + regexp.QuoteMeta(step[end:])
	}
	const own = "(_[0-9a-f-]{36})?" // of a segment whose key was taken
	return regexp.MustCompile("^" + strings.Join(steps, "/") + own + `\.mp4$`).MatchString
}

func either(texts []string) string { return "(" + strings.Join(texts, "|") + ")" }

// checkKey returns what is wrong with a template, if anything is.
func checkKey(template string) (wrong, instead string) {
	has := func(name string) bool { return strings.Contains(template, name) }
	for _, name := range placeholder.FindAllString(template, -1) {
		switch name {
		case "{camera_id}", "{camera}", "{client}", "{segment}", "{date}", "{start}":
		default:
			return fmt.Sprintf("%s is not known", name), "known: {camera_id} {camera} {client} {segment} {date} {start}"
		}
	}
	plain := placeholder.ReplaceAllString(template, "")
	longest := RenderKey(template, KeyValues{strings.Repeat("x", 64), strings.Repeat("x", 200), strings.Repeat("x", 100), strings.Repeat("x", 36), time.Unix(0, 0)})
	switch {
	case !has("{camera_id}") || !has("{client}"):
		return "lacks {camera_id} or {client}", `write them, like "` + DefaultKey + `"`
	case !has("{start}") && !has("{segment}"):
		return "would be the same for each segment", "write {start} or {segment} into it"
	case !strings.HasSuffix(template, ".mp4"):
		return "does not end in .mp4", "browsers are told by it what to play"
	case strings.HasPrefix(template, "/") || strings.Contains(template, "//") || strings.Contains(template, ".."):
		return "has an empty or a relative step", "write it like a path without / in front"
	case strings.ContainsAny(plain, "{}\\\"<>%^`|~#?*[]\x00") || strings.IndexFunc(plain, func(r rune) bool { return r < 32 || r > 126 }) >= 0:
		return "has characters that are not safe in a key", "write A-Z a-z 0-9 . _ - / and placeholders"
	case len(longest)+len("_")+36 > maxKey: // a segment's id is added where the key is taken
		return fmt.Sprintf("can become %d characters long, the central server takes %d", len(longest)+37, maxKey), "shorten it"
	}
	return "", ""
}
