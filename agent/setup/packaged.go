package setup

import (
	"bytes"
	"os"

	"github.com/BurntSushi/toml"
)

// packagedBegins is how the configuration of the packages begins (packaging/agent.toml).
const packagedBegins = "# Configuration of the recording agent. Nothing is set yet"

// isPackaged says whether a file is the packages' configuration, and nobody has set
// anything in it: then there is nothing to be lost.
func isPackaged(path string) bool {
	data, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(data, []byte(packagedBegins)) {
		return false
	}
	var sections map[string]any
	if err := toml.Unmarshal(data, &sections); err != nil {
		return false
	}
	for _, section := range sections {
		if keys, ok := section.(map[string]any); !ok || len(keys) > 0 {
			return false
		}
	}
	return true
}
