package central

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/rs/zerolog"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"

	"recording-agent/capture/outage"
)

// Pulse is what the agent knows of itself for a heartbeat.
type Pulse struct {
	ActiveRecordings int
	FreeBytes        uint64           // where segments are written
	LastUpload       time.Time        // zero when there was none
	Cameras          []map[string]any // what is told of each: state, coverage, last gaps
}

// Heartbeat tells central at a fixed interval that this client lives: operators
// see it green for two minutes after each.
type Heartbeat struct {
	Send     func(ctx context.Context, b Beat) error
	Pulse    func(ctx context.Context) Pulse
	ClientID string
	Version  string
	Interval time.Duration
	Log      zerolog.Logger
	Now      func() time.Time
}

// Run sends until ctx ends, the first one at once. Failures are logged and never
// end it.
func (h *Heartbeat) Run(ctx context.Context) error {
	trouble := outage.New(h.Log, "heartbeat does not reach central", h.Now)
	started := h.Now()
	tick := time.NewTicker(h.Interval)
	defer tick.Stop()
	for {
		if err := h.Send(ctx, h.beat(ctx, started)); err == nil {
			trouble.Recovered()
		} else if ctx.Err() == nil {
			trouble.Failed(explain(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (h *Heartbeat) beat(ctx context.Context, started time.Time) Beat {
	p := h.Pulse(ctx)
	b := Beat{
		ClientID: h.ClientID, ActiveRecordings: p.ActiveRecordings,
		AvailableSpaceGB: float64(p.FreeBytes/1e6) / 1e3,
		SystemInfo:       systemInfo(ctx),
	}
	b.SystemInfo["agent_version"] = h.Version
	b.SystemInfo["cameras"] = p.Cameras
	b.SystemInfo["agent_uptime_seconds"] = int64(h.Now().Sub(started).Seconds())
	if !p.LastUpload.IsZero() {
		b.LastUpload = p.LastUpload.UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	return b
}

// systemInfo is what the operating system tells; what it does not is left out.
func systemInfo(ctx context.Context) map[string]any {
	info := map[string]any{"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": runtime.NumCPU()}
	if name, err := os.Hostname(); err == nil {
		info["hostname"] = name
	}
	if up, err := host.UptimeWithContext(ctx); err == nil {
		info["uptime_seconds"] = up
	}
	if p, err := cpu.PercentWithContext(ctx, 0, false); err == nil && len(p) == 1 {
		info["cpu_percent"] = p[0]
	}
	if m, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		info["memory_percent"], info["memory_total_bytes"] = m.UsedPercent, m.Total
	}
	return info
}
