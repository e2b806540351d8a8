package store

import (
	"fmt"
	"time"

	"stockade/protocol/access"
	"stockade/protocol/barcode"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// PutChunk implements delivery.NodeStore.
func (tx *Tx) PutChunk(at delivery.FeedPlace, hash change.Hash, entries []feed.Entry) error {
	if err := tx.exec("feed", `INSERT INTO feed (name, log_epoch, version, hash, heard_at) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (name) DO UPDATE SET log_epoch = excluded.log_epoch, version = excluded.version, hash = excluded.hash, heard_at = excluded.heard_at`,
		at.Feed, int64(at.LogEpoch), int64(at.Version), hash[:], time.Now().UnixMilli()); err != nil { // #nosec G115 -- counts
		return err
	}
	if at.Version == 1 && at.Feed == feed.Rights(tx.memo.warehouse) {
		if err := tx.exec("rights", `DELETE FROM rights_entry WHERE kind = ?1`, int64(access.KindReader)); err != nil { // the feed begins anew: the hub may not know us any more
			return err
		}
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
	if isRights(at, e, tx) {
		return tx.putRights(at, place, e)
	}
	v, err := e.Unpack()
	if err == nil {
		err = sense(v)
	}
	if err != nil {
		return tx.putUnknown(at, place, e)
	}
	switch v := v.(type) {
	case feed.Item:
		return tx.putItem(v)
	case feed.Location:
		return tx.exec("bin", `INSERT OR REPLACE INTO bin (location, name, purpose, active) VALUES (?1, ?2, ?3, ?4)`, string(v.ID), v.Name, string(v.Use), v.Active)
	case feed.Sibling:
		return tx.putSibling(v)
	case feed.Numbers:
		return tx.putNumbers(v)
	case feed.Label:
		return tx.putLabel(v)
	}
	return nil
}

func (tx *Tx) putUnknown(at delivery.FeedPlace, place int, e feed.Entry) error {
	b, err := change.Marshal(e)
	if err != nil {
		return err
	}
	return tx.exec("unknown entry", `INSERT INTO unknown_entry (feed, version, place, entry) VALUES (?1, ?2, ?3, ?4)`, at.Feed, int64(at.Version), int64(place), b) // #nosec G115 -- counts
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
	case feed.Numbers:
		if v.Epoch == 0 || v.Epoch > maxNumber || v.Count == 0 || v.First > maxNumber*1000 || v.Count > maxNumber || v.Prefix != "" && !barcode.ValidPrefix(v.Prefix) {
			return fmt.Errorf("numbers %d+%d under %q", v.First, v.Count, v.Prefix)
		}
	case feed.Sibling:
		if !v.Node.Valid() || v.Epoch == 0 || v.Epoch > maxNumber || v.Number == 0 || v.Number > maxNumber {
			return fmt.Errorf("change %s.%d.%d", v.Node, v.Epoch, v.Number)
		}
	case feed.Label:
		return checkLabel(v)
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
