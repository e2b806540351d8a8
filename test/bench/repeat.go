package bench

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/internal/vault"
)

// repeater inserts into a plain database what the intake has added to the hub's.
type repeater struct {
	hub   *headquarters
	plain *plain
	batch int64 // last that was repeated
	key   int64 // last kind of stock that was
}

// newRepeater makes a plain database with those tables of the hub that the intake only adds to.
func newRepeater(ctx context.Context, h *headquarters, dir string) (*repeater, error) {
	var schema []string
	err := h.vault.View(ctx, func(tx *vault.Tx) error {
		found, err := read(tx, 1, `SELECT sql FROM sqlite_master WHERE tbl_name IN ('movement', 'stock_key', 'batch', 'leaf', 'tree') AND sql IS NOT NULL ORDER BY type DESC`)
		for _, row := range found {
			schema = append(schema, row[0].(string))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p, err := openPlain(filepath.Join(dir, "plain.sqlite"), strings.Join(schema, ";"))
	return &repeater{hub: h, plain: p}, err
}

// repeat inserts what came since it was last called, and returns changes a second.
func (r *repeater) repeat(ctx context.Context) (speed float64, err error) {
	var groups [][]rows
	changes := 0
	if err := r.hub.vault.View(ctx, func(tx *vault.Tx) error {
		groups, changes, err = r.groups(tx)
		return err
	}); err != nil {
		return 0, err
	}
	began := time.Now()
	err = r.plain.groups(groups)
	return rate(changes, began), err
}

// groups reads what is new, batch by batch, and counts the movements.
func (r *repeater) groups(tx *vault.Tx) (out [][]rows, changes int, err error) {
	batches, err := read(tx, 12, `SELECT leaf, * FROM batch WHERE id > ?1 ORDER BY id`, r.batch)
	if err != nil {
		return nil, 0, err
	}
	movements, err := read(tx, 6, `SELECT * FROM movement WHERE id / 1024 > ?1 ORDER BY id`, r.batch)
	if err != nil {
		return nil, 0, err
	}
	keys, err := read(tx, 7, `SELECT * FROM stock_key WHERE id > ?1 ORDER BY id`, r.key)
	if err != nil {
		return nil, 0, err
	}
	changes = len(movements)
	for _, b := range batches {
		leaf := b[0].(int64)
		r.batch = b[1].(int64)
		own := first(movements, func(m []any) bool { return m[1].(int64)/1024 == r.batch })
		for _, m := range own {
			r.key = max(r.key, m[0].(int64))
		}
		named := first(keys, func(k []any) bool { return k[0].(int64) <= r.key })
		movements, keys = movements[len(own):], keys[len(named):]
		leaves, err := read(tx, 2, `SELECT * FROM leaf WHERE position = ?1`, leaf)
		if err != nil {
			return nil, 0, err
		}
		hashes, err := read(tx, 2, `SELECT * FROM tree WHERE position >= ?1 AND position < ?2`, tlog.StoredHashIndex(0, leaf), tlog.StoredHashIndex(0, leaf+1))
		if err != nil {
			return nil, 0, err
		}
		out = append(out, []rows{{"batch", [][]any{b[1:]}}, {"leaf", leaves}, {"tree", hashes}, {"stock_key", named}, {"movement", own}})
	}
	return out, changes, nil
}

// first returns the rows at the beginning for which ok says yes.
func first(list [][]any, ok func([]any) bool) [][]any {
	n := 0
	for n < len(list) && ok(list[n]) {
		n++
	}
	return list[:n]
}

// read returns all rows of a query, which has that many columns, as they are.
func read(tx *vault.Tx, columns int, query string, args ...any) ([][]any, error) {
	found, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var out [][]any
	for found.Next() {
		row, into := make([]any, columns), make([]any, columns)
		for i := range row {
			into[i] = &row[i]
		}
		if err := found.Scan(into...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, found.Err()
}
