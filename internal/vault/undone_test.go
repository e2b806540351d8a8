package vault

import (
	"context"
	"errors"
	"runtime"
	"testing"
)

// TestUndone: what an act remembers may be believed until something was undone or another
// process has written.
func TestUndone(t *testing.T) {
	s := newTestStore(t)
	number := func() (n uint64) {
		t.Helper()
		must(t, s.Update(context.Background(), func(tx *Tx) error { n = tx.Undone(); return nil }))
		return n
	}
	before := number()
	must(t, add(s, "kept"))
	if got := number(); got != before {
		t.Errorf("after a commit: %d, want %d as before", got, before)
	}

	failed := errors.New("failed")
	if err := s.Update(context.Background(), func(tx *Tx) error { return errors.Join(insert(tx, "undone"), failed) }); !errors.Is(err, failed) {
		t.Fatalf("act that fails: %v", err)
	}
	after := number()
	if after == before {
		t.Errorf("after an act that failed: still %d", after)
	}

	other := openStore(t, s.Path())
	must(t, add(other, "from elsewhere"))
	if got := number(); got == after {
		t.Errorf("after somebody else has written: still %d", got)
	}
	if first, second := number(), number(); first != second {
		t.Errorf("nothing happened between %d and %d", first, second)
	}
}

// TestUndoneWithinACommit: of acts that share a commit, those after a failed one are told.
func TestUndoneWithinACommit(t *testing.T) {
	s := newTestStore(t)
	failed := errors.New("failed")
	var before, after uint64
	hold, running := make(chan struct{}), make(chan struct{})
	results := make(chan error, 3)
	go func() {
		results <- s.Update(context.Background(), func(tx *Tx) error { close(running); <-hold; before = tx.Undone(); return nil })
	}()
	<-running
	waitFor := func(n int) {
		t.Helper()
		for {
			s.mu.Lock()
			waiting := len(s.acts)
			s.mu.Unlock()
			if waiting == n {
				return
			}
			runtime.Gosched()
		}
	}
	go func() { results <- s.Update(context.Background(), func(*Tx) error { return failed }) }()
	waitFor(1)
	go func() {
		results <- s.Update(context.Background(), func(tx *Tx) error { after = tx.Undone(); return nil })
	}()
	waitFor(2)
	close(hold)
	for range 3 {
		if err := <-results; err != nil && !errors.Is(err, failed) {
			t.Fatal(err)
		}
	}
	if after == before {
		t.Errorf("the act after the failed one saw %d, as the one before it", after)
	}
}
