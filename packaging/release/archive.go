package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// writeTar packs a stage into a directory of the archive that is called as the archive.
func writeTar(stage, file string, c commit) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	compressed, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	err = eachFile(stage, func(name string, info fs.FileInfo, content io.Reader) error {
		header := &tar.Header{
			Name: path.Join(topOf(c), name), Mode: int64(info.Mode().Perm()), Size: info.Size(), ModTime: c.when,
			Uname: "root", Gname: "root", Format: tar.FormatPAX,
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := io.Copy(archive, content)
		return err
	})
	return errors.Join(err, archive.Close(), compressed.Close(), f.Close())
}

func writeZip(stage, file string, c commit) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	archive := zip.NewWriter(f)
	err = eachFile(stage, func(name string, _ fs.FileInfo, content io.Reader) error {
		w, err := archive.CreateHeader(&zip.FileHeader{Name: path.Join(topOf(c), name), Method: zip.Deflate, Modified: c.when})
		if err != nil {
			return err
		}
		_, err = io.Copy(w, content)
		return err
	})
	return errors.Join(err, archive.Close(), f.Close())
}

func topOf(c commit) string { return "recording-agent-" + c.version() }

// eachFile goes through the files of a stage, in the order of their names.
func eachFile(stage string, do func(name string, info fs.FileInfo, content io.Reader) error) error {
	return filepath.WalkDir(stage, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(stage, file)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content, err := os.Open(file)
		if err != nil {
			return err
		}
		return errors.Join(do(filepath.ToSlash(name), info, content), content.Close())
	})
}
