package simulation

import (
	"crypto/ed25519"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

type nodePlace struct {
	node stock.NodeID
	place
}

type held struct {
	header change.Header
	batch  change.Batch
	reason delivery.Reason
}

type decided struct {
	node stock.NodeID
	mark change.Hash
}

// hubDisk is what the hub's store holds. It implements delivery.HubStore.
type hubDisk struct {
	nodes   map[stock.NodeID]delivery.NodeState
	batches map[nodePlace]kept
	held    map[change.Hash]held
	settled map[decided]string
	log     *audit.Memory
	book    *stock.Memory
	merged  []delivery.Stored // in order of arrival
	parked  []delivery.Parked
	alarms  map[delivery.Reason]int
	chunks  map[string][][]byte
	heads   map[string]change.Hash
	cursor  map[string]int
	epoch   uint64 // of the log
	opening []byte

	fault Fault
}

func newHubDisk(opening []byte) *hubDisk {
	h := &hubDisk{nodes: map[stock.NodeID]delivery.NodeState{}, batches: map[nodePlace]kept{}, held: map[change.Hash]held{}, settled: map[decided]string{},
		log: &audit.Memory{}, book: stock.NewMemory(), alarms: map[delivery.Reason]int{}, epoch: 1, opening: opening}
	h.anewFeeds()
	return h
}

func (h *hubDisk) anewFeeds() {
	h.chunks, h.heads, h.cursor = map[string][][]byte{}, map[string]change.Hash{}, map[string]int{}
}

func (h *hubDisk) clone() *hubDisk {
	c := *h
	c.nodes, c.batches, c.held, c.settled = maps.Clone(h.nodes), maps.Clone(h.batches), maps.Clone(h.held), maps.Clone(h.settled)
	for n, s := range c.nodes {
		c.nodes[n] = cloneState(s)
	}
	c.log, c.merged, c.parked = h.log.Clone(), slices.Clone(h.merged), slices.Clone(h.parked)
	c.alarms, c.chunks, c.heads, c.cursor = maps.Clone(h.alarms), maps.Clone(h.chunks), maps.Clone(h.heads), maps.Clone(h.cursor)
	for f, cs := range c.chunks {
		c.chunks[f] = slices.Clone(cs)
	}
	c.book = stock.NewMemory()
	for _, m := range c.merged {
		if err := post(c.book, "", m.ID, m.Change); err != nil {
			panic(err) // it was posted before
		}
	}
	return &c
}

func cloneState(s delivery.NodeState) delivery.NodeState {
	s.Sealed, s.Rejected, s.Boots = slices.Clone(s.Sealed), slices.Clone(s.Rejected), slices.Clone(s.Boots)
	return s
}

// reopen begins a new log epoch with all leaves of the one before.
func (h *hubDisk) reopen(epoch uint64, opening []byte) {
	old := h.log.Leaves
	h.log, h.opening, h.epoch = &audit.Memory{}, opening, epoch
	log := audit.Log{Store: h.log}
	for _, l := range append([]audit.Leaf{delivery.OpeningLeaf(opening)}, old...) {
		if _, err := log.Append(l); err != nil {
			panic(err)
		}
	}
	for n, s := range h.nodes {
		if s.HeadLeaf >= 0 {
			s.HeadLeaf++
		}
		h.nodes[n] = s
	}
	h.anewFeeds()
}

// publish cuts a chunk of what was merged since into the siblings feed of a warehouse.
func (h *hubDisk) publish(w stock.Warehouse, of map[stock.NodeID]stock.Warehouse, org string, key ed25519.PrivateKey) error {
	name := feed.Siblings(w)
	var entries []feed.Entry
	for ; h.cursor[name] < len(h.merged) && len(entries) < 5; h.cursor[name]++ {
		m := h.merged[h.cursor[name]]
		if of[m.ID.Node] != w {
			continue
		}
		e, err := feed.Pack(feed.Sibling{Node: m.ID.Node, Epoch: m.ID.Epoch, Number: m.ID.Number, Change: m.Change})
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return nil
	}
	signed, hash, err := feed.Seal(key, feed.Chunk{Org: org, Feed: name, LogEpoch: h.epoch, Version: uint64(len(h.chunks[name])) + 1, Prev: h.heads[name], Entries: entries})
	h.chunks[name], h.heads[name] = append(h.chunks[name], signed), hash
	return err
}

func (h *hubDisk) Node(n stock.NodeID) (*delivery.NodeState, error) {
	s, ok := h.nodes[n]
	if !ok {
		return nil, nil
	}
	s = cloneState(s)
	return &s, nil
}

func (h *hubDisk) SaveNode(s *delivery.NodeState) error { h.nodes[s.Node] = cloneState(*s); return nil }

func (h *hubDisk) HashAt(n stock.NodeID, epoch, seq uint64) (change.Hash, bool, error) {
	k, ok := h.batches[nodePlace{n, place{epoch, seq}}]
	return k.hash, ok, nil
}

func (h *hubDisk) StoredBatch(n stock.NodeID, epoch, seq uint64) (change.Batch, bool, error) {
	k, ok := h.batches[nodePlace{n, place{epoch, seq}}]
	return k.batch, ok, nil
}

func (h *hubDisk) PutBatch(p delivery.Place, hd change.Header, b change.Batch, _ int64) error {
	h.batches[nodePlace{hd.Node, place{p.Epoch, p.Seq}}] = kept{b, hd, p.Hash}
	return nil
}

func (h *hubDisk) Posted(id stock.ID, b []byte, _ change.Change) error {
	h.merged = append(h.merged, delivery.Stored{ID: id, Change: b})
	return nil
}

func (h *hubDisk) Park(p delivery.Parked) error { h.parked = append(h.parked, p); return nil }

func (h *hubDisk) ParkedIn(n stock.NodeID, epoch, first, last uint64) ([]uint64, error) {
	var out []uint64
	for _, p := range h.parked {
		if p.ID.Node == n && p.ID.Epoch == epoch && first <= p.ID.Number && p.ID.Number <= last {
			out = append(out, p.ID.Number)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (h *hubDisk) Settled(n stock.NodeID, fingerprint func() change.Hash) (string, error) {
	if len(h.settled) == 0 {
		return "", nil
	}
	return h.settled[decided{n, fingerprint()}], nil
}

func (h *hubDisk) Hold(hd change.Header, hash change.Hash, b change.Batch, why delivery.Reason) error {
	h.held[hash] = held{hd, b, why}
	return nil
}

func (h *hubDisk) Alarm(_ stock.NodeID, why delivery.Reason, _ string) error {
	h.alarms[why]++
	return nil
}

func (h *hubDisk) PutCosignature(stock.NodeID, delivery.LogPlace, time.Time, []byte) error {
	return nil
}

func (h *hubDisk) PutCheckpoint(tlog.Tree, []byte) error { return nil }

func (h *hubDisk) Chunks(after delivery.FeedPlace, most int) ([][]byte, bool, error) {
	from := after.Version
	if after.LogEpoch != h.epoch {
		from = 0
	}
	all := h.chunks[after.Feed]
	if from >= uint64(len(all)) {
		return nil, false, nil
	}
	all = all[from:]
	return all[:min(most, len(all))], len(all) > most, nil
}

func (h *hubDisk) Log() audit.Log { return audit.Log{Store: h.log} }

func (h *hubDisk) Ledger() stock.Ledger {
	if h.fault == NoDuplicateCheck {
		return stock.Ledger{Book: forgetful{h.book}}
	}
	return stock.Ledger{Book: h.book}
}

// forgetful is the book of a hub whose duplicate check was left out.
type forgetful struct{ *stock.Memory }

func (forgetful) Has(stock.ID) (bool, error) { return false, nil }
