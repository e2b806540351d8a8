package feed

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"reflect"
	"slices"
	"testing"

	"stockade/protocol/change"
	"stockade/protocol/stock"
)

var key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

func values() []any {
	return []any{
		Item{SKU: "SP-001", Name: "长粒香大米", NameEN: "rice", Unit: "袋", Codes: []Code{{GTIN: "06910420000037", Factor: stock.Unit}, {GTIN: "16910420000034", Unit: "箱", Factor: 4 * stock.Unit}}, Active: true},
		Location{ID: "SHA/RECV", Name: "收货区", Use: UseReceiving, Active: true},
		Sibling{Node: "sha-2", Epoch: 1, Number: 7, Change: []byte{1, 2, 3}},
		Numbers{Node: "sha-1", Epoch: 2, Prefix: "6910420", First: 50_000, Count: 10_000},
		Label{ID: "lot", Body: []byte(`{"id":"lot","name":"批次标签"}`), Active: true},
		Label{ID: "lot", Body: []byte{}},
	}
}

func chunk(t testing.TB) Chunk {
	t.Helper()
	c := Chunk{Org: "acme", Feed: Catalogue, LogEpoch: 1, Version: 3, Prev: change.Hash{9}}
	for _, v := range values() {
		e, err := Pack(v)
		if err != nil {
			t.Fatal(err)
		}
		c.Entries = append(c.Entries, e)
	}
	return c
}

func TestRoundTrip(t *testing.T) {
	c := chunk(t)
	signed, hash, err := Seal(key, c)
	if err != nil {
		t.Fatal(err)
	}
	got, again, err := Open(key.Public().(ed25519.PublicKey), signed)
	if err != nil || hash != again || !reflect.DeepEqual(got, c) {
		t.Fatalf("opened %+v with hash %v, %v; want %+v with %v", got, again, err, c, hash)
	}
	for i, want := range values() {
		if v, err := got.Entries[i].Unpack(); err != nil || !reflect.DeepEqual(v, want) {
			t.Errorf("entry %d is %+v, %v; want %+v", i, v, err, want)
		}
	}
}

// TestOnlyTheHub: a chunk that the feed key has not signed, or that was changed since, is none.
func TestOnlyTheHub(t *testing.T) {
	signed, _, err := Seal(key, chunk(t))
	if err != nil {
		t.Fatal(err)
	}
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	if _, _, err := Open(other.Public().(ed25519.PublicKey), signed); err == nil {
		t.Error("a chunk of another key was opened")
	}
	for i := range signed {
		bad := slices.Clone(signed)
		bad[i] ^= 1
		if _, _, err := Open(key.Public().(ed25519.PublicKey), bad); err == nil {
			t.Errorf("a chunk with bit 0 of byte %d flipped was opened", i)
		}
	}
}

// TestNews: what a later hub says is told apart from what is broken only by being kept; neither is acted on.
func TestNews(t *testing.T) {
	e, err := Pack(values()[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, strange := range []Entry{{Kind: 99, Version: 1, Payload: e.Payload}, {Kind: KindItem, Version: 2, Payload: e.Payload}, {Kind: KindLocation, Version: 1, Payload: e.Payload}, {Kind: KindLabel, Version: 1, Payload: e.Payload},
		{Kind: KindLabel, Version: 2, Payload: []byte{0x83, 0x61, 'a', 0x40, 0xf5}}, {Kind: KindItem, Version: 1}} {
		if v, err := strange.Unpack(); !errors.Is(err, change.ErrUnknown) {
			t.Errorf("%+v is %+v, %v; want ErrUnknown", strange, v, err)
		}
	}
	if _, err := Pack("text"); err == nil {
		t.Error("a text was packed")
	}
}

func TestFeedsOfAWarehouse(t *testing.T) {
	if got := For("SHA"); !slices.Equal(got, []string{"rights/SHA", "catalogue", "locations/SHA", "siblings/SHA"}) {
		t.Errorf("feeds of SHA are %v", got)
	}
}

// FuzzOpen: signed bytes of any content are read back as they were, or refused; so is each entry.
func FuzzOpen(f *testing.F) {
	payload, err := change.Marshal(chunk(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte{0x86})
	// A chunk with one label: as it is, with the template as a text instead of bytes, and without it.
	for _, label := range []string{"\x83caabA{\xf5", "\x83caaba{\xf5", "\x83caab\xf6\xf4", "\x82caab\xf5"} {
		one := Chunk{Org: "acme", Feed: Catalogue, LogEpoch: 1, Version: 1, Entries: []Entry{{Kind: KindLabel, Version: 1, Payload: []byte(label)}}}
		if payload, err := change.Marshal(one); err == nil {
			f.Add(payload)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		signed, err := change.Sign(key, change.TypeChunk, payload)
		if err != nil {
			return
		}
		c, _, err := Open(key.Public().(ed25519.PublicKey), signed)
		if err != nil {
			return
		}
		if again, err := change.Marshal(c); err != nil || !bytes.Equal(again, payload) {
			t.Fatalf("read as %+v, written as %x, %v; was %x", c, again, err, payload)
		}
		for _, e := range c.Entries {
			v, err := e.Unpack()
			if err != nil {
				continue
			}
			if again, err := Pack(v); err != nil || !bytes.Equal(again.Payload, e.Payload) {
				t.Fatalf("entry %+v is written as %x, %v; was %x", v, again.Payload, err, e.Payload)
			}
		}
	})
}
