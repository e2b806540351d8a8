// Package audit is the master audit log: an append-only Merkle tree whose signed heads
// nodes check and co-sign, so that nobody can rewrite the past unseen.
//
// The tree is that of RFC 6962 section 2.1; a checkpoint is a C2SP tlog-checkpoint in a
// signed note; a co-signature is a C2SP tlog-cosignature of version 1. The leaf of a batch
// carries the hash of its signed header, so one change is proved by its path inside the
// batch and the batch's path in the log. Leaves hold hashes only: what they stand for can
// be erased without harm to any proof.
package audit

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/protocol/change"
)

// LeafKind says what the hash in a leaf is of. The numbers are logged and only ever added to.
type LeafKind byte

// The kinds of leaf.
const (
	LeafBatch   LeafKind = 1 // hash of a batch's signed header
	LeafEntry   LeafKind = 2 // salted hash of an entry of the hub itself
	LeafNodeKey LeafKind = 3 // KeyHash of a node's public key
	LeafOpening LeafKind = 4 // SHA-256 of the signed statement that opened this log
)

// Leaf is one record of the log: a byte for the kind and the hash.
type Leaf struct {
	Kind LeafKind
	Hash change.Hash
}

// Bytes returns the record as it is hashed into the tree and exported: 33 bytes.
func (l Leaf) Bytes() []byte { return append([]byte{byte(l.Kind)}, l.Hash[:]...) }

// ParseLeaf reads what Bytes wrote.
func ParseLeaf(b []byte) (Leaf, error) {
	if len(b) != 1+sha256.Size || b[0] < byte(LeafBatch) || b[0] > byte(LeafOpening) {
		return Leaf{}, fmt.Errorf("leaf of %d bytes is not of a known form", len(b))
	}
	return Leaf{LeafKind(b[0]), change.Hash(b[1:])}, nil
}

// KeyHash returns the hash under which a node's key is logged: SHA-256 over the node id,
// a zero byte and the 32 bytes of the Ed25519 public key.
func KeyHash(node string, key []byte) change.Hash {
	return sha256.Sum256(append(append([]byte(node), 0), key...))
}

// HashStore keeps the hashes of a log. Index and order are those of
// tlog.StoredHashIndex; hashes are only ever added.
type HashStore interface {
	tlog.HashReader
	// Size returns the number of leaves.
	Size() (int64, error)
	// Append adds the hashes that leaf number size brings; leaf keeps its bytes for the export.
	Append(size int64, leaf Leaf, hashes []tlog.Hash) error
}

// Log appends to a store and proves what is in it.
type Log struct{ Store HashStore }

// Append adds a leaf and returns its index.
func (l Log) Append(leaf Leaf) (int64, error) {
	n, err := l.Store.Size()
	if err != nil {
		return 0, err
	}
	hashes, err := tlog.StoredHashes(n, leaf.Bytes(), l.Store)
	if err != nil {
		return 0, fmt.Errorf("append leaf %d: %w", n, err)
	}
	return n, l.Store.Append(n, leaf, hashes)
}

// Head returns size and root hash of the log as it is.
func (l Log) Head() (tlog.Tree, error) {
	n, err := l.Store.Size()
	if err != nil {
		return tlog.Tree{}, err
	}
	return l.HeadAt(n)
}

// HeadAt returns the head that the log had when it had n leaves.
func (l Log) HeadAt(n int64) (tlog.Tree, error) {
	h, err := tlog.TreeHash(n, l.Store)
	return tlog.Tree{N: n, Hash: h}, err
}

// Inclusion proves that the log of the given size has leaf number index.
func (l Log) Inclusion(size, index int64) ([]change.Hash, error) {
	p, err := tlog.ProveRecord(size, index, l.Store)
	if err != nil {
		return nil, fmt.Errorf("prove leaf %d of %d: %w", index, size, err)
	}
	return fromTlog(p), nil
}

// Consistency proves that the log of the given size extends the one of size from.
// A proof from size zero is empty: every log extends the empty one.
func (l Log) Consistency(size, from int64) ([]change.Hash, error) {
	if from == 0 {
		return nil, nil
	}
	p, err := tlog.ProveTree(size, from, l.Store)
	if err != nil {
		return nil, fmt.Errorf("prove that log of %d extends log of %d: %w", size, from, err)
	}
	return fromTlog(p), nil
}

// ErrProof is returned for a proof that does not lead to the signed head.
var ErrProof = errors.New("proof does not lead to the signed head")

// CheckInclusion verifies that the tree has the leaf at index.
func CheckInclusion(tree tlog.Tree, index int64, leaf Leaf, proof []change.Hash) error {
	if err := tlog.CheckRecord(toTlog(proof), tree.N, tree.Hash, index, tlog.RecordHash(leaf.Bytes())); err != nil {
		return fmt.Errorf("leaf %d of %d: %w", index, tree.N, ErrProof)
	}
	return nil
}

// CheckConsistency verifies that tree extends old.
func CheckConsistency(tree, old tlog.Tree, proof []change.Hash) error {
	if old.N == 0 {
		return nil
	}
	if old.N > tree.N {
		return fmt.Errorf("log of %d extends log of %d: %w", tree.N, old.N, ErrProof)
	}
	if err := tlog.CheckTree(toTlog(proof), tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return fmt.Errorf("log of %d extends log of %d: %w", tree.N, old.N, ErrProof)
	}
	return nil
}

func fromTlog(hs []tlog.Hash) []change.Hash {
	out := make([]change.Hash, len(hs))
	for i, h := range hs {
		out[i] = change.Hash(h)
	}
	return out
}

func toTlog(hs []change.Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(hs))
	for i, h := range hs {
		out[i] = tlog.Hash(h)
	}
	return out
}
