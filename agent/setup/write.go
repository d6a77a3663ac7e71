package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"recording-agent/agent/config"
	"recording-agent/capture/private"
)

// Written is what there is after Write.
type Written struct {
	Config *config.Config // as it was validated
	Files  []string       // that were made, the configuration last
}

// Write validates the draft and writes it to path, with its secrets beside it. Where the
// configuration exists already (and is not the packages', as they left it), or a secret's
// file that holds something else, nothing is written, and the error says so. The
// configuration appears whole or not at all.
//
// group is who may read the files besides their owner: the service's; less than 0:
// nobody, and for the configuration the owner's group. Windows knows none: there it is
// the directories that are closed to other users.
func Write(d *Draft, path string, group int) (w Written, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return w, fmt.Errorf("find the directory of the configuration: %w", err)
	}
	packaged := isPackaged(path)
	if _, err := os.Lstat(path); err == nil && !packaged {
		return w, fmt.Errorf("%s exists already, and is not overwritten: edit it, move it away, or name another file with --config", path)
	}
	text, c, err := d.text()
	if err != nil {
		return w, fmt.Errorf("nothing was written, since it would not be valid:\n%w", err)
	}
	defer func() {
		if err != nil {
			for _, file := range w.Files {
				_ = os.Remove(file) // made just now, by us
			}
			w = Written{}
		}
	}()
	if err := private.Directory(filepath.Dir(path)); err != nil {
		return w, fmt.Errorf("make the directory of the configuration: %w", err)
	}
	if err := w.writeSecrets(d, group); err != nil {
		return w, err
	}
	appear := os.Link // which replaces nothing
	if packaged {
		appear = os.Rename
	}
	if err := create(path, []byte(text), 0o640, group, appear); err != nil {
		return w, fmt.Errorf("write the configuration: %w", err)
	}
	w.Files, w.Config = append(w.Files, path), c
	c.Path = path
	return w, nil
}

func (w *Written) writeSecrets(d *Draft, group int) error {
	if len(d.secrets) == 0 {
		return nil
	}
	dir := filepath.Join(d.dir, secretsDir)
	_, missing := os.Stat(dir)
	if err := private.Directory(dir); err != nil {
		return fmt.Errorf("make the directory of secrets: %w", err)
	}
	if missing != nil {
		if err := give(dir, 0o750, group); err != nil {
			return fmt.Errorf("close %s to others: %w", dir, err)
		}
	}
	mode := fs.FileMode(0o600)
	if group >= 0 {
		mode = 0o640
	}
	for _, name := range d.secretNames() {
		file, value := d.secretPath(name), []byte(d.secrets[name]+"\n")
		switch err := create(file, value, mode, group, os.Link); {
		case errors.Is(err, fs.ErrExist):
			if there, err := os.ReadFile(file); err != nil || !bytes.Equal(there, value) {
				return fmt.Errorf("%s exists already, holds something else, and is not overwritten: move it away", file)
			}
		case err != nil:
			return fmt.Errorf("write a secret: %w", err)
		default:
			w.Files = append(w.Files, file)
		}
	}
	return nil
}

// create makes a file with all it is to hold: it is written and synced under another
// name, under which it appears at last.
func create(path string, data []byte, mode fs.FileMode, group int, appear func(from, to string) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := give(f.Name(), mode, group); err != nil {
		return err
	}
	if err := appear(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
