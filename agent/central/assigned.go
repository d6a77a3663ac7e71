package central

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"recording-agent/agent/config"
	"recording-agent/capture/schedule"
)

// Beyond these an answer is not believed.
const (
	maxCameras    = 500
	maxSchedules  = 10_000 // of all cameras together
	maxRow        = 64 << 10
	maxURL        = 2048
	maxCameraName = 200
)

// Answer is what the server says of cameras and schedules, row by row.
type Answer struct {
	Cameras, Schedules []json.RawMessage
}

// cameraRow is a camera as the server writes it, as far as it matters here.
type cameraRow struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	URL     string `json:"rtsp_url"`
	SubURL  string `json:"rtsp_url_sub,omitempty"`
	Quality string `json:"record_quality,omitempty"`
}

// assigned is a camera that can be recorded, with the schedules in force.
type assigned struct {
	row       cameraRow
	camera    config.Camera
	schedules []schedule.Schedule
}

// reading is the way from an answer to what is assigned. Rows that cannot be used
// leave a complaint, and what was assigned before under their ids stays.
type reading struct {
	before     []assigned
	zone       *time.Location
	now        time.Time // zero: not known
	after      []assigned
	complaints []string
}

func (r *reading) complain(what, why string) {
	r.complaints = append(r.complaints, what+": "+why)
}

// read makes an answer's assignment of what was assigned before. It fails when
// the answer makes no sense as a whole: then all stays as it is.
func read(a Answer, before []assigned, zone *time.Location, now time.Time) (after []assigned, complaints []string, err error) {
	if len(a.Cameras) > maxCameras || len(a.Schedules) > maxSchedules {
		return nil, nil, fmt.Errorf("%d cameras and %d schedules are more than the %d and %d that are believed", len(a.Cameras), len(a.Schedules), maxCameras, maxSchedules)
	}
	r := &reading{before: before, zone: zone, now: now}
	if err := r.cameras(a.Cameras); err != nil {
		return nil, nil, err
	}
	if err := r.schedules(a.Schedules); err != nil {
		return nil, nil, err
	}
	return r.after, r.complaints, nil
}

func (r *reading) cameras(rows []json.RawMessage) error {
	seen, named := map[string]bool{}, 0
	for i, data := range rows {
		id := idOf(data)
		what := fmt.Sprintf("camera %d", i+1)
		if id != "" {
			named++
			what = "camera " + id
		}
		if id != "" && seen[id] {
			r.complain(what, "it is there twice; the first one counts")
			continue
		}
		c, remark, err := readCamera(data)
		if remark != "" {
			r.complain(what, remark)
		}
		if err != nil {
			old, known := r.assignedBefore(id)
			r.complain(what, err.Error()+kept(known))
			if !known {
				continue
			}
			c = assigned{row: old.row, camera: old.camera}
		}
		seen[id] = true
		r.after = append(r.after, c)
	}
	if len(rows) > 0 && named == 0 {
		return fmt.Errorf("none of the %d cameras has an id that is a UUID", len(rows))
	}
	return nil
}

// kept is said of a row that cannot be used.
func kept(known bool) string {
	if known {
		return "; it stays as it was"
	}
	return "; it is left out"
}

func (r *reading) assignedBefore(id string) (assigned, bool) {
	for _, c := range r.before {
		if id != "" && c.row.ID == id {
			return c, true
		}
	}
	return assigned{}, false
}

// idOf is the id of a row, in the one way to write a UUID; empty when it has none.
func idOf(row json.RawMessage) string {
	var r struct {
		ID string `json:"id"`
	}
	if len(row) > maxRow || json.Unmarshal(row, &r) != nil {
		return ""
	}
	return plainUUID(r.ID)
}

func plainUUID(text string) string {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(id.String()) {
		return ""
	}
	return id.String()
}

// readCamera validates a camera. remark is what is not as it should be and yet
// keeps nobody from recording.
func readCamera(data json.RawMessage) (c assigned, remark string, err error) {
	if len(data) > maxRow {
		return c, "", fmt.Errorf("its row is %d bytes long", len(data))
	}
	var row *cameraRow
	if err := json.Unmarshal(data, &row); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) && kind.Field != "" {
			return c, "", fmt.Errorf("%s is a JSON %s", kind.Field, kind.Value)
		}
		row = nil
	}
	if row == nil {
		return c, "", errors.New("it is no JSON object")
	}
	if row.ID = plainUUID(row.ID); row.ID == "" {
		return c, "", errors.New("its id is not a UUID")
	}
	row.Name = plainName(row.Name)
	url := row.URL
	if row.Quality == "low" && row.SubURL != "" {
		if c.camera, err = readStream(*row, row.SubURL); err == nil {
			c.row = *row
			return c, "", nil
		}
		remark = "its sub stream cannot be used (" + err.Error() + "); the main stream is recorded"
	}
	if c.camera, err = readStream(*row, url); err != nil {
		return assigned{}, "", err
	}
	c.row = *row
	return c, remark, nil
}

func readStream(row cameraRow, url string) (config.Camera, error) {
	if len(url) > maxURL {
		return config.Camera{}, fmt.Errorf("its URL is %d bytes long", len(url))
	}
	c, err := config.Foreign(row.ID, row.Name, url)
	var problems config.Errors
	if errors.As(err, &problems) {
		return c, fmt.Errorf("%s %s", strings.TrimPrefix(problems[0].Key, "camera."), problems[0].Wrong)
	}
	return c, err
}

// plainName makes a line of a name: it is no reason to record nothing.
func plainName(name string) string {
	line := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, name)
	return strings.TrimSpace(clip(strings.TrimSpace(line), maxCameraName))
}

// schedules gives each camera those that are its own.
func (r *reading) schedules(rows []json.RawMessage) error {
	byCamera, seen, named := map[string][]schedule.Schedule{}, map[string]bool{}, 0
	for i, data := range rows {
		id := idOf(data)
		if id != "" {
			named++
		}
		if id != "" && seen[id] {
			r.complain("schedule "+id, "it is there twice; the first one counts")
			continue
		}
		seen[id] = true
		camera, s, err := readSchedule(data)
		if err != nil {
			var known bool
			camera, s, known = r.scheduledBefore(id)
			r.complain(or(id != "", "schedule "+id, fmt.Sprintf("schedule %d", i+1)), oneLine(err)+kept(known))
			if !known {
				continue
			}
		}
		if why := s.Never(); why != "" && s.Active {
			r.complain("schedule "+id, "never records: "+why)
		}
		byCamera[camera] = append(byCamera[camera], s)
	}
	if len(rows) > 0 && named == 0 {
		return fmt.Errorf("none of the %d schedules has an id that is a UUID", len(rows))
	}
	for i := range r.after {
		r.inForce(&r.after[i], byCamera[r.after[i].row.ID])
	}
	return nil
}

func or(condition bool, a, b string) string {
	if condition {
		return a
	}
	return b
}

// oneLine says only the first of several things that are wrong with a row.
func oneLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// readSchedule validates a schedule, and tells whose it is.
func readSchedule(data json.RawMessage) (camera string, s schedule.Schedule, err error) {
	if s, err = schedule.ParseJSON(data); err != nil {
		return "", s, err
	}
	if s.ID = plainUUID(s.ID); s.ID == "" {
		return "", s, errors.New("its id is not a UUID")
	}
	var of struct {
		Camera json.RawMessage `json:"camera"`
	}
	if err := json.Unmarshal(data, &of); err != nil {
		return "", s, errors.New("it is no JSON object")
	}
	if camera = idOf(of.Camera); camera == "" {
		return "", s, errors.New("it is for no camera with a UUID")
	}
	return camera, s, nil
}

func (r *reading) scheduledBefore(id string) (camera string, s schedule.Schedule, known bool) {
	for _, c := range r.before {
		for _, s := range c.schedules {
			if id != "" && s.ID == id {
				return c.row.ID, s, true
			}
		}
	}
	return "", s, false
}

// inForce makes what the server sends follow what was in force: a once schedule
// that has begun stays, because the server makes it inactive by itself.
func (r *reading) inForce(c *assigned, sent []schedule.Schedule) {
	old, _ := r.assignedBefore(c.row.ID)
	before, err := schedule.NewSet(r.zone, old.schedules)
	var next *schedule.Set
	if err == nil {
		next, err = before.Update(sent, r.now)
	}
	if err != nil {
		r.complain("camera "+c.row.ID, oneLine(err)+"; it keeps the schedules that it has")
		c.schedules = old.schedules
	} else {
		c.schedules = next.Schedules()
	}
	c.camera.Schedules = c.schedules
}
