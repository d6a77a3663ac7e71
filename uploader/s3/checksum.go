package s3

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"net/url"
	"strings"
	"sync"

	"github.com/minio/crc64nvme"

	"recording-agent/capture/spool"
)

// Checksum is how a destination is told to check what it receives.
type Checksum string

const (
	// ChecksumAuto is ChecksumCRC32C for Google Cloud Storage, else ChecksumCRC64NVME.
	ChecksumAuto Checksum = "auto"
	// ChecksumCRC64NVME sends checksums of each part and of the whole object, so that
	// the store itself refuses what was damaged on the way.
	ChecksumCRC64NVME Checksum = "crc64nvme"
	// ChecksumCRC32C is for Google Cloud Storage: an MD5 with each part, and the
	// CRC32C that the store has of the whole object is compared with the file's.
	ChecksumCRC32C Checksum = "crc32c"
	// ChecksumMD5 sends an MD5 with each part and nothing that older stores reject.
	ChecksumMD5 Checksum = "md5"
)

// algorithm is what a ledger says of an upload whose parts carry checksums. That
// of others is empty, and MD5 is what it has of their parts: the ETags of most
// stores are made of it.
const algorithm = "CRC64NVME"

func resolve(c Checksum, endpoint string) Checksum {
	if c != ChecksumAuto && c != "" {
		return c
	}
	if u, err := url.Parse(endpoint); err == nil && strings.HasSuffix("."+strings.ToLower(u.Hostname()), ".storage.googleapis.com") {
		return ChecksumCRC32C
	}
	return ChecksumCRC64NVME
}

func (s *Store) checksums() bool { return s.opts.Checksum == ChecksumCRC64NVME }

// buffers are for reading files: large, because each read is a system call.
var buffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// copyAll is io.Copy with one of them.
func copyAll(to io.Writer, from io.Reader) (int64, error) {
	buffer := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, buffer[:])
}

// measure reads a part's bytes once, for its size and checksum: CRC64NVME, or MD5
// in an upload that carries no checksums. also is fed with the same bytes.
func measure(body io.ReadSeeker, alg string, also io.Writer) (spool.UploadPart, error) {
	var h hash.Hash = crc64nvme.New()
	if alg == "" {
		h = md5.New()
	}
	n, err := copyAll(io.MultiWriter(h, also), body)
	if err == nil {
		_, err = body.Seek(0, io.SeekStart)
	}
	if err != nil {
		return spool.UploadPart{}, &FileError{err}
	}
	if alg == "" {
		return spool.UploadPart{Size: n, Checksum: hex.EncodeToString(h.Sum(nil))}, nil
	}
	return spool.UploadPart{Size: n, Checksum: base64.StdEncoding.EncodeToString(h.Sum(nil))}, nil
}

// contentMD5 is the header for a part without another checksum (RFC 1864).
func contentMD5(p spool.UploadPart) string {
	sum, _ := hex.DecodeString(p.Checksum) // measure has encoded it
	return base64.StdEncoding.EncodeToString(sum)
}

// md5Of reads a whole file for its MD5, in hex: the ETag of an object that came in
// one piece. It is empty when the file cannot be read.
func md5Of(o Object) string {
	h := md5.New()
	if _, err := copyAll(h, io.NewSectionReader(o.Body, 0, o.Size)); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// md5OfParts is the ETag of an object that was put together of a file's parts;
// empty when the file cannot be read.
func md5OfParts(o Object, partSize int64) string {
	u := spool.Upload{}
	for at := int64(0); at < o.Size; at += partSize {
		part, err := measure(io.NewSectionReader(o.Body, at, min(partSize, o.Size-at)), "", io.Discard)
		if err != nil {
			return ""
		}
		part.Number = len(u.Parts) + 1
		u.Parts = append(u.Parts, part)
	}
	return etagOf(&u)
}

// isMD5 says whether an ETag has the form of an MD5.
func isMD5(etag string) bool {
	_, err := hex.DecodeString(etag)
	return err == nil && len(etag) == 2*md5.Size
}

// crc32c reads a whole file; base64 of 4 bytes big-endian, as stores write it.
func crc32c(body io.ReaderAt, size int64) (string, error) {
	h := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := copyAll(h, io.NewSectionReader(body, 0, size)); err != nil {
		return "", &FileError{err}
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, h.Sum32())), nil
}
