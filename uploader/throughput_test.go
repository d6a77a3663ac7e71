package uploader

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestThroughputIsThatOfTheLastMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		through := &throughput{now: time.Now}
		if r := through.rate(); r != 0 {
			t.Errorf("%v bytes per second before anything was sent", r)
		}
		began := time.Now()
		time.Sleep(10 * time.Second)
		through.add(began, 10e6)
		if r := through.rate(); r != 1e6 {
			t.Errorf("%v bytes per second, 1e6 are right", r)
		}
		time.Sleep(50 * time.Second)
		through.add(time.Now().Add(-5*time.Second), 2e6)
		if r := through.rate(); r != 12e6/60 {
			t.Errorf("%v bytes per second, 0.2e6 are right", r)
		}
		time.Sleep(30 * time.Second)
		if r := through.rate(); r != 2e6/60. {
			t.Errorf("%v bytes per second, the first body is more than a minute ago", r)
		}
		time.Sleep(time.Hour)
		if r := through.rate(); r != 0 {
			t.Errorf("%v bytes per second, nothing was sent for an hour", r)
		}
	})
}
