package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"recording-agent/agent/journal"
	"recording-agent/capture/outage"
	"recording-agent/capture/spool"
)

const (
	followEvery = time.Second
	// Shorter troubles are not worth an entry: a session that is begun anew, one request
	// that was tried again. What is missing of footage is a gap all the same.
	cameraGrace = 10 * time.Second
	peerGrace   = 15 * time.Second
)

// past is what was before in this process.
type past struct {
	journal *journal.Journal
	failed  error  // what has ended the run before; nil: there was none
	over    func() // is called when this one has started
}

// noteStart notes that the agent was started, and how the run before has ended.
func (a *agent) noteStart(found spool.Recovery, failed error) {
	cause, left := "", a.spool.Intake()
	// What has yet to be read, or cannot be, says nothing of how the last run has ended.
	switch differ := found.Adopted + found.Missing + found.Empty + left.Files; {
	case failed != nil:
		cause = "anew, because the run before has failed: " + failed.Error()
	case left.Cut > 0:
		cause = "the run before did not end cleanly (a crash, a kill or a power cut): " + count(left.Cut, "segment was", "segments were") + " left to be settled"
	case differ > 0:
		cause = "the disk and the ledger did not agree: " + count(differ, "file is", "files are") + " settled"
	}
	a.journal.Note(journal.Entry{At: a.started, Kind: journal.AgentStarted, Name: version(), Cause: cause})
}

// followTroubles writes the journal.
func (a *agent) followTroubles(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	var losses lossCount
	for {
		a.journal.Follow(a.now(), a.troubles())
		losses.follow(a)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// troubles are all that can be: each with what is the matter, if it is.
func (a *agent) troubles() (all []journal.Trouble) {
	for _, c := range a.fleet.statuses() {
		all = append(all,
			journal.Trouble{Begins: journal.CameraLost, Ends: journal.CameraBack, Subject: c.ID, Name: c.Name, Of: c.Trouble, Grace: cameraGrace},
			journal.Trouble{Begins: journal.WritingFails, Ends: journal.WritingWorks, Subject: c.ID, Name: c.Name, Of: c.Disk})
	}
	for i, d := range a.cfg.Destinations() {
		s := a.uploaders[i].Status()
		all = append(all, journal.Trouble{
			Begins: journal.UploadsFail, Ends: journal.UploadsWork, Subject: d.Name, Name: d.Bucket,
			Of: outage.Trouble{Cause: s.LastError, Remedy: s.Remedy, Since: s.Since}, Grace: peerGrace,
		})
	}
	if a.reconciler != nil {
		s := a.reconciler.Status()
		all = append(all, journal.Trouble{
			Begins: journal.CentralLost, Ends: journal.CentralBack, Of: outage.Trouble{Cause: s.LastError, Remedy: s.Remedy, Since: s.Since}, Grace: peerGrace,
		})
	}
	room := a.retention.Status()
	return append(all,
		journal.Trouble{Begins: journal.DiskTrouble, Ends: journal.DiskWell, Subject: "data directory", Of: a.disk.Trouble()},
		journal.Trouble{Begins: journal.DiskTrouble, Ends: journal.DiskWell, Subject: "room", Of: room.Full},
		journal.Trouble{Begins: journal.DiskTrouble, Ends: journal.DiskWell, Subject: "deleting", Of: room.Stuck},
		journal.Trouble{Begins: journal.LedgerTrouble, Ends: journal.LedgerWell, Of: a.reader.trouble.Trouble()},
		journal.Trouble{Begins: journal.LeftoversWait, Ends: journal.LeftoversTaken, Of: a.leftovers.Trouble()},
		journal.Trouble{Begins: journal.ClockNotSet, Ends: journal.ClockSet, Of: a.unset.Trouble()})
}

// lossCount notices by the ledger's sum that footage was given up.
type lossCount struct {
	known  bool
	before spool.Losses
}

func (l *lossCount) follow(a *agent) {
	a.reader.mu.Lock()
	last := a.reader.last
	a.reader.mu.Unlock()
	if last.at.IsZero() {
		return
	}
	if lost := last.losses.Segments - l.before.Segments; l.known && lost > 0 {
		a.journal.Note(journal.Entry{
			At: a.now(), Kind: journal.FootageLost, Remedy: "see to it that uploads work and are fast enough, or give the disk more room",
			Cause: fmt.Sprintf("%s (%s) had to be deleted before any destination had them", count(lost, "segment", "segments"), humanize.IBytes(uint64(max(0, last.losses.Bytes-l.before.Bytes)))),
		})
	}
	l.known, l.before = true, last.losses
}
