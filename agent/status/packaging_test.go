package status

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	alertRules = "../../packaging/prometheus/alerts.yml"
	dashboard  = "../../packaging/grafana/recording-agent.json"
)

// tool finds promtool, or skips the test.
func tool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatal("promtool is not installed, and REQUIRE_PEERS is set")
		}
		t.Skip("promtool is not installed")
	}
	return path
}

// exported are the names of all metrics that an agent with everything tells.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	latencies := NewLatencies()
	latencies.Verified("primary").Observe(1)
	text := ask(server(t, func(o *Options) { o.Latencies = latencies }), http.MethodGet, "/metrics", "localhost").Body.String()
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)[{ ]`).FindAllStringSubmatch(text, -1) {
		names[m[1]] = true
	}
	return names
}

// expressions are those of the dashboard, with its variables filled in.
func expressions(t *testing.T) (out []string) {
	t.Helper()
	data, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			out = append(out, strings.NewReplacer("$instance", ".*", "$__rate_interval", "5m").Replace(target.Expr))
		}
	}
	if len(out) < 20 {
		t.Errorf("%d expressions", len(out))
	}
	return out
}

// Dashboard and alerts name nothing that the agent does not tell.
func TestMetricsThatAreNamedAreThere(t *testing.T) {
	there := exported(t)
	rules, err := os.ReadFile(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(strings.Replace(alertRules, "alerts", "alerts_test", 1))
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{"alerts.yml": rules, "alerts_test.yml": tests, "the dashboard": all} {
		names := regexp.MustCompile(`\b(recording_agent|process|go)_[a-z_]+`).FindAllString(string(text), -1)
		for _, name := range names {
			if !there[name] {
				t.Errorf("%s names %s, which the agent does not tell", file, name)
			}
		}
		if len(names) < 10 {
			t.Errorf("%s names %d metrics", file, len(names))
		}
	}
}

// Prometheus's own tool takes the rules, and they fire when they have to and no
// sooner; it takes the dashboard's expressions, too.
func TestAlertRules(t *testing.T) {
	promtool := tool(t)
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, e := range expressions(t) {
		fmt.Fprintf(&rules, "  - record: panel:%d\n    expr: %q\n", i, e)
	}
	panels := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(panels, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check", "rules", alertRules}, {"test", "rules", strings.Replace(alertRules, "alerts", "alerts_test", 1)}, {"check", "rules", panels}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}
