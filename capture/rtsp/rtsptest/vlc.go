package rtsptest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// VLCOptions describe a camera that VLC plays: pictures of 640 × 360, 25 per second.
type VLCOptions struct {
	Video, Audio []string // ffmpeg's encoders and their settings; no Audio: no sound
	Port         string   // empty: one that is free
}

// VLC starts VLC as a camera that can be pulled out, and returns host:port of its
// stream "/cam"; stop kills it. It sends over UDP only. What it sends is encoded by ffmpeg.
func VLC(t testing.TB, o VLCOptions) (address string, stop func()) {
	t.Helper()
	for _, program := range []string{"cvlc", "ffmpeg"} {
		if _, err := exec.LookPath(program); err != nil {
			Missing(t, program)
		}
	}
	if o.Port == "" {
		o.Port = freePort(t)
	}
	address = "127.0.0.1:" + o.Port
	encoder := exec.Command("ffmpeg", encoding(o)...)
	vlc := exec.Command("cvlc", "-I", "dummy", "fd://0", "--sout", fmt.Sprintf("#rtp{sdp=rtsp://%s/cam}", address))
	if os.Geteuid() == 0 { // it refuses to be root
		vlc = exec.Command("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups"}, vlc.Args...)...)
	}
	vlc.Env = append(os.Environ(), "HOME="+os.TempDir())
	film, err := encoder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	vlc.Stdin = film.(*os.File) // as it is: a copy between the two would outlive them
	stop = sync.OnceFunc(func() {
		for _, cmd := range []*exec.Cmd{vlc, encoder} {
			if cmd.Process != nil {
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
			}
		}
	})
	t.Cleanup(stop)
	for _, cmd := range []*exec.Cmd{encoder, vlc} {
		if err := cmd.Start(); err != nil {
			t.Fatalf("start %s: %v", cmd.Args[0], err)
		}
	}
	untilItPlays(t, address)
	return address, stop
}

func encoding(o VLCOptions) []string {
	args := []string{"-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25"}
	if len(o.Audio) > 0 {
		args = append(args, "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000")
	}
	return append(append(append(args, o.Video...), o.Audio...), "-f", "matroska", "-")
}

// untilItPlays waits until a camera says 200 to DESCRIBE: VLC listens before it
// knows what it will send.
func untilItPlays(t testing.TB, address string) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		if describes(address) {
			return
		}
	}
	t.Fatalf("VLC does not play at %s", address)
}

func describes(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprintf(conn, "DESCRIBE rtsp://%s/cam RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n", address); err != nil {
		return false
	}
	answer := make([]byte, len("RTSP/1.0 200"))
	_, err = conn.Read(answer)
	return err == nil && string(answer) == "RTSP/1.0 200"
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
