package status

import "time"

// Problem is something that is wrong at present.
type Problem struct {
	What   string // does not work
	Cause  string
	Since  time.Time
	Remedy string // may be empty
}

// healthAnswer is the answer of GET /health. The first two keys are the
// predecessor's.
type healthAnswer struct {
	Status    string          `json:"status"`
	Timestamp any             `json:"timestamp"`
	Problems  []problemAnswer `json:"problems"`
}

type problemAnswer struct {
	What   string `json:"what"`
	Cause  string `json:"cause"`
	Since  any    `json:"since"`
	Remedy any    `json:"remedy"`
}

func answerHealth(problems []Problem, now time.Time) healthAnswer {
	a := healthAnswer{Status: "healthy", Timestamp: moment(now), Problems: []problemAnswer{}}
	for _, p := range problems {
		a.Status = "degraded"
		a.Problems = append(a.Problems, problemAnswer{p.What, p.Cause, moment(p.Since), orNull(p.Remedy)})
	}
	return a
}
