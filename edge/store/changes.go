package store

import (
	"errors"
	"fmt"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// An id is a stream and a number, see the migrations.
const (
	streamShift = 40
	maxNumber   = 1<<streamShift - 1
)

func (tx *Tx) findStream(s stock.Stream) (int64, bool, error) {
	var id int64
	err := tx.tx.QueryRow(`SELECT id FROM stream WHERE node = ?1 AND epoch = ?2`, string(s.Node), int64(s.Epoch)).Scan(&id) // #nosec G115 -- a count
	if errors.Is(err, vault.ErrNoRows) {
		return 0, false, nil
	}
	return id, err == nil, err
}

func (tx *Tx) stream(s stock.Stream) (int64, error) {
	id, ok, err := tx.findStream(s)
	if ok || err != nil {
		return id, err
	}
	r, err := tx.tx.Exec(`INSERT INTO stream (node, epoch) VALUES (?1, ?2)`, string(s.Node), int64(s.Epoch)) // #nosec G115 -- a count
	if err != nil {
		return 0, fmt.Errorf("store stream %s.%d: %w", s.Node, s.Epoch, err)
	}
	return r.LastInsertID, nil
}

// rowOf returns the row id that a change of that name has; ok is false when its stream is unknown.
func (tx *Tx) rowOf(id stock.ID) (int64, bool, error) {
	s, ok, err := tx.findStream(stock.Stream{Node: id.Node, Epoch: id.Epoch})
	return s<<streamShift | int64(id.Number), ok, err // #nosec G115 -- numbers are counts
}

// nameOf is the other way round.
func (tx *Tx) nameOf(row int64) (stock.ID, error) {
	id := stock.ID{Number: uint64(row & maxNumber)} // #nosec G115 -- masked
	err := tx.tx.QueryRow(`SELECT node, epoch FROM stream WHERE id = ?1`, row>>streamShift).Scan(&id.Node, &id.Epoch)
	return id, err
}

// Add numbers a change of the node's own, keeps it and posts what it says to the ledger.
// It is then in the outbox.
func (tx *Tx) Add(c change.Change) (stock.ID, error) {
	if tx.node == "" {
		return stock.ID{}, ErrNotEnrolled
	}
	var epoch, next uint64
	if err := tx.tx.QueryRow(`SELECT epoch, next FROM sync`).Scan(&epoch, &next); err != nil {
		return stock.ID{}, err
	}
	s, err := tx.stream(stock.Stream{Node: tx.node, Epoch: epoch})
	if err != nil {
		return stock.ID{}, err
	}
	var last uint64
	if err := tx.tx.QueryRow(`SELECT last FROM stream WHERE id = ?1`, s).Scan(&last); err != nil {
		return stock.ID{}, err
	}
	id := stock.ID{Node: tx.node, Epoch: epoch, Number: max(last+1, next)}
	b, err := c.Encode()
	if err != nil {
		return stock.ID{}, err
	}
	tx.added = true
	return id, tx.put(id, b, c, tx.warehouse)
}

// put keeps a change under its name and posts it. A change that this program can not post is kept.
func (tx *Tx) put(id stock.ID, b []byte, c change.Change, scope stock.Warehouse) error {
	s, err := tx.stream(stock.Stream{Node: id.Node, Epoch: id.Epoch})
	if err != nil {
		return err
	}
	row := s<<streamShift | int64(id.Number) // #nosec G115 -- a count
	if _, err := tx.tx.Exec(`INSERT INTO change (id, bytes) VALUES (?1, ?2)`, row, b); err != nil {
		return fmt.Errorf("store change %s: %w", id, err)
	}
	if _, err := tx.tx.Exec(`UPDATE stream SET last = max(last, ?2) WHERE id = ?1`, s, int64(id.Number)); err != nil { // #nosec G115 -- a count
		return fmt.Errorf("store change %s: %w", id, err)
	}
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
	var n int64
	err = tx.tx.QueryRow(`SELECT count(*) FROM change WHERE id = ?1`, row).Scan(&n)
	return n > 0, err
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
	v := stock.Vector{}
	err := tx.each(func(r *vault.Rows) error {
		var s stock.Stream
		var last uint64
		if err := r.Scan(&s.Node, &s.Epoch, &last); err != nil {
			return err
		}
		v[s] = last
		return nil
	}, `SELECT node, epoch, last FROM stream WHERE last > 0`)
	return v, err
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
