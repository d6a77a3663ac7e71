//go:build !arm && !386

package spool_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"recording-agent/capture/mp4"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/capture/spool"
	"recording-agent/capture/spool/disktest"
)

// TestPowerCuts cuts the power at POWER_CUTS points (60, unless it says otherwise) of
// what the workload has done to its disk, starts on what disktest says that the disk
// may hold, and looks whether all is mended: see promises.kept. POWER_CUT_SEED
// chooses the points.
func TestPowerCuts(t *testing.T) {
	log := watchWorkload(t)
	rng := rand.New(rand.NewPCG(uint64(number(t, "POWER_CUT_SEED", 1)), 0))
	cuts, lost := number(t, "POWER_CUTS", 60), losses{}
	disk, p := disktest.NewDisk(nil), newPromises()
	for i, point := range choosePoints(log, cuts, rng) {
		p.follow(t, disk, log, point)
		how := chooseCut(rng)
		p.tryCut(t, disk.Cut(how.model, how.keep, how.sector, rng), &lost, i%40 == 0)
		if t.Failed() {
			t.Fatalf("cut %d, behind operation %d (%s), %+v", i, point, describe(log[point-1]), how)
		}
	}
	t.Logf("%d operations, %d power cuts, all mended; the most footage that one has cost was %v", len(log), cuts, lost.most)
}

// TestPowerCutsWhileRecovering cuts the power once more, while what the first cut has
// left is being recovered: a tenth as many first cuts, with six second ones each.
func TestPowerCutsWhileRecovering(t *testing.T) {
	log := watchWorkload(t)
	rng := rand.New(rand.NewPCG(uint64(number(t, "POWER_CUT_SEED", 1)), 1))
	cuts, again, lost := number(t, "POWER_CUTS", 60)/10, 0, losses{}
	disk, p := disktest.NewDisk(nil), newPromises()
	for i, point := range choosePoints(log, cuts, rng) {
		p.follow(t, disk, log, point)
		how := chooseCut(rng)
		image := disk.Cut(how.model, how.keep, how.sector, rng)
		recovering := watch(t, image, "WORKLOAD_RECOVERS=1")
		for _, second := range choosePoints(recovering, 6, rng) {
			disk := disktest.NewDisk(image)
			for _, op := range recovering[:second] {
				disk.Do(op)
			}
			p.tryCut(t, disk.Cut(how.model, chooseCut(rng).keep, how.sector, rng), &lost, false)
			again++
			if t.Failed() {
				t.Fatalf("cut %d, behind operation %d (%s), %+v, and then behind operation %d of %d (%s)",
					i, point, describe(log[point-1]), how, second, len(recovering), describe(recovering[second-1]))
			}
		}
	}
	t.Logf("%d power cuts, %d more while recovering, all mended; the most footage that was lost was %v", cuts, again, lost.most)
}

func choosePoints(log []disktest.Op, n int, rng *rand.Rand) []int {
	points := make([]int, n)
	for i := range points {
		points[i] = choosePoint(log, rng)
	}
	slices.Sort(points)
	return points
}

// follow carries out the operations up to a point, on a disk that has seen those that
// were followed before.
func (p *promises) follow(t *testing.T, disk *disktest.Disk, log []disktest.Op, point int) {
	t.Helper()
	for ; p.at < point; p.at++ {
		disk.Do(log[p.at])
		p.note(t, log[p.at])
	}
}

// tryCut starts on what a power cut has left.
func (p *promises) tryCut(t *testing.T, image disktest.Image, lost *losses, probe bool) {
	t.Helper()
	dir := diskFor(t, image)
	p.kept(t, dir, lost, probe)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// choosePoint seldom takes a point at which nothing has happened but another picture.
func choosePoint(log []disktest.Op, rng *rand.Rand) int {
	point := 1 + rng.IntN(len(log))
	for rng.IntN(8) > 0 && strings.HasPrefix(string(log[point-1].Data), `{"What":"picture"`) {
		point = 1 + rng.IntN(len(log))
	}
	return point
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// diskFor writes an image to where syncing costs nothing.
func diskFor(t *testing.T, image disktest.Image) string {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "power-cut-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := image.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func memory() string {
	if _, err := os.Stat("/dev/shm"); err != nil {
		return ""
	}
	return "/dev/shm"
}

// watchWorkload runs the workload on a disk that logs.
func watchWorkload(t *testing.T) []disktest.Op {
	t.Helper()
	return watch(t, nil, "WORKLOAD_RECOVERS=")
}

// watch runs the workload, as a process of its own, on a disk that logs.
func watch(t *testing.T, image disktest.Image, variable string) []disktest.Op {
	t.Helper()
	disk := disktest.Mount(t, t.TempDir(), image)
	program := exec.Command(os.Args[0], "-test.run=^TestPowerCutWorkload$", "-test.count=1")
	program.Env = append(os.Environ(), "WORKLOAD_DIR="+disk.Dir, variable)
	if out, err := program.CombinedOutput(); err != nil {
		t.Fatalf("the workload: %v\n%s", err, out)
	}
	return disk.Log()
}

type howCut struct {
	model  disktest.Model
	keep   disktest.Keep
	sector int64
}

func chooseCut(rng *rand.Rand) howCut {
	how := howCut{model: disktest.Model(rng.IntN(2)), sector: []int64{512, 4096}[rng.IntN(2)]}
	switch rng.IntN(8) {
	case 0:
		how.keep = disktest.None
	case 1:
		how.keep = disktest.All
	}
	return how
}

func describe(op disktest.Op) string {
	if op.Kind == disktest.Mark {
		return string(op.Data)
	}
	return fmt.Sprintf("%s node %d %q at %d, %d bytes", op.Kind, op.Node, op.Name, op.Offset, len(op.Data))
}

// promises is what the program has been told to be done for good, and what it was
// about to do, at a point of the log.
type promises struct {
	at       int
	now      time.Time              // when the last picture came
	pictures map[string][]time.Time // by camera
	begun    map[string]bool
	finished map[string]*mp4.Result
	opening  map[string]string // upload ids, by segment
	opened   map[string]string
	sending  map[string]spool.UploadPart // by segment and number
	sent     map[string]spool.UploadPart
	doing    map[string]bool // "storing <segment>"
	done     map[string]bool // "stored <segment>"
	brought  mark
}

func newPromises() *promises {
	return &promises{
		pictures: map[string][]time.Time{}, begun: map[string]bool{}, finished: map[string]*mp4.Result{}, opening: map[string]string{}, opened: map[string]string{},
		sending: map[string]spool.UploadPart{}, sent: map[string]spool.UploadPart{}, doing: map[string]bool{}, done: map[string]bool{},
	}
}

func partOf(segment string, number int) string { return fmt.Sprintf("%s %d", segment, number) }

func (p *promises) note(t *testing.T, op disktest.Op) {
	if op.Kind != disktest.Mark {
		return
	}
	var m mark
	if err := json.Unmarshal(op.Data, &m); err != nil {
		t.Fatal(err)
	}
	switch m.What {
	case "picture":
		p.now = m.Wall
		p.pictures[m.Camera] = append(p.pictures[m.Camera], m.Wall)
	case "begun":
		p.begun[m.Segment] = true
	case "finished":
		p.finished[m.Segment] = m.Result
	case "opening":
		p.opening[m.Segment] = m.Upload
	case "opened":
		p.opened[m.Segment] = m.Upload
	case "sending":
		p.sending[partOf(m.Segment, m.Part.Number)] = *m.Part
	case "sent":
		p.sent[partOf(m.Segment, m.Part.Number)] = *m.Part
	case "storing", "verifying", "deleting", "giving up":
		p.doing[m.What+" "+m.Segment] = true
	case "stored", "verified", "deleted", "given up", "taken over":
		p.done[m.What+" "+m.Segment] = true
	case "brought":
		p.brought = m
	default:
		t.Fatalf("mark %q", m.What)
	}
}

type losses struct{ most time.Duration }

// kept starts on a disk, twice, and looks whether every promise is kept.
func (p *promises) kept(t *testing.T, dir string, lost *losses, probe bool) {
	t.Helper()
	s, _ := start(t, dir, p.now)
	if s == nil {
		return
	}
	c := &check{t: t, p: p, s: s, dir: dir, say: t.Errorf, rows: map[string]spool.Segment{}, files: map[string]bool{}}
	c.all(lost, probe)
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	first := state(t, dir)
	s, found := start(t, dir, p.now)
	if s == nil {
		return
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if second := state(t, dir); found != (spool.Recovery{}) || !slices.Equal(first, second) {
		t.Errorf("the second start changes something: %+v\n%s", found, difference(first, second))
	}
}

// start opens and recovers; nil if that fails.
func start(t *testing.T, dir string, now time.Time) (*spool.Spool, spool.Recovery) {
	t.Helper()
	var said strings.Builder
	o := workloadOptions(dir, func() time.Time { return now })
	o.Log = o.Log.Output(&said)
	s, err := spool.Open(t.Context(), o)
	if err != nil {
		t.Errorf("open: %v\n%s", err, &said)
		return nil, spool.Recovery{}
	}
	found, err := s.Recover(t.Context())
	if err != nil || found.Failed > 0 || found.Missing > 0 {
		t.Errorf("recover: %+v, %v\n%s", found, err, &said)
		if err != nil {
			s.Close()
			return nil, found
		}
	}
	return s, found
}

// check looks at what a start has made of a disk.
type check struct {
	t     *testing.T
	p     *promises
	s     *spool.Spool
	dir   string
	say   func(format string, args ...any)
	rows  map[string]spool.Segment
	files map[string]bool // of segments, by path
}

func (c *check) all(lost *losses, probe bool) {
	c.t.Helper()
	c.ledger()
	for _, st := range []spool.State{spool.Recording, spool.Finished, spool.Deleted, spool.Missing, spool.Empty} {
		rows, err := c.s.Segments(c.t.Context(), st)
		if err != nil {
			c.say("%v", err)
		}
		for _, seg := range rows {
			c.rows[seg.ID] = seg
		}
	}
	files, err := filepath.Glob(filepath.Join(c.dir, "segments", "*", "*"))
	if err != nil {
		c.say("%v", err)
	}
	for _, f := range files {
		rel, _ := filepath.Rel(c.dir, f)
		c.files[filepath.ToSlash(rel)] = true
	}
	for _, seg := range c.rows {
		c.row(seg, probe)
		delete(c.files, seg.Path)
	}
	for f := range c.files {
		c.say("file %s has no row", f)
	}
	c.promised()
	c.footage(lost)
	c.broughtFile()
}

// ledger: SQLite finds nothing wrong, and nothing was set aside.
func (c *check) ledger() {
	c.t.Helper()
	if aside, _ := filepath.Glob(filepath.Join(c.dir, "ledger.db.*")); len(aside) > 0 {
		c.say("the ledger was set aside: %v", aside)
	}
	db, err := sql.Open("sqlite", filepath.Join(c.dir, "ledger.db"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	var found string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&found); err != nil || found != "ok" {
		c.say("the ledger: %s, %v", found, err)
	}
	if err := db.QueryRow("PRAGMA foreign_key_check").Scan(new(any), new(any), new(any), new(any)); !errors.Is(err, sql.ErrNoRows) {
		c.say("a row of the ledger points to none: %v", err)
	}
}

// row: it is in a state in which nothing is left to be done, and its file is what it
// says.
func (c *check) row(seg spool.Segment, probe bool) {
	c.t.Helper()
	here := c.files[seg.Path]
	switch {
	case seg.State == spool.Recording:
		c.say("segment %s is still being recorded", seg.ID)
	case seg.State == spool.Missing && seg.GivenUp == "":
		c.say("the file of segment %s is missing", seg.ID)
	case seg.State != spool.Finished && here:
		c.say("segment %s is %s and has a file", seg.ID, seg.State)
	case seg.State == spool.Finished:
		c.file(seg, probe)
	}
	deliveries, err := c.s.Deliveries(c.t.Context(), seg.ID)
	if err != nil || len(deliveries) != 1 {
		c.say("segment %s: deliveries %+v, %v", seg.ID, deliveries, err)
		return
	}
	c.delivery(seg, deliveries[0])
}

func (c *check) file(seg spool.Segment, probe bool) {
	c.t.Helper()
	name := filepath.Join(c.dir, filepath.FromSlash(seg.Path))
	f, err := os.Open(name)
	if err != nil {
		c.say("segment %s: %v", seg.ID, err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		c.t.Fatal(err)
	}
	sum, err := mp4.Checksum(f, info.Size())
	if err != nil || sum != seg.Checksum || info.Size() != seg.Size {
		c.say("segment %s: %d bytes with checksum %s, %v, its row says %d, %s", seg.ID, info.Size(), sum, err, seg.Size, seg.Checksum)
	}
	found, err := mp4.Inspect(f, info.Size())
	if err != nil || !found.Finished || found.Cut != 0 || found.Frames != seg.Frames || found.Duration != seg.Duration {
		c.say("segment %s: %+v, %v", seg.ID, found, err)
	}
	if foreign := seg.ID == c.p.brought.Segment; !foreign && (found.CameraName != "Camera "+seg.CameraID || found.CameraID != seg.CameraID || found.SegmentID != seg.ID ||
		seg.CameraName != found.CameraName || found.ClientName != "warehouse-7" || found.Width != 1920 || found.Height != 1080 || found.VideoCodec != "avc1.42c028") {
		c.say("segment %s: its front is damaged: %+v", seg.ID, found)
	}
	if probe {
		c.probe(seg, name)
	}
}

// probe has a program read the file that we did not write.
func (c *check) probe(seg spool.Segment, name string) {
	c.t.Helper()
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		rtsptest.Missing(c.t, "ffprobe")
	}
	out, err := exec.Command(ffprobe, "-v", "quiet", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", name).Output()
	if got := strings.Trim(string(out), "\n,"); err != nil || got != fmt.Sprint(seg.Frames) {
		c.say("segment %s: ffprobe reads %q pictures of %d, %v", seg.ID, got, seg.Frames, err)
	}
}

// delivery: it is not behind what was promised, and not ahead of what the store had
// been asked.
func (c *check) delivery(seg spool.Segment, d spool.Delivery) {
	c.t.Helper()
	id, p := seg.ID, c.p
	switch {
	case p.done["verified "+id] && d.State != spool.Verified:
		c.say("segment %s was verified and is %s", id, d.State)
	case d.State == spool.Verified && !p.doing["verifying "+id]:
		c.say("segment %s is verified, and nobody said so", id)
	case p.done["stored "+id] && d.State == spool.Pending:
		c.say("segment %s was stored and is %s", id, d.State)
	case d.State == spool.Stored && !p.doing["storing "+id]:
		c.say("segment %s is stored, and nobody said so", id)
	}
	if d.State == spool.Verified || d.State == spool.Missed {
		return
	}
	if d.Upload == nil {
		if p.opened[id] != "" {
			c.say("segment %s has forgotten its upload %s", id, p.opened[id])
		}
		return
	}
	if d.Upload.ID != p.opening[id] {
		c.say("segment %s knows upload %s, which was never opened", id, d.Upload.ID)
	}
	c.parts(seg)
}

// parts: all that the store has acknowledged are known, and what was sent is still in
// the file, but for its front.
func (c *check) parts(seg spool.Segment) {
	c.t.Helper()
	job, err := c.s.FinishedDelivery(c.t.Context(), seg.ID, "primary")
	if err != nil || job == nil {
		if err != nil || seg.State == spool.Finished {
			c.say("segment %s: its delivery %v, %v", seg.ID, job, err)
		}
		return
	}
	f, err := c.s.Open(seg)
	if err != nil {
		c.say("%v", err)
		return
	}
	defer f.Close()
	for i, part := range job.Delivery.Upload.Parts {
		if part.Number != i+1 || part != c.p.sending[partOf(seg.ID, part.Number)] {
			c.say("segment %s knows part %+v, which is not what was sent", seg.ID, part)
		}
		if part.Number == 1 {
			continue
		}
		from := int64(part.Number-1) * uploadPart
		if sum, err := mp4.Checksum(io.NewSectionReader(f, from, part.Size), part.Size); err != nil || sum != part.Checksum {
			c.say("segment %s: part %d was sent and has changed in the file: %v", seg.ID, part.Number, err)
		}
	}
	n := len(job.Delivery.Upload.Parts)
	if _, more := c.p.sent[partOf(seg.ID, n+1)]; more {
		c.say("segment %s knows %d parts, more were acknowledged", seg.ID, n)
	}
}

// promised: what was finished is as it was, and what is gone was to go.
func (c *check) promised() {
	c.t.Helper()
	for id := range c.p.begun {
		if _, ok := c.rows[id]; !ok {
			c.say("segment %s has lost its row", id)
		}
	}
	for id, r := range c.p.finished {
		seg := c.rows[id]
		if seg.Size != r.Size || seg.Checksum != r.Checksum || seg.Frames != r.Frames || seg.Duration != r.Duration {
			c.say("segment %s was finished as %+v and is %+v", id, r, seg)
		}
		switch {
		case seg.State == spool.Deleted && !c.p.doing["deleting "+id], seg.State == spool.Missing && !c.p.doing["giving up "+id], seg.State == spool.Empty:
			c.say("segment %s is %s, and nobody said so", id, seg.State)
		case seg.State == spool.Finished && (c.p.done["deleted "+id] || c.p.done["given up "+id]):
			c.say("segment %s was deleted and is back", id)
		}
	}
}

// footage: no more is missing than what the last sync did not cover, and a part.
func (c *check) footage(lost *losses) {
	c.t.Helper()
	for camera, pictures := range c.p.pictures {
		frames := 0
		for _, seg := range c.rows {
			if seg.CameraID == camera && seg.ID != c.p.brought.Segment {
				frames += int(seg.Frames)
			}
		}
		if frames > len(pictures) {
			c.say("camera %s has %d pictures, it has sent %d", camera, frames, len(pictures))
			continue
		}
		if frames == len(pictures) {
			continue
		}
		missing := c.p.now.Sub(pictures[frames])
		lost.most = max(lost.most, missing)
		if missing > syncEvery+partFor {
			c.say("camera %s: the last %v are missing, %d of %d pictures are there", camera, missing, frames, len(pictures))
		}
	}
}

// broughtFile: the file of another recorder is in one of both places.
func (c *check) broughtFile() {
	c.t.Helper()
	b := c.p.brought
	if b.Segment == "" || c.rows[b.Segment].State == spool.Finished || c.rows[b.Segment].State == spool.Deleted {
		return
	}
	if c.p.done["taken over "+b.Segment] {
		c.say("a file that was taken over is %q", c.rows[b.Segment].State)
	}
	data, err := os.ReadFile(filepath.Join(c.dir, "inbox", "other.mp4"))
	if err == nil {
		var sum string
		if sum, err = mp4.Checksum(strings.NewReader(string(data)), int64(len(data))); sum != b.Checksum && err == nil {
			err = errors.New("it has changed")
		}
	}
	if err != nil {
		c.say("the file of another recorder is in neither place: %v", err)
	}
}

// state is all that a data directory holds, in words: rows and files.
func state(t *testing.T, dir string) []string {
	t.Helper()
	image, err := disktest.ReadImage(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for name, content := range image {
		if !strings.HasPrefix(name, "ledger.db") {
			sum, _ := mp4.Checksum(strings.NewReader(string(content)), int64(len(content)))
			out = append(out, fmt.Sprintf("file %s %d %s", name, len(content), sum))
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, table := range []string{"identity", "segments", "deliveries", "upload_parts", "gaps"} {
		out = append(out, tableRows(t.Context(), t, db, table)...)
	}
	slices.Sort(out)
	return out
}

func tableRows(ctx context.Context, t *testing.T, db *sql.DB, table string) (out []string) {
	t.Helper()
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %v", table, values))
	}
	return out
}

func difference(a, b []string) string {
	var out strings.Builder
	for _, line := range a {
		if !slices.Contains(b, line) {
			fmt.Fprintln(&out, "-", line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			fmt.Fprintln(&out, "+", line)
		}
	}
	return out.String()
}
