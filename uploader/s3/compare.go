package s3

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/minio/crc64nvme"
)

// Compare holds a copy of an object against what the store says of it. It returns
// what that was compared by: an algorithm, "md5 of parts", or nothing where the
// store has no checksum of it that could be computed, and only the size counts. A
// copy that differs is a *MismatchError, one that cannot be read a *FileError.
func (s *Store) Compare(o Stored, copy io.ReaderAt, size int64) (by string, err error) {
	if size != o.Size {
		return "", &MismatchError{o.Key, fmt.Sprintf("it has %d bytes, the copy %d", o.Size, size)}
	}
	if o.Checksum.Algorithm == "" {
		return s.compareByParts(o, copy), nil
	}
	sum, err := digest(o.Checksum.Algorithm, copy, size)
	if err != nil {
		return "", err
	}
	if sum != o.Checksum.Sum {
		return "", &MismatchError{o.Key, fmt.Sprintf("its %s is %s, the copy's %s", o.Checksum.Algorithm, o.Checksum.Sum, sum)}
	}
	return o.Checksum.Algorithm, nil
}

// compareByParts tries whether the ETag is made of parts as large as those that are
// uploaded now. That it is not says nothing: they may have had another size.
func (s *Store) compareByParts(o Stored, copy io.ReaderAt) (by string) {
	parts := int((o.Size + s.PartSize() - 1) / s.PartSize())
	if !madeOfMD5(o.ETag, parts) || md5OfParts(Object{Size: o.Size, Body: section(copy, o.Size)}, s.PartSize()) != o.ETag {
		return ""
	}
	return "md5 of parts"
}

func section(f io.ReaderAt, size int64) Body { return io.NewSectionReader(f, 0, size) }

// digest reads a file for a checksum in the form that S3 gives it in.
func digest(algorithm string, f io.ReaderAt, size int64) (string, error) {
	var h hash.Hash
	switch algorithm {
	case "crc64nvme":
		h = crc64nvme.New()
	case "crc32c":
		h = crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "crc32":
		h = crc32.NewIEEE()
	case "sha256":
		h = sha256.New()
	case "sha1":
		h = sha1.New()
	case "md5":
		h = md5.New()
	default:
		return "", fmt.Errorf("there is no checksum %q", algorithm)
	}
	if _, err := copyAll(h, section(f, size)); err != nil {
		return "", &FileError{err}
	}
	if algorithm == "md5" {
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
}
