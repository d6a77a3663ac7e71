package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// run returns what a program says on its standard output.
func run(env []string, program string, args ...string) ([]byte, error) {
	return runIn("", env, program, args...)
}

func runIn(dir string, env []string, program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), err, &out, &said)
	}
	return out.Bytes(), nil
}

func git(args ...string) (string, error) {
	out, err := run(nil, "git", args...)
	return strings.TrimSpace(string(out)), err
}
