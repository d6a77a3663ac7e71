package main

import (
	"encoding/json"
	"os"
	"slices"
	"sync"
	"time"

	"recording-agent/agent/torture/check"
)

// diary is the driver's own log of what it has done to the agent.
type diary struct {
	mu   sync.Mutex
	What diaryEntries
	open map[diaryKey]time.Time
}

type diaryKey struct {
	kind   check.Kind
	camera string
}

// diaryEntries is what is kept of a run, to judge it.
type diaryEntries struct {
	From, To time.Time
	Cameras  []string
	Data     string
	Kills    int
	Outages  []check.Outage
	Clock    []check.Step
	Faults   []string
}

func newDiary() *diary { return &diary{open: map[diaryKey]time.Time{}} }

// begin opens an outage; one that is open already goes on.
func (d *diary) begin(kind check.Kind, camera string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, is := d.open[diaryKey{kind, camera}]; !is {
		d.open[diaryKey{kind, camera}] = time.Now()
	}
}

func (d *diary) end(kind check.Kind, camera string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if from, is := d.open[diaryKey{kind, camera}]; is {
		d.What.Outages = append(d.What.Outages, check.Outage{Kind: kind, Camera: camera, From: from, To: time.Now()})
		delete(d.open, diaryKey{kind, camera})
	}
}

func (d *diary) killed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.What.Kills++
}

func (d *diary) kills() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.What.Kills
}

func (d *diary) stepped(offset time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.What.Clock = append(d.What.Clock, check.Step{At: time.Now(), Offset: offset})
}

// fault notes what must not happen whatever is done to the agent.
func (d *diary) fault(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.What.Faults = append(d.What.Faults, text)
}

// faults is what was noted of these.
func (d *diary) faults() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.What.Faults)
}

func (d *diary) from() { d.set(&d.What.From) }
func (d *diary) to()   { d.set(&d.What.To) }

func (d *diary) set(t *time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*t = time.Now()
}

// save writes it down; what is still open ends now.
func (d *diary) save(file string) error {
	for _, k := range d.stillOpen() {
		d.end(k.kind, k.camera)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	text, err := json.MarshalIndent(d.What, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

func (d *diary) stillOpen() (keys []diaryKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k := range d.open {
		keys = append(keys, k)
	}
	return slices.Clip(keys)
}
