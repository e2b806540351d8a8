package main

import (
	"errors"
	"slices"
	"testing"

	"stockade/protocol/access"
)

// TestKeepers: what is remembered of who looks after whom is forgotten when that changes, also when it was being read just then.
func TestKeepers(t *testing.T) {
	var k keepers
	now, reads := []access.Customer{"P1"}, 0
	ask := func() []access.Customer {
		t.Helper()
		list, err := k.of("sun", func() ([]access.Customer, error) { reads++; return now, nil })
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	ask()
	if ask(); reads != 1 {
		t.Errorf("read %d times", reads)
	}
	now = []access.Customer{"P1", "P2"}
	k.moved()
	if got := ask(); !slices.Equal(got, now) {
		t.Errorf("after a change: %v", got)
	}
	k.moved()
	old, err := k.of("sun", func() ([]access.Customer, error) { defer k.moved(); return []access.Customer{"P1"}, nil })
	if err != nil || len(old) != 1 {
		t.Errorf("read while it changes: %v, %v", old, err)
	}
	if got := ask(); !slices.Equal(got, now) {
		t.Errorf("an old list is kept: %v", got)
	}
	k.moved()
	broken := errors.New("broken")
	if _, err := k.of("sun", func() ([]access.Customer, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("a fault: %v", err)
	}
	if got := ask(); !slices.Equal(got, now) {
		t.Errorf("after a fault: %v", got)
	}
}
