package vault

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

// maxGroup bounds how many acts share a commit, and so how long the first of them waits
// for the others.
const maxGroup = 128

// States of an act. Only one of withdrawn and begun is ever reached.
const (
	waiting int32 = iota
	withdrawn
	begun
)

// act is one function on its way to a commit.
type act struct {
	ctx   context.Context
	fn    func(tx *Tx) error
	state atomic.Int32
	panic any // what fn panicked with, raised again where Update was called
	err   error
	done  chan struct{} // closed when panic and err are final
}

// outcome is what Update returns.
func (a *act) outcome() error {
	if a.panic != nil {
		panic(a.panic)
	}
	return a.err
}

func (a *act) decided() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// lead writes for everybody who waits, until a is decided, and then lets the next one
// lead. Whoever comes while nobody writes leads at once: a writing goroutine of its own
// would cost two thread switches for each act.
func (s *Store) lead(a *act) {
	defer func() { <-s.turn }()
	for !a.decided() {
		s.commitGroup()
	}
}

// commitGroup runs what waits in one transaction and then tells each act how it went;
// false when nothing waits. Nobody is told before the commit: even an act that failed
// may have failed because of what an act before it wrote.
func (s *Store) commitGroup() bool {
	g := &group{conn: s.writer, store: s}
	defer g.tell()
	for a := s.next(g); a != nil; a = s.next(g) {
		g.run(a)
	}
	if err := g.commit(); err != nil {
		s.undone++
		for _, a := range g.acts {
			a.err = errors.Join(a.err, err)
		}
	} else if g.succeeded > 0 {
		s.commits.Add(1)
		s.committed.Add(int64(g.succeeded))
	}
	g.finished = true
	s.last = len(g.acts)
	return len(g.acts) > 0
}

// next returns an act that waits now. In a busy moment the acts come from callers that
// the last commit has just woken, so they get one chance to arrive; there is no timer.
func (s *Store) next(g *group) *act {
	if len(g.acts) >= maxGroup {
		return nil
	}
	if a := s.pop(); a != nil || len(g.acts) == 0 || s.last < 2 {
		return a
	}
	runtime.Gosched() // wakes threads, which a single caller should not pay for
	return s.pop()
}

func (s *Store) pop() *act {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.acts) > 0 {
		a := s.acts[0]
		s.acts[0] = nil
		s.acts = s.acts[1:]
		if a.state.CompareAndSwap(waiting, begun) {
			return a
		}
	}
	s.acts = nil
	return nil
}

// group is the acts of one transaction.
type group struct {
	conn      *conn
	store     *Store
	acts      []*act
	succeeded int  // acts whose work is in the open transaction
	open      bool // a transaction is open
	finished  bool // the outcome of each act is known
}

// run executes one act. The first in a transaction needs no savepoint: undoing it is
// undoing the transaction.
func (g *group) run(a *act) {
	g.acts = append(g.acts, a)
	if a.err = a.ctx.Err(); a.err != nil {
		return
	}
	alone := g.succeeded == 0
	if a.err = g.begin(alone); a.err != nil {
		return
	}
	a.err = a.call(g.conn, g.store.undone)
	if a.err != nil {
		g.store.undone++
	}
	if g.conn.db.AutoCommit() {
		// The engine gave up the whole transaction: a full disk, a failing one.
		g.drop(a)
		return
	}
	if endErr := g.end(alone, a.err == nil); endErr != nil {
		g.store.undone++
		a.err = errors.Join(a.err, endErr)
		return
	}
	if a.err == nil {
		g.succeeded++
	}
}

// tell lets every act's caller go on. Without an outcome, an act has ended the goroutine
// that led, as a test does that fails: then all is undone.
func (g *group) tell() {
	if !g.finished {
		g.store.undone++
		err := errors.New("an act in the same commit ended its goroutine")
		if !g.conn.db.AutoCommit() {
			err = errors.Join(err, g.exec("ROLLBACK"))
		}
		for _, a := range g.acts {
			a.err = errors.Join(a.err, err)
		}
	}
	for _, a := range g.acts {
		close(a.done)
	}
}

// call runs the act's function and keeps a panic for its caller.
func (a *act) call(c *conn, undone uint64) (err error) {
	tx := &Tx{ctx: context.Background(), conn: c, undone: undone}
	defer func() {
		tx.end()
		if a.panic = recover(); a.panic != nil {
			err = fmt.Errorf("act panicked: %v", a.panic)
		}
	}()
	return a.fn(tx)
}

func (g *group) begin(alone bool) error {
	switch {
	case !alone:
		return g.exec("SAVEPOINT act")
	case g.open: // what ran before in it has failed and was undone
		return nil
	}
	// IMMEDIATE: wait for a writer in another process here, not at the first change.
	if err := g.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	g.open = true
	return g.notice()
}

// notice finds out whether another process has written since our last transaction. SQLite's
// number stays the same while only this connection writes.
func (g *group) notice() error {
	rows, err := g.conn.query(context.Background(), "PRAGMA data_version", nil)
	if err != nil {
		return explain(context.Background(), err)
	}
	row := Row{rows: rows}
	var version int64
	if err := row.Scan(&version); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if version != g.store.version {
		g.store.version = version
		g.store.undone++
	}
	return nil
}

// end keeps or undoes what the act did.
func (g *group) end(alone, keep bool) error {
	switch {
	case alone && keep:
		return nil
	case alone:
		g.open = false
		return g.exec("ROLLBACK")
	case keep:
		return g.exec("RELEASE act")
	}
	return errors.Join(g.exec("ROLLBACK TO act"), g.exec("RELEASE act"))
}

// drop notes that acts which had succeeded are undone because a later one took the
// transaction with it.
func (g *group) drop(a *act) {
	if a.err == nil {
		a.err = errors.New("act ended the transaction")
	}
	g.store.undone++
	for _, before := range g.acts {
		if before != a && before.err == nil {
			before.err = fmt.Errorf("undone together with another act: %w", a.err)
		}
	}
	g.open, g.succeeded = false, 0
}

// commit makes the group durable. After an error nothing of it is in the store.
func (g *group) commit() error {
	if !g.open {
		return nil
	}
	end := "COMMIT"
	if g.succeeded == 0 {
		end = "ROLLBACK"
	}
	err := g.exec(end)
	if err == nil {
		return nil
	}
	if !g.conn.db.AutoCommit() {
		err = errors.Join(err, g.exec("ROLLBACK"))
	}
	return fmt.Errorf("commit: %w", err)
}

func (g *group) exec(query string) error {
	_, err := g.conn.exec(query, nil)
	return explain(context.Background(), err)
}
