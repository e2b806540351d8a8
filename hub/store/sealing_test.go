package store_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"encoding/base64"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"stockade/hub/hubtest"
	"stockade/hub/intake"
	"stockade/hub/store"
	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// reader is a node with the key to which people are sealed for it.
type reader struct {
	*hubtest.Node
	hub *hubtest.Hub
	key hpke.PrivateKey
}

func newReader(h *hubtest.Hub, id stock.NodeID, w stock.Warehouse) *reader {
	return readerOf(h, h.Node(id, w))
}

func readerOf(h *hubtest.Hub, n *hubtest.Node) *reader {
	key, err := access.SealingKey(n.Key.Seed())
	hubtest.Check(h.T, err)
	return &reader{n, h, key}
}

// claimed is a batch with the node's word about a key.
func (r *reader) claimed(claim []byte) intake.Incoming {
	c, err := change.OfEntry(hubtest.Meta(), change.Entry{Act: change.ActSealing, Object: string(r.ID), Outcome: "ok", Detail: map[string]string{"claim": base64.StdEncoding.EncodeToString(claim)}})
	hubtest.Check(r.T, err)
	return r.Cut(c)
}

func (r *reader) claim() []byte {
	b, err := access.ClaimSealing(r.Key, hubtest.Org, r.ID, r.key.PublicKey().Bytes())
	hubtest.Check(r.T, err)
	return b
}

// tell lets the node tell its key.
func (r *reader) tell() { r.hub.Process(r.claimed(r.claim())) }

// news is what a warehouse's feed says as this node reads it: all entries, what they come to, and the last word of each person. One that it can
// not open is not among them.
func (r *reader) news(w stock.Warehouse) (list []feed.Entry, rights access.Rights, members map[access.Account]access.Member) {
	members = map[access.Account]access.Member{}
	r.hub.View(func(v *store.View) error {
		all, err := v.NewsAfter(feed.Rights(w), 0, 10_000)
		for _, n := range all {
			list = append(list, n.Entry)
			u, _ := access.Unpack(n.Entry)
			switch m := u.(type) {
			case access.Member:
				members[m.Account] = m
			case access.Sealed:
				delete(members, m.Account)
				if m, err := m.Open(r.key, access.Place{Org: hubtest.Org, Warehouse: w}); err == nil {
					members[m.Account] = m
				}
			}
		}
		return err
	})
	hubtest.Check(r.T, rights.Apply(1, list))
	return list, rights, members
}

func person() access.Member {
	return access.Member{Account: "wang", Name: "Wang", Password: "$argon2id$secret-of-wang", Roles: []access.RoleID{access.Worker}, Warehouses: []stock.Warehouse{"WUH"},
		Factors: []access.Factor{{ID: 1, Kind: access.FactorTOTP, Secret: []byte("totp-of-wang")}, {ID: 2, Kind: access.FactorPasskey, Secret: []byte("key-of-wang"), Credential: []byte("credential"), Name: "name-of-key", Counter: 4}},
		Badge:   access.Badge{Hash: bytes.Repeat([]byte{0xba}, 32), Name: "badge-of-wang", Made: 1}, PIN: access.PIN{Hash: "$argon2id$pin-of-wang", Set: 1}}
}

// TestPeopleAreSealed: nodes that told their keys read all of it, nobody else any of it, and what is the same is not said again.
func TestPeopleAreSealed(t *testing.T) {
	h := hubtest.New(t)
	one, two := newReader(h, "wuh-1", "WUH"), newReader(h, "wuh-2", "WUH")
	say := func(m access.Member) {
		t.Helper()
		h.Update(func(tx *store.Tx) error { return tx.SayMember(m) })
	}
	count := func() int { list, _, _ := one.news("WUH"); return len(list) }
	how := func() (out [2]store.Sealing) {
		h.View(func(v *store.View) error {
			all, err := v.Sealings()
			out = [2]store.Sealing{all["wuh-1"], all["wuh-2"]}
			return err
		})
		return out
	}
	one.tell()
	say(person())
	if got := how(); got != [2]store.Sealing{store.SealingDone, store.SealingAwaited} {
		t.Errorf("keys are %v", got)
	}
	list, _, members := one.news("WUH")
	if m := members["wang"]; m.PIN.Hash != person().PIN.Hash || m.Badge.Name != "badge-of-wang" || len(m.Factors) != 2 || m.Factors[1].Counter != 4 || string(m.Factors[1].Secret) != "key-of-wang" {
		t.Fatalf("the node reads %+v", m)
	}
	for _, e := range list {
		for _, secret := range []string{"secret-of-wang", "totp-of-wang", "key-of-wang", "credential", "name-of-key", "\xba\xba", "badge-of-wang", "pin-of-wang", "Wang"} {
			if bytes.Contains(e.Payload, []byte(secret)) {
				t.Errorf("%q is there to be read in an entry of kind %d version %d", secret, e.Kind, e.Version)
			}
		}
	}
	if _, _, members := two.news("WUH"); len(members) > 0 {
		t.Errorf("a node that has not told its key reads %+v", members)
	}
	n := count()
	used := person()
	used.Factors[1].Counter = 9 // a passkey was used at the hub: no news
	say(used)
	if count() != n {
		t.Error("the same was said again")
	}

	// The second node reads from its word on; the same word again is no news.
	two.tell()
	say(used)
	if _, _, members := two.news("WUH"); members["wang"].Factors[1].Counter != 9 || count() != n+2 {
		t.Errorf("after its word the second node reads %+v, of %d entries", members, count())
	}
	two.tell()
	say(used)
	if count() != n+2 {
		t.Error("a key that is known was taken for another")
	}

	// A node that was revoked opens nothing that is said from then on; what is the same is not said again for that.
	hubtest.Check(t, h.Fleet.Revoke(t.Context(), hubtest.Operator, "wuh-1", delivery.Place{}, "lost"))
	say(used)
	if count() != n+2 {
		t.Error("said again because there are fewer readers")
	}
	used.Password = "$argon2id$another"
	say(used)
	if _, _, members := one.news("WUH"); len(members) > 0 {
		t.Errorf("the node that was revoked reads %+v", members)
	}
	if _, _, members := two.news("WUH"); members["wang"].Password != "$argon2id$another" {
		t.Errorf("the other one reads %+v", members)
	}

	// A replaced card: nothing more for the old one, and its late word about a key changes nothing.
	late := two.claim()
	fresh := readerOf(h, h.Node("elsewhere", "SZX"))
	h.Update(func(tx *store.Tx) error { return tx.ReplaceKey("wuh-2", fresh.Key.Public().(ed25519.PublicKey)) })
	used.Password = "$argon2id$third"
	say(used)
	if _, _, members := two.news("WUH"); members["wang"].Password == "$argon2id$third" {
		t.Error("the old card reads on")
	}
	two.Key = fresh.Key // the new card signs what it found of the old one
	h.Process(two.claimed(late))
	if got := how(); got[1] != store.SealingAwaited {
		t.Errorf("the old card's word counts: %v", got)
	}
	two.key = fresh.key
	two.tell()
	say(used)
	if _, _, members := two.news("WUH"); members["wang"].Password != "$argon2id$third" {
		t.Errorf("the new card reads %+v", members)
	}
}

// TestNodesFromBefore: a node that was enrolled before keys were told keeps its warehouse in the clear until it tells one, so that its people can go on
// signing in there.
func TestNodesFromBefore(t *testing.T) {
	h := hubtest.New(t)
	one, two := newReader(h, "wuh-1", "WUH"), newReader(h, "wuh-2", "WUH")
	hubtest.Check(t, h.Vault.Update(t.Context(), func(tx *vault.Tx) error { // as the migration does
		_, err := tx.Exec(`INSERT INTO node_sealing (node, key, at) SELECT id, x'', 0 FROM node WHERE name = 'wuh-1'`)
		return err
	}))
	say := func() { h.Update(func(tx *store.Tx) error { return tx.SayMember(person()) }) }
	two.tell()
	say()
	for _, r := range []*reader{one, two} {
		if _, _, members := r.news("WUH"); members["wang"].Password != person().Password || string(members["wang"].Factors[0].Secret) != "totp-of-wang" {
			t.Errorf("%s reads %+v", r.ID, members)
		} else if m := members["wang"]; len(m.Factors[1].Secret) > 0 || m.PIN.Hash != "" || len(m.Badge.Hash) > 0 {
			t.Errorf("in the clear stands %+v", m)
		}
	}
	one.tell()
	say()
	list, _, _ := one.news("WUH")
	if last := list[len(list)-1]; last.Kind != access.KindMember || last.Version != 2 {
		t.Errorf("with all keys told, the last word is of kind %d version %d", last.Kind, last.Version)
	}
	for _, r := range []*reader{one, two} {
		if _, _, members := r.news("WUH"); members["wang"].PIN.Hash == "" {
			t.Errorf("%s reads %+v", r.ID, members)
		}
	}
}

// TestMigrationMarksOldNodes: nodes that are enrolled when the program learns of keys are those from before; others are not.
func TestMigrationMarksOldNodes(t *testing.T) {
	v, err := vault.Open(t.Context(), vault.Options{Path: filepath.Join(t.TempDir(), "hub.db"), Key: vault.Key{1}})
	hubtest.Check(t, err)
	defer v.Close()
	hubtest.Check(t, vault.Migrate(t.Context(), v, upTo(store.Migrations(), "sealing")))
	hubtest.Check(t, v.Update(t.Context(), func(tx *vault.Tx) error {
		for i, n := range []struct {
			name, warehouse string
			key             []byte
		}{{"hub", "", []byte{}}, {"wuh-1", "WUH", make([]byte, 32)}} {
			if _, err := tx.Exec(`INSERT INTO node (id, name, warehouse, public_key, epoch, seq, hash, head_leaf, next_number, highest, dispute, revoked, rest, added_at, seen_at)
				VALUES (?1, ?2, ?3, ?4, 1, 0, x'', -1, 1, 1, '', 0, x'', 0, 0)`, i+100, n.name, n.warehouse, n.key); err != nil {
				return err
			}
		}
		return nil
	}))
	s, err := store.Open(t.Context(), v)
	hubtest.Check(t, err)
	hubtest.Check(t, s.View(t.Context(), func(v *store.View) error {
		all, err := v.Sealings()
		if how, known := all["wuh-1"]; !known || how != store.SealingNone || len(all) != 1 {
			t.Errorf("after the migration: %v", all)
		}
		return err
	}))
}

// upTo returns the migrations before the one of that name.
func upTo(all fs.FS, name string) fs.FS {
	out := fstest.MapFS{}
	files, _ := fs.ReadDir(all, ".")
	for _, f := range files {
		if strings.Contains(f.Name(), name) {
			break
		}
		b, _ := fs.ReadFile(all, f.Name())
		out[f.Name()] = &fstest.MapFile{Data: b}
	}
	return out
}
