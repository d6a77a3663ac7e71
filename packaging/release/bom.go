package main

import "path/filepath"

// cyclonedx reads from a program which modules it was built of.
const cyclonedx = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// writeBOM writes a software bill of materials (CycloneDX, JSON) of the program. It has
// no serial number, which would differ each time.
func writeBOM(stage, file string, t target, c commit) error {
	_, err := run([]string{"CGO_ENABLED=0"}, "go", "run", cyclonedx, "bin", "-json", "-std", "-noserial", "-notimestamp",
		"-version", "v"+c.version(), "-output", file, filepath.Join(stage, t.program()))
	return err
}
