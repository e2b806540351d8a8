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

// act is one function on its way through the writing goroutine.
type act struct {
	ctx    context.Context
	fn     func(tx *Tx) error
	state  atomic.Int32
	result chan error
	panic  any // what fn panicked with, raised again where Update was called
	err    error
}

func (a *act) returned(err error) error {
	if a.panic != nil {
		panic(a.panic)
	}
	return err
}

// abandoned is the outcome when the writing goroutine has ended.
func (a *act) abandoned() error {
	select {
	case err := <-a.result:
		return a.returned(err)
	default:
		return ErrClosed
	}
}

// write is the writing goroutine: it ends when the queue is closed and empty.
func (s *Store) write() {
	defer close(s.done)
	for a := range s.acts {
		s.commitGroup(a)
	}
}

// commitGroup runs first and whatever waits behind it in one transaction and then tells
// all of them how it went. Nobody is told before the commit: even an act that failed may
// have failed because of what an act before it wrote.
func (s *Store) commitGroup(first *act) {
	g := &group{conn: s.writer}
	for next := first; next != nil; {
		g.run(next)
		next = s.next(g)
	}
	s.finish(g)
}

// next returns an act that waits now. The acts of a busy moment come from callers that
// the last commit has just woken, so they get one chance to arrive; there is no timer.
func (s *Store) next(g *group) *act {
	if len(g.acts) >= maxGroup {
		return nil
	}
	for range 2 {
		select {
		case a := <-s.acts: // nil when the queue was closed
			return a
		default:
			runtime.Gosched()
		}
	}
	return nil
}

func (s *Store) finish(g *group) {
	n := g.succeeded
	err := g.commit()
	if err == nil && n > 0 {
		s.commits.Add(1)
		s.committed.Add(int64(n))
	}
	for _, a := range g.acts {
		if err != nil {
			a.err = errors.Join(a.err, err)
		}
		a.result <- a.err
	}
}

// group is the acts of one transaction.
type group struct {
	conn      *conn
	acts      []*act
	succeeded int  // acts whose work is in the open transaction
	open      bool // a transaction is open
}

// run executes one act. The first in a transaction needs no savepoint: undoing it is
// undoing the transaction.
func (g *group) run(a *act) {
	if !a.state.CompareAndSwap(waiting, begun) {
		return
	}
	g.acts = append(g.acts, a)
	if a.err = a.ctx.Err(); a.err != nil {
		return
	}
	alone := g.succeeded == 0
	if a.err = g.begin(alone); a.err != nil {
		return
	}
	a.err = a.call(g.conn)
	if g.conn.db.AutoCommit() {
		// The engine gave up the whole transaction: a full disk, a failing one.
		g.drop(a)
		return
	}
	if endErr := g.end(alone, a.err == nil); endErr != nil {
		a.err = errors.Join(a.err, endErr)
		return
	}
	if a.err == nil {
		g.succeeded++
	}
}

// call runs the act's function and keeps a panic for its caller.
func (a *act) call(c *conn) (err error) {
	tx := &Tx{ctx: context.Background(), conn: c}
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
