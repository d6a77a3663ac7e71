package main

import "fmt"

// nfpm makes .deb and .rpm without their own tools. Later versions cannot be had.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"

func writePackage(kind, stage, out string, t target, c commit) error {
	_, err := run([]string{
		"CGO_ENABLED=0", "STAGE=" + stage, "ARCH=" + t.nfpm, "VERSION=" + c.version(),
		"SOURCE_DATE_EPOCH=" + fmt.Sprint(c.when.Unix()),
	}, "go", "run", nfpm, "package", "--config", "packaging/linux/nfpm.yaml", "--packager", kind, "--target", out)
	return err
}
