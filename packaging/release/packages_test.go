//go:build packages

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What is made of the last commit, all of it and twice, in other directories and under
// another umask: "make test-package".
func TestPackages(t *testing.T) {
	for _, program := range []string{"git", "dpkg-deb", "rpm", "rpm2cpio", "cpio", "shellcheck", "wixl", "msiinfo", "msiextract"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("REQUIRE_PEERS") != "" {
				t.Fatalf("%s is required and not installed", program)
			}
			t.Skipf("%s is not installed", program)
		}
	}
	first, dist := releaseOfClone(t, filepath.Join("..", ".."), "022")
	_, again := releaseOfClone(t, first, "077") // of the first clone: meanwhile somebody may have committed
	t.Run("the same commit gives the same bytes", func(t *testing.T) {
		t.Log(string(must(t, "diff", "-rs", dist, again)))
	})
	t.Run("sums", func(t *testing.T) {
		cmd := exec.Command("sha256sum", "-c", "--strict", "SHA256SUMS")
		cmd.Dir = dist
		out, err := cmd.CombinedOutput()
		if n := strings.Count(string(out), ": OK"); err != nil || n != 15 { // 3 .deb, 3 .rpm, 3 .tar.gz, .zip, .msi, 4 SBOMs
			t.Errorf("%d files are as SHA256SUMS says: %v\n%s", n, err, out)
		}
	})
	for arch, as := range map[string][2]string{"amd64": {"amd64", "x86_64"}, "arm64": {"arm64", "aarch64"}, "arm": {"armhf", "armv7hl"}} {
		t.Run("deb "+as[0], func(t *testing.T) { checkDeb(t, one(t, dist, "*_"+as[0]+".deb"), arch, as[0]) })
		t.Run("rpm "+as[1], func(t *testing.T) { checkRPM(t, one(t, dist, "*."+as[1]+".rpm"), arch, as[1]) })
	}
	t.Run("tar.gz", func(t *testing.T) { checkTar(t, one(t, dist, "*_linux_armv7.tar.gz")) })
	t.Run("zip", func(t *testing.T) { checkZip(t, one(t, dist, "*.zip")) })
	t.Run("bom", func(t *testing.T) { checkBOM(t, one(t, dist, "*_windows_amd64.cdx.json")) })
	t.Run("msi", func(t *testing.T) { checkMSI(t, one(t, dist, "*.msi")) })
}

// releaseOfClone makes a release in a clone, which has nothing but what was committed.
func releaseOfClone(t *testing.T, source, umask string) (clone, dist string) {
	t.Helper()
	clone = filepath.Join(t.TempDir(), "of umask "+umask)
	must(t, "git", "clone", "-q", source, clone)
	dist = filepath.Join(t.TempDir(), "dist")
	cmd := exec.Command("sh", "-c", "umask "+umask+` && go run ./packaging/release -out "$0"`, dist)
	cmd.Dir = clone
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return clone, dist
}

func must(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			out = append(out, exit.Stderr...)
		}
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return out
}

func one(t *testing.T, dir, pattern string) string {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, pattern))
	if len(files) != 1 {
		t.Fatalf("%s: %v", pattern, files)
	}
	return files[0]
}

func checkDeb(t *testing.T, file, arch, as string) {
	if got := strings.TrimSpace(string(must(t, "dpkg-deb", "-f", file, "Architecture"))); got != as {
		t.Errorf("architecture %s", got)
	}
	root, control := t.TempDir(), t.TempDir()
	must(t, "dpkg-deb", "-x", file, root)
	must(t, "dpkg-deb", "-e", file, control)
	if conffiles, _ := os.ReadFile(filepath.Join(control, "conffiles")); string(conffiles) != "/etc/recording-agent/agent.toml\n" {
		t.Errorf("conffiles: %q", conffiles)
	}
	for _, script := range []string{"preinst", "postinst", "prerm", "postrm"} {
		must(t, "shellcheck", filepath.Join(control, script))
	}
	checkTree(t, root, arch, "usr/share/zsh/vendor-completions/_recording-agent")
}

func checkRPM(t *testing.T, file, arch, as string) {
	database := t.TempDir() // or rpm makes one in the home directory
	query := func(args ...string) []byte {
		return must(t, "rpm", append([]string{"--dbpath", database, "-qp"}, args...)...)
	}
	if got := strings.TrimSpace(string(query("--qf", "%{ARCH}", file))); got != as {
		t.Errorf("architecture %s", got)
	}
	if got := strings.TrimSpace(string(query("--configfiles", file))); got != "/etc/recording-agent/agent.toml" {
		t.Errorf("configuration files: %q", got)
	}
	if got := string(query("--qf", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", file)); !strings.Contains(got, "/etc/recording-agent/agent.toml cn\n") { // configuration, no replacement
		t.Errorf("the configuration could be overwritten:\n%s", got)
	}
	for _, script := range []string{"PREIN", "POSTIN", "PREUN", "POSTUN"} {
		text := query("--qf", "%{"+script+"}", file)
		cmd := exec.Command("shellcheck", "-")
		cmd.Stdin = bytes.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil || len(text) < 100 {
			t.Errorf("%s: %v\n%s\n%s", script, err, out, text)
		}
	}
	root := t.TempDir()
	// Paths in an rpm are absolute: without the option it is unpacked over this host.
	must(t, "sh", "-c", `rpm2cpio "$0" | (cd "$1" && cpio -idm --quiet --no-absolute-filenames)`, file, root)
	checkTree(t, root, arch, "usr/share/zsh/site-functions/_recording-agent")
}

// checkTree looks at what a package has unpacked.
func checkTree(t *testing.T, root, arch, zsh string) {
	t.Helper()
	program := filepath.Join(root, "usr/bin/recording-agent")
	checkProgram(t, program, "linux", arch)
	if arch == "amd64" { // as this host is, or can run
		if out := must(t, program, "version"); !strings.HasPrefix(string(out), "recording-agent ") || strings.Contains(string(out), "development") {
			t.Errorf("version: %s", out)
		}
	}
	for name, want := range map[string]string{
		"usr/lib/systemd/system/recording-agent.service":           "\nType=notify\n",
		"etc/recording-agent/agent.toml":                           "\n# client_name = ",
		"usr/share/recording-agent/agent.example.toml":             "\nclient_name = ",
		"usr/share/bash-completion/completions/recording-agent":    "__complete",
		"usr/share/fish/vendor_completions.d/recording-agent.fish": "__complete",
		zsh: "#compdef recording-agent",
		"usr/share/doc/recording-agent/copyright": "Apache License",
	} {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s does not hold %q: %v", name, want, err)
		}
	}
	checkLinks(t, filepath.Join(root, "usr/share/doc/recording-agent"))
	must(t, "bash", "-n", filepath.Join(root, "usr/share/bash-completion/completions/recording-agent"))
}

// checkLinks follows those of the pages in a directory.
func checkLinks(t *testing.T, dir string) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "docs", "*.md"))
	if len(files) < 8 {
		t.Errorf("only %d pages", len(files))
	}
	for _, file := range append(files, filepath.Join(dir, "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		for _, l := range regexp.MustCompile(`\]\(([^)#: ]+)[)#]`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Lstat(filepath.Join(filepath.Dir(file), l[1])); err != nil { // links are absolute
				t.Errorf("%s leads nowhere: %v", filepath.Base(file), err)
			}
		}
	}
}

func checkProgram(t *testing.T, file, goos, goarch string) {
	t.Helper()
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["GOOS"] != goos || settings["GOARCH"] != goarch || settings["CGO_ENABLED"] != "0" || settings["vcs.modified"] != "false" ||
		goarch == "arm" && settings["GOARM"] != "7" {
		t.Errorf("%s was built with %v", file, settings)
	}
}

func checkTar(t *testing.T, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]int64{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(h.Name, "/")
		modes[name] = h.Mode
	}
	if modes["recording-agent"] != 0o755 || modes["agent.toml"] != 0o644 || modes["recording-agent.service"] != 0o644 || modes["agent.example.toml"] != 0o644 {
		t.Errorf("files and modes: %v", modes)
	}
}

func checkZip(t *testing.T, file string) {
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var names []string
	for _, f := range z.File {
		_, name, _ := strings.Cut(f.Name, "/")
		names = append(names, name)
	}
	for _, want := range []string{"recording-agent.exe", "agent.toml", "agent.example.toml", "README.md", "LICENSE"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not in %v", want, names)
		}
	}
}

func checkBOM(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		Format   string `json:"bomFormat"`
		Metadata struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal(data, &bom); err != nil {
		t.Fatal(err)
	}
	if bom.Format != "CycloneDX" || bom.Metadata.Component.Name != "recording-agent" || !strings.HasPrefix(bom.Metadata.Component.Version, "v") || len(bom.Components) < 30 {
		t.Errorf("%s, %+v, %d components", bom.Format, bom.Metadata, len(bom.Components))
	}
	for _, want := range []string{"modernc.org/sqlite", "github.com/bluenviron/gortsplib/v4", "std"} {
		i := slices.IndexFunc(bom.Components, func(c struct{ Name, Version, PURL string }) bool { return c.Name == want })
		if i < 0 || bom.Components[i].PURL == "" || bom.Components[i].Version == "" {
			t.Errorf("%s is missing among the components, or without its version", want)
		}
	}
}

// checkMSI reads the installer's tables with msitools, and unpacks it.
func checkMSI(t *testing.T, file string) {
	table := func(name string) string {
		return strings.ReplaceAll(string(must(t, "msiinfo", "export", file, name)), "\r", "")
	}
	for name, rows := range map[string][]string{
		"ServiceInstall":   {`(?m)^Service\trecording-agent\tRecording Agent\t16\t2\t1\t\t\tNT SERVICE\\recording-agent\t\trun --config "\[CONFIGDIR\]agent.toml"\tProgram\t`},
		"ServiceControl":   {`(?m)^Service\trecording-agent\t162\t`}, // stopped at both, deleted at removal
		"MsiServiceConfig": {`(?m)^DelayedStart\trecording-agent\t5\t3\t1\tProgram$`, `(?m)^Preshutdown\trecording-agent\t5\t7\t30000\tProgram$`},
		"CustomAction": {
			`(?m)^RecoveryActions\t3170\t.* failure recording-agent reset= 86400 actions= restart/2000/restart/10000/restart/60000\t`,
			`(?m)^RecoveryAfterErrors\t3170\t.* failureflag recording-agent 1\t`,
			`(?m)^OwnedDirectory\t3106\t`, `(?m)^ClosedDirectory\t3106\t`, `(?m)^StartIfConfigured\t3170\t`,
		},
		"Registry": {
			`EventLog\\Application\\recording-agent\tEventMessageFile\t%SystemRoot%\\System32\\EventCreate.exe\tEventSource`,
			`EventLog\\Application\\recording-agent\tTypesSupported\t#7\t`,
		},
		"Component": {`(?m)^Configuration\t.*\tCONFIGDIR\t400\t`}, // never overwritten, permanent, 64 bit
		"Upgrade":   {`WIX_UPGRADE_DETECTED`, `WIX_DOWNGRADE_DETECTED`},
	} {
		text := table(name)
		for _, row := range rows {
			if !regexp.MustCompile(row).MatchString(text) {
				t.Errorf("no row like %s in table %s:\n%s", row, name, text)
			}
		}
	}
	checkSequence(t, table("InstallExecuteSequence"), "InstallInitialize", "RemoveExistingProducts", "InstallFiles", "InstallServices", "MsiConfigureServices",
		"RecoveryActions", "RecoveryAfterErrors", "OwnedDirectory", "ClosedDirectory", "StartIfConfigured", "InstallFinalize")
	root := t.TempDir()
	must(t, "msiextract", "-C", root, file)
	var programs []string
	_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == "recording-agent.exe" {
			programs = append(programs, path)
		}
		return err
	})
	if len(programs) != 1 {
		t.Fatalf("programs in it: %v", programs)
	}
	checkProgram(t, programs[0], "windows", "amd64")
	checkLinks(t, filepath.Dir(programs[0]))
}

func checkSequence(t *testing.T, table string, actions ...string) {
	t.Helper()
	type step struct{ action, number string }
	var steps []step
	for _, action := range actions {
		m := regexp.MustCompile(`(?m)^` + action + `\t[^\t]*\t(\d+)$`).FindStringSubmatch(table)
		if m == nil {
			t.Errorf("%s is not in the sequence:\n%s", action, table)
			return
		}
		steps = append(steps, step{action, m[1]})
	}
	if !slices.IsSortedFunc(steps, func(a, b step) int { return strings.Compare(a.number, b.number) }) {
		t.Errorf("the order is %v", steps)
	}
}
