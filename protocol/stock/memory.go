package stock

// Memory is a Book in memory: for simulations, benchmarks and for folding an export.
// Its zero value is not usable; see NewMemory.
type Memory struct {
	Movements  map[ID]Movement
	CountsByID map[ID]Count
	Balances   map[Cell]Balance
	Open       map[ExceptionKind]map[string]Exception
	cells      map[Cell][]ID
	counts     map[Cell][]ID
	keys       map[Key]bool
	lots       map[Key]map[Date]bool
	serials    map[Key]map[Cell]bool
}

// NewMemory returns an empty book.
func NewMemory() *Memory {
	return &Memory{
		Movements: map[ID]Movement{}, CountsByID: map[ID]Count{}, Balances: map[Cell]Balance{},
		Open: map[ExceptionKind]map[string]Exception{}, cells: map[Cell][]ID{}, counts: map[Cell][]ID{},
		keys: map[Key]bool{}, lots: map[Key]map[Date]bool{}, serials: map[Key]map[Cell]bool{},
	}
}

var _ Book = (*Memory)(nil)

// Has implements Book.
func (b *Memory) Has(id ID) (bool, error) {
	_, m := b.Movements[id]
	_, c := b.CountsByID[id]
	return m || c, nil
}

// Balance implements Book.
func (b *Memory) Balance(c Cell) (Balance, error) { return b.Balances[c], nil }

// SetBalance implements Book.
func (b *Memory) SetBalance(c Cell, v Balance) error {
	b.Balances[c] = v
	if c.Key.Serial != "" && !c.Location.Outside() {
		unit := Key{SKU: c.Key.SKU, Serial: c.Key.Serial}
		if b.serials[unit] == nil {
			b.serials[unit] = map[Cell]bool{}
		}
		b.serials[unit][c] = true
	}
	return nil
}

// AddMovement implements Book.
func (b *Memory) AddMovement(m Movement) (bool, error) {
	b.Movements[m.ID] = m
	for _, l := range []Location{m.From, m.To} {
		if !l.Outside() {
			b.cells[Cell{l, m.Key}] = append(b.cells[Cell{l, m.Key}], m.ID)
		}
	}
	novel := !b.keys[m.Key]
	b.keys[m.Key] = true
	lot := Key{SKU: m.Key.SKU, Lot: m.Key.Lot}
	if b.lots[lot] == nil {
		b.lots[lot] = map[Date]bool{}
	}
	b.lots[lot][m.Key.Expiry] = true
	return novel, nil
}

// AddCount implements Book.
func (b *Memory) AddCount(c Count) error {
	b.CountsByID[c.ID] = c
	b.counts[c.Cell] = append(b.counts[c.Cell], c.ID)
	return nil
}

// Counts implements Book.
func (b *Memory) Counts(at Cell) ([]Count, error) {
	var out []Count
	for _, id := range b.counts[at] {
		out = append(out, b.CountsByID[id])
	}
	return out, nil
}

// MovementsOf implements Book.
func (b *Memory) MovementsOf(at Cell) ([]Movement, error) {
	var out []Movement
	for _, id := range b.cells[at] {
		out = append(out, b.Movements[id])
	}
	return out, nil
}

// SerialCells implements Book.
func (b *Memory) SerialCells(sku SKU, s Serial) (map[Location]Quantity, error) {
	out := map[Location]Quantity{}
	for c := range b.serials[Key{SKU: sku, Serial: s}] {
		if q := b.Balances[c].OnHand(); q > 0 {
			out[c.Location] += q
		}
	}
	return out, nil
}

// Expiries implements Book.
func (b *Memory) Expiries(sku SKU, lot Lot) ([]Date, error) {
	var out []Date
	for d := range b.lots[Key{SKU: sku, Lot: lot}] {
		out = append(out, d)
	}
	return out, nil
}

// SetException implements Book.
func (b *Memory) SetException(e Exception, open bool) error {
	if b.Open[e.Kind] == nil {
		b.Open[e.Kind] = map[string]Exception{}
	}
	if open {
		b.Open[e.Kind][e.Subject] = e
	} else {
		delete(b.Open[e.Kind], e.Subject)
	}
	return nil
}
