package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// CaseLargeAdjustment is the case of a count that changes much and that nobody else has confirmed.
const CaseLargeAdjustment stock.ExceptionKind = "large_adjustment"

// touchCell notes that the adjustments of a counted cell may have changed; flushTouched writes it.
func (tx *Tx) touchCell(c *cell) {
	if !c.touched && !c.at.Outside() {
		c.touched = true
		tx.touched = append(tx.touched, c)
	}
}

// touchCounted is for every balance of a counted cell that is set, so it does nothing but compare: only a movement that one of the counts
// had seen changes what follows from them.
func (tx *Tx) touchCounted(c *cell) {
	if c.touched || tx.moved.IsZero() {
		return
	}
	for i := range c.counts {
		if c.counts[i].Seen.Covers(tx.moved) {
			tx.touchCell(c)
			return
		}
	}
}

func (tx *Tx) flushTouched() error {
	for _, c := range tx.touched {
		if c.row.id == 0 { // it has no balance yet
			if err := tx.saveKey(c.row, false); err != nil {
				return err
			}
		}
		if _, err := tx.tx.Exec(`INSERT INTO adjustment_due (key, location) VALUES (?1, ?2) ON CONFLICT DO NOTHING`, c.row.id, c.place); err != nil {
			return fmt.Errorf("note counted cell: %w", err)
		}
		c.touched = false
	}
	tx.touched = tx.touched[:0]
	return nil
}

// CellRef names a cell in the store.
type CellRef struct{ Key, Place int64 }

// DueCell is a counted cell that has to be looked at.
type DueCell struct {
	CellRef
	Cell stock.Cell
}

const dueColumns = `SELECT d.key, d.location, l.name, k.sku, k.lot, k.serial, k.expiry, k.state FROM `

func scanCell(r *vault.Rows) (d DueCell, err error) {
	k := &d.Cell.Key
	err = r.Scan(&d.Key, &d.Place, &d.Cell.Location, &k.SKU, &k.Lot, &k.Serial, &k.Expiry, &k.State)
	return d, err
}

// DueAdjustments returns cells whose adjustments may have changed, at most so many.
func (v *View) DueAdjustments(most int) (out []DueCell, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		d, err := scanCell(r)
		out = append(out, d)
		return err
	}, dueColumns+`adjustment_due d JOIN stock_key k ON k.id = d.key JOIN location l ON l.id = d.location ORDER BY d.key, d.location LIMIT ?1`, most)
	if err != nil {
		return nil, fmt.Errorf("read counted cells: %w", err)
	}
	return out, nil
}

// DueCellOf returns a cell as the store names it, or ErrNotFound for one that it does not have.
func (v *View) DueCellOf(at stock.Cell) (DueCell, error) {
	d := DueCell{Cell: at}
	k := at.Key
	err := v.tx.QueryRow(`SELECT k.id, l.id FROM stock_key k, location l WHERE k.sku = ?1 AND k.lot = ?2 AND k.expiry = ?3 AND k.serial = ?4 AND k.state = ?5 AND l.name = ?6`,
		string(k.SKU), string(k.Lot), string(k.Expiry), string(k.Serial), int64(k.State), string(at.Location)).Scan(&d.Key, &d.Place)
	if errors.Is(err, vault.ErrNoRows) {
		return d, fmt.Errorf("cell of %s at %s: %w", k.SKU, at.Location, ErrNotFound)
	}
	if err != nil {
		return d, fmt.Errorf("find cell: %w", err)
	}
	return d, nil
}

// AdjustmentsSeen notes that a cell was looked at.
func (tx *Tx) AdjustmentsSeen(c CellRef) error {
	if _, err := tx.tx.Exec(`DELETE FROM adjustment_due WHERE key = ?1 AND location = ?2`, c.Key, c.Place); err != nil {
		return fmt.Errorf("note counted cell: %w", err)
	}
	return nil
}

// AdjustmentStart returns since when counts are looked at.
func (v *View) AdjustmentStart() (time.Time, error) {
	var at int64
	if err := v.tx.QueryRow(`SELECT at FROM adjustment_start`).Scan(&at); err != nil {
		return time.Time{}, fmt.Errorf("read start of adjustments: %w", err)
	}
	return time.UnixMilli(at), nil
}

// Statuses of an adjustment that is not confirmed.
const (
	AdjustmentWaits   = "waiting" // for an approval
	AdjustmentRecount = "recount" // it was refused: somebody else has to count
)

// Adjustment is what is known of a cell whose adjustment is not confirmed.
type Adjustment struct {
	Status  string
	Content change.Hash // of what has to be decided
	Detail  string
	Request string
}

// Adjustment returns what is not confirmed of a cell, or ErrNotFound.
func (v *View) Adjustment(c CellRef) (a Adjustment, err error) {
	var h []byte
	err = v.tx.QueryRow(`SELECT status, content, detail, request FROM adjustment WHERE key = ?1 AND location = ?2`, c.Key, c.Place).Scan(&a.Status, &h, &a.Detail, &a.Request)
	if errors.Is(err, vault.ErrNoRows) {
		return a, fmt.Errorf("adjustment: %w", ErrNotFound)
	}
	copy(a.Content[:], h)
	if err != nil {
		return a, fmt.Errorf("read adjustment: %w", err)
	}
	return a, nil
}

// Unconfirmed calls fn for every cell whose adjustment is not confirmed.
func (v *View) Unconfirmed(fn func(DueCell, Adjustment) error) error {
	err := each(v.tx, func(r *vault.Rows) error {
		var d DueCell
		var a Adjustment
		var h []byte
		k := &d.Cell.Key
		if err := r.Scan(&d.Key, &d.Place, &d.Cell.Location, &k.SKU, &k.Lot, &k.Serial, &k.Expiry, &k.State, &a.Status, &h, &a.Detail, &a.Request); err != nil {
			return err
		}
		copy(a.Content[:], h)
		return fn(d, a)
	}, `SELECT d.key, d.location, l.name, k.sku, k.lot, k.serial, k.expiry, k.state, d.status, d.content, d.detail, d.request
	      FROM adjustment d JOIN stock_key k ON k.id = d.key JOIN location l ON l.id = d.location ORDER BY d.key, d.location`)
	if err != nil {
		return fmt.Errorf("read adjustments: %w", err)
	}
	return nil
}

// PutAdjustment keeps what is not confirmed of a cell; nil takes it away.
func (tx *Tx) PutAdjustment(c CellRef, a *Adjustment) error {
	_, err := tx.tx.Exec(`DELETE FROM adjustment WHERE key = ?1 AND location = ?2`, c.Key, c.Place)
	if err == nil && a != nil {
		_, err = tx.tx.Exec(`INSERT INTO adjustment (key, location, status, content, detail, request) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`, c.Key, c.Place, a.Status, a.Content[:], a.Detail, a.Request)
	}
	if err != nil {
		return fmt.Errorf("store adjustment: %w", err)
	}
	return nil
}

// AdjustmentDecision is somebody's yes or no to an adjustment.
type AdjustmentDecision struct {
	Content  change.Hash
	Approved bool
	Request  string
	Hash     change.Hash // of the request
	By       string
	Note     string
	At       time.Time
}

// AddAdjustmentDecision keeps a decision for good.
func (tx *Tx) AddAdjustmentDecision(c CellRef, d AdjustmentDecision) error {
	_, err := tx.tx.Exec(`INSERT INTO adjustment_decision (content, key, location, approved, request, hash, by, at, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`,
		d.Content[:], c.Key, c.Place, d.Approved, d.Request, d.Hash[:], d.By, tx.now, d.Note)
	if err != nil {
		return fmt.Errorf("store decision about adjustment: %w", err)
	}
	return nil
}

// AdjustmentDecisions returns what was decided about a cell, by its name.
func (v *View) AdjustmentDecisions(c CellRef) (map[change.Hash]AdjustmentDecision, error) {
	out := map[change.Hash]AdjustmentDecision{}
	err := each(v.tx, func(r *vault.Rows) error {
		var d AdjustmentDecision
		var content, hash []byte
		var approved, at int64
		err := r.Scan(&content, &approved, &d.Request, &hash, &d.By, &at, &d.Note)
		copy(d.Content[:], content)
		copy(d.Hash[:], hash)
		d.Approved, d.At = approved == 1, timeOf(at)
		out[d.Content] = d
		return err
	}, `SELECT content, approved, request, hash, by, at, note FROM adjustment_decision WHERE key = ?1 AND location = ?2`, c.Key, c.Place)
	if err != nil {
		return nil, fmt.Errorf("read decisions about adjustments: %w", err)
	}
	return out, nil
}

// LargeAdjustment opens the case of a cell's large adjustment, or closes it, and says in it how things are.
func (tx *Tx) LargeAdjustment(at stock.Cell, subject, detail string, open bool) error {
	if !open {
		if err := tx.noteCase(CaseLargeAdjustment, subject, detail); err != nil {
			return err
		}
	}
	tx.setCase(Case{Kind: CaseLargeAdjustment, Subject: subject, Cell: at, Detail: detail}, open)
	if err := tx.flushCases(); err != nil {
		return err
	}
	if open {
		return tx.noteCase(CaseLargeAdjustment, subject, detail)
	}
	return nil
}

// noteCase writes another detail into an open case.
func (tx *Tx) noteCase(kind stock.ExceptionKind, subject, detail string) error {
	if _, err := tx.tx.Exec(`UPDATE exception SET detail = ?3 WHERE kind = ?1 AND subject = ?2 AND closed_at IS NULL AND detail <> ?3`, string(kind), subject, clip(detail)); err != nil {
		return fmt.Errorf("store case %s %s: %w", kind, subject, err)
	}
	return nil
}

// PlaceOfChange returns the id of the batch that brought a change, and its place in it; ErrNotFound for one that is not here.
func (v *View) PlaceOfChange(id stock.ID) (batch int64, index int, err error) {
	var first int64
	err = v.tx.QueryRow(`SELECT b.id, b.first FROM batch b JOIN node n ON n.id = b.node WHERE n.name = ?1 AND b.epoch = ?2 AND b.first <= ?3 AND b.first + b.count > ?3`,
		string(id.Node), signed(id.Epoch), signed(id.Number)).Scan(&batch, &first)
	if errors.Is(err, vault.ErrNoRows) {
		return 0, 0, fmt.Errorf("change %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("find change %s: %w", id, err)
	}
	return batch, int(signed(id.Number) - first), nil
}

// LookAgain notes that a cell has to be looked at, whatever came in.
func (tx *Tx) LookAgain(c CellRef) error {
	if _, err := tx.tx.Exec(`INSERT INTO adjustment_due (key, location) VALUES (?1, ?2) ON CONFLICT DO NOTHING`, c.Key, c.Place); err != nil {
		return fmt.Errorf("note counted cell: %w", err)
	}
	return nil
}
