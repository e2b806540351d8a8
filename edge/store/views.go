package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Row is the balance of one cell of this warehouse with what people call its item.
type Row struct {
	Cell   stock.Cell
	OnHand stock.Quantity
	GTIN   stock.GTIN
	Name   string
	NameEN string
	Unit   string
}

// Filter narrows Rows. Zero fields do not.
type Filter struct {
	SKU      stock.SKU
	Location stock.Location
	Search   string // in name, SKU, code, lot, serial number
	Limit    int    // 0 for all
	Offset   int
}

// Rows returns the cells of this warehouse whose stock on hand is not zero.
func (tx *Tx) Rows(f Filter) ([]Row, error) {
	limit := int64(f.Limit)
	if limit == 0 {
		limit = -1
	}
	like := ""
	if f.Search != "" {
		like = "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(f.Search) + "%"
	}
	var out []Row
	err := tx.each(func(r *vault.Rows) error {
		var row Row
		k := &row.Cell.Key
		err := r.Scan(&row.Cell.Location, &k.SKU, &k.Lot, &k.Serial, &k.Expiry, &k.State, &row.OnHand, &row.GTIN, &row.Name, &row.NameEN, &row.Unit)
		out = append(out, row)
		return err
	}, rowsQuery(f), string(tx.memo.warehouse), string(f.SKU), string(f.Location), like, limit, int64(f.Offset))
	return out, err
}

// rowsQuery has only those conditions that narrow, so that each can use its index.
func rowsQuery(f Filter) string {
	where := ``
	if f.SKU != "" {
		where += ` AND b.item = (SELECT id FROM stock_item WHERE sku = ?2)`
	}
	if f.Location != "" {
		where += ` AND b.location = (SELECT id FROM location WHERE name = ?3)`
	}
	if f.Search != "" {
		where += ` AND (s.sku LIKE ?4 ESCAPE '\' OR k.lot LIKE ?4 ESCAPE '\' OR k.serial LIKE ?4 ESCAPE '\' OR i.name LIKE ?4 ESCAPE '\' OR i.name_en LIKE ?4 ESCAPE '\'
			OR EXISTS (SELECT 1 FROM item_code c WHERE c.sku = s.sku AND c.code LIKE ?4 ESCAPE '\'))`
	}
	return `SELECT l.name, s.sku, k.lot, k.serial, k.expiry, k.state, b.moved + b.adjusted,
	               coalesce((SELECT code FROM item_code c WHERE c.sku = s.sku ORDER BY place LIMIT 1), ''), coalesce(i.name, ''), coalesce(i.name_en, ''), coalesce(i.unit, '')
	          FROM balance b INDEXED BY balance_held CROSS JOIN location l ON l.id = b.location CROSS JOIN stock_key k ON k.id = b.key
	               CROSS JOIN stock_item s ON s.id = k.item LEFT JOIN item i ON i.sku = s.sku
	         WHERE b.held = 1 AND l.warehouse = ?1` + where + ` ORDER BY s.sku, l.name, k.lot, k.expiry, k.serial, k.state LIMIT ?5 OFFSET ?6`
}

// Entry is a movement in the ledger with its making.
type Entry struct {
	Movement  stock.Movement
	Meta      change.Meta
	Own       bool
	Delivered bool // the hub has acknowledged it
}

// Movements returns at most limit movements, newest first, of one item or (with an empty SKU) of all. before is the mark
// that an earlier call returned for what follows it, empty to begin; an empty mark comes at the end.
//
// Each stream is in the order of its numbers; streams are merged by their stamps, so that a clock
// that was wrong can not hide anything.
func (tx *Tx) Movements(sku stock.SKU, before string, limit int) ([]Entry, string, error) {
	bounds, err := tx.bounds(before)
	if err != nil {
		return nil, "", err
	}
	item := int64(0)
	if sku != "" {
		var ok bool
		if item, ok, err = tx.findItem(sku); !ok || err != nil {
			return nil, "", err
		}
	}
	var found []placed
	for _, b := range bounds {
		rows, err := tx.movementsBelow(b, item, limit+1)
		if err != nil {
			return nil, "", err
		}
		found = append(found, rows...)
	}
	// Stable, and by streams that are in order themselves: a stamp that fell stays behind its elder.
	slices.SortStableFunc(found, func(a, b placed) int { return cmp.Compare(b.order, a.order) })
	mark := ""
	if len(found) > limit {
		found = found[:limit]
		mark = markOf(bounds, found)
	}
	out := make([]Entry, len(found))
	for i, f := range found {
		if out[i], err = tx.entry(f.row); err != nil {
			return nil, "", err
		}
	}
	return out, mark, nil
}

// bound is how far back a stream was shown: what follows has numbers up to it.
type bound struct{ stream, number int64 }

// placed is a movement with what it is ordered by: the lowest stamp among those shown before
// it in its stream and its own.
type placed struct{ row, order int64 }

func (tx *Tx) bounds(mark string) ([]bound, error) {
	if mark != "" {
		return parseMark(mark)
	}
	var out []bound
	err := tx.each(func(r *vault.Rows) error {
		b := bound{number: maxNumber}
		err := r.Scan(&b.stream)
		out = append(out, b)
		return err
	}, `SELECT id FROM stream ORDER BY id`)
	return out, err
}

func parseMark(mark string) ([]bound, error) {
	var out []bound
	for part := range strings.SplitSeq(mark, ".") {
		s, n, ok := strings.Cut(part, "-")
		stream, err1 := strconv.ParseInt(s, 10, 24)
		number, err2 := strconv.ParseInt(n, 10, streamShift+1)
		if !ok || err1 != nil || err2 != nil || stream < 0 || number < 0 || number > maxNumber {
			return nil, fmt.Errorf("read mark %q: %w", mark, ErrMark)
		}
		out = append(out, bound{stream, number})
	}
	return out, nil
}

// ErrMark is returned for a mark that Movements did not make.
var ErrMark = errors.New("want a mark that came with a page")

// markOf returns the mark of what follows the shown movements.
func markOf(bounds []bound, shown []placed) string {
	parts := make([]string, 0, len(bounds))
	for _, b := range bounds {
		for _, s := range shown {
			if s.row>>streamShift == b.stream {
				b.number = min(b.number, s.row&maxNumber-1)
			}
		}
		parts = append(parts, fmt.Sprintf("%d-%d", b.stream, b.number))
	}
	return strings.Join(parts, ".")
}

func (tx *Tx) movementsBelow(b bound, item int64, limit int) ([]placed, error) {
	query := `SELECT id, time FROM change WHERE id BETWEEN ?1 AND ?2 AND key IS NOT NULL`
	args := []any{b.stream << streamShift, b.stream<<streamShift | b.number, int64(limit)}
	if item != 0 {
		query += ` AND key IN (SELECT id FROM stock_key WHERE item = ?4)`
		args = append(args, item)
	}
	var out []placed
	err := tx.each(func(r *vault.Rows) error {
		var p placed
		err := r.Scan(&p.row, &p.order)
		if n := len(out); n > 0 {
			p.order = min(p.order, out[n-1].order)
		}
		out = append(out, p)
		return err
	}, query+` ORDER BY id DESC LIMIT ?3`, args...)
	return out, err
}

func (tx *Tx) entry(row int64) (Entry, error) {
	id, err := tx.nameOf(row)
	if err != nil {
		return Entry{}, err
	}
	c, err := tx.Change(id)
	if err != nil {
		return Entry{}, err
	}
	m, err := c.Movement(id)
	if err != nil {
		return Entry{}, fmt.Errorf("read movement %s: %w", id, err)
	}
	e := Entry{Movement: m, Meta: c.Meta, Own: id.Node == tx.memo.node}
	e.Delivered, err = tx.Delivered(id)
	return e, err
}

// Delivered reports whether the hub has acknowledged a change. What came down from it needs no asking.
func (tx *Tx) Delivered(id stock.ID) (bool, error) {
	if id.Node != tx.memo.node {
		return true, nil
	}
	var epoch, kept uint64
	err := tx.tx.QueryRow(`SELECT acked_epoch, kept FROM sync`).Scan(&epoch, &kept)
	return id.Epoch < epoch || (id.Epoch == epoch && id.Number <= kept), err
}

// Outbox is how far the node's own changes of its present epoch have come, each figure a change number.
type Outbox struct {
	Epoch        uint64 `json:"epoch"`
	Changes      uint64 `json:"changes"`      // last number given
	Cut          uint64 `json:"cut"`          // last number in a batch
	Acknowledged uint64 `json:"acknowledged"` // last number that the hub holds
}

// Waiting returns how many changes the hub has not acknowledged.
func (o Outbox) Waiting() uint64 { return o.Changes - min(o.Acknowledged, o.Changes) }

// Outbox tells how delivery of the node's own changes stands. It is cheap.
func (tx *Tx) Outbox() (Outbox, error) {
	var o Outbox
	var next uint64
	err := tx.tx.QueryRow(`SELECT epoch, next, kept FROM sync`).Scan(&o.Epoch, &next, &o.Acknowledged)
	if errors.Is(err, vault.ErrNoRows) {
		return o, ErrNotEnrolled
	}
	if err != nil {
		return o, fmt.Errorf("read outbox: %w", err)
	}
	o.Cut = next - 1
	o.Changes = o.Cut
	s, ok, err := tx.findStream(stock.Stream{Node: tx.memo.node, Epoch: o.Epoch})
	if err != nil || !ok {
		return o, err
	}
	last, err := tx.lastOf(s)
	o.Changes = max(last, o.Cut)
	return o, err
}

// Counts are figures of what there is, for people and drivers.
type Counts struct {
	Batches    int64 `json:"batches"`              // of the node's chain that are kept
	Delivered  int64 `json:"acknowledged_batches"` // of these
	Items      int64 `json:"items"`
	Movements  int64 `json:"movements"` // all in the ledger
	Accepted   int64 `json:"accepted"`  // scans
	Refused    int64 `json:"refused"`
	Exceptions int64 `json:"exceptions"`
}

// Totals counts what there is. It takes time in proportion.
func (tx *Tx) Totals() (Counts, error) {
	var c Counts
	err := tx.tx.QueryRow(`SELECT (SELECT count(*) FROM batch), (SELECT count(*) FROM batch b, sync s WHERE b.epoch < s.acked_epoch OR (b.epoch = s.acked_epoch AND b.seq <= s.acked_seq)),
		(SELECT count(*) FROM item), (SELECT count(*) FROM change WHERE key IS NOT NULL), (SELECT count(*) FROM exception)`).Scan(&c.Batches, &c.Delivered, &c.Items, &c.Movements, &c.Exceptions)
	if err != nil {
		return c, fmt.Errorf("count: %w", err)
	}
	names, err := tx.stationNames()
	for _, name := range names {
		last, lastErr := tx.LastScan(name)
		c.Accepted, c.Refused, err = c.Accepted+last.Accepted, c.Refused+last.Refused, errors.Join(err, lastErr)
	}
	return c, err
}

// Feeds tells when each feed was last heard of, Unix milliseconds, and its version.
func (tx *Tx) Feeds() (map[string][2]int64, error) {
	out := map[string][2]int64{}
	err := tx.each(func(r *vault.Rows) error {
		var name string
		var v [2]int64
		err := r.Scan(&name, &v[0], &v[1])
		out[name] = v
		return err
	}, `SELECT name, heard_at, version FROM feed`)
	return out, err
}
