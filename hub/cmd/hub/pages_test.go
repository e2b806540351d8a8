package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"stockade/hub/dashboard"
	"stockade/hub/store"
	"stockade/internal/vault"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

var pagesTime = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// openPages returns the pages of a store with one node and a batch for each of rounds, which
// holds a receipt, a count, an audit entry, bytes that nobody can read and a parked receipt.
func openPages(t *testing.T, rounds int) pages {
	t.Helper()
	v, err := vault.Open(t.Context(), vault.Options{Path: filepath.Join(t.TempDir(), "hub.db"), Key: vault.Key{1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := store.Open(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	err = s.Update(t.Context(), pagesTime, func(tx *store.Tx) error {
		return tx.AddNode(delivery.NewNodeState("sha-1", "SHA", key.Public().(ed25519.PublicKey)))
	})
	for n := range rounds {
		err = errors.Join(err, s.Update(t.Context(), pagesTime, func(tx *store.Tx) error { return postRound(tx, key, uint64(n)) }))
	}
	if err != nil {
		t.Fatal(err)
	}
	return pages{&server{hub: &hub{store: s, vault: v}, log: slog.New(slog.DiscardHandler)}}
}

func postRound(tx *store.Tx, key ed25519.PrivateKey, n uint64) error {
	first := 5*n + 1
	at := pagesTime.Add(time.Duration(n) * time.Minute)
	meta := change.Meta{Time: clock.StampOf(at), Quality: clock.Synced, Actor: "li", Terminal: "dock", Day: "2026-11-24", Zone: "Asia/Shanghai"}
	id := func(i uint64) stock.ID { return stock.ID{Node: "sha-1", Epoch: 1, Number: first + i} }
	kind := stock.Key{SKU: "A", Lot: "L1", State: stock.Available}
	m := stock.Movement{ID: id(0), Time: uint64(meta.Time), Key: kind, From: stock.Supplier, To: "SHA/A-01", Quantity: 2 * stock.Unit,
		Scanned: stock.Scanned{Count: 2 * stock.Unit, Factor: stock.Unit}, Cause: fmt.Sprint("PO-", n)}
	meta2 := meta
	meta2.Time++
	c := stock.Count{ID: id(1), Time: uint64(meta2.Time), Cell: stock.Cell{Location: "SHA/A-01", Key: kind}, Counted: 3 * stock.Unit,
		Seen: stock.Vector{{Node: "sha-1", Epoch: 1}: first}, Cause: "sheet"}
	moved, err1 := change.OfMovement(meta, m)
	counted, err2 := change.OfCount(meta2, c)
	entry, err3 := change.OfEntry(meta, change.Entry{Act: "scan.refused", Object: "x", Outcome: "unknown_item", Detail: map[string]string{"raw": "1"}})
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	var changes [][]byte
	for _, c := range []change.Change{moved, counted, entry} {
		b, err := c.Encode()
		if err != nil {
			return err
		}
		changes = append(changes, b)
	}
	changes = append(changes, []byte("\x01"), changes[0])
	h := change.Header{Org: "acme", Node: "sha-1", Epoch: 1, Seq: n + 1, First: first, Count: 5}
	batch, hash, err := change.Cut(key, h, make([]byte, change.SaltSize), changes)
	if err != nil {
		return err
	}
	if h, _, err = batch.Claim(); err != nil {
		return err
	}
	if err := tx.PutBatch(delivery.Place{Epoch: 1, Seq: n + 1, Hash: hash}, h, batch, int64(n)+1); err != nil { // #nosec G115 -- small
		return err
	}
	if _, err := tx.Ledger().Post(m); err != nil {
		return err
	}
	if _, err := tx.Ledger().PostCount(c); err != nil {
		return err
	}
	return tx.Park(delivery.Parked{ID: id(4), Change: changes[4], Why: "says the same twice"})
}

func TestHistoryOfAnItemLeadsToItsBatches(t *testing.T) {
	const rounds = 7
	p := openPages(t, rounds)
	var all []dashboard.Change
	for before := ""; ; {
		page, err := p.Movements(t.Context(), dashboard.MovementQuery{SKU: "A", In: store.Everywhere(), Limit: 3, Before: before})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Rows...)
		if before = page.Next; before == "" {
			break
		}
		if len(page.Rows) != 3 || len(all) > 2*rounds {
			t.Fatalf("a part of %d rows, %d so far", len(page.Rows), len(all))
		}
	}
	if len(all) != 2*rounds {
		t.Fatalf("%d rows, want %d", len(all), 2*rounds)
	}
	for i, c := range all {
		n := uint64(rounds - 1 - i/2) // #nosec G115 -- small
		want := dashboard.Change{ID: fmt.Sprintf("sha-1.1.%d", 5*n+1), Kind: dashboard.KindMovement, From: stock.Supplier, To: "SHA/A-01", Quantity: 2 * stock.Unit, Cause: fmt.Sprint("PO-", n)}
		if i%2 == 0 {
			want = dashboard.Change{ID: fmt.Sprintf("sha-1.1.%d", 5*n+2), Kind: dashboard.KindCount, At: "SHA/A-01", Quantity: 3 * stock.Unit, Cause: "sheet"}
		}
		want.Time, want.Day, want.Actor, want.Terminal = c.Time, "2026-11-24", "li", "dock"
		want.SKU, want.Lot, want.State = "A", "L1", "available"
		want.Batch, want.Leaf = dashboard.Place{Node: "sha-1", Epoch: 1, Seq: n + 1}, int64(n)+1 // #nosec G115 -- small
		if fmt.Sprintf("%+v", c) != fmt.Sprintf("%+v", want) {
			t.Errorf("row %d is\n%+v, want\n%+v", i, c, want)
		}
		if got := c.Time.Truncate(time.Minute); !got.Equal(pagesTime.Add(time.Duration(n) * time.Minute)) {
			t.Errorf("row %d is of %s", i, c.Time)
		}
	}
}

func TestMadeUpMarksBeginAnew(t *testing.T) {
	p := openPages(t, 1)
	for _, mark := range []string{"x", "1", "1.-2", "-1.2", "99999999999999999999999.1", "0.0"} {
		page, err := p.Movements(t.Context(), dashboard.MovementQuery{SKU: "A", In: store.Everywhere(), Before: mark})
		if err != nil || len(page.Rows) != 2 {
			t.Errorf("mark %q: %d rows, %v", mark, len(page.Rows), err)
		}
	}
}

func TestNoSuchItemAndBatch(t *testing.T) {
	p := openPages(t, 1)
	_, err1 := p.Item(t.Context(), "B", store.Everywhere())
	_, err2 := p.Batch(t.Context(), dashboard.Place{Node: "sha-1", Epoch: 1, Seq: 2}, store.Everywhere())
	elsewhere := access.Places{Warehouses: []stock.Warehouse{"BJS"}}
	_, err3 := p.Item(t.Context(), "A", elsewhere)
	_, err4 := p.Batch(t.Context(), dashboard.Place{Node: "sha-1", Epoch: 1, Seq: 1}, elsewhere)
	for _, err := range []error{err1, err2, err3, err4} {
		var f *web.Failure
		if !errors.As(err, &f) || f.Status != http.StatusNotFound {
			t.Errorf("got %v", err)
		}
	}
	if i, err := p.Item(t.Context(), "A", access.Places{Warehouses: []stock.Warehouse{"SHA"}}); err != nil || i.Known {
		t.Errorf("an item without master data: %+v, %v", i, err)
	}
}

// TestReaderShowsWhatIsInABatch looks at the batch as it lies in the store.
func TestReaderShowsWhatIsInABatch(t *testing.T) {
	p := openPages(t, 2)
	err := p.store.View(t.Context(), func(v *store.View) error {
		stored, err := v.BatchAt("sha-1", 1, 2)
		if err != nil {
			return err
		}
		r, err := newReader(v)
		if err != nil {
			return err
		}
		b, err := r.open(stored)
		if err != nil || b.err != nil || len(b.changes) != 5 {
			return errors.Join(err, fmt.Errorf("%d changes: %w", len(b.changes), b.err))
		}
		for i, want := range []dashboard.Kind{dashboard.KindMovement, dashboard.KindCount, dashboard.KindEntry, dashboard.KindUnknown, dashboard.KindMovement} {
			c := r.change(b, i)
			if c.Kind != want || (c.Parked != "") != (i == 4) || (c.Problem != "") != (want == dashboard.KindUnknown) || c.Leaf != 2 {
				t.Errorf("change %d: %+v", i, c)
			}
		}
		b.err = errors.New("damaged")
		if c := r.change(b, 0); c.Kind != dashboard.KindUnknown || c.Problem != "damaged" {
			t.Errorf("a change of a damaged batch: %+v", c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
