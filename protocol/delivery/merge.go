package delivery

import (
	"errors"
	"fmt"

	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Parked is a change that is kept byte for byte but could not be posted.
type Parked struct {
	ID     stock.ID
	Change []byte
	Why    string
}

// ErrScope is returned for a change about a warehouse that is not the node's own.
var ErrScope = errors.New("outside the node's warehouse")

// Scope says whose changes are merged and what they may touch. The hub's own node has no
// warehouse and may touch every one.
type Scope struct {
	Stream    stock.Stream
	Warehouse stock.Warehouse
}

// Merge posts the changes of an accepted batch to the ledger. A change that is not understood,
// out of scope or impossible is parked and does not block what follows, and so is one for which
// skip gives a reason. posted is told of every change that was merged, in order.
func Merge(l stock.Ledger, scope Scope, first uint64, changes [][]byte, skip func(change.Change) (string, error),
	posted func(stock.ID, []byte, change.Change) error) ([]Parked, error) {
	var parked []Parked
	for i, b := range changes {
		id := stock.ID{Node: scope.Stream.Node, Epoch: scope.Stream.Epoch, Number: first + uint64(i)} // #nosec G115 -- an index
		c, err := change.Decode(b)
		if err == nil {
			err = skipped(c, skip)
		}
		if err == nil {
			err = Post(l, scope.Warehouse, id, c)
		}
		switch {
		case err == nil:
			if err := posted(id, b, c); err != nil {
				return parked, err
			}
		case isBroken(err):
			return parked, err
		default:
			parked = append(parked, Parked{ID: id, Change: b, Why: err.Error()})
		}
	}
	return parked, nil
}

func skipped(c change.Change, skip func(change.Change) (string, error)) error {
	why, err := skip(c)
	if err == nil && why != "" {
		err = &Unfit{errors.New(why)}
	}
	return err
}

// Post posts one change. Errors that come from the change itself are of type *Unfit; others
// come from the book.
func Post(l stock.Ledger, w stock.Warehouse, id stock.ID, c change.Change) error {
	switch c.Kind {
	case change.KindMovement:
		m, err := c.Movement(id)
		if err == nil {
			err = errors.Join(m.Check(), inScope(w, m.From, m.To))
		}
		if err != nil {
			return &Unfit{err}
		}
		_, err = l.Post(m)
		return unfitOverflow(err)
	case change.KindCount:
		n, err := c.Count(id)
		if err == nil {
			err = errors.Join(n.Check(), inScope(w, n.Cell.Location))
		}
		if err != nil {
			return &Unfit{err}
		}
		_, err = l.PostCount(n)
		return unfitOverflow(err)
	case change.KindEntry:
		if _, err := c.Entry(); err != nil {
			return &Unfit{err}
		}
		return nil
	}
	return &Unfit{fmt.Errorf("%w: kind %d version %d", change.ErrUnknown, c.Kind, c.Version)}
}

// Unfit is the error of a change that can not be posted, now or later, by this program.
type Unfit struct{ Err error }

func (u *Unfit) Error() string { return u.Err.Error() }

// Unwrap returns the cause.
func (u *Unfit) Unwrap() error { return u.Err }

func isBroken(err error) bool {
	var unfit *Unfit
	return !errors.As(err, &unfit) && !errors.Is(err, change.ErrUnknown)
}

func unfitOverflow(err error) error {
	if errors.Is(err, stock.ErrOverflow) {
		return &Unfit{err}
	}
	return err
}

func inScope(w stock.Warehouse, at ...stock.Location) error {
	for _, l := range at {
		if w != "" && l.Warehouse() != "" && l.Warehouse() != w {
			return fmt.Errorf("%s: %w %s", l, ErrScope, w)
		}
	}
	return nil
}
