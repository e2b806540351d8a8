package vault

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// hold keeps the store busy with an act of its own until release is called,
// so that what is sent meanwhile waits together. Release returns the act's outcome.
func hold(s *Store) (release func() error) {
	started, gate := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- s.Update(context.Background(), func(*Tx) error {
			close(started)
			<-gate
			return nil
		})
	}()
	<-started
	return func() error {
		close(gate)
		return <-ended
	}
}

// queued waits until n acts wait behind the running one.
func queued(t *testing.T, s *Store, n int) {
	t.Helper()
	waits := func() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.acts) }
	for limit := time.Now().Add(time.Minute); waits() < n; runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatalf("%d acts wait, want %d", waits(), n)
		}
	}
}

func TestActsThatWaitShareACommit(t *testing.T) {
	s := newTestStore(t)
	before := s.Stats()
	release := hold(s)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := add(s, fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		})
	}
	queued(t, s, 8)
	must(t, release())
	wg.Wait()
	after := s.Stats()
	if got, want := after.Acts-before.Acts, int64(9); got != want {
		t.Errorf("%d acts, want %d", got, want)
	}
	if got := after.Commits - before.Commits; got != 1 {
		t.Errorf("nine acts took %d commits, want 1", got)
	}
	if got := notes(t, s); len(got) != 8 {
		t.Errorf("store holds %q, want eight notes", got)
	}
}

// Every return comes after a commit: what a caller was told is what another
// connection can read.
func TestUpdateReturnsAfterCommit(t *testing.T) {
	s := newTestStore(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				text := fmt.Sprint(i, "/", j)
				if err := add(s, text); err != nil {
					t.Error(err)
				}
				var n int
				if err := s.View(context.Background(), func(tx *Tx) error {
					return tx.QueryRow(`SELECT count(*) FROM note WHERE text = ?1`, text).Scan(&n)
				}); err != nil || n != 1 {
					t.Errorf("after Update a reader finds %d of note %s, %v", n, text, err)
				}
			}
		})
	}
	wg.Wait()
	if st := s.Stats(); st.Acts != 401 || st.Commits > st.Acts {
		t.Errorf("stats = %+v, want 401 acts", st)
	}
}

func TestFailingActIsUndoneAlone(t *testing.T) {
	refused := errors.New("refused")
	// The failing act comes first, in the middle and last; each place is undone in
	// another way.
	for bad := range 4 {
		t.Run(fmt.Sprint("place ", bad), func(t *testing.T) {
			s := newTestStore(t)
			acts := make([]*act, 4)
			for i := range acts {
				acts[i] = &act{ctx: context.Background(), done: make(chan struct{}), fn: func(tx *Tx) error {
					if err := insert(tx, fmt.Sprint(i)); err != nil {
						return err
					}
					if i == bad {
						return refused
					}
					return nil
				}}
				must(t, s.enqueue(acts[i]))
			}
			s.commitGroup()
			var want []string
			for i, a := range acts {
				err := a.outcome()
				if i == bad && !errors.Is(err, refused) || i != bad && err != nil {
					t.Errorf("act %d returned %v", i, err)
				}
				if i != bad {
					want = append(want, fmt.Sprint(i))
				}
			}
			if got := notes(t, s); !slices.Equal(got, want) {
				t.Errorf("store holds %q, want %q", got, want)
			}
		})
	}
}

func TestConstraintFailureIsUndoneAlone(t *testing.T) {
	s := newTestStore(t)
	release := hold(s)
	results := make(chan error, 3)
	for range 3 {
		go func() { results <- add(s, "the same") }()
	}
	queued(t, s, 3)
	must(t, release())
	var unique int
	for range 3 {
		if err := <-results; IsUnique(err) {
			unique++
		} else {
			must(t, err)
		}
	}
	if got := notes(t, s); unique != 2 || len(got) != 1 {
		t.Errorf("%d refused and %d stored of three equal notes, want 2 and 1", unique, len(got))
	}
}

func TestFailedCommitFailsEveryAct(t *testing.T) {
	s := newTestStore(t)
	must(t, s.Update(context.Background(), func(tx *Tx) error {
		return tx.conn.script(`CREATE TABLE late (note INTEGER REFERENCES note DEFERRABLE INITIALLY DEFERRED) STRICT`)
	}))
	release := hold(s)
	good, bad := make(chan error, 1), make(chan error, 1)
	go func() { good <- add(s, "innocent") }()
	queued(t, s, 1)
	go func() {
		bad <- s.Update(context.Background(), func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO late VALUES (99)`) // found only at COMMIT
			return err
		})
	}()
	queued(t, s, 2)
	before := s.Stats()
	if err := release(); err == nil {
		t.Error("an act that wrote nothing was told that the failed commit is durable")
	}
	if err := <-good; err == nil {
		t.Error("an act whose commit failed was told that it is durable")
	}
	if err := <-bad; err == nil {
		t.Error("the act that broke the commit was told that it is durable")
	}
	if got := notes(t, s); len(got) != 0 {
		t.Errorf("after the failed commit the store holds %q", got)
	}
	if after := s.Stats(); after != before {
		t.Errorf("a failed commit was counted: %+v, before %+v", after, before)
	}
	must(t, add(s, "later")) // the store goes on
}

func TestPanicIsRaisedAtTheCaller(t *testing.T) {
	s := newTestStore(t)
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v, want boom", got)
			}
		}()
		s.Update(context.Background(), func(tx *Tx) error {
			if err := insert(tx, "half done"); err != nil {
				return err
			}
			panic("boom")
		})
	}()
	must(t, add(s, "after")) // the writer lives on, and nothing of the act remains
	if got := notes(t, s); !slices.Equal(got, []string{"after"}) {
		t.Errorf("store holds %q, want only the later note", got)
	}
}

func TestCancelledActNeverRuns(t *testing.T) {
	s := newTestStore(t)
	never := func(*Tx) error { t.Error("a cancelled act ran"); return nil }

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Update(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("Update with an ended context = %v", err)
	}

	release := hold(s)
	ctx, cancel = context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- s.Update(ctx, never) }()
	queued(t, s, 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) { // returns while the writer is held
		t.Errorf("Update whose context ended while waiting = %v", err)
	}
	must(t, release())
}

func TestActThatBeganIsFinished(t *testing.T) {
	s := newTestStore(t)
	ctx, cancel := context.WithCancel(context.Background())
	must(t, s.Update(ctx, func(tx *Tx) error {
		cancel()
		return insert(tx, "scanned")
	}))
	if got := notes(t, s); len(got) != 1 {
		t.Errorf("store holds %q, want the note of the act that had begun", got)
	}
}

func TestActMayNotEndTheTransaction(t *testing.T) {
	s := newTestStore(t)
	for _, query := range []string{"COMMIT", "end", " Rollback to act", "BEGIN", "savepoint x", ";\nRELEASE act"} {
		must(t, s.Update(context.Background(), func(tx *Tx) error {
			if _, err := tx.Exec(query); !errors.Is(err, errShared) {
				t.Errorf("Exec(%q) = %v, want a refusal", query, err)
			}
			if err := tx.QueryRow(query).Scan(); !errors.Is(err, errShared) {
				t.Errorf("QueryRow(%q) = %v, want a refusal", query, err)
			}
			if _, err := tx.Query(query); !errors.Is(err, errShared) {
				t.Errorf("Query(%q) = %v, want a refusal", query, err)
			}
			return nil
		}))
	}
}

// The engine itself may give up a transaction, as it does on a failing disk. Then no act
// that was in it is told that it succeeded, and later ones go on.
func TestLostTransactionFailsItsActs(t *testing.T) {
	s := newTestStore(t)
	release := hold(s)
	before, after := make(chan error, 1), make(chan error, 1)
	go func() { before <- add(s, "before") }()
	queued(t, s, 1)
	losing := make(chan error, 1)
	go func() {
		losing <- s.Update(context.Background(), func(tx *Tx) error { return tx.conn.script("ROLLBACK") })
	}()
	queued(t, s, 2)
	go func() { after <- add(s, "after") }()
	queued(t, s, 3)
	for name, err := range map[string]error{"first": release(), "losing": <-losing, "earlier": <-before} {
		if err == nil {
			t.Errorf("the %s act was told that it is durable", name)
		}
	}
	must(t, <-after)
	if got := notes(t, s); !slices.Equal(got, []string{"after"}) {
		t.Errorf("store holds %q, want only the later act", got)
	}
}

func TestFullDiskUndoesAndSaysSo(t *testing.T) {
	s := newTestStore(t)
	must(t, add(s, "small"))
	_, err := s.writer.pragma("max_page_count = 8") // the engine's own way to meet a full disk
	must(t, err)
	err = s.Update(context.Background(), func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO note (text) VALUES (hex(zeroblob(100000)))`)
		return err
	})
	if !errors.Is(err, ErrFull) {
		t.Errorf("Update on a full disk = %v, want ErrFull", err)
	}
	if got := notes(t, s); !slices.Equal(got, []string{"small"}) {
		t.Errorf("store holds %d notes, want what was there", len(got))
	}
	must(t, add(s, "another"))
}

func TestCloseFinishesWhatWaits(t *testing.T) {
	s := newTestStore(t)
	release := hold(s)
	results := make(chan error, 5)
	for i := range 5 {
		go func() { results <- add(s, fmt.Sprint(i)) }()
	}
	queued(t, s, 5)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	must(t, release())
	for range 5 {
		must(t, <-results)
	}
	must(t, <-closed)
	must(t, s.Close()) // twice is fine
	if err := add(s, "late"); !errors.Is(err, ErrClosed) {
		t.Errorf("Update after Close = %v, want ErrClosed", err)
	}
	if err := s.View(context.Background(), func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("View after Close = %v, want ErrClosed", err)
	}
	if got := notes(t, openStore(t, s.Path())); len(got) != 5 {
		t.Errorf("after Close the store holds %q, want five notes", got)
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 8} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			s := newTestStore(b)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range b.N / writers {
						if err := add(s, fmt.Sprintf("%d/%d: as long as what a scan leaves behind it, more or less", w, i)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			st := s.Stats()
			b.ReportMetric(float64(st.Acts)/float64(st.Commits), "acts/commit")
		})
	}
}
