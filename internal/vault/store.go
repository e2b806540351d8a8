package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Store is an open store. Its methods may be called by any number of goroutines.
type Store struct {
	path    string
	id      fileID
	writer  *conn
	readers chan *conn            // idle ones
	total   int                   // how many readers there are
	fresh   func() (*conn, error) // opens one more, with an empty page cache

	turn   chan struct{} // full while somebody writes
	last   int           // acts in the last commit; belongs to who writes
	mu     sync.Mutex    // guards what follows
	acts   []*act        // waiting, in order
	closed bool

	commits, committed atomic.Int64

	// What follows belongs to who writes.
	undone  uint64 // rises whenever something that an act saw is not in the store after all
	version int64  // of the file, as the last transaction found it; see group.begin
}

// Stats counts what a store did since it was opened.
type Stats struct {
	Commits int64 // transactions that reached the disk
	Acts    int64 // acts in them
}

func newStore(o Options, id fileID, writer *conn) *Store {
	return &Store{
		path:    o.Path,
		id:      id,
		writer:  writer,
		readers: make(chan *conn, o.Readers),
		fresh:   func() (*conn, error) { return connect(o, "_query_only=1") },
		turn:    make(chan struct{}, 1),
	}
}

// Path returns where the store file lies.
func (s *Store) Path() string { return s.path }

// Stats tells how many commits served how many acts.
func (s *Store) Stats() Stats {
	return Stats{Commits: s.commits.Load(), Acts: s.committed.Load()}
}

// Update runs fn, which may read and write, and returns after what it did is durable.
// Acts that wait at the same time share a commit. When fn returns an error nothing of it
// remains and Update returns that error; when the commit itself fails, nothing remains
// of any act that shared it. An act whose ctx ends while it waits is never run; once it
// runs it runs to its end.
//
// fn may run on the goroutine of another act, and no other act runs beside it. It must
// not call Update (it would wait for itself) and should do nothing slow: everybody's
// commit waits for it. It runs once, and sees what acts before it in the same commit did.
func (s *Store) Update(ctx context.Context, fn func(tx *Tx) error) error {
	a := &act{ctx: ctx, fn: fn, done: make(chan struct{})}
	if err := s.enqueue(a); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}: // nobody writes: this one does, for all that wait
		s.lead(a)
	case <-a.done:
	case <-ctx.Done():
		if a.state.CompareAndSwap(waiting, withdrawn) {
			return ctx.Err()
		}
		<-a.done // it has begun: its outcome counts, not the deadline
	}
	return a.outcome()
}

func (s *Store) enqueue(a *act) error {
	if err := a.ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.acts = append(s.acts, a)
	return nil
}

// View runs fn on a state of the store that does not change while it runs: the last
// commit. Writing fails. When ctx ends, a statement in progress is interrupted.
func (s *Store) View(ctx context.Context, fn func(tx *Tx) error) (err error) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return ErrClosed
	}
	var c *conn
	select {
	case c = <-s.readers:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.readers <- c }()
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := c.exec("BEGIN", nil); err != nil {
		return fmt.Errorf("begin view: %w", explain(ctx, err))
	}
	tx := &Tx{ctx: ctx, conn: c}
	defer func() { // also when fn panics
		tx.end()
		if _, endErr := c.exec("ROLLBACK", nil); endErr != nil && !c.db.AutoCommit() && err == nil {
			err = fmt.Errorf("end view: %w", explain(ctx, endErr))
		}
	}()
	return fn(tx)
}

// closeLimit is how long Close waits for what is still running.
const closeLimit = 30 * time.Second

// Close commits what waits and closes the file. Calls that come later return ErrClosed;
// closing twice is fine.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()

	var errs []error
	limit := time.After(closeLimit)
	select {
	case s.turn <- struct{}{}: // and never given back
		for s.commitGroup() {
		}
	case <-limit:
		return errors.New("close store: an act is still running")
	}
	for range s.total {
		select {
		case c := <-s.readers:
			errs = append(errs, c.close())
		case <-limit:
			errs = append(errs, errors.New("close store: a view is still running"))
			return errors.Join(append(errs, s.writer.close())...)
		}
	}
	// Last: the last connection moves the log into the store file and removes it.
	errs = append(errs, s.writer.close())
	opened.Lock()
	defer opened.Unlock()
	if opened.stores[s.id]--; opened.stores[s.id] == 0 {
		delete(opened.stores, s.id)
	}
	return errors.Join(errs...)
}
