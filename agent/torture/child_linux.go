package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// child is this program once more, as cameras or as central.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

// startChild starts one, and waits for the line by which it says that it is ready.
func startChild(role string, order any) (c *child, said string, err error) {
	c = &child{cmd: exec.Command("/proc/self/exe", role, toJSON(order))}
	apart(c.cmd)
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, "", err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, "", fmt.Errorf("start %s: %w", role, err)
	}
	said, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		c.kill()
		return nil, "", fmt.Errorf("%s did not start: %w", role, err)
	}
	return c, strings.TrimSpace(said), nil
}

// apart keeps the terminal's Ctrl-C from a process, and ends it with this one.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// tell gives it a line.
func (c *child) tell(line string) { fmt.Fprintln(c.in, line) } // one that was killed takes none

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// finish lets it come to an end by itself.
func (c *child) finish() error {
	c.in.Close()
	return c.cmd.Wait()
}
