package central

import (
	"errors"
	"fmt"
)

// Kind is what an error of the central server means for us.
type Kind int

// The kinds.
const (
	Unreachable  Kind = iota // no answer: network, DNS, TLS, time
	WrongPlace               // an answer, but not the central server's
	Unauthorized             // 401: the token
	Refused                  // 403, 404: a verdict about one camera or recording
	Invalid                  // 400, 422: what we sent; a verdict about one segment
	ServerFault              // anything unexpected, maybe for ever
	Senseless                // a list that cannot be meant
)

// Error is a failed call. It holds no secret.
type Error struct {
	Call   string
	Status int // of HTTP; 0 without an answer
	Kind   Kind
	Detail string
}

func (e *Error) Error() string {
	if e.Status == 0 {
		return fmt.Sprintf("central %s: %s", e.Call, e.Detail)
	}
	return fmt.Sprintf("central %s: %d: %s", e.Call, e.Status, e.Detail)
}

// Explain returns what to tell the operator, and what to do about it.
func (e *Error) Explain() (cause, remedy string) {
	switch e.Kind {
	case Unreachable:
		return "the central server cannot be reached: " + e.Detail, "check the network and central.url"
	case WrongPlace:
		return fmt.Sprintf("what answers at central.url is not the central server (%d, %s)", e.Status, e.Detail),
			"check central.url: a proxy or another web server is in between"
	case Unauthorized:
		return "the central server does not accept the token: " + e.Detail, "correct central.token"
	case Refused:
		if e.Call == "cameras" || e.Call == "schedules" || e.Call == "health" {
			return "the central server refuses this client: " + e.Detail, "check that the client is active there, and central.url and central.token"
		}
		return "the central server refuses: " + e.Detail, "check that the camera is assigned to this client there, and its recording mode"
	case Senseless:
		return "the central server assigns what cannot be meant: " + e.Detail, "look at the cameras and schedules there"
	case Invalid:
		return "the central server does not understand: " + e.Detail, "agent and server may be of versions that do not fit"
	}
	return fmt.Sprintf("the central server has an error of its own (%d: %s)", e.Status, e.Detail), "look at the server's log"
}

// general says whether the next call, about another segment, would fail as well.
func general(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Kind == Unreachable || e.Kind == WrongPlace || e.Kind == Unauthorized
}

func kindOf(err error) (Kind, bool) {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind, true
	}
	return 0, false
}

func explain(err error) (cause, remedy string) {
	var e *Error
	if errors.As(err, &e) {
		return e.Explain()
	}
	return err.Error(), ""
}
