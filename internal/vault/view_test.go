package vault

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestViewCannotWrite(t *testing.T) {
	s := newTestStore(t)
	if err := s.View(context.Background(), func(tx *Tx) error { return insert(tx, "a") }); err == nil {
		t.Error("a view wrote")
	}
	if got := notes(t, s); len(got) != 0 {
		t.Errorf("store holds %q", got)
	}
}

func TestViewSeesOneState(t *testing.T) {
	s := newTestStore(t)
	must(t, add(s, "first"))
	must(t, s.View(context.Background(), func(tx *Tx) error {
		var before, after int
		must(t, tx.QueryRow(`SELECT count(*) FROM note`).Scan(&before))
		must(t, add(s, "second")) // writers do not wait for readers
		must(t, tx.QueryRow(`SELECT count(*) FROM note`).Scan(&after))
		if before != 1 || after != 1 {
			t.Errorf("one view counted %d and then %d notes", before, after)
		}
		return nil
	}))
	if got := notes(t, s); len(got) != 2 {
		t.Errorf("a new view finds %q", got)
	}
}

func TestViewIsInterrupted(t *testing.T) {
	s := newTestStore(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err := s.View(ctx, func(tx *Tx) error {
		var n int // without an end, were it not interrupted
		return tx.QueryRow(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n`).Scan(&n)
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("endless view = %v, want the end of its context", err)
	}
	if got := notes(t, s); len(got) != 0 { // its connection serves on
		t.Errorf("store holds %q", got)
	}
}

func TestViewWaitsForAReaderOnlySoLong(t *testing.T) {
	s := newTestStore(t)
	inside, gate := make(chan bool), make(chan bool)
	ended := make(chan error)
	for range cap(s.readers) {
		go func() {
			ended <- s.View(context.Background(), func(*Tx) error { inside <- true; <-gate; return nil })
		}()
		<-inside
	}
	ctx, cancel := context.WithCancel(context.Background())
	go cancel()
	if err := s.View(ctx, func(*Tx) error { t.Error("ran without a reader"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("View = %v, want the end of its context", err)
	}
	close(gate)
	for range cap(s.readers) {
		must(t, <-ended)
	}
}

func TestViewPanicGivesTheReaderBack(t *testing.T) {
	s := newTestStore(t)
	for range 2 * cap(s.readers) {
		func() {
			defer func() { recover() }()
			s.View(context.Background(), func(*Tx) error { panic("boom") })
		}()
	}
	if got := notes(t, s); len(got) != 0 {
		t.Errorf("store holds %q", got)
	}
}
