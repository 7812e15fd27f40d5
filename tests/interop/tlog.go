// Our trail, read by the packages of the Go checksum database (sumdb/note, sumdb/tlog).
//
//	tlog VKEY FOLDER PROOFS
//
// FOLDER holds checkpoint and tile/. PROOFS holds <index>.tlog-proof and <old>-<size>, as we made
// them: each one must hold here, and be the one that is computed here. Prints what was compared.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error, what string) {
	if err != nil {
		fmt.Printf("%s: %v\n", what, err)
		os.Exit(1)
	}
}

func want(holds bool, what string) {
	if !holds {
		must(fmt.Errorf("differs"), what)
	}
}

// Files of tlog-tiles; Go's own paths name the height, 8, too.
type tiles struct{ folder string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range list {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		bytes, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil { // a wider one has it as its prefix
			bytes, err = t.wider(path, tile.W*tlog.HashSize)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, bytes)
	}
	return out, nil
}

func (t tiles) wider(path string, size int) ([]byte, error) {
	base := path
	if i := strings.Index(path, ".p/"); i >= 0 {
		base = path[:i]
	}
	all, _ := filepath.Glob(filepath.Join(t.folder, base+".p/*"))
	for _, name := range append(all, filepath.Join(t.folder, base)) {
		bytes, err := os.ReadFile(name)
		if err == nil && len(bytes) >= size {
			return bytes[:size], nil
		}
	}
	return nil, os.ErrNotExist
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// The text of a checkpoint that the key signed.
func open(bytes []byte, key string) tlog.Tree {
	verifier, err := note.NewVerifier(key)
	must(err, "key")
	n, err := note.Open(bytes, note.VerifierList(verifier))
	must(err, "note")
	lines := strings.Split(n.Text, "\n")
	want(len(lines) == 4 && lines[0] == verifier.Name(), "lines of the checkpoint")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err, "size")
	hash, err := tlog.ParseHash(lines[2])
	must(err, "root")
	return tlog.Tree{N: size, Hash: hash}
}

func hashes(lines []string) []tlog.Hash {
	out := []tlog.Hash{}
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		must(err, "hash")
		out = append(out, hash)
	}
	return out
}

func same(a, b []tlog.Hash) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func inclusion(name string, tree tlog.Tree, key string, reader tlog.HashReader) {
	bytes, err := os.ReadFile(name)
	must(err, "proof")
	head, checkpoint, _ := strings.Cut(string(bytes), "\n\n")
	lines := strings.Split(head, "\n")
	want(lines[0] == "c2sp.org/tlog-proof@v1", "first line of "+name)
	leaf, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	must(err, "leaf")
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	must(err, "index")
	ours := hashes(lines[3:])
	want(open([]byte(checkpoint), key) == tree, "checkpoint of "+name)
	must(tlog.CheckRecord(ours, tree.N, tree.Hash, index, tlog.RecordHash(leaf)), name)
	theirs, err := tlog.ProveRecord(tree.N, index, reader)
	must(err, "ProveRecord")
	want(same(ours, theirs), "proof computed by Go for "+name)
}

func consistency(name string, reader tlog.HashReader) {
	bytes, err := os.ReadFile(name)
	must(err, "proof")
	before, after, _ := strings.Cut(filepath.Base(name), "-")
	old, err := strconv.ParseInt(before, 10, 64)
	must(err, "old size")
	size, err := strconv.ParseInt(after, 10, 64)
	must(err, "new size")
	ours := hashes(strings.Fields(string(bytes)))
	small, err := tlog.TreeHash(old, reader)
	must(err, "TreeHash")
	large, err := tlog.TreeHash(size, reader)
	must(err, "TreeHash")
	must(tlog.CheckTree(ours, size, large, old, small), name)
	theirs, err := tlog.ProveTree(size, old, reader)
	must(err, "ProveTree")
	want(same(ours, theirs), "proof computed by Go for "+name)
}

// Each leaf of the entry bundles is the one that the tiles hold. An export has them, a trail not.
func bundles(folder string, tree tlog.Tree, reader tlog.HashReader) int64 {
	next := int64(0)
	for next < tree.N {
		path := fmt.Sprintf("%s/tile/entries/%03d", folder, next/256)
		if tree.N-next < 256 {
			path += fmt.Sprintf(".p/%d", tree.N-next)
		}
		bytes, err := os.ReadFile(path)
		if err != nil && next == 0 {
			return 0
		}
		must(err, "bundle")
		for len(bytes) > 0 {
			n := int(binary.BigEndian.Uint16(bytes))
			stored, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, next)})
			must(err, "leaf")
			want(stored[0] == tlog.RecordHash(bytes[2:2+n]), path)
			bytes = bytes[2+n:]
			next++
		}
	}
	return next
}

func main() {
	key, folder := os.Args[1], os.Args[2]
	checkpoint, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	must(err, "checkpoint")
	tree := open(checkpoint, key)
	reader := tlog.TileHashReader(tree, tiles{folder})
	root, err := tlog.TreeHash(tree.N, reader)
	must(err, "TreeHash")
	want(root == tree.Hash, "root")
	records, trees := 0, 0
	names, _ := filepath.Glob(filepath.Join(os.Args[3], "*"))
	for _, name := range names {
		if strings.HasSuffix(name, ".tlog-proof") {
			inclusion(name, tree, key, reader)
			records++
		} else {
			consistency(name, reader)
			trees++
		}
	}
	fmt.Printf("size %d: %d inclusions, %d consistencies, %d leaves of bundles\n", tree.N, records,
		trees, bundles(folder, tree, reader))
}
