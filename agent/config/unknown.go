package config

import (
	"maps"
	"slices"
	"strings"
)

// done reports the keys that nobody took.
func (s *section) done() {
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		if slices.Contains(s.known, name) {
			continue
		}
		instead := "known here: " + strings.Join(s.known, ", ")
		if near := nearest(name, s.known); near != "" {
			instead = "did you mean " + near + "?"
		}
		s.problem(name, "is not a known key", instead)
	}
}

// nearest finds a known key that a typing error may have meant.
func nearest(name string, known []string) string {
	for _, k := range known {
		if distance(name, k) <= 2 {
			return k
		}
	}
	return ""
}

// distance counts the letters to change, add or remove (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
