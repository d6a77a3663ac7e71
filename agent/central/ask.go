package central

import (
	"time"

	"recording-agent/agent/config"
)

// CamerasOf are the cameras of an answer, with the schedules in force, as a client has
// them that knows of none yet; and what is wrong with rows. The error says that the
// answer makes no sense as a whole.
func CamerasOf(a Answer, zone *time.Location, now time.Time) (cameras []config.Camera, complaints []string, err error) {
	found, complaints, err := read(a, nil, zone, now)
	if err != nil {
		return nil, nil, &Error{Call: "cameras and schedules", Kind: Senseless, Detail: err.Error()}
	}
	return configured(found), complaints, nil
}

// KeptCameras are those that were assigned when the agent ran last; none where that is
// not known.
func KeptCameras(file string, zone *time.Location, now time.Time) []config.Camera {
	data, err := contentOf(file)
	if err != nil || data == nil {
		return nil
	}
	found, _, err := decode(data, zone, now)
	if err != nil {
		return nil
	}
	return configured(found)
}

func configured(found []assigned) (out []config.Camera) {
	for _, c := range found {
		out = append(out, c.camera)
	}
	return out
}
