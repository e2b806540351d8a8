package store_test

import (
	"fmt"
	"slices"
	"testing"

	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
)

// TestCoveredBatchesAreLetGo: a batch that a verified backup of the hub holds need not be kept; the
// last of every epoch is, and whatever the hub has not acknowledged.
func TestCoveredBatchesAreLetGo(t *testing.T) {
	place := func(epoch, seq uint64) delivery.Place {
		p := delivery.Place{Epoch: epoch, Seq: seq}
		if seq > 0 {
			p.Hash = change.Hash{byte(epoch), byte(seq)}
		}
		return p
	}
	tests := []struct {
		name           string
		acked, covered delivery.Place
		want           []string
	}{
		{"nothing is covered", place(2, 3), place(2, 0), []string{"1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "2.4"}},
		{"a part of the epoch before", place(2, 3), place(1, 2), []string{"1.3", "2.1", "2.2", "2.3", "2.4"}},
		{"a part of the present epoch", place(2, 3), place(2, 1), []string{"1.3", "2.2", "2.3", "2.4"}},
		{"all that is acknowledged", place(2, 3), place(2, 3), []string{"1.3", "2.3", "2.4"}},
		{"more than is acknowledged", place(2, 2), place(2, 4), []string{"1.3", "2.2", "2.3", "2.4"}},
	}
	for _, tt := range tests {
		s := storetest.Enrolled(t, t.TempDir(), own)
		storetest.Update(t, s, func(tx *store.Tx) error {
			for i, p := range []delivery.Place{place(1, 1), place(1, 2), place(1, 3), place(2, 1), place(2, 2), place(2, 3), place(2, 4)} {
				n := uint64(i) // #nosec G115 -- an index
				if err := tx.PutBatch(p, change.Header{First: n + 1, Count: 1}, change.Batch{Signed: []byte{1}, Body: []byte{2}}, n+2); err != nil {
					return err
				}
			}
			return tx.PutAcked(tt.acked, tt.covered)
		})
		var got []string
		storetest.View(t, s, func(tx *store.Tx) error {
			for epoch := uint64(1); epoch <= 2; epoch++ {
				for seq := uint64(1); seq <= 4; seq++ {
					_, _, hash, ok, err := tx.BatchAt(epoch, seq)
					if err != nil {
						return err
					}
					if ok && hash == place(epoch, seq).Hash {
						got = append(got, fmt.Sprintf("%d.%d", epoch, seq))
					}
				}
			}
			return nil
		})
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: kept %v, want %v", tt.name, got, tt.want)
		}
	}
}
