package check

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// Pictures are the fingerprints of a clip's coded pictures, in their order. A camera
// that plays it in a loop sends the picture numbered n, from 1 on, as the (n-1)th,
// counted round and round.
type Pictures [][sha256.Size]byte

// mark is how the message begins by which a picture tells its number: an SEI of user
// data, its UUID, and then eight hexadecimal digits.
var mark = []byte("\x06\x05\x18picture's number")

const digits = 8

// ReadClip takes the fingerprints of a clip of H.264 with one slice for each picture.
func ReadClip(ctx context.Context, file string) (Pictures, error) {
	stream, said, err := ffmpeg(ctx, file, copied...)
	if err != nil || said != "" {
		return nil, fmt.Errorf("read the clip %s: %v %s", file, err, said)
	}
	var out Pictures
	for unit := range units(stream) {
		if isSlice(unit) {
			out = append(out, sha256.Sum256(unit))
		}
	}
	return out, nil
}

// inspect reads the numbers of the pictures of a file, and says what is wrong with
// it: ffmpeg has to decode all of it without a complaint, and each picture has to be,
// byte for byte, what the camera has sent under its number.
func inspect(ctx context.Context, file string, clip Pictures) (numbers []int, damage string) {
	stream, said, err := ffmpeg(ctx, file, append(slices.Clone(copied), "-map", "0", "-f", "null", "-")...)
	numbers, damage = compare(stream, clip)
	switch {
	case said != "":
		return numbers, "ffmpeg says: " + said
	case err != nil:
		return numbers, fmt.Sprintf("ffmpeg: %v", err)
	}
	return numbers, damage
}

// copied has ffmpeg write the coded pictures as they are, whatever their times.
var copied = strings.Fields("-map 0:v:0 -c copy -bsf:v h264_mp4toannexb,setts=ts=N -f h264 pipe:1")

func ffmpeg(ctx context.Context, file string, args ...string) (out []byte, said string, err error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "ffmpeg", append([]string{"-nostdin", "-v", "error", "-threads", "1", "-i", file}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	said, _, _ = strings.Cut(strings.TrimSpace(stderr.String()), "\n")
	return stdout.Bytes(), said, err
}

// compare reads a stream of units with start codes.
func compare(stream []byte, clip Pictures) (numbers []int, damage string) {
	number := 0 // of the picture to which the next slice belongs; 0: it did not tell
	for unit := range units(stream) {
		if told, is := bytes.CutPrefix(unit, mark); is {
			n, err := strconv.ParseInt(string(told[:min(len(told), digits)]), 16, 32)
			if err != nil || n < 1 {
				return numbers, fmt.Sprintf("the number after picture %d cannot be read", len(numbers))
			}
			number = int(n)
			continue
		}
		if !isSlice(unit) {
			continue
		}
		switch {
		case number == 0:
			return numbers, fmt.Sprintf("a picture after %d pictures has no number", len(numbers))
		case len(numbers) > 0 && number <= numbers[len(numbers)-1]:
			return numbers, fmt.Sprintf("picture %d comes after picture %d", number, numbers[len(numbers)-1])
		case sha256.Sum256(unit) != clip[(number-1)%len(clip)]:
			return numbers, fmt.Sprintf("picture %d is not what the camera has sent", number)
		}
		numbers, number = append(numbers, number), 0
	}
	if number != 0 {
		return numbers, fmt.Sprintf("picture %d is only announced", number)
	}
	if len(numbers) == 0 {
		return nil, "there is no picture in it"
	}
	return numbers, ""
}

// units yields what lies between start codes (ISO/IEC 14496-10 annex B).
func units(stream []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		code := []byte{0, 0, 1}
		_, rest, _ := bytes.Cut(stream, code)
		for len(rest) > 0 {
			var unit []byte
			unit, rest, _ = bytes.Cut(rest, code)
			if unit = bytes.TrimRight(unit, "\x00"); len(unit) > 0 && !yield(unit) {
				return
			}
		}
	}
}

// isSlice knows pictures that are one slice, of type 1 or 5.
func isSlice(unit []byte) bool { return unit[0]&0x1f == 1 || unit[0]&0x1f == 5 }
