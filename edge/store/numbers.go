package store

import (
	"errors"
	"fmt"
	"strconv"

	"stockade/internal/vault"
	"stockade/protocol/barcode"
	"stockade/protocol/change"
	"stockade/protocol/feed"
)

// ErrNoNumbers is returned when the hub has granted no numbers, or all of them are used.
var ErrNoNumbers = errors.New("no number is left that the hub has granted")

// putNumbers keeps a range that is ours. A feed that begins anew brings known ones again: what was used stays used.
func (tx *Tx) putNumbers(n feed.Numbers) error {
	if n.Node != tx.memo.node {
		return nil
	}
	return tx.exec("numbers", `INSERT OR IGNORE INTO number_block (epoch, prefix, first, count, next_sscc, next_serial) VALUES (?1, ?2, ?3, ?4, ?3, ?3)`,
		int64(n.Epoch), n.Prefix, int64(n.First), int64(n.Count)) // #nosec G115 -- see sense
}

// TakeSSCCs takes the next n SSCCs, for pallets. They are taken for good once the transaction is committed; made tells
// of the audit entry that says so. The error is ErrNoNumbers when there are not n.
func (tx *Tx) TakeSSCCs(n int, made change.Meta) ([]string, error) {
	var out []string
	err := tx.take("next_sscc", n, made, true, func(prefix string, number uint64) error {
		s, err := barcode.SSCC(prefix, number)
		out = append(out, s)
		return err
	})
	return out, err
}

// TakeSerials takes the next n serial numbers for units of our own, unique in the company.
func (tx *Tx) TakeSerials(n int, made change.Meta) ([]string, error) {
	var out []string
	err := tx.take("next_serial", n, made, false, func(prefix string, number uint64) error {
		out = append(out, prefix+"S"+strconv.FormatUint(number, 10))
		return nil
	})
	return out, err
}

// take takes n numbers from the ranges of the present epoch under the newest prefix. With prefixed, one is needed.
func (tx *Tx) take(column string, n int, made change.Meta, prefixed bool, use func(prefix string, number uint64) error) error {
	epoch, _, err := tx.chain()
	if err != nil {
		return err
	}
	for n > 0 {
		var id, next, end int64
		var prefix string
		err := tx.tx.QueryRow(`SELECT id, prefix, `+column+`, first + count FROM number_block
			WHERE epoch = ?1 AND `+column+` < first + count AND prefix = (SELECT prefix FROM number_block WHERE epoch = ?1 ORDER BY id DESC LIMIT 1)
			ORDER BY id LIMIT 1`, int64(epoch)).Scan(&id, &prefix, &next, &end) // #nosec G115 -- a count
		if errors.Is(err, vault.ErrNoRows) || (err == nil && prefixed && prefix == "") {
			return ErrNoNumbers
		}
		if err != nil {
			return fmt.Errorf("take numbers: %w", err)
		}
		last := min(next+int64(n), end) - 1
		for number := next; number <= last; number++ {
			if err := use(prefix, uint64(number)); err != nil { // #nosec G115 -- not negative
				return err
			}
		}
		n -= int(last - next + 1)
		if err := tx.exec("numbers", `UPDATE number_block SET `+column+` = ?2 WHERE id = ?1`, id, last+1); err != nil {
			return err
		}
		c, err := change.OfEntry(made, change.Entry{Act: change.ActNumbered, Object: column[len("next_"):], Outcome: "ok",
			Detail: map[string]string{"prefix": prefix, "first": strconv.FormatInt(next, 10), "last": strconv.FormatInt(last, 10)}})
		if err != nil {
			return err
		}
		if _, err := tx.Add(c); err != nil {
			return err
		}
	}
	return nil
}
