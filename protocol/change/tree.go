package change

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
)

// rootOf returns the RFC 6962 section 2.1 tree head over the salted hashes of changes.
func rootOf(salt []byte, first uint64, changes [][]byte) Hash {
	return subtree(leavesOf(salt, first, changes))
}

func leavesOf(salt []byte, first uint64, changes [][]byte) []Hash {
	salts := newSalter(salt)
	leaves := make([]Hash, len(changes))
	for i, c := range changes {
		leaves[i] = leafHash(SaltedHash(salts.salt(first+uint64(i)), c)) // #nosec G115 -- an index is not negative
	}
	return leaves
}

func leafHash(h Hash) Hash { return sha256.Sum256(append([]byte{0}, h[:]...)) }

func nodeHash(l, r Hash) Hash {
	b := make([]byte, 0, 1+2*len(l))
	b = append(append(append(b, 1), l[:]...), r[:]...)
	return sha256.Sum256(b)
}

func subtree(leaves []Hash) Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := split(len(leaves))
	return nodeHash(subtree(leaves[:k]), subtree(leaves[k:]))
}

// split returns the largest power of two below n.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) } // #nosec G115 -- n is above one

// Prove returns the audit path (RFC 6962 section 2.1.1) of change i in contents.
func (c Contents) Prove(first uint64, i int) ([]Hash, error) {
	if i < 0 || i >= len(c.Changes) {
		return nil, fmt.Errorf("prove change %d of %d", i, len(c.Changes))
	}
	leaves := leavesOf(c.Salt, first, c.Changes)
	var path []Hash
	for len(leaves) > 1 {
		k := split(len(leaves))
		if i < k {
			path = append([]Hash{subtree(leaves[k:])}, path...)
			leaves = leaves[:k]
		} else {
			path = append([]Hash{subtree(leaves[:k])}, path...)
			leaves, i = leaves[k:], i-k
		}
	}
	return path, nil
}

// CheckChange verifies that change number n, with its salt, is in the batch of h.
func CheckChange(h Header, n uint64, salt, change []byte, path []Hash) error {
	if n < h.First || n > h.Last() {
		return fmt.Errorf("change %d is not in batch %d", n, h.Seq)
	}
	got, rest, err := climb(leafHash(SaltedHash(salt, change)), n-h.First, h.Count, path)
	if err != nil || len(rest) != 0 || got != h.Root {
		return fmt.Errorf("change %d of batch %d: proof does not lead to the signed root", n, h.Seq)
	}
	return nil
}

func climb(leaf Hash, i, size uint64, path []Hash) (Hash, []Hash, error) {
	if size == 1 {
		return leaf, path, nil
	}
	k := uint64(1) << (bits.Len64(size-1) - 1)
	inLeft := i < k
	var below Hash
	var err error
	if inLeft {
		below, path, err = climb(leaf, i, k, path)
	} else {
		below, path, err = climb(leaf, i-k, size-k, path)
	}
	if err != nil || len(path) == 0 {
		return Hash{}, nil, fmt.Errorf("audit path too short")
	}
	if inLeft {
		return nodeHash(below, path[0]), path[1:], nil
	}
	return nodeHash(path[0], below), path[1:], nil
}
