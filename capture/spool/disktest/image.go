package disktest

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Image is what lies on a disk, by path with slashes. The content of a directory is
// nil, that of an empty file is not.
type Image map[string][]byte

// walk visits all that is in the image, directories first. visit returns the number
// under which what lies in a directory is visited; the root's is rootNode.
func (m Image) walk(visit func(dir uint64, name string, content []byte) uint64) {
	numbers := map[string]uint64{".": rootNode}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		numbers[name] = visit(numbers[path.Dir(name)], path.Base(name), m[name])
	}
}

// Write makes an empty directory hold the image.
func (m Image) Write(dir string) error {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		var err error
		if m[name] == nil {
			err = os.Mkdir(file, 0o750)
		} else {
			err = os.WriteFile(file, m[name], 0o640)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ReadImage is the reverse of Write.
func ReadImage(dir string) (Image, error) {
	m := Image{}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(name, dir+string(filepath.Separator)))
		m[rel] = nil
		if !entry.IsDir() {
			content, err := os.ReadFile(name)
			m[rel] = append([]byte{}, content...)
			return err
		}
		return nil
	})
	return m, err
}
