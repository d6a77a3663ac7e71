package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"recording-agent/capture/mp4"
	"recording-agent/capture/rtsp/rtsptest"
	"recording-agent/capture/spool"
)

// accounts is what was found of what had been sent.
type accounts struct {
	sent, pictures, missing int
	files                   int
	bytes                   int64
	footage                 time.Duration // in all files
	gaps, before            int           // rows; those before the first picture are about connecting
	troubles                []string
}

// rate is that of a camera, in bits per second.
func (a *accounts) rate() float64 { return float64(a.bytes) * 8 / a.footage.Seconds() }

func (a *accounts) trouble(format string, values ...any) {
	a.troubles = append(a.troubles, fmt.Sprintf(format, values...))
}

// account looks for each picture that was sent since the recorder could have had
// a key frame, and for the gaps that it has noted.
func (o *fleetOptions) account(ctx context.Context, sent map[string]rtsptest.Tally) (a *accounts, err error) {
	a = &accounts{}
	s, err := spool.Open(ctx, spool.Options{Dir: o.data(), ClientName: "bench", Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for i := range o.cameras {
		name := cameraName(i)
		files, err := filepath.Glob(filepath.Join(o.data(), "segments", name, "*.mp4"))
		if err != nil {
			return nil, err
		}
		slices.Sort(files) // by their starts
		numbers, err := a.read(ctx, files, i%16 == 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		a.compare(name, sent[name], numbers)
		gaps, err := s.Gaps(ctx, name)
		if err != nil {
			return nil, err
		}
		a.gapsOf(name, files, gaps)
	}
	return a, nil
}

// read returns the numbers of the pictures in a camera's files, in their order. Each
// file has to say that it has as many; sampled, ffprobe as well.
func (a *accounts) read(ctx context.Context, files []string, sampled bool) (numbers []int, err error) {
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		found, err := rtsptest.Numbers(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		held, err := mp4.Inspect(f, int64(len(data)))
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if !held.Finished || held.Frames != int64(len(found)) {
			a.trouble("%s: finished: %v; %d pictures in its tables, %d in its bytes", file, held.Finished, held.Frames, len(found))
		}
		if sampled && i == 0 {
			n, err := probe(ctx, file)
			if err != nil {
				return nil, err
			}
			if n != len(found) {
				a.trouble("%s: ffprobe finds %d pictures, %d are in its bytes", file, n, len(found))
			}
		}
		numbers = append(numbers, found...)
		a.files++
		a.bytes += int64(len(data))
		a.footage += held.Duration
	}
	return numbers, nil
}

// probe has ffprobe count the pictures of a file.
func probe(ctx context.Context, file string) (int, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-count_packets", "-select_streams", "v", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", file).Output()
	if err != nil {
		return 0, fmt.Errorf("ffprobe %s: %w", file, err)
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}

// compare holds what is on the disk against what was sent. The reader gets packets
// a moment after it has begun to play: a key frame of that moment may have passed it by.
func (a *accounts) compare(name string, sent rtsptest.Tally, numbers []int) {
	a.pictures += len(numbers)
	if sent.Plays != 1 {
		a.trouble("%s was connected to %d times", name, sent.Plays)
	}
	first := sent.First
	if len(numbers) > 0 && numbers[0] == first+groupSize {
		first = numbers[0]
	}
	a.sent += sent.Pictures - first + 1
	at := first
	for _, n := range numbers {
		if n != at {
			a.trouble("%s: picture %d comes where %d should", name, n, at)
			a.missing += max(0, n-at)
		}
		at = n + 1
	}
	if missing := sent.Pictures + 1 - at; missing > 0 {
		a.trouble("%s: the last %d pictures are missing", name, missing)
		a.missing += missing
	}
}

// gapsOf counts the gaps that were noted. Until its first picture a camera is being
// connected to.
func (a *accounts) gapsOf(name string, files []string, gaps []spool.Gap) {
	for i, g := range gaps {
		if i == 0 && len(files) > 0 && g.Cause == spool.Connecting && !g.End.IsZero() {
			a.before++
			continue
		}
		a.gaps++
		a.trouble("%s: gap from %v to %v: %s (%s)", name, g.Start, g.End, g.Cause, g.Detail)
	}
}

// unread is how many bytes of the cameras wait in the kernel for their reader: of
// all, and of the one of which most do.
func unread(address string) (all, most int, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, 0, err
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return 0, 0, err
	}
	data, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, 0, err
	}
	cameras := fmt.Sprintf(":%04X", port)
	waiting := map[string]int{} // by the reader's address
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line) // sl local remote state tx_queue:rx_queue …, see proc(5)
		if len(f) < 5 {
			continue
		}
		tx, rx, _ := strings.Cut(f[4], ":")
		queue, reader := tx, f[2]
		switch {
		case strings.HasSuffix(f[2], cameras):
			queue, reader = rx, f[1]
		case !strings.HasSuffix(f[1], cameras) || f[3] == "0A": // it listens
			continue
		}
		n, err := strconv.ParseInt(queue, 16, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/net/tcp: %w", err)
		}
		waiting[reader] += int(n)
	}
	for _, n := range waiting {
		all, most = all+n, max(most, n)
	}
	return all, most, nil
}
