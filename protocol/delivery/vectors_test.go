package delivery

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

var update = flag.Bool("update", false, "write testdata/v1.json anew: only before its release, never after")

// hexBytes is shown as hexadecimal text in the vectors.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// vectors are the published examples of every message, see docs/formats.md.
type vectors struct {
	NodeSeed    hexBytes // Ed25519 seeds
	HubSeed     hexBytes
	RootSeed    hexBytes
	Movement    hexBytes // changes
	Count       hexBytes
	Entry       hexBytes
	Unknown     hexBytes
	Salt        hexBytes
	BatchSigned hexBytes // COSE_Sign1
	BatchBody   hexBytes
	BatchHash   hexBytes
	ChangeSalt  hexBytes // of change 2
	ChangePath  []hexBytes
	Keys        hexBytes
	Opening     hexBytes
	Checkpoint  string
	Cosigned    string
	Hello       hexBytes // whole messages from here on
	Rejoin      hexBytes
	Fetch       hexBytes
	Cosign      hexBytes
	Ack         hexBytes
	Grant       hexBytes
	Return      hexBytes
	Refusal     hexBytes
	Chunk       hexBytes
}

func seeded(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func pub(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// examples makes every message once, from fixed keys and values.
func examples(t *testing.T) vectors {
	t.Helper()
	node, hub, root := seeded(1), seeded(2), seeded(3)
	v := vectors{NodeSeed: node.Seed(), HubSeed: hub.Seed(), RootSeed: root.Seed(), Salt: bytes.Repeat([]byte{4}, change.SaltSize)}
	meta := change.Meta{Time: clock.StampOf(time.Date(2026, 11, 24, 1, 2, 3, 0, time.UTC)), Quality: clock.Synced, Actor: "wang", Session: "s1", Terminal: "st-1", Day: "2026-11-24", Zone: "Asia/Shanghai"}
	key := stock.Key{SKU: "TEA-500", Lot: "L2027", Serial: "", Expiry: "2027-05-31", State: stock.Available}
	encode := func(c change.Change, err error) hexBytes {
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	v.Movement = encode(change.OfMovement(meta, stock.Movement{Key: key, From: stock.Supplier, To: "SHA/RECV", Quantity: 12 * stock.Unit,
		Scanned: stock.Scanned{Count: stock.Unit, Unit: "箱", Factor: 12 * stock.Unit}, Reverses: stock.ID{Node: "sh-1", Epoch: 1, Number: 9}, Cause: "PO-1"}))
	v.Count = encode(change.OfCount(meta, stock.Count{Cell: stock.Cell{Location: "SHA/A-01", Key: key}, Counted: 3 * stock.Unit,
		Seen: stock.Vector{{Node: "sh-1", Epoch: 1}: 1, {Node: "hub", Epoch: 1}: 7}, Cause: "sheet 4"}))
	v.Entry = encode(change.OfEntry(meta, change.Entry{Act: "scan.refused", Object: "st-1", Outcome: "unknown_item", Detail: map[string]string{"raw": "6901234567892"}}))
	v.Unknown = encode(change.Change{Meta: meta, Kind: 999, Version: 3, Payload: []byte{0x63, 'n', 'e', 'w'}}, nil)

	changes := [][]byte{v.Movement, v.Count, v.Entry, v.Unknown}
	batch, hash, err := change.Cut(node, change.Header{Org: "acme", Node: "sh-1", Epoch: 1, Seq: 1, First: 1}, v.Salt, changes)
	if err != nil {
		t.Fatal(err)
	}
	v.BatchSigned, v.BatchBody, v.BatchHash, v.ChangeSalt = batch.Signed, batch.Body, hash[:], change.ChangeSalt(v.Salt, 2)
	h, _, _ := batch.Claim()
	contents, err := batch.Unpack(h)
	if err != nil {
		t.Fatal(err)
	}
	path, err := contents.Prove(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range path {
		v.ChangePath = append(v.ChangePath, p[:])
	}

	if v.Keys, err = SealKeys(root, Keys{Org: "acme", Number: 1, Ack: pub(hub), Feed: pub(hub), Log: pub(hub), CA: bytes.Repeat([]byte{5}, 32)}); err != nil {
		t.Fatal(err)
	}
	if v.Opening, err = SealOpening(root, Opening{Org: "acme", Epoch: 1, Reason: "new"}); err != nil {
		t.Fatal(err)
	}
	log := audit.Log{Store: &audit.Memory{}}
	for _, l := range []audit.Leaf{OpeningLeaf(v.Opening), {Kind: audit.LeafNodeKey, Hash: audit.KeyHash("sh-1", pub(node))}, {Kind: audit.LeafBatch, Hash: hash}} {
		if _, err := log.Append(l); err != nil {
			t.Fatal(err)
		}
	}
	head, _ := log.Head()
	c := audit.Checkpoint{Origin: audit.Origin("acme", 1), Tree: head}
	note, err := audit.SignCheckpoint(c, hub)
	if err != nil {
		t.Fatal(err)
	}
	cosigned, err := audit.Cosign(note, c, pub(hub), "sh-1", node, time.Unix(1795482123, 0))
	if err != nil {
		t.Fatal(err)
	}
	v.Checkpoint, v.Cosigned = string(note), string(cosigned)

	place := Place{Epoch: 1, Seq: 1, Hash: hash}
	at := LogPlace{Epoch: 1, Size: head.N, Root: change.Hash(head.Hash)}
	inclusion, _ := log.Inclusion(head.N, 2)
	consistency, _ := log.Consistency(head.N, 1)
	chunk, _, err := feed.Seal(hub, feed.Chunk{Org: "acme", Feed: feed.Catalogue, LogEpoch: 1, Version: 1, Entries: []feed.Entry{packed(t, feed.Item{SKU: "TEA-500", Name: "龙井茶 500g", NameEN: "Longjing tea 500 g", Unit: "袋",
		Codes: []feed.Code{{GTIN: "06901234567892", Factor: stock.Unit}}, Active: true})}})
	if err != nil {
		t.Fatal(err)
	}
	wire := func(m Message, err error) hexBytes {
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	v.Hello = wire(Seal(node, MsgHello, Hello{Org: "acme", Node: "sh-1", Boot: Boot{6}, Nonce: Nonce{7}, Heard: 1, Head: place, Log: at, Feeds: []FeedPlace{{Feed: feed.Catalogue}}, Time: 1795482123000}))
	v.Rejoin = wire(Seal(node, MsgRejoin, Rejoin{Org: "acme", Node: "sh-1", Boot: Boot{6}, Nonce: Nonce{8}, Head: place}))
	v.Fetch = wire(Seal(node, MsgFetch, Fetch{Org: "acme", Node: "sh-1", Epoch: 1, From: 1, Count: 1}))
	v.Cosign = wire(Seal(node, MsgCosign, Cosign{Org: "acme", Node: "sh-1", Note: cosigned}))
	v.Ack = wire(Seal(hub, MsgAck, Ack{Org: "acme", Node: "sh-1", Head: place, Nonce: Nonce{7}, Turn: 1, LogEpoch: 1, Checkpoint: note, Leaf: 2, Inclusion: inclusion,
		From: FirstHead(1, v.Opening), Consistency: consistency, Keys: v.Keys, Time: 1795482123000}))
	v.Grant = wire(Seal(hub, MsgGrant, Grant{Org: "acme", Node: "sh-1", Nonce: Nonce{8}, Epoch: 2, Sealed: []Place{place}, Settled: []change.Hash{}}))
	v.Return = wire(Seal(hub, MsgReturn, Return{Org: "acme", Node: "sh-1", Place: place, Batch: batch, Parked: []uint64{4}}))
	v.Refusal = wire(Seal(hub, MsgRefusal, Refusal{Org: "acme", Node: "sh-1", Nonce: Nonce{8}, Reason: ReasonUndecided}))
	v.Chunk = wire(Message{Kind: MsgChunk, Body: chunk}, nil)
	return v
}

func packed(t *testing.T, v any) feed.Entry {
	t.Helper()
	e, err := feed.Pack(v)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestVectors: what was published is read for ever, and is still what this program writes.
func TestVectors(t *testing.T) {
	const file = "testdata/v1.json"
	if *update {
		b, err := json.MarshalIndent(examples(t), "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, append(b, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want vectors
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	readVectors(t, want)

	got := examples(t)
	if !bytes.Equal(got.BatchBody, want.BatchBody) {
		t.Fatal("zstd packs the body otherwise than when the vectors were published; they were read and stay valid, but an update of the library has to bring vectors of its own")
	}
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if !bytes.Equal(g, w) {
		t.Errorf("messages are written otherwise than published:\n%s\nwant\n%s", g, w)
	}
}

func readVectors(t *testing.T, v vectors) {
	t.Helper()
	node, hub, root := pub(ed25519.NewKeyFromSeed(v.NodeSeed)), pub(ed25519.NewKeyFromSeed(v.HubSeed)), pub(ed25519.NewKeyFromSeed(v.RootSeed))
	batch := change.Batch{Signed: v.BatchSigned, Body: v.BatchBody}
	h, hash, err := batch.Open(node)
	if err != nil || !bytes.Equal(hash[:], v.BatchHash) {
		t.Fatalf("batch: %v, hash %s", err, hash)
	}
	contents, err := batch.Unpack(h)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]byte{v.Movement, v.Count, v.Entry, v.Unknown} {
		if !bytes.Equal(contents.Changes[i], want) {
			t.Errorf("change %d is %x, want %x", i+1, contents.Changes[i], want)
		}
	}
	path := make([]change.Hash, len(v.ChangePath))
	for i, p := range v.ChangePath {
		path[i] = change.Hash(p)
	}
	if err := change.CheckChange(h, 2, v.ChangeSalt, v.Count, path); err != nil {
		t.Error(err)
	}
	keys, err := OpenKeys(root, "acme", v.Keys)
	if err != nil || !bytes.Equal(keys.Log, hub) {
		t.Errorf("keys: %+v, %v", keys, err)
	}
	c, err := audit.OpenCheckpoint([]byte(v.Checkpoint), audit.Origin("acme", 1), hub)
	if err != nil || c.Tree.N != 3 {
		t.Errorf("checkpoint: %+v, %v", c, err)
	}
	if _, _, err := audit.CheckCosignature([]byte(v.Cosigned), "sh-1", node); err != nil {
		t.Error(err)
	}
	var ack Ack
	unseal(t, hub, v.Ack, &ack)
	if err := audit.CheckInclusion(c.Tree, ack.Leaf, audit.Leaf{Kind: audit.LeafBatch, Hash: hash}, ack.Inclusion); err != nil {
		t.Error(err)
	}
	if err := audit.CheckConsistency(c.Tree, tlog.Tree{N: ack.From.Size, Hash: tlog.Hash(ack.From.Root)}, ack.Consistency); err != nil {
		t.Error(err)
	}
	unseal(t, node, v.Hello, &Hello{})
	unseal(t, node, v.Rejoin, &Rejoin{})
	unseal(t, node, v.Fetch, &Fetch{})
	unseal(t, node, v.Cosign, &Cosign{})
	unseal(t, hub, v.Grant, &Grant{})
	unseal(t, hub, v.Return, &Return{})
	unseal(t, hub, v.Refusal, &Refusal{})
	m, err := DecodeMessage(v.Chunk)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := feed.Open(hub, m.Body); err != nil {
		t.Error(err)
	}
}

func unseal(t *testing.T, key ed25519.PublicKey, raw []byte, v any) {
	t.Helper()
	m, err := DecodeMessage(raw)
	if err == nil {
		err = Unseal(key, m, v)
	}
	if err != nil {
		t.Errorf("%T: %v", v, err)
	}
}

func FuzzReceiverOpen(f *testing.F) {
	node := seeded(1)
	r := Receiver{Org: "acme", Ack: seeded(2), Log: seeded(2), LogEpoch: 1}
	m, err := Seal(node, MsgHello, Hello{Org: "acme", Node: "sh-1", Feeds: []FeedPlace{}})
	if err != nil {
		f.Fatal(err)
	}
	raw, _ := m.Encode()
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := r.Open("sh-1", pub(node), b); err == nil && !bytes.Equal(b, raw) {
			t.Fatalf("%x opens and was never signed", b)
		}
	})
}

func FuzzSenderReceive(f *testing.F) {
	hub, root := seeded(2), seeded(3)
	keys, err := SealKeys(root, Keys{Org: "acme", Number: 1, Ack: pub(hub), Feed: pub(hub), Log: pub(hub), CA: []byte{}})
	if err != nil {
		f.Fatal(err)
	}
	m, _ := Seal(seeded(9), MsgAck, Ack{Org: "acme", Node: "sh-1"})
	raw, _ := m.Encode()
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := NewSender(Trust{Org: "acme", Node: "sh-1", Warehouse: "SHA", Root: pub(root), Key: seeded(1)}, SenderState{Keys: keys}, func([]byte) {})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := DecodeMessage(b); err == nil && m.Kind == MsgMore {
			return // unsigned on purpose: it only makes the node ask
		}
		if _, err := s.Receive(nil, time.Unix(0, 0), b); err == nil { // a nil store: nothing may be written
			t.Fatalf("%x is believed and was never signed", b)
		}
	})
}
