package change

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/klauspost/compress/zstd"

	"stockade/protocol/clock"
	"stockade/protocol/stock"
)

var testMeta = Meta{Time: clock.Stamp(1795490000000 << 16), Quality: clock.Synced, Actor: "wang", Session: "s1", Terminal: "st-1", Day: "2026-11-24", Zone: "Asia/Shanghai"}

func movement(i int) stock.Movement {
	return stock.Movement{Key: stock.Key{SKU: stock.SKU(fmt.Sprintf("069012345%05d", i%200)), Lot: stock.Lot(fmt.Sprintf("L%04d", i%37)), Expiry: "2027-05-31", State: stock.Available},
		From: stock.Supplier, To: "SHA/RECV", Quantity: stock.Unit, Scanned: stock.Scanned{Count: stock.Unit, Factor: stock.Unit}}
}

func encoded(t testing.TB, n int) [][]byte {
	t.Helper()
	var out [][]byte
	for i := range n {
		meta := testMeta
		meta.Time += clock.Stamp(i * 1700 << 16)
		c, err := OfMovement(meta, movement(i))
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

func newKey(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pub, priv
}

func TestChangesComeBackAsTheyWere(t *testing.T) {
	id := stock.ID{Node: "sh-1", Epoch: 2, Number: 7}
	m := movement(3)
	m.ID, m.Time, m.Reverses, m.Cause, m.Override = id, uint64(testMeta.Time), stock.ID{Node: "sh-1", Epoch: 1, Number: 9}, "PO-1", "盘点"
	n := stock.Count{ID: id, Time: uint64(testMeta.Time), Cell: stock.Cell{Location: "SHA/A-01", Key: m.Key}, Counted: 3 * stock.Unit,
		Seen: stock.Vector{{Node: "b", Epoch: 1}: 4, {Node: "a", Epoch: 2}: 6}, Cause: "sheet 4"}
	e := Entry{Act: "scan.refused", Object: "st-1", Outcome: "unknown_item", Detail: map[string]string{"raw": "69"}}

	cm, _ := OfMovement(testMeta, m)
	cn, _ := OfCount(testMeta, n)
	ce, _ := OfEntry(testMeta, e)
	for _, c := range []Change{cm, cn, ce} {
		b, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("Decode(%x) = %+v, %v, want %+v", b, got, err, c)
		}
	}
	if got, err := cm.Movement(id); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("movement %+v, %v, want %+v", got, err, m)
	}
	if got, err := cn.Count(id); err != nil || !reflect.DeepEqual(got, n) {
		t.Errorf("count %+v, %v, want %+v", got, err, n)
	}
	if got, err := ce.Entry(); err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("entry %+v, %v, want %+v", got, err, e)
	}
	if _, err := cm.Count(id); !errors.Is(err, ErrUnknown) {
		t.Errorf("a movement read as a count: %v, want ErrUnknown", err)
	}
	cm.Version = 9
	if _, err := cm.Movement(id); !errors.Is(err, ErrUnknown) {
		t.Errorf("a movement of version 9: %v, want ErrUnknown", err)
	}
}

func TestFingerprintOutlivesRenumbering(t *testing.T) {
	m := movement(1)
	m.Reverses = stock.ID{Node: "a", Epoch: 1, Number: 5}
	before, _ := OfMovement(testMeta, m)
	m.Reverses.Epoch, m.Reverses.Number = 2, 1
	after, _ := OfMovement(testMeta, m)
	if before.Fingerprint() != after.Fingerprint() {
		t.Error("fingerprint changed with the name of the reversed movement")
	}
	m.Quantity++
	other, _ := OfMovement(testMeta, m)
	if other.Fingerprint() == after.Fingerprint() {
		t.Error("two movements with one fingerprint")
	}
}

func TestBatch(t *testing.T) {
	pub, priv := newKey(t)
	otherPub, _ := newKey(t)
	changes := encoded(t, 100)
	salt := bytes.Repeat([]byte{7}, SaltSize)
	b, hash, err := Cut(priv, Header{Org: "acme", Node: "sh-1", Epoch: 1, Seq: 1, First: 1}, salt, changes)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f bytes a movement", float64(len(b.Signed)+len(b.Body))/100)
	h, got, err := b.Open(pub)
	if err != nil || got != hash || h.Last() != 100 {
		t.Fatalf("Open = %+v, %s, %v, want hash %s and 100 changes", h, got, err, hash)
	}
	c, err := b.Unpack(h)
	if err != nil || !reflect.DeepEqual(c.Changes, changes) {
		t.Fatalf("Unpack = %d changes, %v, want those that were cut", len(c.Changes), err)
	}
	for _, size := range []int{1, 2, 3, 5, 64, 100} {
		b, _, _ := Cut(priv, Header{Org: "acme", Node: "sh-1", Epoch: 1, Seq: 1, First: 11}, salt, changes[:size])
		h, _, _ := b.Open(pub)
		c, _ := b.Unpack(h)
		for i := range size {
			path, err := c.Prove(h.First, i)
			if err != nil {
				t.Fatal(err)
			}
			n := h.First + uint64(i)
			if err := CheckChange(h, n, ChangeSalt(c.Salt, n), c.Changes[i], path); err != nil {
				t.Errorf("size %d, change %d: %v", size, i, err)
			}
			if err := CheckChange(h, n, ChangeSalt(c.Salt, n), []byte("other"), path); err == nil {
				t.Errorf("size %d: another change passes for number %d", size, n)
			}
		}
	}

	if _, _, err := b.Open(otherPub); !errors.Is(err, ErrSignature) {
		t.Errorf("Open with another key: %v, want ErrSignature", err)
	}
	bad := b
	bad.Body = append([]byte{}, b.Body...)
	bad.Body[len(bad.Body)/2] ^= 1
	if _, _, err := bad.Open(pub); !errors.Is(err, ErrBody) {
		t.Errorf("Open with another body: %v, want ErrBody", err)
	}
	hello, _ := Sign(priv, TypeHello, mustPayload(t, b.Signed))
	if _, _, err := (Batch{Signed: hello, Body: b.Body}).Open(pub); !errors.Is(err, ErrSignature) {
		t.Errorf("a hello passes for a batch: %v", err)
	}
}

func TestUnpackIsBounded(t *testing.T) {
	_, priv := newKey(t)
	pub := priv.Public().(ed25519.PublicKey)
	w, _ := zstd.NewWriter(nil)
	bomb := w.EncodeAll(make([]byte, 64<<20), nil)
	h := Header{Org: "acme", Node: "n", Epoch: 1, Seq: 1, First: 1, Count: 1}
	h.Body = sha256.Sum256(bomb)
	payload, _ := h.encode()
	signed, _ := Sign(priv, TypeBatch, payload)
	b := Batch{Signed: signed, Body: bomb}
	opened, _, err := b.Open(pub)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Unpack(opened); !errors.Is(err, ErrBody) {
		t.Errorf("a body of 64 MiB: %v, want ErrBody", err)
	}
}

func mustPayload(t testing.TB, signed []byte) []byte {
	t.Helper()
	p, err := Payload(signed)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func FuzzDecode(f *testing.F) {
	for _, c := range encoded(f, 2) {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Decode(b)
		if err != nil {
			return
		}
		again, err := c.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x decodes, but encodes to %x, %v", b, again, err)
		}
		_, _ = c.Movement(stock.ID{})
		_, _ = c.Count(stock.ID{})
		_, _ = c.Entry()
		c.Fingerprint()
	})
}

func FuzzOpen(f *testing.F) {
	pub, priv := newKey(f)
	b, _, err := Cut(priv, Header{Org: "acme", Node: "n", Epoch: 1, Seq: 1, First: 1}, make([]byte, SaltSize), encoded(f, 3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b.Signed, b.Body)
	f.Fuzz(func(t *testing.T, signed, body []byte) {
		got := Batch{Signed: signed, Body: body}
		_, _, _ = got.Claim()
		if _, _, err := got.Open(pub); err == nil && !(bytes.Equal(signed, b.Signed) && bytes.Equal(body, b.Body)) {
			t.Fatal("a batch that was never signed opens")
		}
		_, _ = got.Unpack(Header{First: 1, Count: 3})
	})
}

// TestOnlyReadableTexts: nothing is made that nobody can read. A ledger's texts are refused, an audit entry's are mended,
// since what happened has to be recorded whatever was typed.
func TestOnlyReadableTexts(t *testing.T) {
	const bad = "a\xffb\xfe"
	m := stock.Movement{ID: stock.ID{Node: "sh-1", Epoch: 1, Number: 1}, Key: stock.Key{SKU: "A", State: stock.Available}, From: stock.Supplier, To: "SH/A-01", Quantity: stock.Unit}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*stock.Movement){
		"lot": func(m *stock.Movement) { m.Key.Lot = bad }, "serial": func(m *stock.Movement) { m.Key.Serial = bad },
		"unit": func(m *stock.Movement) { m.Scanned.Unit = bad }, "cause": func(m *stock.Movement) { m.Cause = bad }, "override": func(m *stock.Movement) { m.Override = bad },
	} {
		n := m
		if spoil(&n); n.Check() == nil {
			t.Errorf("a movement whose %s is no text is let into a ledger", name)
		}
	}
	c, err := OfEntry(Meta{Actor: bad, Session: bad, Terminal: bad, Day: "2026-11-26", Zone: bad}, Entry{Act: bad, Object: bad, Outcome: bad, Detail: map[string]string{bad: bad}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	const mended = "a\uFFFDb\uFFFD"
	e, err := got.Entry()
	if err != nil || e.Act != mended || e.Object != mended || e.Outcome != mended || e.Detail[mended] != mended || got.Meta.Actor != mended || got.Meta.Terminal != mended {
		t.Errorf("read back as %+v by %+v, %v", e, got.Meta, err)
	}
}
