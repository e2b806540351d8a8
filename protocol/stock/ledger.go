package stock

import "fmt"

// Balance is what the ledger adds up to for one cell.
type Balance struct {
	Moved    Quantity // in less out, over all movements
	Adjusted Quantity // sum of the adjustments that follow from counts
	Counted  bool     // the cell has at least one count
}

// OnHand returns what is physically there as far as the ledger knows.
func (b Balance) OnHand() Quantity { return b.Moved + b.Adjusted }

// Book keeps what a Ledger derives. Its methods see their own earlier writes.
// A Book does not judge: it stores and finds.
type Book interface {
	// Has reports whether a movement or count of that id is in the book.
	Has(ID) (bool, error)
	// Balance returns what is kept for the cell, zero when nothing is.
	Balance(Cell) (Balance, error)
	SetBalance(Cell, Balance) error
	// AddMovement keeps m. novel says that its key was not in the book before.
	AddMovement(m Movement) (novel bool, err error)
	AddCount(Count) error
	// Counts and MovementsOf return all that the book has for the cell, in any order.
	Counts(Cell) ([]Count, error)
	MovementsOf(Cell) ([]Movement, error)
	// SerialCells returns the cells inside warehouses whose stock on hand of that serial number is above zero.
	SerialCells(SKU, Serial) (map[Location]Quantity, error)
	// Expiries returns the distinct expiry dates, none left out, that keys of that lot have.
	Expiries(SKU, Lot) ([]Date, error)
	// SetException opens the case or, with open false, notes that its cause is gone.
	SetException(e Exception, open bool) error
}

// ExceptionKind says what happened in the world that the rules would not have let happen.
type ExceptionKind string

// The kinds of exception that follow from movements and counts alone.
const (
	NegativeStock   ExceptionKind = "negative_stock"   // a cell is below zero
	SerialTwice     ExceptionKind = "serial_twice"     // more than one unit of a serial number is on hand
	LotExpiry       ExceptionKind = "lot_expiry"       // one lot with differing expiry dates
	CountConcurrent ExceptionKind = "count_concurrent" // a movement that a count of its cell had not seen though it came before
)

// Exception is a case for a person: the goods did move, so the movement stands.
// Kind and Subject together name the case; Cell tells where, as far as it is one place.
type Exception struct {
	Kind    ExceptionKind
	Subject string
	Cell    Cell
}

// Ledger posts movements and counts to a book and keeps balances and exceptions true.
type Ledger struct{ Book Book }

// Post adds m to the book. Posting what the book has already changes nothing and returns false.
func (l Ledger) Post(m Movement) (posted bool, err error) {
	if err := m.Check(); err != nil {
		return false, err
	}
	if has, err := l.Book.Has(m.ID); has || err != nil {
		return false, err
	}
	sides := [2]side{{at: Cell{m.From, m.Key}, qty: -m.Quantity}, {at: Cell{m.To, m.Key}, qty: m.Quantity}}
	for i := range sides { // before anything is written: an overflow leaves the book as it was
		if err := l.weigh(&sides[i]); err != nil {
			return false, err
		}
	}
	novel, err := l.Book.AddMovement(m)
	if err != nil {
		return false, err
	}
	for _, s := range sides {
		if err := l.move(s, m); err != nil {
			return false, err
		}
	}
	if m.Key.Lot != "" && novel {
		return true, l.judgeLot(m.Key)
	}
	return true, nil
}

// side is what a movement does to one of its two cells.
type side struct {
	at    Cell
	qty   Quantity
	after Balance
}

func (l Ledger) weigh(s *side) (err error) {
	if s.after, err = l.Book.Balance(s.at); err != nil {
		return err
	}
	if s.after.Moved, err = s.after.Moved.Plus(s.qty); err != nil {
		return fmt.Errorf("balance of %s at %s: %w", s.at.Key.SKU, s.at.Location, err)
	}
	return nil
}

// PostCount adds c to the book and derives the adjustments of its cell anew.
func (l Ledger) PostCount(c Count) (posted bool, err error) {
	if err := c.Check(); err != nil {
		return false, err
	}
	if has, err := l.Book.Has(c.ID); has || err != nil {
		return false, err
	}
	if err := l.Book.AddCount(c); err != nil {
		return false, err
	}
	b, err := l.Book.Balance(c.Cell)
	if err != nil {
		return false, err
	}
	b.Counted = true
	if b.Adjusted, err = l.recountAll(c.Cell, b.Adjusted); err != nil {
		return false, err
	}
	return true, l.settle(c.Cell, b)
}

func (l Ledger) move(s side, m Movement) (err error) {
	if s.at.Location.Outside() {
		return l.Book.SetBalance(s.at, s.after)
	}
	if s.after.Counted {
		if s.after.Adjusted, err = l.recount(s.at, s.after.Adjusted, s.qty, m); err != nil {
			return err
		}
	}
	return l.settle(s.at, s.after)
}

// recount returns the adjustment of a counted cell after m came in. Where the deciding
// count had seen m, what was found already includes it: the adjustment gives way.
func (l Ledger) recount(at Cell, adjusted, qty Quantity, m Movement) (Quantity, error) {
	counts, err := l.Book.Counts(at)
	if err != nil {
		return 0, err
	}
	for _, c := range counts {
		if concurrent(c, m) {
			if err := l.Book.SetException(Exception{CountConcurrent, subject(at), at}, true); err != nil {
				return 0, err
			}
			break
		}
	}
	if !counts[latest(counts)].Seen.Covers(m.ID) {
		return adjusted, nil
	}
	return adjusted - qty, l.counter(at.Key, qty)
}

// recountAll derives the adjustment of a cell anew after a count came in.
func (l Ledger) recountAll(at Cell, old Quantity) (Quantity, error) {
	counts, err := l.Book.Counts(at)
	if err != nil {
		return 0, err
	}
	movements, err := l.Book.MovementsOf(at)
	if err != nil {
		return 0, err
	}
	adjusted, found := Quantity(0), false
	for _, a := range Adjust(counts, movements) {
		adjusted += a.Quantity
	}
	for _, c := range counts {
		for _, m := range movements {
			found = found || concurrent(c, m)
		}
	}
	if found {
		if err := l.Book.SetException(Exception{CountConcurrent, subject(at), at}, true); err != nil {
			return 0, err
		}
	}
	return adjusted, l.counter(at.Key, old-adjusted)
}

// counter books the other side of an adjustment, so that the sum over all locations stays zero.
func (l Ledger) counter(k Key, qty Quantity) error {
	at := Cell{Adjustment, k}
	b, err := l.Book.Balance(at)
	if err != nil {
		return err
	}
	b.Adjusted += qty
	return l.Book.SetBalance(at, b)
}

// settle stores the balance of a cell inside a warehouse and judges it.
func (l Ledger) settle(at Cell, b Balance) error {
	if err := l.Book.SetBalance(at, b); err != nil {
		return err
	}
	if err := l.Book.SetException(Exception{NegativeStock, subject(at), at}, b.OnHand() < 0); err != nil {
		return err
	}
	if at.Key.Serial != "" {
		return l.judgeSerial(at)
	}
	return nil
}

func (l Ledger) judgeSerial(at Cell) error {
	cells, err := l.Book.SerialCells(at.Key.SKU, at.Key.Serial)
	if err != nil {
		return err
	}
	total := Quantity(0)
	for _, q := range cells {
		total += q
	}
	e := Exception{SerialTwice, fmt.Sprintf("%s|%s", at.Key.SKU, at.Key.Serial), Cell{Key: Key{SKU: at.Key.SKU, Serial: at.Key.Serial}}}
	return l.Book.SetException(e, total > Unit)
}

func (l Ledger) judgeLot(k Key) error {
	dates, err := l.Book.Expiries(k.SKU, k.Lot)
	if err != nil {
		return err
	}
	named := 0
	for _, d := range dates {
		if d != "" {
			named++
		}
	}
	if named < 2 {
		return nil // a lot that had two dates once has them for ever
	}
	e := Exception{LotExpiry, fmt.Sprintf("%s|%s", k.SKU, k.Lot), Cell{Key: Key{SKU: k.SKU, Lot: k.Lot}}}
	return l.Book.SetException(e, true)
}

// concurrent reports whether m came before c by its clock without c having seen it.
// At one node the numbers decide, and a count has seen all numbers below its own.
func concurrent(c Count, m Movement) bool {
	sameStream := m.ID.Node == c.ID.Node && m.ID.Epoch == c.ID.Epoch
	return !sameStream && !c.Seen.Covers(m.ID) && m.Time <= c.Time
}

// subject names a cell in a case. Every movement asks for two.
func subject(c Cell) string {
	k := c.Key
	return string(c.Location) + "|" + string(k.SKU) + "|" + string(k.Lot) + "|" + string(k.Serial) + "|" + string(k.Expiry) + "|" + k.State.String()
}
