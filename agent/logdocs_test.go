package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// inSteps are those whose level is chosen before they are said: not found by this test.
var inSteps = []string{"panic while", "what lies in the inbox is left there as it is", "the configuration was read anew"}

// docs/operations.md explains each message of level warn and error, as far as its first
// colon or semicolon.
func TestOperationsKnowsEachMessage(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, root := range []string{".", "../capture", "../uploader"} {
		for file, messages := range messagesIn(t, root) {
			for _, m := range messages {
				said[m] = true
				if !strings.Contains(string(page), "`"+m+"`") {
					t.Errorf("docs/operations.md does not explain %q of %s", m, file)
				}
			}
		}
	}
	if len(said) < 90 {
		t.Errorf("only %d messages were found", len(said))
	}
	_, table, _ := strings.Cut(string(page), "## Messages of the log")
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(table, -1) {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			if !said[m[1]] && !slices.Contains(inSteps, m[1]) {
				t.Errorf("docs/operations.md explains %q, which nothing says", m[1])
			}
		}
	}
}

// messagesIn are those of the agent itself, by file: not of test servers and the programs
// beside it.
func messagesIn(t *testing.T, root string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasSuffix(path, "test") || path == "bench" || path == "demo" || path == "torture"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_windows.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if m := messageOf(call); m != "" {
					out[path] = append(out[path], m)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// messageOf returns the message of log.Warn()….Msg("…"), of Error, and of outage.New.
func messageOf(call *ast.CallExpr) string {
	name := func(e ast.Expr) string {
		if s, ok := e.(*ast.SelectorExpr); ok {
			return s.Sel.Name
		}
		return ""
	}
	switch name(call.Fun) {
	case "Msg", "Msgf":
		for e := call.Fun.(*ast.SelectorExpr).X; ; {
			before, ok := e.(*ast.CallExpr)
			if !ok {
				return ""
			}
			if level := name(before.Fun); level == "Warn" || level == "Error" {
				return head(call.Args[0])
			}
			if e = before.Fun; name(e) == "" {
				return ""
			}
			e = e.(*ast.SelectorExpr).X
		}
	case "New":
		if fmt.Sprint(call.Fun.(*ast.SelectorExpr).X) == "outage" {
			return head(call.Args[1])
		}
	}
	return ""
}

// head is what a message begins with, before anything that differs.
func head(e ast.Expr) string {
	if sum, ok := e.(*ast.BinaryExpr); ok {
		return head(sum.X)
	}
	literal, ok := e.(*ast.BasicLit)
	if !ok {
		return "" // of a warning about the configuration, which says all itself
	}
	text, _ := strconv.Unquote(literal.Value)
	return strings.TrimSpace(regexp.MustCompile(`[:;%].*`).ReplaceAllString(text, ""))
}
