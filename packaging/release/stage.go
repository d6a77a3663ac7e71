package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"recording-agent/packaging/systemd"
)

// makeStage lays out what belongs to one target, all of it as old as the commit.
func makeStage(stage string, t target, c commit) error {
	if err := build(filepath.Join(stage, t.program()), t, c); err != nil {
		return err
	}
	copies := map[string]string{
		"packaging/agent.toml": "agent.toml", "agent.example.toml": "agent.example.toml",
		"LICENSE": "LICENSE", "README.md": "README.md", "CHANGELOG.md": "CHANGELOG.md", "SECURITY.md": "SECURITY.md", "ARCHITECTURE.md": "ARCHITECTURE.md",
		"packaging/prometheus/alerts.yml":        "prometheus/alerts.yml",
		"packaging/grafana/recording-agent.json": "grafana/recording-agent.json",
	}
	// Whoever has to look something up may have no network.
	pages, err := filepath.Glob("docs/*")
	if err != nil {
		return err
	}
	for _, page := range pages {
		copies[page] = filepath.ToSlash(page)
	}
	for from, to := range copies {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := put(filepath.Join(stage, to), data); err != nil {
			return err
		}
	}
	if err := writeCompletions(stage, t); err != nil {
		return err
	}
	if t.os == "linux" {
		unit, err := systemd.Unit(systemd.Packaged)
		if err != nil {
			return err
		}
		if err := put(filepath.Join(stage, "recording-agent.service"), []byte(unit)); err != nil {
			return err
		}
	}
	return settle(stage, c)
}

func (t target) program() string {
	if t.os == "windows" {
		return "recording-agent.exe"
	}
	return "recording-agent"
}

func build(file string, t target, c commit) error {
	env := []string{"CGO_ENABLED=0", "GOOS=" + t.os, "GOARCH=" + t.arch, "GOARM=7", "GOAMD64=v1", "GOFLAGS="}
	_, err := run(env, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags", "-s -w -X main.release="+c.version(), "-o", file, "./agent")
	return err
}

// writeCompletions has the program itself write them: of its own commands.
func writeCompletions(stage string, t target) error {
	files := map[string]string{"bash": "recording-agent.bash", "zsh": "_recording-agent", "fish": "recording-agent.fish"}
	if t.os == "windows" {
		files = map[string]string{"powershell": "recording-agent.ps1"}
	}
	for shell, name := range files {
		text, err := run([]string{"CGO_ENABLED=0"}, "go", "run", "./agent", "completion", shell)
		if err != nil {
			return fmt.Errorf("completion for %s: %w", shell, err)
		}
		if err := put(filepath.Join(stage, "completions", name), text); err != nil {
			return err
		}
	}
	return nil
}

func put(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// settle makes times and modes those of the commit, not of the builder and its umask.
func settle(stage string, c commit) error {
	return filepath.WalkDir(stage, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if name := d.Name(); d.IsDir() || name == "recording-agent" || name == "recording-agent.exe" {
			mode = 0o755
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		return os.Chtimes(path, c.when, c.when)
	})
}
