package store

import (
	"errors"
	"fmt"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// ErrCode is returned when a barcode is another item's already.
var ErrCode = errors.New("barcode belongs to another item")

// PutItem adds an item or replaces what is known of it, and puts it into the catalogue feed.
// Cases about stock of an unknown item are closed.
func (tx *Tx) PutItem(i feed.Item) error {
	if i.Codes == nil {
		i.Codes = []feed.Code{}
	}
	_, err := tx.tx.Exec(`INSERT INTO item (sku, name, name_en, unit, active) VALUES (?1, ?2, ?3, ?4, ?5)
	                      ON CONFLICT (sku) DO UPDATE SET name = excluded.name, name_en = excluded.name_en, unit = excluded.unit, active = excluded.active`,
		string(i.SKU), i.Name, i.NameEN, i.Unit, i.Active)
	if err == nil {
		_, err = tx.tx.Exec(`DELETE FROM item_code WHERE sku = ?1`, string(i.SKU))
	}
	for place, c := range i.Codes {
		if err != nil {
			break
		}
		_, err = tx.tx.Exec(`INSERT INTO item_code (code, sku, unit, factor, place) VALUES (?1, ?2, ?3, ?4, ?5)`,
			string(c.GTIN), string(i.SKU), c.Unit, int64(c.Factor), place)
		if vault.IsUnique(err) {
			err = fmt.Errorf("%s: %w", c.GTIN, ErrCode)
		}
	}
	if err != nil {
		return fmt.Errorf("store item %s: %w", i.SKU, err)
	}
	tx.m.items.put(i.SKU, true)
	tx.Resolve(CaseUnknownItem, string(i.SKU))
	return tx.putNews(feed.Catalogue, i)
}

// PutLocation adds a bin or replaces what is known of it, and puts it into its warehouse's feed.
func (tx *Tx) PutLocation(l feed.Location) error {
	_, err := tx.tx.Exec(`INSERT INTO bin (location, name, purpose, active) VALUES (?1, ?2, ?3, ?4)
	                      ON CONFLICT (location) DO UPDATE SET name = excluded.name, purpose = excluded.purpose, active = excluded.active`,
		string(l.ID), l.Name, string(l.Use), l.Active)
	if err != nil {
		return fmt.Errorf("store location %s: %w", l.ID, err)
	}
	return tx.putNews(feed.Locations(l.ID.Warehouse()), l)
}

func (tx *Tx) putNews(name string, v any) error {
	e, err := feed.Pack(v)
	if err != nil {
		return err
	}
	return tx.putEntry(name, e)
}

// checkItem opens a case when the catalogue does not have an item that there is stock of.
func (tx *Tx) checkItem(sku stock.SKU) error {
	known, ok := tx.m.items.get(sku)
	if !ok {
		var n int64
		if err := tx.tx.QueryRow(`SELECT count(*) FROM item WHERE sku = ?1`, string(sku)).Scan(&n); err != nil {
			return fmt.Errorf("find item %s: %w", sku, err)
		}
		known = n > 0
		tx.m.items.put(sku, known)
	}
	if !known {
		tx.setCase(Case{Kind: CaseUnknownItem, Subject: string(sku), Node: tx.batch.stream.Node, Cell: stock.Cell{Key: stock.Key{SKU: sku}}}, true)
	}
	return nil
}

// Items returns the catalogue, by SKU.
func (v *View) Items() ([]feed.Item, error) {
	codes := map[stock.SKU][]feed.Code{}
	err := each(v.tx, func(r *vault.Rows) error {
		var sku, code, unit string
		var factor int64
		err := r.Scan(&sku, &code, &unit, &factor)
		codes[stock.SKU(sku)] = append(codes[stock.SKU(sku)], feed.Code{GTIN: stock.GTIN(code), Unit: unit, Factor: stock.Quantity(factor)})
		return err
	}, `SELECT sku, code, unit, factor FROM item_code ORDER BY sku, place`)
	var out []feed.Item
	if err == nil {
		err = each(v.tx, func(r *vault.Rows) error {
			var i feed.Item
			var active int64
			err := r.Scan(&i.SKU, &i.Name, &i.NameEN, &i.Unit, &active)
			i.Active, i.Codes = active == 1, codes[i.SKU]
			if i.Codes == nil {
				i.Codes = []feed.Code{}
			}
			out = append(out, i)
			return err
		}, `SELECT sku, name, name_en, unit, active FROM item ORDER BY sku`)
	}
	if err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	return out, nil
}

// Locations returns the bins, by name.
func (v *View) Locations() ([]feed.Location, error) {
	var out []feed.Location
	err := each(v.tx, func(r *vault.Rows) error {
		var l feed.Location
		var active int64
		err := r.Scan(&l.ID, &l.Name, &l.Use, &active)
		l.Active = active == 1
		out = append(out, l)
		return err
	}, `SELECT location, name, purpose, active FROM bin ORDER BY location`)
	if err != nil {
		return nil, fmt.Errorf("read locations: %w", err)
	}
	return out, nil
}

// FeedHead is how far a feed has been cut.
type FeedHead struct {
	id      int64
	Name    string
	Version uint64
	Hash    change.Hash
	Source  int64 // last master_entry.seq or batch.id that is in it
	Place   int64 // changes of the batch after that which are in it
}

// FeedHead returns how far a feed has been cut; a new one has not been at all.
func (v *View) FeedHead(name string) (FeedHead, error) {
	f := FeedHead{Name: name}
	var version int64
	err := v.tx.QueryRow(`SELECT id, version, head, source, place FROM feed WHERE name = ?1`, name).Scan(&f.id, &version, &f.Hash, &f.Source, &f.Place)
	if err != nil && !errors.Is(err, vault.ErrNoRows) {
		return f, fmt.Errorf("read feed %s: %w", name, err)
	}
	f.Version = unsigned(version)
	return f, nil
}

// PutChunk keeps the next chunk of a feed and how far its source is read. An empty chunk
// only moves the place.
func (tx *Tx) PutChunk(f FeedHead, chunk []byte) error {
	var err error
	if f.id == 0 {
		var r vault.Result
		r, err = tx.tx.Exec(`INSERT INTO feed (name, news, version, head, source, place) VALUES (?1, 0, ?2, ?3, ?4, ?5)`,
			f.Name, signed(f.Version), f.Hash[:], f.Source, f.Place)
		f.id = r.LastInsertID
	} else {
		_, err = tx.tx.Exec(`UPDATE feed SET version = ?2, head = ?3, source = ?4, place = ?5 WHERE id = ?1`,
			f.id, signed(f.Version), f.Hash[:], f.Source, f.Place)
	}
	if err == nil && len(chunk) > 0 {
		_, err = tx.tx.Exec(`INSERT INTO chunk (feed, version, bytes) VALUES (?1, ?2, ?3)`, f.id, signed(f.Version), chunk)
	}
	if err != nil {
		return fmt.Errorf("store chunk %d of %s: %w", f.Version, f.Name, err)
	}
	return nil
}

// Chunks implements delivery.HubStore.
func (tx *Tx) Chunks(after delivery.FeedPlace, most int) (chunks [][]byte, more bool, err error) {
	from := after.Version
	if after.LogEpoch != tx.m.logEpoch {
		from = 0 // the feed began anew since the node read it
	}
	err = each(tx.tx, func(r *vault.Rows) error {
		var b []byte
		err := r.Scan(&b)
		chunks = append(chunks, b)
		return err
	}, `SELECT c.bytes FROM chunk c JOIN feed f ON f.id = c.feed WHERE f.name = ?1 AND c.version > ?2 ORDER BY c.version LIMIT ?3`,
		after.Feed, signed(from), most+1)
	if err != nil {
		return nil, false, fmt.Errorf("read feed %s: %w", after.Feed, err)
	}
	if len(chunks) > most {
		return chunks[:most], true, nil
	}
	return chunks, false, nil
}

// News is an entry of master data with its place in the order of writing.
type News struct {
	Seq   int64
	Entry feed.Entry
	Size  int // bytes
}

// NewsAfter returns entries of a feed of master data, at most so many.
func (v *View) NewsAfter(name string, seq int64, most int) ([]News, error) {
	var out []News
	err := each(v.tx, func(r *vault.Rows) error {
		var n News
		var b []byte
		if err := r.Scan(&n.Seq, &b); err != nil {
			return err
		}
		n.Size = len(b)
		out = append(out, n)
		return change.Unmarshal(b, &out[len(out)-1].Entry)
	}, `SELECT seq, entry FROM master_entry WHERE feed = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3`, name, seq, most)
	if err != nil {
		return nil, fmt.Errorf("read news of %s: %w", name, err)
	}
	return out, nil
}

// MasterFeeds returns the feeds of master data that anything was ever written to.
func (v *View) MasterFeeds() ([]string, error) {
	var out []string
	err := each(v.tx, func(r *vault.Rows) error {
		var name string
		err := r.Scan(&name)
		out = append(out, name)
		return err
	}, `SELECT name FROM feed WHERE news = 1 ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("read feeds: %w", err)
	}
	return out, nil
}

// SharedWarehouses returns the warehouses whose nodes need to hear of each other: those
// with more than one node, and those where a held batch was accepted into an epoch of its own.
func (v *View) SharedWarehouses() ([]stock.Warehouse, error) {
	var out []stock.Warehouse
	err := each(v.tx, func(r *vault.Rows) error {
		var w string
		err := r.Scan(&w)
		out = append(out, stock.Warehouse(w))
		return err
	}, `SELECT warehouse FROM node WHERE warehouse <> '' GROUP BY warehouse HAVING count(*) > 1
	    UNION
	    SELECT n.warehouse FROM node n JOIN held h ON h.node = n.id WHERE h.decision = 'accepted' AND n.warehouse <> ''
	    ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("read shared warehouses: %w", err)
	}
	return out, nil
}

// BatchesOfWarehouse returns batches of a warehouse's nodes after the one with that id, at
// most so many, in the order in which they came in.
func (v *View) BatchesOfWarehouse(w stock.Warehouse, after int64, most int) ([]StoredBatch, error) {
	var out []StoredBatch
	err := v.batches(func(b StoredBatch) error { out = append(out, b); return nil },
		`b.id > ?1 AND n.warehouse = ?2 ORDER BY b.id LIMIT ?3`, after, string(w), most)
	return out, err
}

// ParkedNumbers returns the numbers of the changes of a batch that were parked.
func (v *View) ParkedNumbers(b StoredBatch) (map[uint64]bool, error) {
	out := map[uint64]bool{}
	err := each(v.tx, func(r *vault.Rows) error {
		var n, whole int64
		err := r.Scan(&n, &whole)
		out[unsigned(n)] = true
		for i := range b.Count {
			if whole == 1 {
				out[b.First+i] = true
			}
		}
		return err
	}, `SELECT number, whole FROM parked WHERE id BETWEEN ?1 AND ?2`, b.ID*perBatch, b.ID*perBatch+perBatch-1)
	if err != nil {
		return nil, fmt.Errorf("read parked changes: %w", err)
	}
	return out, nil
}
