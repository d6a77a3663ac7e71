package main

import (
	"testing"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// What the service manager asks comes through, and what it only tells does not.
func TestServiceIsAsked(t *testing.T) {
	requests, asks, over := make(chan svc.ChangeRequest), make(chan serviceAsk), make(chan struct{})
	ended := make(chan struct{})
	go func() {
		passOn(requests, asks, over)
		close(ended)
	}()
	for _, tc := range []struct {
		told svc.Cmd
		want serviceAsk
	}{
		{svc.Interrogate, askState}, {svc.Stop, askStop}, {svc.PreShutdown, askShutdown}, {svc.Shutdown, askShutdown},
	} {
		requests <- svc.ChangeRequest{Cmd: svc.SessionChange}
		requests <- svc.ChangeRequest{Cmd: tc.told}
		if got := <-asks; got != tc.want {
			t.Errorf("%d is taken for %d, want %d", tc.told, got, tc.want)
		}
	}
	requests <- svc.ChangeRequest{Cmd: svc.Stop} // nobody asks for it any more
	close(over)
	<-ended
}

func TestServiceIsReported(t *testing.T) {
	runs := statusOf(serviceReport{})
	for _, control := range []svc.Accepted{svc.AcceptStop, svc.AcceptShutdown, svc.AcceptPreShutdown} {
		if runs.State != svc.Running || runs.Accepts&control == 0 {
			t.Errorf("a service that runs is %+v", runs)
		}
	}
	stops := statusOf(serviceReport{stopping: true, step: 3, within: 10 * time.Second})
	if stops != (svc.Status{State: svc.StopPending, CheckPoint: 3, WaitHint: 10_000}) {
		t.Errorf("one that stops is %+v", stops)
	}
}

func TestAccountSID(t *testing.T) {
	for account, want := range map[string]string{
		serviceAccount: serviceSID(serviceName), "LocalSystem": systemSID, `.\LocalSystem`: systemSID, `NT AUTHORITY\LOCAL SERVICE`: "S-1-5-19",
	} {
		if sid, err := accountSID(account); err != nil || sid != want {
			t.Errorf("%s is %s, %v", account, sid, err)
		}
	}
	if _, err := accountSID(`NOWHERE\nobody`); err == nil {
		t.Error("an account that does not exist is found")
	}
}

// Windows takes the registration, any number of times, and the end of it.
func TestPowerIsWatched(t *testing.T) {
	for range 3 {
		stop, err := watchPower(func(powerEvent) {})
		if err != nil {
			t.Fatal(err)
		}
		stop()
	}
}

func TestClockTicksFinely(t *testing.T) {
	defer countFinely()()
	step := time.Hour
	for range 20 {
		began := time.Now()
		now := began
		for now.Equal(began) {
			now = time.Now()
		}
		step = min(step, now.Sub(began))
	}
	if step > 2*time.Millisecond {
		t.Errorf("the clock stands still for %v", step)
	}
}

func TestHintsOfTheServiceManager(t *testing.T) {
	if hostHint(windows.ERROR_SERVICE_LOGON_FAILED) == "" || hostHint(windows.ERROR_FILE_NOT_FOUND) != "" {
		t.Error("what to do is not said of the error that asks for it")
	}
}
