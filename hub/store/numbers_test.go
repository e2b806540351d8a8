package store

import (
	"context"
	"errors"
	"testing"

	"stockade/protocol/audit"
)

// TestNumbersAfterTwoRestores: a hub that is restored twice from the same old copy grants nothing twice, also not what it
// granted between the two restores and has forgotten with the second.
func TestNumbersAfterTwoRestores(t *testing.T) {
	undo := errors.New("undo")
	for _, granted := range []bool{true, false} { // before the copy was made
		s := openTest(t)
		addNode(t, s, "sh-1", "SHA")
		open := func(tx *Tx, epoch uint64) error {
			return tx.OpenLog(epoch, audit.Leaf{Kind: audit.LeafEntry}, []byte{1})
		}
		update(t, s, func(tx *Tx) error { return open(tx, 1) })
		if granted {
			update(t, s, func(tx *Tx) error { return tx.GrantNumbers("sh-1", "6901234") })
		}
		end := int64(-1) // of what was granted so far
		for epoch := uint64(2); epoch < 6; epoch++ {
			err := s.Update(context.Background(), testTime, func(tx *Tx) error { // each begins at the same copy
				if err := open(tx, epoch); err != nil {
					return err
				}
				for range 3 {
					if err := tx.GrantNumbers("sh-1", "6901234"); err != nil {
						return err
					}
				}
				var first, next int64
				if err := tx.tx.QueryRow(`SELECT min(first), max(first + count) FROM number_block WHERE log_epoch = ?1`, int64(epoch)).Scan(&first, &next); err != nil {
					return err
				}
				if first < end {
					t.Errorf("log %d grants from %d, the log before it had granted up to %d", epoch, first, end)
				}
				end = next
				return undo
			})
			if !errors.Is(err, undo) {
				t.Fatal(err)
			}
		}
	}
}
