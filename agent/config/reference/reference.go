// Package reference makes docs/configuration.md: what a key means comes from
// agent.example.toml, its type, default and limits from the code that reads it.
package reference

import (
	"fmt"
	"strings"

	"recording-agent/agent/config"
)

const head = `# Configuration reference

<!-- Made by "make docs" from agent.example.toml and the code that reads the configuration. Do not edit. -->

The agent is configured by one TOML file: the one named with ` + "`--config`" + `, else ` + "`agent.toml`" + ` in the current directory, else
` + "`/etc/recording-agent/agent.toml`" + ` (Windows: ` + "`%ProgramData%\\RecordingAgent\\agent.toml`" + `). ` + "`recording-agent init`" + ` writes a first one,
` + "`recording-agent check config`" + ` says everything that is wrong in it, with the line and what to write instead. An unknown key is
an error. [agent.example.toml](../agent.example.toml) is the same as a file to copy.

How values are written:

| type | is written as |
|---|---|
| text | in quotes |
| secret | in quotes, in one of the forms below |
| duration | in quotes: ` + "`\"500ms\"`, `\"10s\"`, `\"5m\"`, `\"1h30m\"`, `\"7d\"`" + ` |
| size | in quotes: ` + "`B`, `KB`, `MB`, `GB` (thousands), `KiB`, `MiB`, `GiB`" + ` (1024) |
| size, percentage, or both | ` + "`\"2GiB\"`, `\"5%\"`, or `\"5% or 2GiB\"`" + ` for whichever is less |
| bandwidth | in quotes, in bits per second: ` + "`bit`, `kbit`, `Mbit`, `Gbit`" + ` |
| time of day | in quotes: ` + "`\"08:00\"`" + ` |
| time zone | in quotes, a name like ` + "`\"Europe/Vienna\"`" + ` |
| whole number, true or false | without quotes |
| list of texts | ` + "`[\"one\", \"two\"]`" + ` |
`

// Markdown returns the page. example is the text of agent.example.toml.
func Markdown(example string) (string, error) {
	layout, err := config.ParseLayout(example)
	if err != nil {
		return "", fmt.Errorf("read agent.example.toml: %w", err)
	}
	keys := map[string]config.Key{}
	for _, k := range config.Describe() {
		keys[k.Section+"."+k.Name] = k
	}
	var out strings.Builder
	out.WriteString(head)
	if _, forms, ok := strings.Cut(layout.Head, "\n#\n# "); ok { // of secrets
		out.WriteString("\n" + strings.ReplaceAll(strings.ReplaceAll(strings.Replace(forms, "\n", "\n\n", 1), "\n#   ", "\n    "), "\n# ", "\n"))
	}
	for _, s := range layout.Sections {
		section(&out, s, keys)
	}
	return out.String(), nil
}

func section(out *strings.Builder, s config.LayoutSection, keys map[string]config.Key) {
	title := "[" + s.Name + "]"
	if s.Array {
		title = "[[" + s.Name + "]]"
	}
	fmt.Fprintf(out, "\n## `%s`\n\n", title)
	if s.Meaning != "" {
		fmt.Fprintf(out, "%s.\n\n", sentence(s.Meaning))
	}
	out.WriteString("| key | type | default | limits | meaning |\n|---|---|---|---|---|\n")
	for _, k := range s.Keys {
		if known, ok := keys[s.Name+"."+k.Name]; ok {
			fmt.Fprintf(out, "| `%s` | %s | %s | %s | %s |\n", k.Name, known.Type, code(known.Default), known.Limits, cell(k.Meaning))
		}
	}
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// sentence begins with a capital letter and has no full stop.
func sentence(text string) string {
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(cell(text[1:]), ".")
}

// cell is text that cannot end a cell or begin a tag.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "[[", `\[\[`).Replace(text)
}
