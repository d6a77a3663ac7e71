// Command bench measures the agent side by side with what people would use
// instead, in one run on one machine, and prints both and their ratios; and
// whether it records many cameras without losing a picture.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

const usage = `usage: bench record   what recording costs, beside ffmpeg -c copy
       bench upload   how soon footage is safe, beside ffmpeg and rclone
       bench backlog  what sending finished segments costs, beside rclone
       bench fleet    whether many cameras are recorded without a picture missing
       bench status   how soon the agent is ready, and tells its state, with a ledger of months
each takes flags; "bench record -h" lists them`

func main() {
	benches := map[string]func(context.Context, []string) error{"record": record, "upload": upload, "backlog": backlog, "fleet": fleet, "cameras": playCameras, "status": askStatus}
	if len(os.Args) < 2 || benches[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := benches[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "bench %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
