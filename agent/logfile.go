package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/DeRuina/timberjack"

	"recording-agent/agent/config"
	"recording-agent/capture/private"
)

// logFile is a log file that is put aside by size and age. All that is kept of it is at most max_files
// and the one that is written, of max_size each.
type logFile struct {
	io.WriteCloser
	name string
	most int64 // bytes of the file where it cannot be put aside
}

func newLogFile(c config.Log) *logFile {
	size := max(1, c.MaxSize>>20)
	return &logFile{name: c.File, most: 2 * size << 20, WriteCloser: &timberjack.Logger{
		Filename: c.File, FileMode: logFileMode, MaxSize: int(size), MaxBackups: c.MaxFiles, MaxAge: int(max(1, c.MaxAge/(24*time.Hour))),
		// None that is kept is older than max_age by more than the time that it was written in.
		RotationInterval: max(24*time.Hour, c.MaxAge/time.Duration(c.MaxFiles)),
	}}
}

// logFileMode: a log names cameras and addresses.
const logFileMode fs.FileMode = 0o640

// Write implements io.Writer. On Windows a file cannot be put aside while another program has it open, as many
// do that show logs: until that is over lines are added to it as it is, up to twice its size.
func (f *logFile) Write(line []byte) (int, error) {
	n, err := f.WriteCloser.Write(line)
	if err == nil {
		return n, nil
	}
	file, opened := os.OpenFile(f.name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, logFileMode)
	if opened != nil {
		return n, err
	}
	defer file.Close()
	if info, e := file.Stat(); e != nil || info.Size() >= f.most {
		return n, err
	}
	n, again := file.Write(line)
	if again != nil {
		return n, errors.Join(err, again)
	}
	return n, nil
}

// writable makes a log file and its directory: the library that writes it would
// say nothing of one that it cannot open.
func writable(file string) error {
	if err := private.Directory(filepath.Dir(file)); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, logFileMode)
	if err != nil {
		return err
	}
	return f.Close()
}
