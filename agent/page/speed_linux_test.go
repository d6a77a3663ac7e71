//go:build !race

package page

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	_ "modernc.org/sqlite"

	"recording-agent/agent/status"
	"recording-agent/capture/spool"
)

// fleet is a world of many cameras, each with a day of segments of a minute, and a
// gap in each hour.
func fleet(t testing.TB, cameras int) *world {
	t.Helper()
	var all []status.Camera
	for i := range cameras {
		all = append(all, status.Camera{ID: fmt.Sprint("camera-", i), Name: fmt.Sprint("Camera ", i), State: "recording", Bitrate: 4e6, FrameRate: 25, SegmentStart: noon.Add(-30 * time.Second)})
	}
	w := newWorld(t, all...)
	db, err := sql.Open("sqlite", filepath.Join(w.spool.Dir(), "ledger.db"))
	must(t, err)
	defer db.Close()
	tx, err := db.Begin()
	must(t, err)
	for i := range cameras {
		for m := range 1440 {
			start := noon.Add(-time.Duration(1440-m) * time.Minute)
			if m%60 == 30 {
				_, err = tx.Exec(`INSERT INTO gaps (camera_id, start_us, end_us, cause) VALUES (?,?,?,?)`, all[i].ID, start.UnixMicro(), start.Add(time.Minute).UnixMicro(), spool.Unreachable)
				must(t, err)
				continue
			}
			id, delivery, state := uuid.Must(uuid.NewV7()).String(), spool.Verified, spool.Deleted
			if m > 1440-5 {
				delivery, state = spool.Pending, spool.Finished
			}
			_, err = tx.Exec(`INSERT INTO segments (id, camera_id, camera_name, client_name, path, state, start_us, end_us, duration_us, recorded_us, size) VALUES (?,?,?,?,?,?,?,?,60e6,60e6,30e6)`,
				id, all[i].ID, all[i].Name, "warehouse-7", "segments/"+id, state, start.UnixMicro(), start.Add(time.Minute).UnixMicro())
			must(t, err)
			_, err = tx.Exec(`INSERT INTO deliveries (segment_id, destination, bucket, key, state) VALUES (?,'primary','footage',?,?)`, id, id, delivery)
			must(t, err)
		}
	}
	must(t, tx.Commit())
	return w
}

func processorTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestManyCamerasLoadFast: with 32 cameras and a day of them the page is there within
// a second, although nothing of it was read before, and costs little while it is open.
func TestManyCamerasLoadFast(t *testing.T) {
	w := fleet(t, 32)
	w.serve(t)
	began := time.Now()
	code, _, body := w.get(t, "/")
	first := time.Since(began)
	if code != http.StatusOK {
		t.Fatal(code, body)
	}
	if first > 3*time.Second { // 0.4 s where nothing else runs
		t.Errorf("the first page took %s", first)
	}
	began = time.Now()
	w.get(t, "/")
	t.Logf("32 cameras: the first page took %s and has %d bytes, the second %s", first, len(body), time.Since(began))

	seconds, err := time.ParseDuration(os.Getenv("PAGE_OPEN_FOR"))
	if err != nil {
		t.Log("PAGE_OPEN_FOR=60s measures what an open page costs")
		return
	}
	b := openBrowser(t)
	b.look(1280, false)
	began = time.Now()
	b.do(chromedp.Navigate(w.url + "/"))
	b.until("document.querySelectorAll('.bar[role=slider]').length === 32")
	t.Logf("in Chromium: %s; by its own clock %.0f ms to DOMContentLoaded, %.0f ms to load", time.Since(began),
		evaluate[float64](b, "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"), evaluate[float64](b, "performance.getEntriesByType('navigation')[0].loadEventEnd"))
	call(b, performance.Enable, performance.EnableParams{})
	time.Sleep(5 * time.Second)
	agent, tab := processorTime(t), taskTime(b)
	began = time.Now()
	for i := 0; time.Since(began) < seconds; i++ { // as cameras are: each look finds other figures, and time goes on
		time.Sleep(time.Second)
		w.change(func() {
			w.now = w.now.Add(time.Second)
			for c := range w.snap.Cameras {
				w.snap.Cameras[c].Bitrate, w.snap.Cameras[c].LastFrame = 4e6+float64(i*c%17)*1e5, w.now
			}
		})
	}
	over := time.Since(began).Seconds()
	t.Logf("while open for %.0f s: the agent's side took %.2f %% of a core (this test's own part of driving Chromium included), the page's in the browser %.2f %%",
		over, 100*(processorTime(t)-agent).Seconds()/over, 100*(taskTime(b)-tab)/over)
}

// taskTime is what the page's thread in the browser has taken, in seconds.
func taskTime(b *browser) float64 {
	b.t.Helper()
	m, err := chromedp.Call(b.ctx, performance.GetMetrics, struct{}{})
	must(b.t, err)
	for _, one := range m.Metrics {
		if one.Name == "TaskDuration" {
			return one.Value
		}
	}
	b.t.Fatal("the browser does not tell what the page took")
	return 0
}
