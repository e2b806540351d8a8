package store

import (
	"stockade/protocol/stock"
)

// memo is what a transaction knows of the store without asking it. Acts run one after the
// other, so one memo serves them all; the vault tells when something that it may hold was
// undone, and it is then empty again. A view has one of its own.
type memo struct {
	undone    uint64
	node      stock.NodeID
	warehouse stock.Warehouse
	epoch     uint64 // of the node's own chain; 0 when not known yet
	next      uint64 // first own change in no batch
	streams   map[stock.Stream]int64
	names     map[int64]stock.Stream
	last      map[int64]uint64 // last number of a stream
	places    map[stock.Location]int64
	items     map[stock.SKU]int64
	keys      map[stock.Key]keyMemo
	balances  map[cellID]balanceMemo
	codes     map[string]Item  // catalogue
	stations  map[string]int64 // ids
	scans     map[string]Scan  // last of each station
	scanned   int64            // id of the last scan of all
	open      map[exceptionID]bool
	openKnown bool // open holds all
}

type keyMemo struct {
	id    int64
	moved bool
}

type cellID struct{ key, place int64 }

type balanceMemo struct {
	stock.Balance
	stored, held bool
	last         int64 // movement that came last
}

type exceptionID struct {
	kind    stock.ExceptionKind
	subject string
}

// Limits of what is remembered, so that a large store does not become a large program.
const (
	maxMemo       = 4096 // keys, balances, codes
	maxExceptions = 4096
)

func newMemo(undone uint64) *memo {
	return &memo{undone: undone, streams: map[stock.Stream]int64{}, names: map[int64]stock.Stream{}, last: map[int64]uint64{}, places: map[stock.Location]int64{}, items: map[stock.SKU]int64{},
		keys: map[stock.Key]keyMemo{}, balances: map[cellID]balanceMemo{}, codes: map[string]Item{}, stations: map[string]int64{}, scans: map[string]Scan{},
		open: map[exceptionID]bool{}}
}

// trim forgets what has grown too large. It is called between acts only: within one, what was
// remembered stays.
func (m *memo) trim() {
	if len(m.keys) > maxMemo {
		clear(m.keys)
	}
	if len(m.items) > maxMemo {
		clear(m.items)
	}
	if len(m.balances) > maxMemo {
		clear(m.balances)
	}
	if len(m.codes) > maxMemo {
		clear(m.codes)
	}
	if len(m.places) > maxMemo {
		clear(m.places)
	}
	if len(m.open) > maxExceptions {
		clear(m.open)
		m.openKnown = false
	}
}

// forget empties the memo, but for whose store it is.
func (tx *Tx) forget() {
	was := *tx.memo
	*tx.memo = *newMemo(was.undone)
	tx.memo.node, tx.memo.warehouse = was.node, was.warehouse
}
