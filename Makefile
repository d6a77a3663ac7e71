# The two to know: "make demo" and "make test". Both need nothing but Go.

export CGO_ENABLED = 0
RELEASE ?=
LDFLAGS  = -s -w $(if $(RELEASE),-X main.release=$(RELEASE))
TARGETS  = linux/amd64 linux/arm64 linux/arm windows/amd64

.PHONY: build demo test test-race test-crash test-system test-package package lint cross bench bench-upload bench-backlog bench-fleet bench-status torture soak fuzz docs clean

build:
	go build -trimpath -ldflags '$(LDFLAGS)'  -o bin/recording-agent ./agent

# Flags: make demo ARGS="--for 60s --data /tmp/demo"
demo:
	@go build -o bin/demo ./agent/demo && exec bin/demo $(ARGS) # "go run" would not end well on Ctrl-C

# A test that lacks a peer (ffmpeg, GStreamer, Chromium) is skipped; what was
# skipped is listed at the end. With REQUIRE_PEERS=1 it fails instead.
test:
	@.ci/test

test-race:
	@CGO_ENABLED=1 .ci/test -race

# Ends the agent between any two steps of ARCHITECTURE.md's tables; 4 minutes.
test-crash:
	go test -count=1 -timeout 20m -parallel 3 -tags crashpoints -run 'TestCrashBetweenSteps|TestEachPlaceIsTried' ./agent

# Long or privileged: systemd in a container (as root), the Windows program under Wine.
test-system:
	go test -count=1 -timeout 30m -tags system -v ./packaging/systemtest

# Packages, archives, installer, SBOM and checksums of the last commit, in dist/. Needs
# wixl and msitools for Windows; ARGS="--only linux/amd64" makes less.
package:
	go run ./packaging/release $(ARGS)

# Looks into all of them, made twice: the bytes have to be the same.
test-package:
	go test -count=1 -timeout 30m -tags packages -v -run TestPackages ./packaging/release

lint:
	@.ci/lint

cross:
	@set -e; for target in $(TARGETS); do \
		GOOS=$${target%/*} GOARCH=$${target#*/} GOARM=7 go build -trimpath -ldflags '$(LDFLAGS)' \
			-o bin/recording-agent-$$(echo $$target | tr / -)$$([ $${target%/*} = windows ] && echo .exe || true) ./agent; \
		GOOS=$${target%/*} GOARCH=$${target#*/} GOARM=7 go vet ./...; \
		echo "built $$target"; done

# What recording costs beside ffmpeg -c copy; how soon footage is safe beside
# ffmpeg with rclone; what a backlog costs beside rclone; whether 64 cameras are
# recorded without a picture missing (ten minutes, 10 GB). Each takes flags:
# make bench ARGS="--cameras 4,16 --runs 5 --upload"
bench:
	go run ./agent/bench record $(ARGS)

bench-upload:
	go run ./agent/bench upload $(ARGS)

bench-backlog:
	go run ./agent/bench backlog $(ARGS)

bench-fleet:
	go run ./agent/bench fleet $(ARGS)

bench-status:
	go run ./agent/bench status $(ARGS)

# The proof that nothing is lost: what is done to the agent, and what has to be there
# afterwards, is in agent/torture. As root it fills a disk as well. The long form:
# make torture ARGS="--for 30m --kills 7s"; bin/torture -h lists the flags.
torture:
	@go build -o bin/torture ./agent/torture && exec bin/torture $(ARGS)

# Whether goroutines, open files and memory stay flat while cameras reconnect and
# uploads fail: half an hour, or make soak ARGS="--for 5m". bin/torture soak -h
soak:
	@go build -o bin/torture ./agent/torture && exec bin/torture soak $(ARGS)

fuzz:
	@.ci/fuzz 10s

# docs/configuration.md, from agent.example.toml and the code that reads it.
docs:
	go test -count=1 -run TestReferenceIsCurrent ./agent/config/reference -update

clean:
	rm -rf bin dist
