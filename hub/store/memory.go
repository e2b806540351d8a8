package store

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/internal/vault"
	"stockade/protocol/stock"
)

// How much is remembered, in entries of the younger half; the older half holds as many.
const (
	keysInMemory   = 64 << 10
	hashesInMemory = 16 << 10
)

// memory is what acts remember of the store, true as long as the token is the store's.
type memory struct {
	token int64

	keys  *halves[stock.Key, *keyRow] // without serial numbers
	units *halves[unit, *unitRow]     // those with one
	items *halves[stock.SKU, bool]    // whether the catalogue has the item
	last  *keyRow                     // the one looked up last: a movement asks for its key often

	locations map[stock.Location]int64
	places    map[int64]stock.Location

	nodes   map[stock.NodeID]*nodeRow
	names   map[int64]stock.NodeID
	streams map[stock.Stream]uint64 // last change number in a stored batch
	decided map[int64]bool          // nodes of which something was settled

	open map[caseName]int64 // open cases with their ids

	hashes   *halves[int64, tlog.Hash]
	size     int64 // leaves
	logEpoch uint64
}

func newMemory(tx *vault.Tx) (*memory, error) {
	m := &memory{
		keys: newHalves[stock.Key, *keyRow](keysInMemory), units: newHalves[unit, *unitRow](keysInMemory),
		items: newHalves[stock.SKU, bool](keysInMemory), hashes: newHalves[int64, tlog.Hash](hashesInMemory),
		locations: map[stock.Location]int64{}, places: map[int64]stock.Location{},
		nodes: map[stock.NodeID]*nodeRow{}, names: map[int64]stock.NodeID{}, streams: map[stock.Stream]uint64{},
		decided: map[int64]bool{}, open: map[caseName]int64{},
	}
	for _, load := range []func(*vault.Tx) error{m.loadLocations, m.loadNames, m.loadCases, m.loadDecided, m.loadLog} {
		if err := load(tx); err != nil {
			return nil, fmt.Errorf("read store: %w", err)
		}
	}
	return m, nil
}

// each calls scan for every row of a query.
func each(tx *vault.Tx, scan func(*vault.Rows) error, query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (m *memory) loadLocations(tx *vault.Tx) error {
	return each(tx, func(r *vault.Rows) error {
		var id int64
		var name string
		err := r.Scan(&id, &name)
		m.locations[stock.Location(name)], m.places[id] = id, stock.Location(name)
		return err
	}, `SELECT id, name FROM location`)
}

func (m *memory) loadNames(tx *vault.Tx) error {
	return each(tx, func(r *vault.Rows) error {
		var id int64
		var name string
		err := r.Scan(&id, &name)
		m.names[id] = stock.NodeID(name)
		return err
	}, `SELECT id, name FROM node`)
}

func (m *memory) loadCases(tx *vault.Tx) error {
	return each(tx, func(r *vault.Rows) error {
		var id int64
		var kind, subject string
		err := r.Scan(&id, &kind, &subject)
		m.open[caseName{stock.ExceptionKind(kind), subject}] = id
		return err
	}, `SELECT id, kind, subject FROM exception WHERE closed_at IS NULL`)
}

func (m *memory) loadDecided(tx *vault.Tx) error {
	return each(tx, func(r *vault.Rows) error {
		var id int64
		err := r.Scan(&id)
		m.decided[id] = true
		return err
	}, `SELECT DISTINCT node FROM settled`)
}

func (m *memory) loadLog(tx *vault.Tx) error {
	var epoch int64
	if err := tx.QueryRow(`SELECT coalesce(max(epoch), 0) FROM log`).Scan(&epoch); err != nil {
		return err
	}
	m.logEpoch = unsigned(epoch)
	return tx.QueryRow(`SELECT coalesce(max(position) + 1, 0) FROM leaf`).Scan(&m.size)
}

// trim forgets what was not asked for in a long time. Never in the middle of an act: what
// is to be written at its end must be found until then.
func (m *memory) trim() {
	m.keys.trim()
	m.units.trim()
	m.items.trim()
	m.hashes.trim()
	m.last = nil
}

// halves is a map that forgets: what is asked for moves to the younger half, and when that is
// full it becomes the older one.
type halves[K comparable, V any] struct {
	young, old map[K]V
	most       int
}

func newHalves[K comparable, V any](most int) *halves[K, V] {
	return &halves[K, V]{young: map[K]V{}, most: most}
}

func (h *halves[K, V]) get(k K) (V, bool) {
	v, ok := h.young[k]
	if !ok {
		if v, ok = h.old[k]; ok {
			h.young[k] = v
		}
	}
	return v, ok
}

func (h *halves[K, V]) put(k K, v V) { h.young[k] = v }

func (h *halves[K, V]) trim() {
	if len(h.young) > h.most {
		h.old, h.young = h.young, make(map[K]V, h.most/4)
	}
}

// signed and unsigned carry numbers into the store and back. Epochs and sequences never come
// near the sign; of a forged time it is kept as a bit.
func signed(n uint64) int64 { return int64(n) } // #nosec G115 -- the bits are what counts

func unsigned(n int64) uint64 { return uint64(n) } // #nosec G115 -- the bits are what counts
