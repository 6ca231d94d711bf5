// Checklog is a second opinion on suyuan's logs. It shares no line with suyuan: signed notes, tiles and proofs are the
// work of golang.org/x/mod, the library behind Go's own checksum database; only the formats that came after it stand here.
//
//	checklog -log VKEY [-witness VKEY]... [-step N] tiles FOLDER [CHECKPOINT]...
//	checklog -log VKEY [-witness VKEY]... proof FILE ENTRY
//	checklog proofs < LINES
//
// The first reads a folder of C2SP tlog-tiles. It proves every N-th entry to be in the newest checkpoint, and each older
// CHECKPOINT to be its beginning. The second checks a tlog-proof file for the entry in another file. The third checks
// proofs that someone else has made, one JSON object on a line. Every witness named must have cosigned the newest
// checkpoint; lines of unknown keys are ignored, as the specification of signed notes says. What was checked is counted
// on standard output; the first thing wrong ends the program with a sentence on standard error and status 1.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// C2SP tlog-tiles fixes the height of a tile, so that its paths need not say it.
const (
	height    = 8
	tileWidth = 1 << height
)

// checked counts what has been checked; whoever asks can tell "all is well" from "nothing was there".
type checked struct {
	Inclusion    int `json:"inclusion"`
	Consistency  int `json:"consistency"`
	Cosignatures int `json:"cosignatures"`
}

func main() {
	var witnesses []string
	logKey := flag.String("log", "", "the log's `vkey`")
	step := flag.Int64("step", 1, "check one entry in so many")
	flag.Func("witness", "the `vkey` of a witness that must have cosigned", func(vkey string) error {
		witnesses = append(witnesses, vkey)
		return nil
	})
	flag.Parse()
	found, err := run(*logKey, witnesses, *step, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "checklog:", err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(found)
}

func run(logKey string, witnesses []string, step int64, args []string) (checked, error) {
	if len(args) == 1 && args[0] == "proofs" {
		return checkProofs(os.Stdin)
	}
	keys, err := newKeyring(logKey, witnesses)
	if err != nil {
		return checked{}, err
	}
	switch {
	case len(args) >= 2 && args[0] == "tiles" && step > 0:
		return checkTiles(keys, step, args[1], args[2:])
	case len(args) == 3 && args[0] == "proof":
		return checkProof(keys, args[1], args[2])
	}
	return checked{}, errors.New("say what to check: tiles FOLDER [CHECKPOINT]..., proof FILE ENTRY, or proofs")
}

// --- Keys and checkpoints ------------------------------------------------------------------------------------------

// A keyring holds the log's key and those of its witnesses.
type keyring struct {
	log       note.Verifier
	witnesses []note.Verifier
}

func newKeyring(logKey string, witnesses []string) (keyring, error) {
	log, err := note.NewVerifier(logKey)
	if err != nil {
		return keyring{}, fmt.Errorf("the log's key: %w", err)
	}
	keys := keyring{log: log}
	for _, vkey := range witnesses {
		witness, err := newCosigner(vkey)
		if err != nil {
			return keyring{}, fmt.Errorf("the key of a witness, %q: %w", vkey, err)
		}
		keys.witnesses = append(keys.witnesses, witness)
	}
	return keys, nil
}

// A cosigner checks signatures of C2SP tlog-cosignature, type 0x04, which x/mod does not know.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosigner(vkey string) (*cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("a vkey is name+hash+key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 0x04 {
		return nil, errors.New("this is no key of type 0x04")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	hash := binary.BigEndian.Uint32(sum[:])
	if parts[1] != fmt.Sprintf("%08x", hash) {
		return nil, errors.New("its hash is another key's")
	}
	return &cosigner{parts[0], hash, key[1:]}, nil
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

// Verify checks a time stamp of eight bytes and a signature over it and the text.
func (c *cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(c.key, []byte(signed), signature[8:])
}

// open checks a checkpoint's signatures and reads its tree. It is the log's only under the log's key.
func (k keyring) open(message []byte, needed []note.Verifier) (tlog.Tree, error) {
	known := append([]note.Verifier{k.log}, k.witnesses...)
	opened, err := note.Open(message, note.VerifierList(known...))
	if err != nil {
		return tlog.Tree{}, err
	}
	for _, key := range append([]note.Verifier{k.log}, needed...) {
		if !signedBy(opened, key) {
			return tlog.Tree{}, fmt.Errorf("%s has not signed the checkpoint", key.Name())
		}
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != k.log.Name() || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("the text is no checkpoint of %s: %q", k.log.Name(), opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("the checkpoint's size is %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil || (size == 0 && root != sha256.Sum256(nil)) {
		return tlog.Tree{}, fmt.Errorf("the checkpoint's root is %q", lines[2])
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

func signedBy(opened *note.Note, key note.Verifier) bool {
	for _, signature := range opened.Sigs {
		if signature.Name == key.Name() && signature.Hash == key.KeyHash() {
			return true
		}
	}
	return false
}

// --- A folder of tiles ---------------------------------------------------------------------------------------------

// A folder is a tlog.TileReader over tlog-tiles, whose paths lack the height that x/mod's have.
type folder string

func (f folder) Height() int { return height }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		content, err := f.read(path)
		if err != nil {
			return nil, err
		}
		if len(content) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s holds %d bytes, too few", path, len(content))
		}
		read[i] = content[:tile.W*tlog.HashSize]
	}
	return read, nil
}

// read returns a file, or the full one where a partial one has been taken away, as it may be once it is full.
func (f folder) read(path string) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(string(f), path))
	if full, _, isPartial := strings.Cut(path, ".p/"); isPartial && errors.Is(err, os.ErrNotExist) {
		return os.ReadFile(filepath.Join(string(f), full))
	}
	return content, err
}

// entries returns those of one bundle: each is preceded by its length in two bytes.
func (f folder) entries(bundle, size int64) ([][]byte, error) {
	width := size - bundle*tileWidth
	if width > tileWidth {
		width = tileWidth
	}
	tile := tlog.Tile{H: height, L: -1, N: bundle, W: int(width)}
	path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
	content, err := f.read(path)
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for int64(len(entries)) < width {
		if len(content) < 2 || len(content)-2 < int(binary.BigEndian.Uint16(content)) {
			return nil, fmt.Errorf("%s ends within its entry %d", path, len(entries))
		}
		length := int(binary.BigEndian.Uint16(content))
		entries, content = append(entries, content[2:2+length]), content[2+length:]
	}
	return entries, nil
}

func checkTiles(keys keyring, step int64, path string, older []string) (checked, error) {
	message, err := os.ReadFile(filepath.Join(path, "checkpoint"))
	if err != nil {
		return checked{}, err
	}
	tree, err := keys.open(message, keys.witnesses)
	if err != nil {
		return checked{}, err
	}
	found := checked{Cosignatures: len(keys.witnesses)}
	hashes := tlog.TileHashReader(tree, folder(path))
	var entries [][]byte
	bundle := int64(-1)
	for index := int64(0); index < tree.N; index += step {
		if index/tileWidth != bundle {
			bundle = index / tileWidth
			if entries, err = folder(path).entries(bundle, tree.N); err != nil {
				return found, err
			}
		}
		proof, err := tlog.ProveRecord(tree.N, index, hashes)
		if err == nil {
			err = tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entries[index%tileWidth]))
		}
		if err != nil {
			return found, fmt.Errorf("entry %d of %d: %w", index, tree.N, err)
		}
		found.Inclusion++
	}
	for _, file := range older {
		if err := checkOlder(keys, tree, hashes, file); err != nil {
			return found, fmt.Errorf("%s: %w", file, err)
		}
		found.Consistency++
	}
	return found, nil
}

func checkOlder(keys keyring, tree tlog.Tree, hashes tlog.HashReader, file string) error {
	message, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	older, err := keys.open(message, nil)
	if err != nil || older.N == 0 {
		// Every tree begins with the empty one, whose root has been compared already.
		return err
	}
	proof, err := tlog.ProveTree(tree.N, older.N, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash)
}

// --- Proofs that others have made ----------------------------------------------------------------------------------

// checkProof checks a file of C2SP tlog-proof without extra data.
func checkProof(keys keyring, proofFile, entryFile string) (checked, error) {
	text, err := os.ReadFile(proofFile)
	if err != nil {
		return checked{}, err
	}
	entry, err := os.ReadFile(entryFile)
	if err != nil {
		return checked{}, err
	}
	head, message, isWhole := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !isWhole || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return checked{}, errors.New("this is no tlog-proof@v1")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil || lines[1] != fmt.Sprintf("index %d", index) {
		return checked{}, fmt.Errorf("this is no index: %q", lines[1])
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return checked{}, fmt.Errorf("this is no hash: %q", line)
		}
		proof = append(proof, hash)
	}
	tree, err := keys.open(message, keys.witnesses)
	if err != nil {
		return checked{}, err
	}
	err = tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
	return checked{Inclusion: 1, Cosignatures: len(keys.witnesses)}, err
}

// A proofLine is an inclusion proof of a leaf, or a consistency proof of an older tree.
type proofLine struct {
	Kind    string      `json:"kind"`
	Size    int64       `json:"size"`
	Root    tlog.Hash   `json:"root"`
	Index   int64       `json:"index"`
	Leaf    tlog.Hash   `json:"leaf"`
	OldSize int64       `json:"old_size"`
	OldRoot tlog.Hash   `json:"old_root"`
	Hashes  []tlog.Hash `json:"hashes"`
}

func checkProofs(lines io.Reader) (checked, error) {
	var found checked
	decoder := json.NewDecoder(lines)
	decoder.DisallowUnknownFields()
	for number := 1; ; number++ {
		var line proofLine
		err := decoder.Decode(&line)
		if err == io.EOF {
			return found, nil
		}
		switch {
		case err != nil:
		case line.Kind == "inclusion":
			found.Inclusion++
			err = tlog.CheckRecord(line.Hashes, line.Size, line.Root, line.Index, line.Leaf)
		case line.Kind == "consistency":
			found.Consistency++
			err = tlog.CheckTree(line.Hashes, line.Size, line.Root, line.OldSize, line.OldRoot)
		default:
			err = fmt.Errorf("%q is no kind of proof", line.Kind)
		}
		if err != nil {
			return found, fmt.Errorf("proof %d: %w", number, err)
		}
	}
}
