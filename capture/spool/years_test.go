package spool

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// recorded is a day of some cameras in the ledger, past the verbs: segments that were
// uploaded and deleted, and a gap after each twentieth.
func (b *agingBench) recorded(cameras, perDay int) {
	b.t.Helper()
	start, length := micros(b.host.now()), (day / time.Duration(perDay)).Microseconds()
	const each = `WITH RECURSIVE
			slot (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM slot WHERE n < ?4 - 1),
			camera (c) AS (SELECT 0 UNION ALL SELECT c + 1 FROM camera WHERE c < ?3 - 1),
			seg (camera, at, id) AS (SELECT 'camera-' || c, ?1 + n * ?2, printf('%s-%s-7%03x-8000-%012x',
				substr(printf('%012x', (?1 + n * ?2) / 1000), 1, 8), substr(printf('%012x', (?1 + n * ?2) / 1000), 9), c, n) FROM slot, camera ORDER BY n, c)`
	for _, query := range []string{
		each + ` INSERT INTO segments (id, camera_id, camera_name, client_name, path, state, start_us, end_us, duration_us, recorded_us, size, checksum, video_codec, central_state, central_recording_id, central_attempts)
			SELECT id, camera, camera, 'host', 'segments/' || camera || '/' || at || '_' || id || '.mp4', 'deleted', at, at + ?2, ?2, ?2, 150000000, 'AAAAAAAAAAA=', 'avc1.42c028', 'completed', id, 1 FROM seg`,
		each + ` INSERT INTO deliveries (segment_id, destination, bucket, key, state, verified_by, verified_us)
			SELECT id, 'primary', 'footage', 'recordings/' || camera || '/' || at || '_host.mp4', 'verified', 'size, crc64nvme', at + ?2 FROM seg`,
		each + ` INSERT INTO gaps (camera_id, start_us, end_us, cause) SELECT camera, at, at + 1000000, 'camera unreachable' FROM seg WHERE at % (20 * ?2) < ?2`,
	} {
		_, err := b.ledger.db.Exec(query, start, length, cameras, perDay)
		must(b.t, err)
	}
}

// size is that of the ledger's file, and how much of it is in use.
func (b *agingBench) size() (file, used int64) {
	b.t.Helper()
	info, err := os.Stat(filepath.Join(b.dir, "ledger.db"))
	must(b.t, err)
	var pages, free int64
	must(b.t, b.ledger.db.QueryRow(`PRAGMA page_count`).Scan(&pages))
	must(b.t, b.ledger.db.QueryRow(`PRAGMA freelist_count`).Scan(&free))
	return info.Size(), info.Size() * (pages - free) / pages
}

// TestTwoYears: after years of recording the ledger is not larger than after months, and
// the start is as fast. SPOOL_FLEET is how many cameras there are, SPOOL_SEGMENTS how many
// segments each makes in a day, SPOOL_GROWN how many days an older agent has recorded,
// which kept all rows.
func TestTwoYears(t *testing.T) {
	number := func(name string, otherwise int) int {
		text := os.Getenv(name)
		if text == "" {
			return otherwise
		}
		n, err := strconv.Atoi(text)
		must(t, err)
		return n
	}
	cameras, perDay, grown := number("SPOOL_FLEET", 2), number("SPOOL_SEGMENTS", 48), number("SPOOL_GROWN", 0)
	b := newAging(t)
	b.keep.longDays = 100 // else half a year is not enough to see that they go
	b.restart()
	for range grown {
		b.recorded(cameras, perDay)
		b.host.up += day
	}
	b.host.up += time.Minute
	_, err := b.Ran(t.Context())
	must(t, err)
	if grown > 0 {
		file, used := b.size()
		t.Logf("grown by %d days: file of %.1f MB, %.1f MB in use", grown, float64(file)/1e6, float64(used)/1e6)
	}
	var longest, all time.Duration
	var settled int64
	const days = 730
	for n := range days {
		b.recorded(cameras, perDay)
		b.host.up += day
		_, err := b.Ran(t.Context())
		must(t, err)
		_, err = b.Prune(t.Context(), true, func(worked time.Duration) bool {
			longest, all = max(longest, worked), all+worked
			return true
		})
		must(t, err)
		if n == days/4 {
			settled, _ = b.size()
		}
	}
	file, used := b.size()
	var rows, ids int64
	must(t, b.ledger.db.QueryRow(`SELECT (SELECT count(*) FROM segments), (SELECT ids FROM pruned)`).Scan(&rows, &ids))
	t.Logf("%d cameras, %d days: %d rows, %d ids; file of %.1f MB, %.1f MB in use, %.1f MB after half a year; held for %v at most, %v in all",
		cameras, days, rows, ids, float64(file)/1e6, float64(used)/1e6, float64(settled)/1e6, longest.Round(time.Millisecond), all.Round(time.Millisecond))
	// Of each segment that is gone 13 bytes stay.
	if most := settled + 20*ids + 1e6; file > most {
		t.Errorf("the ledger has %d bytes, %d at most were to be", file, most)
	}
	if most := min(int64(48*cameras*perDay), b.keep.rows+int64(cameras*perDay)); rows > most {
		t.Errorf("it has %d rows, %d at most were to be", rows, most)
	}
	began := time.Now()
	b.restart()
	t.Logf("opened and recovered in %v", time.Since(began).Round(time.Millisecond))
	if took := time.Since(began); took > 5*time.Second { // on a busy machine, with the race detector
		t.Errorf("the start took %v", took)
	}
}
