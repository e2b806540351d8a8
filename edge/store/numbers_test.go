package store_test

import (
	"context"
	"errors"
	"testing"

	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/protocol/change"
	"stockade/protocol/feed"
)

func made() change.Meta {
	return change.Meta{Time: 1, Actor: "sha-1", Terminal: "test", Day: "2026-11-26", Zone: "Asia/Shanghai"}
}

// take takes n numbers in a transaction of its own.
func take(s *store.Store, serials bool, n int) (got []string, err error) {
	err = s.Update(context.Background(), func(tx *store.Tx) (err error) {
		if serials {
			got, err = tx.TakeSerials(n, made())
		} else {
			got, err = tx.TakeSSCCs(n, made())
		}
		return err
	})
	return got, err
}

// TestNumbersAreTakenOnce: whatever else happens, no number comes twice, and only granted ones come.
func TestNumbersAreTakenOnce(t *testing.T) {
	dir := t.TempDir()
	s := storetest.Enrolled(t, dir, "sha-1")
	places := feed.Locations(storetest.Warehouse)
	if _, err := take(s, false, 1); !errors.Is(err, store.ErrNoNumbers) {
		t.Errorf("%v, want ErrNoNumbers before anything was granted", err)
	}
	grants := []any{
		feed.Numbers{Node: "sha-2", Epoch: 1, Prefix: "6910420", First: 0, Count: 10},
		feed.Numbers{Node: "sha-1", Epoch: 1, Prefix: "6910420", First: 10, Count: 10},
		feed.Numbers{Node: "sha-1", Epoch: 2, Prefix: "6910420", First: 20, Count: 10},
		feed.Numbers{Node: "sha-1", Epoch: 1, Prefix: "6910420", First: 30, Count: 3},
	}
	storetest.Feed(t, s, places, grants...)
	seen := map[string]bool{}
	note := func(got []string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range got {
			if seen[n] {
				t.Errorf("%s came twice", n)
			}
			seen[n] = true
		}
	}
	note(take(s, false, 4))
	note(take(s, true, 4))
	storetest.Feed(t, s, places, grants...) // as after the hub's log was opened anew
	failed := errors.New("the rest of the act failed")
	err := s.Update(context.Background(), func(tx *store.Tx) error {
		if _, err := tx.TakeSSCCs(2, made()); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	note(take(s, false, 7)) // 6 of the first range, 1 of the second
	if !seen["069104200000000105"] || !seen["069104200000000303"] {
		t.Errorf("%v: want those from number 10 and then from 30", seen)
	}
	if _, err := take(s, false, 3); !errors.Is(err, store.ErrNoNumbers) {
		t.Errorf("%v, want ErrNoNumbers where 2 are left", err)
	}
	note(take(s, false, 2))
	if _, err := take(s, false, 1); !errors.Is(err, store.ErrNoNumbers) {
		t.Errorf("%v, want ErrNoNumbers", err)
	}
	note(take(s, true, 9))
	if len(seen) != 13+13 || !seen["6910420S10"] || !seen["6910420S32"] {
		t.Errorf("%d numbers: %v", len(seen), seen)
	}
	// A new prefix ends the old one's numbers; without a prefix there are serial numbers only.
	storetest.Feed(t, s, places, feed.Numbers{Node: "sha-1", Epoch: 1, First: 500, Count: 10})
	if _, err := take(s, false, 1); !errors.Is(err, store.ErrNoNumbers) {
		t.Errorf("%v, want ErrNoNumbers without a prefix", err)
	}
	if got, err := take(s, true, 1); err != nil || got[0] != "S500" {
		t.Errorf("%v, %v", got, err)
	}
	storetest.View(t, s, func(tx *store.Tx) error {
		box, err := tx.Outbox()
		if err == nil && box.Waiting() == 0 {
			t.Error("nothing of it is on its way to the hub")
		}
		return err
	})
}
