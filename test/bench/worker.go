package bench

import (
	"fmt"
	"math/rand/v2"

	"stockade/protocol/stock"
)

// carton is what one label is stuck to.
type carton struct {
	good
	lot, serial string
	expiry      stock.Date
}

// label returns what a scanner sends of it: a GS1-128 symbol, without what ends the line.
func (c carton) label() string {
	text := "]C101" + c.gtin
	if c.inner > 1 {
		text += fmt.Sprintf("30%d\x1d", c.inner)
	}
	switch {
	case c.serials:
		return text + "21" + c.serial
	case c.lots:
		return text + "17" + string(c.expiry[2:4]+c.expiry[5:7]+c.expiry[8:]) + "10" + c.lot
	}
	return text
}

// step is one scan: of a label, or of a command or a bin, which moves nothing.
type step struct {
	text   string
	moves  bool
	carton carton
	from   string // bin codes; empty means outside: the supplier, the customer
	to     string
}

// movement is what the step moves in a warehouse.
func (s step) movement(w stock.Warehouse) stock.Movement {
	q := stock.Quantity(s.carton.inner) * stock.Unit
	m := stock.Movement{Key: stock.Key{SKU: s.carton.sku, State: stock.Available}, From: stock.Supplier, To: stock.Customer,
		Quantity: q, Scanned: stock.Scanned{Count: q, Factor: stock.Unit}}
	switch {
	case s.carton.serials:
		m.Key.Serial = stock.Serial(s.carton.serial)
	case s.carton.lots:
		m.Key.Lot, m.Key.Expiry = stock.Lot(s.carton.lot), s.carton.expiry
	}
	if s.from != "" {
		m.From = w.Bin(s.from)
	}
	if s.to != "" {
		m.To = w.Bin(s.to)
	}
	return m
}

// worker is what one scanner is used for all day: deliveries are received carton by carton, put
// away, and picked again in part. The same number makes the same work.
type worker struct {
	number  int
	rng     *rand.Rand
	cartons int // labelled so far
	queue   []step
}

func newWorker(number int) *worker {
	return &worker{number: number, rng: rand.New(rand.NewPCG(uint64(number), 20260504))} // #nosec G115 G404 -- work that can be repeated
}

// receipt returns the next carton of a delivery, for a station that only receives.
func (w *worker) receipt() step {
	if len(w.queue) == 0 {
		w.moved(w.delivery(), "", receiving)
	}
	return w.next()
}

// scan returns the next thing to be scanned, commands and bins among them.
func (w *worker) scan() step {
	if len(w.queue) == 0 {
		cartons, bin := w.delivery(), binOf(w.rng.IntN(bins))
		w.said("STK:MODE:RECEIVE")
		w.moved(cartons, "", receiving)
		w.said("STK:MODE:TRANSFER", "BIN:"+receiving, "BIN:"+bin)
		w.moved(cartons, receiving, bin)
		w.said("STK:MODE:PICK", "BIN:"+bin)
		w.moved(cartons[:1+w.rng.IntN(len(cartons))], bin, "")
	}
	return w.next()
}

// move returns the next step that moves something.
func (w *worker) move() step {
	for {
		if s := w.scan(); s.moves {
			return s
		}
	}
}

func (w *worker) next() step {
	s := w.queue[0]
	w.queue = w.queue[1:]
	return s
}

func (w *worker) said(texts ...string) {
	for _, t := range texts {
		w.queue = append(w.queue, step{text: t})
	}
}

func (w *worker) moved(cartons []carton, from, to string) {
	for _, c := range cartons {
		w.queue = append(w.queue, step{text: c.label(), moves: true, carton: c, from: from, to: to})
	}
}

// delivery returns the cartons of one line of a delivery note. Some items are traded more than others.
func (w *worker) delivery() []carton {
	item := min(w.rng.IntN(items), w.rng.IntN(items))
	day := item*131 + w.rng.IntN(4)*4099 // of production: it decides lot and expiry
	c := carton{good: goodOf(item), lot: fmt.Sprintf("25%02d%02d%c", 1+day%12, 1+day/12%28, 'A'+day%3),
		expiry: stock.Date(fmt.Sprintf("2028-%02d-%02d", 1+day%12, 1+day/12%28))}
	var out []carton
	for range 1 + w.rng.IntN(6) {
		w.cartons++
		c.serial = fmt.Sprintf("%d%06d", 100+w.number, w.cartons)
		out = append(out, c)
	}
	return out
}
