package disktest

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// outcomes are the different images that many cuts leave.
func outcomes(log []Op, model Model) (out []Image) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		d := NewDisk(nil)
		for _, op := range log {
			d.Do(op)
		}
		out = append(out, d.Cut(model, Some, 512, rng))
	}
	return out
}

func count(images []Image, is func(Image) bool) (n int) {
	for _, image := range images {
		if is(image) {
			n++
		}
	}
	return n
}

const fileA, fileB = 2, 3

func block(b byte) []byte { return bytes.Repeat([]byte{b}, 512) }

var models = map[string]Model{"posix": Posix, "journal": Journal}

func TestWhatWasSyncedStays(t *testing.T) {
	log := []Op{
		{Kind: Create, Node: fileA, Dir: rootNode, Name: "a"}, {Kind: Write, Node: fileA, Data: append(block(1), block(2)...)},
		{Kind: Sync, Node: fileA}, {Kind: SyncDir, Node: rootNode},
		{Kind: Write, Node: fileA, Offset: 512, Data: append(block(3), block(4)...)},
	}
	for name, model := range models {
		images := outcomes(log, model)
		if n := count(images, func(m Image) bool { return len(m["a"]) >= 1024 && bytes.Equal(m["a"][:512], block(1)) }); n != len(images) {
			t.Errorf("%s: what was synced is there in %d of %d", name, n, len(images))
		}
		for what, is := range map[string]func(Image) bool{
			"all":            func(m Image) bool { return bytes.Equal(m["a"][512:], append(block(3), block(4)...)) },
			"nothing":        func(m Image) bool { return bytes.Equal(m["a"][512:], block(2)) },
			"the first half": func(m Image) bool { return bytes.Equal(m["a"][512:], block(3)) },
		} {
			if count(images, is) == 0 {
				t.Errorf("%s: %s of what was not synced never stays", name, what)
			}
		}
		zeros := count(images, func(m Image) bool { return len(m["a"]) == 1536 && bytes.Equal(m["a"][1024:], block(0)) })
		if (zeros > 0) != (model == Posix) {
			t.Errorf("%s: a length without its data: %d", name, zeros)
		}
	}
}

func TestNames(t *testing.T) {
	log := []Op{
		{Kind: Create, Node: fileA, Dir: rootNode, Name: "a.new"}, {Kind: Write, Node: fileA, Data: block(1)}, {Kind: Sync, Node: fileA},
		{Kind: Rename, Node: fileA, Dir: rootNode, Name: "a.new", ToDir: rootNode, ToName: "a"},
		{Kind: Create, Node: fileB, Dir: rootNode, Name: "b"},
	}
	for name, model := range models {
		images := outcomes(log, model)
		has := func(names ...string) int {
			return count(images, func(m Image) bool {
				for _, name := range names {
					if _, ok := m[name]; !ok {
						return false
					}
				}
				return len(m) == len(names)
			})
		}
		if has("a", "a.new") > 0 || has("a", "a.new", "b") > 0 {
			t.Errorf("%s: a rename left both names", name)
		}
		if has("a.new") == 0 || has("a") == 0 || has("a", "b") == 0 {
			t.Errorf("%s: %d, %d, %d", name, has("a.new"), has("a"), has("a", "b"))
		}
		// A journal was written with the sync, and goes on in order.
		if model == Posix && (has() == 0 || has("b") == 0) || model == Journal && has()+has("b")+has("a.new", "b") > 0 {
			t.Errorf("%s: nothing %d, the last alone %d", name, has(), has("b"))
		}
		synced := outcomes(append(log, Op{Kind: SyncDir, Node: rootNode}), model)
		if n := count(synced, func(m Image) bool { return len(m) == 2 && bytes.Equal(m["a"], block(1)) }); n != len(synced) {
			t.Errorf("%s: after the directory's sync %d of %d", name, n, len(synced))
		}
	}
}

func TestTruncation(t *testing.T) {
	log := []Op{
		{Kind: Create, Node: fileA, Dir: rootNode, Name: "a"}, {Kind: Write, Node: fileA, Data: append(block(1), block(2)...)},
		{Kind: Sync, Node: fileA}, {Kind: SyncDir, Node: rootNode},
		{Kind: Truncate, Node: fileA, Size: 512}, {Kind: Write, Node: fileA, Offset: 1024, Data: block(3)},
	}
	for name, model := range models {
		images := outcomes(log, model)
		if n := count(images, func(m Image) bool { return len(m["a"]) == 1536 && !bytes.Equal(m["a"][512:1024], block(0)) }); n > 0 {
			t.Errorf("%s: what was cut off is back in %d", name, n)
		}
		if count(images, func(m Image) bool { return len(m["a"]) == 512 }) == 0 || count(images, func(m Image) bool { return len(m["a"]) == 1024 }) == 0 {
			t.Errorf("%s: the truncation always, or never, stays", name)
		}
	}
}
