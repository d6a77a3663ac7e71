// Package example holds agent.example.toml, the one text that says what each key of
// the configuration means: "recording-agent init" and docs/configuration.md are made
// from it.
package example

import _ "embed"

// Text is agent.example.toml.
//
//go:embed agent.example.toml
var Text string
