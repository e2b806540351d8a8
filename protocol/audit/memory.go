package audit

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Memory is a HashStore in memory: for simulations, and for checking an export.
// Its zero value is an empty log.
type Memory struct {
	Leaves []Leaf
	hashes []tlog.Hash
}

var _ HashStore = (*Memory)(nil)

// ReadHashes implements tlog.HashReader.
func (m *Memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(m.hashes)) {
			return nil, fmt.Errorf("hash %d of %d", x, len(m.hashes))
		}
		out[i] = m.hashes[x]
	}
	return out, nil
}

// Size implements HashStore.
func (m *Memory) Size() (int64, error) { return int64(len(m.Leaves)), nil }

// Append implements HashStore.
func (m *Memory) Append(_ int64, leaf Leaf, hashes []tlog.Hash) error {
	m.Leaves = append(m.Leaves, leaf)
	m.hashes = append(m.hashes, hashes...)
	return nil
}

// Clone returns an independent copy.
func (m *Memory) Clone() *Memory {
	return &Memory{Leaves: append([]Leaf(nil), m.Leaves...), hashes: append([]tlog.Hash(nil), m.hashes...)}
}
