package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rs/zerolog"

	"recording-agent/agent/central/centraltest"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/capture/spool"
	"recording-agent/uploader/wiretest"
)

// The whole way of a byte, and an orderly end.
func TestRecordUploadCompleteDelete(t *testing.T) {
	h := newHost(t)
	h.start()
	h.until(40*time.Second, func() string {
		done := map[string]int{}
		for _, r := range h.central.Recordings() {
			if r.Status == "completed" {
				done[r.CameraID]++
			}
		}
		for _, id := range h.cameras {
			if done[id] < 2 {
				return fmt.Sprintf("two completed segments of each camera: %v", done)
			}
		}
		return ""
	})
	h.covered()
	h.stop()
	for _, file := range h.files() { // what the orderly end has left for the next start
		head := make([]byte, 40)
		if f, err := os.Open(file); err != nil {
			t.Error(err)
		} else if _, err := f.Read(head); err != nil || !bytes.Contains(head[32:], []byte("free")) {
			t.Errorf("%s was not finished: its init moov still stands (%q, %v)", file, head, err)
		} else {
			f.Close()
		}
	}
	h.silence()
	h.start()
	h.until(30*time.Second, h.backlog)
	h.stop()
	h.account(0)
}

// covered wants the status to say that the cameras are recorded, and since when.
func (h *host) covered() {
	h.t.Helper()
	response, err := http.Get("http://" + h.status + "/status")
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	var s struct {
		Cameras []struct {
			Coverage struct {
				Hour struct {
					Scheduled float64 `json:"scheduled_seconds"`
					Recorded  float64 `json:"recorded_seconds"`
				} `json:"last_hour"`
			}
			Gaps []struct{ Cause string }
		} `json:"camera_status"`
	}
	if err := json.NewDecoder(response.Body).Decode(&s); err != nil || len(s.Cameras) != len(h.cameras) {
		h.t.Fatalf("status of %d cameras, %v", len(s.Cameras), err)
	}
	for _, c := range s.Cameras {
		hour := c.Coverage.Hour
		if hour.Scheduled < 5 || hour.Recorded < hour.Scheduled-6 || hour.Recorded > hour.Scheduled || len(c.Gaps) != 1 || c.Gaps[0].Cause != "connecting" {
			h.t.Errorf("coverage %+v, gaps %+v", hour, c.Gaps)
		}
	}
}

// Killed at any moment, again and again: whatever had been written is in the
// store in the end, registered and completed.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a minute")
	}
	h := newHost(t)
	h.toRows.Set(wiretest.Fault{Jitter: 300 * time.Millisecond}) // so that some die with a register call under way
	h.toStore.Set(wiretest.Fault{Jitter: 60 * time.Millisecond})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pictures := map[string]int{}
	const kills = 12
	for range kills {
		h.start()
		time.Sleep(time.Duration(random.IntN(5000)) * time.Millisecond)
		h.kill()
		for id, n := range h.picturesOnDisk() {
			if n < pictures[id] {
				t.Errorf("segment %s had %d pictures on the disk, now %d", id, pictures[id], n)
			}
			pictures[id] = n
		}
	}
	h.silence()
	h.toRows.Set(wiretest.Fault{})
	h.start()
	h.until(60*time.Second, h.backlog)
	h.stop()
	h.account(kills)
	for _, r := range h.central.Recordings() {
		if r.Status != "completed" {
			continue
		}
		path, err := h.object(r.FilePath)
		if err != nil {
			t.Errorf("recording %s: %v", r.ID, err)
			continue
		}
		if n := countPictures(t, path); n < pictures[r.IdempotencyKey] {
			t.Errorf("segment %s: %d pictures in the store, %d had been written", r.IdempotencyKey, n, pictures[r.IdempotencyKey])
		}
		delete(pictures, r.IdempotencyKey)
	}
	for id, n := range pictures {
		if n > 0 {
			t.Errorf("segment %s with %d pictures never came to central", id, n)
		}
	}
}

// Neither store nor central can be reached: recording does not care, and what
// was recorded goes all the way once they are there.
func TestRecordingNeedsOnlyCameraAndDisk(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.toStore.Set(wiretest.Fault{Cut: true})
	h.toRows.Set(wiretest.Fault{Cut: true})
	h.start()
	h.until(40*time.Second, func() string {
		if n := len(h.files()); n < 6 {
			return fmt.Sprintf("six segments on the disk, there are %d", n)
		}
		return ""
	})
	if n := len(h.central.Recordings()); n > 0 {
		t.Fatalf("%d rows at a central server that could not be reached", n)
	}
	h.central.Break("/recordings/register", 2, centraltest.Answer(500, "unexpected"))
	h.central.Break("/recordings/status", 2, centraltest.Answer(502, ""))
	h.toStore.Set(wiretest.Fault{})
	h.toRows.Set(wiretest.Fault{})
	h.stop()
	h.silence()
	h.start()
	h.until(60*time.Second, h.backlog)
	h.stop()
	h.account(2)
}

// Parts are in the store while their segment is recorded, and are not sent again
// after a crash: only the segments' ends and their fronts are.
func TestUploadsWhileItRecords(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	h := newHost(t)
	h.segment = "1h"
	h.configure()
	h.start()
	const partSize = 5 << 20
	h.until(60*time.Second, func() string {
		for _, id := range h.cameras {
			if n := h.partsOf(id); n < 2 {
				return fmt.Sprintf("two parts of camera %s in the store, there are %d", id, n)
			}
		}
		return ""
	})
	time.Sleep(time.Second) // for the ledger to learn of the parts
	h.kill()
	h.silence()
	h.start()
	h.until(30*time.Second, h.backlog)
	h.stop()
	h.account(0)
	const talk = 128 << 10 // what else is said to a store
	objects, most := int64(0), int64(talk)
	for _, r := range h.central.Recordings() {
		objects += r.FileSize
		most += r.FileSize
		if r.FileSize > partSize {
			most += partSize // its front goes twice
		}
	}
	if sent := h.toStore.Sent(); sent > most || objects < 4*partSize {
		t.Errorf("%d bytes went to the store for objects of %d bytes, want at most %d", sent, objects, most)
	} else {
		t.Logf("%d bytes went to the store for objects of %d bytes", sent, objects)
	}
}

// partsOf counts the parts of a camera's open uploads.
func (h *host) partsOf(camera string) (n int) {
	h.t.Helper()
	prefix := "recordings/" + camera + "/"
	uploads, err := h.objects.ListMultipartUploads(h.t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(hostBucket), Prefix: &prefix})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, u := range uploads.Uploads {
		parts, err := h.objects.ListParts(h.t.Context(), &s3.ListPartsInput{Bucket: aws.String(hostBucket), Key: u.Key, UploadId: u.UploadId})
		if err != nil {
			h.t.Fatal(err)
		}
		n += len(parts.Parts)
	}
	return n
}

// account compares store, central and ledger when everything has drained.
// ambiguous is how many register calls may have lost their answers.
func (h *host) account(ambiguous int) {
	h.t.Helper()
	t := h.t
	ledger, err := spool.Open(context.Background(), spool.Options{Dir: h.data(), ClientName: "host", Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	deleted, err := ledger.Segments(context.Background(), spool.Deleted)
	if err != nil {
		t.Fatal(err)
	}
	rows, completed := map[string]int{}, map[string]centraltest.Recording{}
	for _, r := range h.central.Recordings() {
		rows[r.IdempotencyKey]++
		if r.Status == "completed" {
			if _, twice := completed[r.IdempotencyKey]; twice {
				t.Errorf("segment %s was completed twice", r.IdempotencyKey)
			}
			completed[r.IdempotencyKey] = r
		}
	}
	extra, attempts := 0, 0
	for _, s := range deleted {
		r, ok := completed[s.ID]
		if !ok {
			t.Errorf("segment %s was deleted here and is not completed at central", s.ID)
			continue
		}
		if r.FileSize != s.Size {
			t.Errorf("segment %s: central knows %d bytes, the ledger %d", s.ID, r.FileSize, s.Size)
		}
		if s.ID[14] != '5' { // another recorder's, which arrived looks at
			h.checkObject(r, s)
		}
		extra += rows[s.ID] - 1
		attempts += s.Central.Attempts - 1
		delete(rows, s.ID)
	}
	for id := range rows {
		t.Errorf("central has a row of segment %s, which the ledger does not have as deleted", id)
	}
	if extra > attempts || extra > ambiguous {
		t.Errorf("%d rows more than segments, with %d repeated attempts and at most %d lost answers", extra, attempts, ambiguous)
	}
	t.Logf("%d segments, %d rows more than segments, %d repeated register attempts", len(deleted), extra, attempts)
	h.noOpenUploads()
	h.noOverlap(ledger, deleted)
}

func (h *host) checkObject(r centraltest.Recording, s spool.Segment) {
	h.t.Helper()
	out, err := h.objects.HeadObject(h.t.Context(), &s3.HeadObjectInput{Bucket: aws.String(hostBucket), Key: &r.FilePath, ChecksumMode: "ENABLED"})
	if err != nil {
		h.t.Errorf("segment %s: %v", s.ID, err)
		return
	}
	if aws.ToInt64(out.ContentLength) != s.Size || aws.ToString(out.ChecksumCRC64NVME) != s.Checksum || out.ChecksumType != "FULL_OBJECT" {
		h.t.Errorf("segment %s: the object has %d bytes and checksum %s (%s), the file had %d and %s", s.ID,
			aws.ToInt64(out.ContentLength), aws.ToString(out.ChecksumCRC64NVME), out.ChecksumType, s.Size, s.Checksum)
	}
	if out.Metadata["segment-id"] != s.ID {
		h.t.Errorf("segment %s: the object's metadata is %v", s.ID, out.Metadata)
	}
	path, err := h.object(r.FilePath)
	if err != nil {
		h.t.Error(err)
		return
	}
	if n := countPictures(h.t, path); int64(n) != s.Frames || n == 0 {
		h.t.Errorf("segment %s: the object has %d pictures, the ledger says %d", s.ID, n, s.Frames)
	}
}

func (h *host) noOpenUploads() {
	h.t.Helper()
	out, err := h.objects.ListMultipartUploads(h.t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(hostBucket)})
	if err != nil {
		h.t.Fatal(err)
	}
	if len(out.Uploads) > 1 || len(out.Uploads) == 1 && !h.leftOpen {
		h.t.Errorf("%d uploads were left open", len(out.Uploads))
	}
}

// noOverlap wants each camera's time to be footage or a gap, once.
func (h *host) noOverlap(ledger *spool.Spool, segments []spool.Segment) {
	h.t.Helper()
	const slack = 200 * time.Millisecond
	for _, camera := range h.cameras {
		type stretch struct {
			start, end time.Time
			what       string
		}
		var account []stretch
		for _, s := range segments {
			if s.CameraID == camera && s.ID[14] != '5' {
				account = append(account, stretch{s.Start, s.End, "segment " + s.ID})
			}
		}
		gaps, err := ledger.Gaps(context.Background(), camera)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, g := range gaps {
			if !g.End.IsZero() {
				account = append(account, stretch{g.Start, g.End, "gap: " + string(g.Cause)})
			}
		}
		slices.SortFunc(account, func(a, b stretch) int { return a.start.Compare(b.start) })
		for i := 1; i < len(account); i++ {
			if between := account[i].start.Sub(account[i-1].end); between < -slack || between > slack {
				h.t.Errorf("camera %s: %v between the end of %s and the start of %s", camera, between, account[i-1].what, account[i].what)
			}
		}
	}
}

// picturesOnDisk counts what is in the files as they are, unfinished ones
// included, with a reader that is not ours.
func (h *host) picturesOnDisk() map[string]int {
	out := map[string]int{}
	for _, file := range h.files() {
		out[segmentOf(file)] = countPictures(h.t, file)
	}
	return out
}

// countPictures counts the video packets that ffprobe finds in the whole parts of
// a file: a kill may end even a write half-way, and that part is not promised.
func countPictures(t *testing.T, path string) int {
	t.Helper()
	if _, err := exec.LookPath("ffprobe"); err != nil {
		rtsptest.Missing(t, "ffprobe")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := wholeParts(data)
	out, _ := exec.Command("ffprobe", "-v", "quiet", "-select_streams", "v:0", "-show_entries", "packet=size,pos", "-of", "csv=p=0", path).Output()
	n := 0
	for line := range strings.Lines(string(out)) {
		var size, pos int64
		if _, err := fmt.Sscanf(line, "%d,%d", &size, &pos); err == nil && pos+size <= whole {
			n++
		}
	}
	return n
}

// wholeParts is where the last mdat ends that the file holds to its end.
func wholeParts(data []byte) (end int64) {
	for at := int64(0); at+16 <= int64(len(data)); {
		size := int64(binary.BigEndian.Uint32(data[at:]))
		if size == 1 {
			size = int64(binary.BigEndian.Uint64(data[at+8:]))
		}
		if size < 8 || size > int64(len(data))-at {
			break
		}
		if string(data[at+4:at+8]) == "mdat" {
			end = at + size
		}
		at += size
	}
	return end
}

func TestSecondAgentIsRefused(t *testing.T) {
	h := newHost(t)
	h.start()
	h.until(20*time.Second, func() string {
		if _, err := os.Stat(filepath.Join(h.data(), "ledger.db")); err != nil {
			return err.Error()
		}
		return ""
	})
	second := exec.Command(os.Args[0], "run", "--config", h.config())
	second.Env = append(os.Environ(), "RUN_AS_AGENT=1")
	out, _ := second.CombinedOutput()
	if second.ProcessState.ExitCode() != exitFailed || !strings.Contains(string(out), "another agent is running") {
		t.Errorf("the second agent ended with %d and said:\n%s", second.ProcessState.ExitCode(), out)
	}
	h.stop()
}
