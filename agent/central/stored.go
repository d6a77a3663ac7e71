package central

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"recording-agent/capture/schedule"
)

// stored is what was assigned last, kept on the disk for a start without the
// server. Its rows are as the server writes them, with the once schedules that it
// does not send any more. It holds cameras' passwords.
type stored struct {
	Version   int               `json:"version"`
	Cameras   []json.RawMessage `json:"cameras"`
	Schedules []json.RawMessage `json:"schedules"`
}

const (
	storedVersion = 1
	maxStored     = 64 << 20 // bytes
)

// encode writes what is in force.
func encode(cameras []assigned) ([]byte, error) {
	s := stored{Version: storedVersion, Cameras: []json.RawMessage{}, Schedules: []json.RawMessage{}}
	for _, c := range cameras {
		row, err := json.Marshal(c.row)
		if err != nil {
			return nil, fmt.Errorf("write down camera %s: %w", c.row.ID, err)
		}
		s.Cameras = append(s.Cameras, row)
		for _, one := range c.schedules {
			row, err := scheduleRow(c.row.ID, one)
			if err != nil {
				return nil, fmt.Errorf("write down schedule %s: %w", one.ID, err)
			}
			s.Schedules = append(s.Schedules, row)
		}
	}
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write down what central has assigned: %w", err)
	}
	return append(data, '\n'), nil
}

func scheduleRow(camera string, s schedule.Schedule) ([]byte, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	fields["camera"] = map[string]string{"id": camera}
	return json.Marshal(fields)
}

// decode reads it back. A file comes from outside as well: it is validated like
// an answer of the server.
func decode(data []byte, zone *time.Location, now time.Time) ([]assigned, []string, error) {
	var s *stored
	if err := json.Unmarshal(data, &s); err != nil || s == nil {
		return nil, nil, errors.New("it is not whole")
	}
	if s.Version != storedVersion {
		return nil, nil, fmt.Errorf("it is of version %d, and this agent knows %d", s.Version, storedVersion)
	}
	return read(Answer{Cameras: s.Cameras, Schedules: s.Schedules}, nil, zone, now)
}

// contentOf reads the file; nothing when there is none.
func contentOf(file string) ([]byte, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxStored {
		return nil, fmt.Errorf("it is %d bytes long", info.Size())
	}
	return os.ReadFile(file)
}

// KeptName is what central called a camera when it was last heard of; empty if it was
// not. It is for files whose row is lost.
func KeptName(file, cameraID string) string {
	data, err := contentOf(file)
	if err != nil {
		return ""
	}
	var s stored
	if json.Unmarshal(data, &s) != nil {
		return ""
	}
	for _, row := range s.Cameras {
		var c cameraRow
		if json.Unmarshal(row, &c) == nil && c.ID == cameraID {
			return c.Name
		}
	}
	return ""
}
