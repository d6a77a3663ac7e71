package page

import (
	"fmt"
	"os"
	"testing"
)

// checkAxe has axe-core look at the page. AXE_CORE names its axe.min.js, which .ci/run installs.
func checkAxe(t *testing.T, b *browser) {
	t.Helper()
	name := os.Getenv("AXE_CORE")
	script, err := os.ReadFile(name)
	if err != nil {
		if os.Getenv("REQUIRE_PEERS") != "" {
			t.Fatalf("axe-core is required, and AXE_CORE=%q does not name it: %v", name, err)
		}
		t.Logf("NOT CHECKED by axe-core: AXE_CORE=%q does not name its axe.min.js", name)
		return
	}
	evaluate[bool](b, string(script)+"; true")
	type violation struct {
		ID     string `json:"id"`
		Impact string `json:"impact"`
		Help   string `json:"help"`
		Nodes  []struct {
			HTML    string `json:"html"`
			Summary string `json:"failureSummary"`
		} `json:"nodes"`
	}
	found := evaluate[[]violation](b, "axe.run().then(r => r.violations)")
	for _, v := range found {
		text := fmt.Sprintf("axe: %s, %s: %s", v.Impact, v.ID, v.Help)
		for _, n := range v.Nodes[:min(3, len(v.Nodes))] {
			text += "\n\t" + n.HTML + "\n\t" + n.Summary
		}
		t.Error(text)
	}
}
