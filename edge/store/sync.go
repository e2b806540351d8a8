package store

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

var _ delivery.NodeStore = (*Tx)(nil)

// SenderState returns what the sync core starts from.
func (tx *Tx) SenderState() (delivery.SenderState, error) {
	var st delivery.SenderState
	var hash, ackedHash, root, asked, grant []byte
	err := tx.tx.QueryRow(`SELECT epoch, seq, hash, next, acked_epoch, acked_seq, acked_hash, kept, log_epoch, log_size, log_root, keys, frozen, asked, grant_bytes FROM sync`).Scan(
		&st.Head.Epoch, &st.Head.Seq, &hash, &st.Next, &st.Acked.Epoch, &st.Acked.Seq, &ackedHash, &st.Kept, &st.Log.Epoch, &st.Log.Size, &root, &st.Keys, &st.Frozen, &asked, &grant)
	if errors.Is(err, vault.ErrNoRows) {
		return st, ErrNotEnrolled
	}
	if err != nil {
		return st, fmt.Errorf("read sync state: %w", err)
	}
	copy(st.Head.Hash[:], hash)
	copy(st.Acked.Hash[:], ackedHash)
	copy(st.Log.Root[:], root)
	copy(st.Asked[:], asked)
	if len(grant) > 0 {
		st.Grant = grant
	}
	st.Feeds = map[string]delivery.FeedHead{}
	err = tx.each(func(r *vault.Rows) error {
		var h delivery.FeedHead
		var b []byte
		if err := r.Scan(&h.Place.Feed, &h.Place.LogEpoch, &h.Place.Version, &b); err != nil {
			return err
		}
		copy(h.Hash[:], b)
		st.Feeds[h.Place.Feed] = h
		return nil
	}, `SELECT name, log_epoch, version, hash FROM feed`)
	return st, err
}

// BatchAt implements delivery.NodeStore.
func (tx *Tx) BatchAt(epoch, seq uint64) (change.Batch, change.Header, change.Hash, bool, error) {
	var b change.Batch
	var h change.Header
	var stored []byte
	err := tx.tx.QueryRow(`SELECT first, count, hash, signed, body FROM batch WHERE epoch = ?1 AND seq = ?2`, int64(epoch), int64(seq)).Scan( // #nosec G115 -- counts
		&h.First, &h.Count, &stored, &b.Signed, &b.Body)
	if errors.Is(err, vault.ErrNoRows) {
		return b, h, change.Hash{}, false, nil
	}
	if err != nil {
		return b, h, change.Hash{}, false, fmt.Errorf("read batch %d.%d: %w", epoch, seq, err)
	}
	h.Node, h.Epoch, h.Seq = tx.memo.node, epoch, seq
	var hash change.Hash
	copy(hash[:], stored)
	return b, h, hash, true, nil
}

// Uncut implements delivery.NodeStore.
func (tx *Tx) Uncut(first uint64, most, bytes int) ([][]byte, error) {
	var epoch uint64
	if err := tx.tx.QueryRow(`SELECT epoch FROM sync`).Scan(&epoch); err != nil {
		return nil, err
	}
	s, ok, err := tx.findStream(stock.Stream{Node: tx.memo.node, Epoch: epoch})
	if err != nil || !ok {
		return nil, err
	}
	rows, err := tx.tx.Query(`SELECT bytes FROM change WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3`, s<<streamShift|int64(first), s<<streamShift|maxNumber, int64(most)) // #nosec G115 -- counts
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][]byte
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		if bytes -= len(b); bytes < 0 && len(out) > 0 {
			break
		}
		out = append(out, b)
	}
	return out, rows.Err()
}

func (tx *Tx) insertBatch(p delivery.Place, h change.Header, b change.Batch) error {
	return tx.exec("batch", `INSERT OR REPLACE INTO batch (epoch, seq, first, count, hash, signed, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
		int64(p.Epoch), int64(p.Seq), int64(h.First), int64(h.Count), p.Hash[:], b.Signed, b.Body) // #nosec G115 -- counts
}

// PutBatch implements delivery.NodeStore.
func (tx *Tx) PutBatch(p delivery.Place, h change.Header, b change.Batch, next uint64) error {
	if err := tx.insertBatch(p, h, b); err != nil {
		return err
	}
	tx.memo.epoch, tx.memo.next = p.Epoch, next
	return tx.exec("chain", `UPDATE sync SET epoch = ?1, seq = ?2, hash = ?3, next = ?4`, int64(p.Epoch), int64(p.Seq), p.Hash[:], int64(next)) // #nosec G115 -- counts
}

// PutAcked implements delivery.NodeStore. Batches that a verified backup of the hub covers are let go.
func (tx *Tx) PutAcked(acked, covered delivery.Place) error {
	_, h, _, ok, err := tx.BatchAt(acked.Epoch, acked.Seq)
	if err != nil {
		return err
	}
	kept := uint64(0)
	if ok {
		kept = h.Last()
	}
	if err := tx.exec("acknowledgement", `UPDATE sync SET acked_epoch = ?1, acked_seq = ?2, acked_hash = ?3, kept = ?4`,
		int64(acked.Epoch), int64(acked.Seq), acked.Hash[:], int64(kept)); err != nil { // #nosec G115 -- counts
		return err
	}
	if covered.Seq == 0 || covered.Epoch > acked.Epoch || (covered.Epoch == acked.Epoch && covered.Seq >= acked.Seq) {
		return nil // the newest batch stays in any case: it is our place in the chain
	}
	return tx.exec("acknowledgement", `DELETE FROM batch WHERE epoch = ?1 AND seq <= ?2`, int64(covered.Epoch), int64(covered.Seq)) // #nosec G115 -- counts
}

// PutLog implements delivery.NodeStore.
func (tx *Tx) PutLog(at delivery.LogPlace, note []byte) error {
	if err := tx.exec("checkpoint", `INSERT INTO head (epoch, size, note) VALUES (?1, ?2, ?3) ON CONFLICT (epoch) DO UPDATE SET size = excluded.size, note = excluded.note`,
		int64(at.Epoch), at.Size, note); err != nil { // #nosec G115 -- a count
		return err
	}
	return tx.exec("checkpoint", `UPDATE sync SET log_epoch = ?1, log_size = ?2, log_root = ?3`, int64(at.Epoch), at.Size, at.Root[:]) // #nosec G115 -- a count
}

// PutKeys implements delivery.NodeStore.
func (tx *Tx) PutKeys(signed []byte) error {
	return tx.exec("key list", `UPDATE sync SET keys = ?1`, signed)
}

// PutFrozen implements delivery.NodeStore.
func (tx *Tx) PutFrozen(why string, evidence []byte) error {
	return tx.exec("evidence", `UPDATE sync SET frozen = ?1, evidence = ?2`, why, notNil(evidence))
}

// PutRejoin implements delivery.NodeStore.
func (tx *Tx) PutRejoin(asked delivery.Nonce, grant []byte) error {
	return tx.exec("rejoin", `UPDATE sync SET asked = ?1, grant_bytes = ?2`, asked[:], notNil(grant))
}

// PutReturned implements delivery.NodeStore.
func (tx *Tx) PutReturned(p delivery.Place, h change.Header, b change.Batch, parked []uint64) error {
	list, err := change.Marshal(parked)
	if err != nil {
		return err
	}
	return tx.exec("returned batch", `INSERT OR REPLACE INTO returned (epoch, seq, first, count, hash, signed, body, parked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,
		int64(p.Epoch), int64(p.Seq), int64(h.First), int64(h.Count), p.Hash[:], b.Signed, b.Body, list) // #nosec G115 -- counts
}

// Returned implements delivery.NodeStore.
func (tx *Tx) Returned(epoch uint64) (delivery.Place, bool, error) {
	p := delivery.Place{Epoch: epoch}
	var hash []byte
	err := tx.tx.QueryRow(`SELECT seq, hash FROM returned WHERE epoch = ?1 ORDER BY seq DESC LIMIT 1`, int64(epoch)).Scan(&p.Seq, &hash) // #nosec G115 -- a count
	if errors.Is(err, vault.ErrNoRows) {
		return p, false, nil
	}
	copy(p.Hash[:], hash)
	return p, err == nil, err
}

// Grant implements delivery.NodeStore.
func (tx *Tx) Grant(epoch uint64) ([]byte, bool, error) {
	var b []byte
	err := tx.tx.QueryRow(`SELECT bytes FROM epoch_grant WHERE epoch = ?1`, int64(epoch)).Scan(&b) // #nosec G115 -- a count
	if errors.Is(err, vault.ErrNoRows) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// PutChunk implements delivery.NodeStore.
func (tx *Tx) PutChunk(at delivery.FeedPlace, hash change.Hash, entries []feed.Entry) error {
	if err := tx.exec("feed", `INSERT INTO feed (name, log_epoch, version, hash, heard_at) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (name) DO UPDATE SET log_epoch = excluded.log_epoch, version = excluded.version, hash = excluded.hash, heard_at = excluded.heard_at`,
		at.Feed, int64(at.LogEpoch), int64(at.Version), hash[:], time.Now().UnixMilli()); err != nil { // #nosec G115 -- counts
		return err
	}
	for i, e := range entries {
		if err := tx.putEntry(at, i, e); err != nil {
			return fmt.Errorf("feed %s version %d entry %d: %w", at.Feed, at.Version, i, err)
		}
	}
	return nil
}

// putEntry applies an entry. One that this program does not know, or that makes no sense to it,
// is kept byte for byte and does not block what follows.
func (tx *Tx) putEntry(at delivery.FeedPlace, place int, e feed.Entry) error {
	v, err := e.Unpack()
	if err == nil {
		err = sense(v)
	}
	if err != nil {
		b, err := change.Marshal(e)
		if err != nil {
			return err
		}
		return tx.exec("unknown entry", `INSERT INTO unknown_entry (feed, version, place, entry) VALUES (?1, ?2, ?3, ?4)`, at.Feed, int64(at.Version), int64(place), b) // #nosec G115 -- counts
	}
	switch v := v.(type) {
	case feed.Item:
		return tx.putItem(v)
	case feed.Location:
		return tx.exec("bin", `INSERT OR REPLACE INTO bin (location, name, purpose, active) VALUES (?1, ?2, ?3, ?4)`, string(v.ID), v.Name, string(v.Use), v.Active)
	case feed.Sibling:
		return tx.putSibling(v)
	}
	return nil
}

// sense returns why an entry can not be applied.
func sense(entry any) error {
	switch v := entry.(type) {
	case feed.Item:
		if v.SKU == "" || len(v.SKU) > stock.MaxSKU {
			return fmt.Errorf("item code %q", v.SKU)
		}
		for _, c := range v.Codes {
			if c.GTIN == "" || c.Factor <= 0 || c.Factor > stock.MaxQuantity {
				return fmt.Errorf("code %q of %s: factor %s", c.GTIN, v.SKU, c.Factor)
			}
		}
	case feed.Location:
		return v.ID.Check()
	case feed.Sibling:
		if !v.Node.Valid() || v.Epoch == 0 || v.Epoch > maxNumber || v.Number == 0 || v.Number > maxNumber {
			return fmt.Errorf("change %s.%d.%d", v.Node, v.Epoch, v.Number)
		}
	}
	return nil
}

func (tx *Tx) putItem(v feed.Item) error {
	clear(tx.memo.codes)
	if err := tx.exec("item", `INSERT OR REPLACE INTO item (sku, name, name_en, unit, active) VALUES (?1, ?2, ?3, ?4, ?5)`, string(v.SKU), v.Name, v.NameEN, v.Unit, v.Active); err != nil {
		return err
	}
	if err := tx.exec("item", `DELETE FROM item_code WHERE sku = ?1`, string(v.SKU)); err != nil {
		return err
	}
	for i, c := range v.Codes {
		if err := tx.exec("item", `INSERT OR REPLACE INTO item_code (code, sku, unit, factor, place) VALUES (?1, ?2, ?3, ?4, ?5)`, string(c.GTIN), string(v.SKU), c.Unit, int64(c.Factor), int64(i)); err != nil {
			return err
		}
	}
	return nil
}

// putSibling posts what another node, or the hub, did in this warehouse. Our own changes come back
// in this feed too: they are known, or they come through our own chain. Only the changes of a
// branch, an accepted fork in an epoch that our chain does not have, come from here.
func (tx *Tx) putSibling(s feed.Sibling) error {
	id := stock.ID{Node: s.Node, Epoch: s.Epoch, Number: s.Number}
	if known, err := tx.known(id); known || err != nil {
		return err
	}
	if s.Node == tx.memo.node {
		var chained int64
		if err := tx.tx.QueryRow(`SELECT (SELECT count(*) FROM batch WHERE epoch = ?1 LIMIT 1) + (SELECT count(*) FROM sync WHERE epoch = ?1)`, int64(s.Epoch)).Scan(&chained); err != nil || chained > 0 { // #nosec G115 -- a count
			return err
		}
	}
	c, err := change.Decode(s.Change)
	if err != nil {
		return nil // not understood: the hub keeps it, and it moves no stock
	}
	tx.heard = max(tx.heard, c.Meta.Time)
	return tx.put(id, s.Change, c, "")
}

// Adopt implements delivery.NodeStore. It is rare: the ledger is made again from the changes.
func (tx *Tx) Adopt(g delivery.Grant, grant []byte, kept stock.ID) error {
	renamed, returned, err := tx.recut(g, kept)
	if err != nil {
		return fmt.Errorf("adopt epoch %d: %w", g.Epoch, err)
	}
	for _, r := range renamed {
		if err := tx.deleteChange(r.Old); err != nil {
			return err
		}
	}
	for _, r := range returned {
		if r.Parked {
			continue
		}
		if err := tx.replace(r.ID, r.Change); err != nil {
			return err
		}
	}
	for _, r := range renamed {
		if r.Change != nil {
			if err := tx.replace(r.New, r.Change); err != nil {
				return err
			}
		}
	}
	if err := tx.renameInScans(renamed); err != nil {
		return err
	}
	if err := tx.adoptChain(g, grant); err != nil {
		return err
	}
	tx.added = true
	return tx.refold()
}

func (tx *Tx) recut(g delivery.Grant, kept stock.ID) ([]delivery.Renamed, []delivery.Stored, error) {
	var local []delivery.Stored
	s, ok, err := tx.findStream(stock.Stream{Node: kept.Node, Epoch: kept.Epoch})
	if err != nil {
		return nil, nil, err
	}
	if ok {
		err = tx.each(func(r *vault.Rows) error {
			var row int64
			c := delivery.Stored{ID: kept}
			if err := r.Scan(&row, &c.Change); err != nil {
				return err
			}
			c.ID.Number = uint64(row & maxNumber) // #nosec G115 -- masked
			local = append(local, c)
			return nil
		}, `SELECT id, bytes FROM change WHERE id BETWEEN ?1 AND ?2 ORDER BY id`, s<<streamShift|int64(kept.Number+1), s<<streamShift|maxNumber) // #nosec G115 -- a count
		if err != nil {
			return nil, nil, err
		}
	}
	returned, err := tx.returnedChanges()
	if err != nil {
		return nil, nil, err
	}
	rejected, err := tx.rejected(g)
	if err != nil {
		return nil, nil, err
	}
	renamed, err := delivery.Recut(tx.memo.node, g.Epoch, local, returned, rejected)
	return renamed, returned, err
}

func (tx *Tx) returnedChanges() ([]delivery.Stored, error) {
	var out []delivery.Stored
	err := tx.each(func(r *vault.Rows) error {
		var b change.Batch
		var epoch, first uint64
		var list []byte
		if err := r.Scan(&epoch, &first, &b.Signed, &b.Body, &list); err != nil {
			return err
		}
		var parked []uint64
		if err := change.Unmarshal(list, &parked); err != nil {
			return err
		}
		h, _, err := b.Claim()
		if err != nil {
			return err
		}
		contents, err := b.Unpack(h)
		if err != nil {
			return nil // the hub has parked it whole
		}
		for i, c := range contents.Changes {
			n := first + uint64(i) // #nosec G115 -- an index
			out = append(out, delivery.Stored{ID: stock.ID{Node: tx.memo.node, Epoch: epoch, Number: n}, Change: c, Parked: slices.Contains(parked, n)})
		}
		return nil
	}, `SELECT epoch, first, signed, body, parked FROM returned ORDER BY epoch, seq`)
	return out, err
}

// rejected tells the changes in own batches that a person at the hub has rejected.
func (tx *Tx) rejected(g delivery.Grant) (func(stock.ID) bool, error) {
	type span struct{ epoch, first, last uint64 }
	var spans []span
	for _, hash := range g.Settled {
		err := tx.each(func(r *vault.Rows) error {
			var s span
			var count uint64
			if err := r.Scan(&s.epoch, &s.first, &count); err != nil {
				return err
			}
			s.last = s.first + count - 1
			spans = append(spans, s)
			return nil
		}, `SELECT epoch, first, count FROM batch WHERE hash = ?1`, hash[:])
		if err != nil {
			return nil, err
		}
	}
	return func(id stock.ID) bool {
		return slices.ContainsFunc(spans, func(s span) bool { return s.epoch == id.Epoch && s.first <= id.Number && id.Number <= s.last })
	}, nil
}

// renameInScans makes what stations remember of renamed movements follow.
func (tx *Tx) renameInScans(renamed []delivery.Renamed) error {
	rows := make(map[int64]int64, len(renamed))
	for _, r := range renamed {
		was, err := tx.rowOrZero(r.Old)
		if err != nil {
			return err
		}
		if rows[was], err = tx.rowOrZero(r.New); err != nil {
			return err
		}
	}
	type scan struct{ id, movement, undo int64 }
	var found []scan
	err := tx.each(func(r *vault.Rows) error {
		var s scan
		if err := r.Scan(&s.id, &s.movement, &s.undo); err != nil {
			return err
		}
		movement, ok1 := rows[s.movement]
		undo, ok2 := rows[s.undo]
		if ok1 {
			s.movement = movement
		}
		if ok2 {
			s.undo = undo
		}
		if ok1 || ok2 {
			found = append(found, s)
		}
		return nil
	}, `SELECT id, movement, undo FROM scan WHERE movement <> 0 OR undo <> 0`)
	for _, s := range found {
		if err == nil {
			err = tx.exec("scan", `UPDATE scan SET movement = ?2, undo = ?3 WHERE id = ?1`, s.id, s.movement, s.undo)
		}
	}
	return err
}

func (tx *Tx) deleteChange(id stock.ID) error {
	row, _, err := tx.rowOf(id)
	if err != nil {
		return err
	}
	return tx.exec("change", `DELETE FROM change WHERE id = ?1`, row)
}

// replace keeps a change under its name without posting it: refold follows.
func (tx *Tx) replace(id stock.ID, b []byte) error {
	s, err := tx.stream(stock.Stream{Node: id.Node, Epoch: id.Epoch})
	if err != nil {
		return err
	}
	return tx.exec("change", `INSERT OR REPLACE INTO change (id, bytes) VALUES (?1, ?2)`, s<<streamShift|int64(id.Number), b) // #nosec G115 -- a count
}

func (tx *Tx) adoptChain(g delivery.Grant, grant []byte) error {
	for _, p := range g.Sealed { // what lies past a seal was never the hub's
		if err := tx.exec("chain", `DELETE FROM batch WHERE epoch = ?1 AND seq > ?2`, int64(p.Epoch), int64(p.Seq)); err != nil { // #nosec G115 -- counts
			return err
		}
	}
	if err := tx.exec("chain", `INSERT OR REPLACE INTO batch SELECT epoch, seq, first, count, hash, signed, body FROM returned`); err != nil {
		return err
	}
	if err := tx.exec("chain", `DELETE FROM returned`); err != nil {
		return err
	}
	if err := tx.exec("grant", `INSERT OR REPLACE INTO epoch_grant (epoch, bytes) VALUES (?1, ?2)`, int64(g.Epoch), grant); err != nil { // #nosec G115 -- a count
		return err
	}
	zero := make([]byte, len(change.Hash{}))
	return tx.exec("chain", `UPDATE sync SET epoch = ?1, seq = 0, hash = ?2, next = 1, acked_epoch = ?1, acked_seq = 0, acked_hash = ?2, kept = 0, asked = x'', grant_bytes = x''`, int64(g.Epoch), zero) // #nosec G115 -- a count
}

// refold makes the ledger again from all changes.
func (tx *Tx) refold() error {
	tx.forget()
	for _, table := range []string{"stock_count", "balance", "reversal", "exception"} {
		if err := tx.exec(table, `DELETE FROM `+table); err != nil { // #nosec G202 -- names from this list only
			return err
		}
	}
	if err := tx.exec("kinds of stock", `UPDATE stock_key SET moved = 0`); err != nil {
		return err
	}
	if err := tx.exec("changes", `UPDATE change SET key = NULL WHERE key IS NOT NULL`); err != nil {
		return err
	}
	for next := int64(0); ; {
		rows, err := tx.changesFrom(next)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			if err := tx.repost(r); err != nil {
				return err
			}
			next = r.row + 1
		}
	}
}

// keptChange is a row of the table of changes.
type keptChange struct {
	row   int64
	bytes []byte
}

// changesFrom returns some changes in the order of their rows.
func (tx *Tx) changesFrom(row int64) (out []keptChange, err error) {
	const some = 500
	return out, tx.each(func(r *vault.Rows) error {
		var k keptChange
		err := r.Scan(&k.row, &k.bytes)
		out = append(out, k)
		return err
	}, `SELECT id, bytes FROM change WHERE id >= ?1 ORDER BY id LIMIT ?2`, row, int64(some))
}

func (tx *Tx) repost(k keptChange) error {
	id, err := tx.nameOf(k.row)
	if err != nil {
		return err
	}
	c, err := change.Decode(k.bytes)
	if err != nil {
		return nil // of a newer program: kept, moves no stock here
	}
	scope := stock.Warehouse("")
	if id.Node == tx.memo.node {
		scope = tx.memo.warehouse
	}
	return tx.post(id, c, scope)
}

// forget empties the memo, but for whose store it is.
func (tx *Tx) forget() {
	was := *tx.memo
	*tx.memo = *newMemo(was.undone)
	tx.memo.node, tx.memo.warehouse = was.node, was.warehouse
}
