package mp4

import (
	"encoding/base64"
	"encoding/binary"
	"io"

	"github.com/minio/crc64nvme"
)

// The polynomial of CRC64NVME, bit-reversed, as S3 uses it.
const crc64Polynomial = 0x9a6c9329ac4bc9b5

// joinCRC64 returns the checksum of a and b in sequence from the checksums of
// each and b's length, so that rewriting the front of a file does not mean
// reading the rest of it again. It is zlib's crc32_combine for 64 bits: appending
// a zero bit to a message is a linear operator on its checksum, squared
// repeatedly to append 2, 4, 8 … bits.
func joinCRC64(a, b uint64, bLen int64) uint64 {
	var op [64]uint64 // op[i] is the image of bit i
	op[0] = crc64Polynomial
	for i := 1; i < 64; i++ {
		op[i] = 1 << (i - 1)
	}
	apply := func(v uint64) uint64 {
		sum := uint64(0)
		for i := 0; v != 0; i, v = i+1, v>>1 {
			if v&1 != 0 {
				sum ^= op[i]
			}
		}
		return sum
	}
	square := func() {
		var next [64]uint64
		for i := range op {
			next[i] = apply(op[i])
		}
		op = next
	}
	for range 3 { // from one bit to one byte
		square()
	}
	for n := bLen; n > 0; n >>= 1 {
		if n&1 != 0 {
			a = apply(a)
		}
		square()
	}
	return a ^ b
}

func updateCRC64(crc uint64, p []byte) uint64 { return crc64nvme.Update(crc, p) }

// checksumText is the form that S3 takes and gives.
func checksumText(crc uint64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc))
}

// Checksum reads a file and returns its CRC64NVME in the form that S3 takes.
func Checksum(f io.ReaderAt, size int64) (string, error) {
	crc, err := crcOf(f, 0, size)
	return checksumText(crc), err
}
