package verify_test

import (
	"context"
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
	"testing"
	"time"

	"stockade/firmware-tools/verify"
	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

const org = "acme"

// writer writes an export by the book (docs/export.md), without the hub's code.
type writer struct {
	t     testing.TB
	dir   string
	log   *audit.Memory
	root  ed25519.PrivateKey
	key   ed25519.PrivateKey // of the log
	nodes map[stock.NodeID]ed25519.PrivateKey
	heads map[stock.NodeID]change.Hash
	seqs  map[stock.NodeID]uint64
	salts byte
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keyOf makes a key that is the same in every run, so that a failing case stays the same.
func keyOf(name string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	return ed25519.NewKeyFromSeed(seed)
}

func pub(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func newWriter(t testing.TB) *writer {
	w := &writer{t: t, dir: t.TempDir(), log: &audit.Memory{}, root: keyOf("root"), key: keyOf("log"),
		nodes: map[stock.NodeID]ed25519.PrivateKey{}, heads: map[stock.NodeID]change.Hash{}, seqs: map[stock.NodeID]uint64{}}
	for _, d := range []string{"batches", "keys", "entries", "cosignatures"} {
		check(t, os.Mkdir(filepath.Join(w.dir, d), 0o755))
	}
	opening, err := delivery.SealOpening(w.root, delivery.Opening{Org: org, Epoch: 1, Reason: "first log"})
	check(t, err)
	w.leaf(delivery.OpeningLeaf(opening))
	w.file("opening", opening)
	list, err := delivery.SealKeys(w.root, delivery.Keys{Org: org, Number: 1, Ack: pub(keyOf("ack")), Feed: pub(keyOf("feed")), Log: pub(w.key), CA: make([]byte, 32)})
	check(t, err)
	w.file("keylist", list)
	return w
}

func (w *writer) file(name string, b []byte) {
	w.t.Helper()
	check(w.t, os.WriteFile(filepath.Join(w.dir, name), b, 0o644))
}

func (w *writer) leaf(l audit.Leaf) int64 {
	n, err := audit.Log{Store: w.log}.Append(l)
	check(w.t, err)
	return n
}

func (w *writer) node(id stock.NodeID) {
	key := keyOf(string(id))
	w.nodes[id] = key
	n := w.leaf(audit.Leaf{Kind: audit.LeafNodeKey, Hash: audit.KeyHash(string(id), pub(key))})
	der, err := x509.MarshalPKIXPublicKey(pub(key))
	check(w.t, err)
	w.file(fmt.Sprintf("keys/%012d.%s.pem", n, id), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (w *writer) batch(id stock.NodeID) change.Hash {
	meta := change.Meta{Time: clock.StampOf(time.Unix(1_800_000_000, 0)), Actor: "wang"}
	var changes [][]byte
	for i := range 3 {
		c, err := change.OfMovement(meta, stock.Movement{Key: stock.Key{SKU: "A", State: stock.Available}, From: stock.Supplier, To: "SHA/R", Quantity: stock.Quantity(i + 1)})
		check(w.t, err)
		b, err := c.Encode()
		check(w.t, err)
		changes = append(changes, b)
	}
	w.salts++
	salt := make([]byte, change.SaltSize)
	salt[0] = w.salts
	h := change.Header{Org: org, Node: id, Epoch: 1, Seq: w.seqs[id] + 1, Prev: w.heads[id], First: w.seqs[id]*3 + 1}
	b, hash, err := change.Cut(w.nodes[id], h, salt, changes)
	check(w.t, err)
	w.put(b, hash)
	w.seqs[id]++
	w.heads[id] = hash
	return hash
}

func (w *writer) put(b change.Batch, hash change.Hash) {
	n := w.leaf(audit.Leaf{Kind: audit.LeafBatch, Hash: hash})
	w.file(fmt.Sprintf("batches/%012d.cose", n), b.Signed)
	w.file(fmt.Sprintf("batches/%012d.body", n), b.Body)
}

func (w *writer) entry(act, object string) {
	c, err := change.OfEntry(change.Meta{Actor: "root"}, change.Entry{Act: act, Object: object, Outcome: "ok", Detail: map[string]string{}})
	check(w.t, err)
	encoded, err := c.Encode()
	check(w.t, err)
	w.salts++
	salt := make([]byte, change.SaltSize)
	salt[1] = w.salts
	n := w.leaf(audit.Leaf{Kind: audit.LeafEntry, Hash: change.SaltedHash(salt, encoded)})
	b, err := change.Marshal([][]byte{salt, encoded})
	check(w.t, err)
	w.file(fmt.Sprintf("entries/%012d.cbor", n), b)
}

func (w *writer) signed() []byte {
	tree, err := audit.Log{Store: w.log}.Head()
	check(w.t, err)
	note, err := audit.SignCheckpoint(audit.Checkpoint{Origin: audit.Origin(org, 1), Tree: tree}, w.key)
	check(w.t, err)
	return note
}

// cosigned is a checkpoint of now with a node's co-signature.
func (w *writer) cosigned(id stock.NodeID, note []byte) []byte {
	c, err := audit.OpenCheckpoint(note, audit.Origin(org, 1), pub(w.key))
	check(w.t, err)
	signed, err := audit.Cosign(note, c, pub(w.key), string(id), w.nodes[id], time.Unix(1_800_000_000, 0))
	check(w.t, err)
	return signed
}

// finish writes leaves and head.
func (w *writer) finish() {
	var lines strings.Builder
	for _, l := range w.log.Leaves {
		lines.WriteString(base64.StdEncoding.EncodeToString(l.Bytes()) + "\n")
	}
	w.file("leaves", []byte(lines.String()))
	w.file("vkey", []byte(audit.VKey(audit.Origin(org, 1), pub(w.key))+"\n"))
	w.file("checkpoint", w.cosigned("sh-1", w.signed()))
}

func (w *writer) trust() verify.Trust {
	t, err := verify.ParseTrust(fmt.Appendf(nil, "# keys of %s\nlog %s\nroot %s\n", org, audit.VKey(audit.Origin(org, 1), pub(w.key)), base64.StdEncoding.EncodeToString(pub(w.root))))
	check(w.t, err)
	return t
}

// whole is an export with every kind of file.
func whole(t testing.TB) *writer {
	w := newWriter(t)
	w.node("sh-1")
	w.node("cd-1")
	w.entry("hub.init", org)
	for range 3 {
		w.batch("sh-1")
		w.batch("cd-1")
	}
	w.file("cosignatures/cd-1", w.cosigned("cd-1", w.signed()))
	w.batch("sh-1")
	w.finish()
	return w
}

func (w *writer) verify() (verify.Report, error) {
	trust := w.trust()
	return verify.Export(context.Background(), w.dir, &trust)
}

func TestWholeExport(t *testing.T) {
	w := whole(t)
	r, err := w.verify()
	if err != nil {
		t.Fatal(err)
	}
	if r.Leaves != 11 || r.Batches != 7 || r.Changes != 21 || r.Chains != 2 || r.Keys != 2 || r.Entries != 1 || r.Witnesses != 2 || r.Witnessed != 11 || !r.Trusted {
		t.Errorf("report %+v", r)
	}
	if r, err = verify.Export(context.Background(), w.dir, nil); err != nil || r.Trusted {
		t.Errorf("without trust: %+v, %v", r, err)
	}
}

// TestEveryByteCounts changes each file in several places; each time the export must not hold.
func TestEveryByteCounts(t *testing.T) {
	w := whole(t)
	for _, name := range w.files() {
		path := filepath.Join(w.dir, name)
		b, err := os.ReadFile(path)
		check(t, err)
		for _, at := range []int{0, len(b) / 3, len(b) / 2, len(b) - 2} {
			spoiled := append([]byte(nil), b...)
			spoiled[at] ^= 1
			w.mustFail(name, spoiled, fmt.Sprintf("byte %d", at))
		}
		w.mustFail(name, b[:len(b)-1], "cut")
		w.mustFail(name, append(append([]byte(nil), b...), '\n'), "longer")
		check(t, os.WriteFile(path, b, 0o644))
	}
	if _, err := w.verify(); err != nil {
		t.Fatalf("restored export: %v", err)
	}
}

func (w *writer) mustFail(name string, b []byte, what string) {
	w.t.Helper()
	w.file(name, b)
	if _, err := w.verify(); !errors.Is(err, verify.ErrFalse) {
		w.t.Errorf("%s %s: Export = %v, want ErrFalse", name, what, err)
	}
}

func (w *writer) files() []string {
	var out []string
	check(w.t, filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, rerr := filepath.Rel(w.dir, path)
			out, err = append(out, name), rerr
		}
		return err
	}))
	return out
}

func TestMissingFiles(t *testing.T) {
	for _, name := range whole(t).files() {
		w := whole(t)
		check(t, os.Remove(filepath.Join(w.dir, name)))
		r, err := w.verify()
		kind := strings.Split(name, "/")[0]
		switch {
		case strings.HasSuffix(name, ".body"):
			if err != nil || r.Erased != 1 {
				t.Errorf("without %s: %+v, %v", name, r, err)
			}
		case kind == "entries":
			if err != nil || r.Hidden != 1 {
				t.Errorf("without %s: %+v, %v", name, r, err)
			}
		case kind == "cosignatures":
			if err != nil || r.Witnesses != 1 {
				t.Errorf("without %s: %+v, %v", name, r, err)
			}
		case !errors.Is(err, verify.ErrFalse):
			t.Errorf("without %s: Export = %v, want ErrFalse", name, err)
		}
	}
}

func TestForgeries(t *testing.T) {
	for name, forge := range map[string]func(w *writer){
		"another log key": func(w *writer) { w.key = keyOf("thief"); w.finish() },
		"batch of a stranger": func(w *writer) {
			w.nodes["sh-1"] = keyOf("thief")
			w.batch("sh-1")
			w.nodes["sh-1"] = keyOf("sh-1")
			w.finish()
		},
		"gap in a chain":         func(w *writer) { w.seqs["sh-1"]++; w.batch("sh-1"); w.finish() },
		"chain that starts over": func(w *writer) { w.seqs["sh-1"], w.heads["sh-1"] = 0, change.Hash{}; w.batch("sh-1"); w.finish() },
		"file of no leaf":        func(w *writer) { w.file("batches/000000000099.cose", []byte{1}) },
		"file with a long name":  func(w *writer) { w.file("entries/5.cbor", []byte{1}) },
		"foreign witness": func(w *writer) {
			w.nodes["zz-9"] = keyOf("zz-9")
			w.file("cosignatures/zz-9", w.cosigned("zz-9", w.signed()))
		},
		"head the log never had": func(w *writer) {
			other := newWriter(w.t)
			other.node("sh-1")
			other.batch("sh-1")
			w.file("cosignatures/sh-1", other.cosigned("sh-1", other.signed()))
		},
	} {
		w := whole(t)
		honest := w.trust()
		forge(w)
		if _, err := verify.Export(context.Background(), w.dir, &honest); !errors.Is(err, verify.ErrFalse) {
			t.Errorf("%s: Export = %v, want ErrFalse", name, err)
		}
	}
}

func TestBatchThatAPersonHasAccepted(t *testing.T) {
	w := whole(t)
	w.seqs["sh-1"], w.heads["sh-1"] = 1, change.Hash{7} // a fork of its own chain
	hash := w.batch("sh-1")
	w.finish()
	if _, err := w.verify(); !errors.Is(err, verify.ErrFalse) {
		t.Fatalf("fork without a decision: Export = %v", err)
	}
	w.entry("held.accepted", hash.String())
	w.finish()
	if r, err := w.verify(); err != nil || r.Decided != 1 {
		t.Errorf("fork with a decision: %+v, %v", r, err)
	}
}

func TestLinksOutside(t *testing.T) {
	w := whole(t)
	outside := filepath.Join(t.TempDir(), "leaves")
	check(t, os.Rename(filepath.Join(w.dir, "leaves"), outside))
	check(t, os.Symlink(outside, filepath.Join(w.dir, "leaves")))
	if _, err := w.verify(); !errors.Is(err, verify.ErrFalse) {
		t.Errorf("Export = %v, want ErrFalse", err)
	}
}

func TestTrustFiles(t *testing.T) {
	w := newWriter(t)
	vkey, root := audit.VKey(audit.Origin(org, 1), pub(w.key)), base64.StdEncoding.EncodeToString(pub(w.root))
	for name, text := range map[string]string{"empty": "", "no root": "log " + vkey, "no log": "root " + root, "two roots": "log " + vkey + "\nroot " + root + "\nroot " + root,
		"short root": "log " + vkey + "\nroot AAAA", "bad vkey": "log " + vkey[:len(vkey)-4] + "\nroot " + root, "other word": "log " + vkey + "\nroot " + root + "\nca x"} {
		if _, err := verify.ParseTrust([]byte(text)); !errors.Is(err, verify.ErrTrust) {
			t.Errorf("%s: ParseTrust = %v, want ErrTrust", name, err)
		}
	}
}

func FuzzTrust(f *testing.F) {
	f.Add([]byte("log a+00000000+AQ==\nroot AAAA\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if trust, err := verify.ParseTrust(b); err == nil && (len(trust.Root) != ed25519.PublicKeySize || len(trust.Logs) == 0) {
			t.Errorf("accepted %+v", trust)
		}
	})
}

// FuzzExport puts foreign bytes in the place of one file: the export holds only if it says the same.
func FuzzExport(f *testing.F) {
	w := whole(f)
	names, trust := w.files(), w.trust()
	for i, n := range names {
		b, err := os.ReadFile(filepath.Join(w.dir, n))
		check(f, err)
		f.Add(i, b)
		f.Add(i, b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		if i < 0 || i >= len(names) {
			return
		}
		path := filepath.Join(w.dir, names[i])
		right, err := os.ReadFile(path)
		check(t, err)
		defer func() { check(t, os.WriteFile(path, right, 0o644)) }()
		check(t, os.WriteFile(path, b, 0o644))
		if _, err := verify.Export(context.Background(), w.dir, &trust); err == nil && string(b) != string(right) {
			t.Errorf("%s was changed and the export still holds", names[i])
		}
	})
}
