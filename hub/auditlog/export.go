package auditlog

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
)

// Exported counts what an export holds.
type Exported struct {
	Leaves, Batches, Keys, Entries, Erased, Cosignatures int64
}

// Export writes the log and what it stands for into a new folder, in the form that
// docs/export.md describes byte for byte. It is complete or not there at all.
func Export(v *store.View, ring *keyring.Ring, dir string) (Exported, error) {
	if _, err := os.Lstat(dir); err == nil {
		return Exported{}, fmt.Errorf("export to %s: %w", dir, fs.ErrExist)
	}
	part, err := os.MkdirTemp(filepath.Dir(dir), ".export-*")
	if err != nil {
		return Exported{}, fmt.Errorf("export: %w", err)
	}
	defer func() { _ = os.RemoveAll(part) }() // moved away already when all went well
	x := &exporter{v: v, ring: ring, dir: part}
	if err := x.run(); err != nil {
		return Exported{}, fmt.Errorf("export: %w", err)
	}
	if err := os.Rename(part, dir); err != nil {
		return Exported{}, fmt.Errorf("export: %w", err)
	}
	return x.done, nil
}

type exporter struct {
	v    *store.View
	ring *keyring.Ring
	dir  string
	done Exported
}

func (x *exporter) run() error {
	for _, d := range []string{"batches", "keys", "entries", "cosignatures"} {
		if err := os.Mkdir(filepath.Join(x.dir, d), 0o755); err != nil { // #nosec G301 -- it is made to be handed on
			return err
		}
	}
	if err := os.Chmod(x.dir, 0o755); err != nil { // #nosec G302 -- the same
		return err
	}
	for _, step := range []func() error{x.leaves, x.head, x.batches, x.keys, x.entries} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) write(name string, b []byte) error {
	return os.WriteFile(filepath.Join(x.dir, name), b, 0o644) // #nosec G306 -- an export is made to be handed on
}

func (x *exporter) leaves() (err error) {
	f, err := os.Create(filepath.Join(x.dir, "leaves"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	err = x.v.Leaves(func(l audit.Leaf) error {
		x.done.Leaves++
		_, err := w.WriteString(base64.StdEncoding.EncodeToString(l.Bytes()) + "\n")
		return err
	})
	return errors.Join(err, w.Flush())
}

// head writes the signed head of exactly the leaves written, and what vouches for it.
func (x *exporter) head() error {
	info, err := x.v.PresentLog()
	if err != nil {
		return err
	}
	tree, err := x.v.Log().HeadAt(x.done.Leaves)
	if err != nil {
		return err
	}
	origin := audit.Origin(string(x.ring.Org), info.Epoch)
	c := audit.Checkpoint{Origin: origin, Tree: tree}
	note, err := audit.SignCheckpoint(c, x.ring.Log)
	if err != nil {
		return err
	}
	words, err := x.v.Cosignatures()
	if err != nil {
		return err
	}
	for _, w := range words {
		if w.LogEpoch != info.Epoch {
			continue
		}
		x.done.Cosignatures++
		if w.Size == tree.N {
			note = append(note, signatureOf(w.Note, string(w.Node))...)
		}
		if err := x.write(filepath.Join("cosignatures", string(w.Node)), w.Note); err != nil {
			return err
		}
	}
	for name, b := range map[string][]byte{
		"checkpoint": note,
		"vkey":       []byte(audit.VKey(origin, x.ring.Log.Public().(ed25519.PublicKey)) + "\n"),
		"opening":    info.Opening,
		"keylist":    x.ring.Keys,
	} {
		if err := x.write(name, b); err != nil {
			return err
		}
	}
	return nil
}

// signatureOf returns the line of a signed note by which a witness has signed it.
func signatureOf(note []byte, name string) []byte {
	_, signatures, ok := bytes.Cut(note, []byte("\n\n"))
	if !ok {
		return nil
	}
	for line := range strings.Lines(string(signatures)) {
		if strings.HasPrefix(line, "— "+name+" ") {
			return []byte(line)
		}
	}
	return nil
}

// leafName is how a file names the leaf that it belongs to: 12 digits.
func leafName(leaf int64) string { return fmt.Sprintf("%012d", leaf) }

func (x *exporter) batches() error {
	return x.v.Batches(0, func(b store.StoredBatch) error {
		x.done.Batches++
		name := filepath.Join("batches", leafName(b.Leaf))
		return errors.Join(x.write(name+".cose", b.Batch.Signed), x.write(name+".body", b.Batch.Body))
	})
}

func (x *exporter) keys() error {
	keys, err := x.v.Keys()
	if err != nil {
		return err
	}
	for _, k := range keys {
		der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(k.Key))
		if err != nil {
			return err
		}
		x.done.Keys++
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		if err := x.write(filepath.Join("keys", leafName(k.Leaf)+"."+string(k.Node)+".pem"), text); err != nil {
			return err
		}
	}
	return nil
}

// wireEntry is an entry of the hub itself as it is exported.
type wireEntry struct {
	_     struct{} `cbor:",toarray"`
	Salt  []byte
	Entry []byte
}

func (x *exporter) entries() error {
	entries, err := x.v.Entries(0)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Salt == nil {
			x.done.Erased++
			continue
		}
		b, err := change.Marshal(wireEntry{Salt: e.Salt, Entry: e.Entry})
		if err != nil {
			return err
		}
		x.done.Entries++
		if err := x.write(filepath.Join("entries", leafName(e.Leaf)+".cbor"), b); err != nil {
			return err
		}
	}
	return nil
}

// Trust returns the text of the file that a verifier is given from outside: who signs the
// log, and the company's root key. docs/export.md describes it.
func Trust(v *store.View, ring *keyring.Ring) (string, error) {
	info, err := v.PresentLog()
	if err != nil {
		return "", err
	}
	keys, err := delivery.OpenKeys(ring.Root, string(ring.Org), ring.Keys)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("log %s\nroot %s\n", audit.VKey(audit.Origin(string(ring.Org), info.Epoch), keys.Log), base64.StdEncoding.EncodeToString(ring.Root)), nil
}
