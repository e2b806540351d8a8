package store

import (
	"errors"
	"fmt"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// chain returns the node's present epoch and the first number that may be given in it.
func (tx *Tx) chain() (epoch, next uint64, err error) {
	if tx.memo.epoch == 0 {
		err = tx.tx.QueryRow(`SELECT epoch, next FROM sync`).Scan(&tx.memo.epoch, &tx.memo.next)
		if errors.Is(err, vault.ErrNoRows) {
			err = ErrNotEnrolled
		}
	}
	return tx.memo.epoch, tx.memo.next, err
}

// Add numbers a change of the node's own, keeps it and posts what it says to the ledger.
// It is then in the outbox.
func (tx *Tx) Add(c change.Change) (stock.ID, error) {
	if tx.memo.node == "" {
		return stock.ID{}, ErrNotEnrolled
	}
	epoch, next, err := tx.chain()
	if err != nil {
		return stock.ID{}, err
	}
	s, err := tx.stream(stock.Stream{Node: tx.memo.node, Epoch: epoch})
	if err != nil {
		return stock.ID{}, err
	}
	last, err := tx.lastOf(s)
	if err != nil {
		return stock.ID{}, err
	}
	id := stock.ID{Node: tx.memo.node, Epoch: epoch, Number: max(last+1, next)}
	b, err := c.Encode()
	if err != nil {
		return stock.ID{}, err
	}
	tx.added = true
	return id, tx.put(id, b, c, tx.memo.warehouse)
}

// put keeps a change under its name and posts it. A change that this program can not post is kept.
func (tx *Tx) put(id stock.ID, b []byte, c change.Change, scope stock.Warehouse) error {
	s, err := tx.stream(stock.Stream{Node: id.Node, Epoch: id.Epoch})
	if err != nil {
		return err
	}
	if _, err := tx.lastOf(s); err != nil { // so that the ledger need not look whether it has a new change
		return err
	}
	row := s<<streamShift | int64(id.Number) // #nosec G115 -- a count
	if c.Kind == change.KindMovement {
		tx.bytes = b // its row is written when it is posted
	} else if err := tx.keep(row, b); err != nil {
		return err
	}
	if err := tx.post(id, c, scope); err != nil {
		return err
	}
	if tx.bytes != nil { // a movement that could not be posted
		tx.bytes = nil
		if err := tx.keep(row, b); err != nil {
			return err
		}
	}
	tx.numbered(s, id.Number)
	return nil
}

func (tx *Tx) keep(row int64, b []byte) error {
	return tx.exec("change", `INSERT INTO change (id, bytes) VALUES (?1, ?2)`, row, b)
}

// post posts a change that is kept. One that this program can not post moves no stock here.
func (tx *Tx) post(id stock.ID, c change.Change, scope stock.Warehouse) error {
	var unfit *delivery.Unfit
	if err := delivery.Post(stock.Ledger{Book: tx}, scope, id, c); err != nil && !errors.As(err, &unfit) {
		return fmt.Errorf("post change %s: %w", id, err)
	}
	return nil
}

// known reports whether a change of that name is kept.
func (tx *Tx) known(id stock.ID) (bool, error) {
	row, ok, err := tx.rowOf(id)
	if err != nil || !ok {
		return false, err
	}
	_, ok, err = tx.idOf(`SELECT id FROM change WHERE id = ?1`, row)
	return ok, err
}

// Change returns a kept change.
func (tx *Tx) Change(id stock.ID) (change.Change, error) {
	row, ok, err := tx.rowOf(id)
	if err != nil {
		return change.Change{}, err
	}
	var b []byte
	if ok {
		err = tx.tx.QueryRow(`SELECT bytes FROM change WHERE id = ?1`, row).Scan(&b)
	}
	if !ok || errors.Is(err, vault.ErrNoRows) {
		return change.Change{}, fmt.Errorf("change %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return change.Change{}, err
	}
	return change.Decode(b)
}

// ErrNotFound is returned for what the store does not have.
var ErrNotFound = errors.New("not found")

// Seen returns the vector of all that the node knows.
func (tx *Tx) Seen() (stock.Vector, error) {
	streams := map[stock.Stream]int64{}
	err := tx.each(func(r *vault.Rows) error {
		var s stock.Stream
		var id int64
		err := r.Scan(&id, &s.Node, &s.Epoch)
		streams[s] = id
		return err
	}, `SELECT id, node, epoch FROM stream`)
	if err != nil {
		return nil, err
	}
	v := stock.Vector{}
	for s, id := range streams {
		last, err := tx.lastOf(id)
		if err != nil {
			return nil, err
		}
		if last > 0 {
			v[s] = last
		}
	}
	return v, nil
}

// each runs a query and calls fn for every row.
func (tx *Tx) each(fn func(*vault.Rows) error, query string, args ...any) error {
	rows, err := tx.tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (tx *Tx) exec(what, query string, args ...any) error {
	if _, err := tx.tx.Exec(query, args...); err != nil {
		return fmt.Errorf("store %s: %w", what, err)
	}
	return nil
}
