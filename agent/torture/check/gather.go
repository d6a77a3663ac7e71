package check

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the ledger is a database of it
)

// Line is one of central's journal. The last of a row counts.
type Line struct {
	Row      *Row   `json:"row,omitempty"`
	Answered string `json:"answered,omitempty"` // a row's id: its registration was answered, and another call came over the connection
}

// Rows reads the journal of the central server. The answer to a registration is lost
// unless the client has shown that it came: by another call over the same connection,
// or by any about the recording.
func Rows(file string) ([]Row, error) {
	var rows []Row
	place, answered := map[string]int{}, map[string]bool{}
	err := eachLine(file, func(data []byte) error {
		var l Line
		if err := json.Unmarshal(data, &l); err != nil {
			return err
		}
		if l.Row == nil {
			answered[l.Answered] = true
			return nil
		}
		i, known := place[l.Row.ID]
		if !known {
			i = len(rows)
			place[l.Row.ID] = i
			rows = append(rows, Row{})
		}
		rows[i] = *l.Row
		return nil
	})
	for i := range rows {
		rows[i].Lost = len(rows[i].Statuses) == 0 && !answered[rows[i].ID]
	}
	return rows, err
}

// Progress is a line of the cameras' log: by At, all frames up to Number were sent.
type Progress struct {
	Camera string    `json:"camera"`
	Number int       `json:"number"`
	At     time.Time `json:"at"`
}

// Sent reads the cameras' log.
func Sent(file string) (map[string][]Frame, error) {
	out := map[string][]Frame{}
	return out, eachLine(file, func(data []byte) error {
		var p Progress
		if err := json.Unmarshal(data, &p); err != nil {
			return err
		}
		for n := len(out[p.Camera]) + 1; n <= p.Number; n++ {
			out[p.Camera] = append(out[p.Camera], Frame{n, p.At})
		}
		return nil
	})
}

// eachLine reads a file of JSON lines; one that a kill cut off at its end is none.
func eachLine(file string, take func([]byte) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil // the end
		}
		if err := take(line); err != nil {
			return fmt.Errorf("%s: %q: %w", file, line, err)
		}
	}
}

// Ledger reads the agent's: the gaps it admits, and the keys of what it gave up.
func Ledger(ctx context.Context, file string) (gaps []Gap, givenUp []string, err error) {
	if _, err := os.Stat(file); err != nil {
		return nil, nil, err
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: file}).String())
	if err != nil {
		return nil, nil, err
	}
	defer db.Close()
	err = each(ctx, db, "SELECT camera_id, start_us, end_us, cause FROM gaps ORDER BY start_us", func(rows *sql.Rows) error {
		var g Gap
		var from, to int64
		if err := rows.Scan(&g.Camera, &from, &to, &g.Cause); err != nil {
			return err
		}
		g.From = time.UnixMicro(from)
		if to != 0 {
			g.To = time.UnixMicro(to)
		}
		gaps = append(gaps, g)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	err = each(ctx, db, "SELECT key FROM deliveries JOIN segments ON segments.id = segment_id WHERE given_up <> ''", func(rows *sql.Rows) error {
		var key string
		err := rows.Scan(&key)
		givenUp = append(givenUp, key)
		return err
	})
	return gaps, givenUp, err
}

func each(ctx context.Context, db *sql.DB, query string, take func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := take(rows); err != nil {
			return fmt.Errorf("read the ledger: %w", err)
		}
	}
	return rows.Err()
}

// Local lists the files that the agent has left under a directory.
func Local(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return files, err
}
