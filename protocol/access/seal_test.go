package access

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

var sha = Place{Org: "acme", Warehouse: "SHA"}

func seedOf(n byte) []byte { return bytes.Repeat([]byte{n}, ed25519.SeedSize) }

func sealingKey(t testing.TB, n byte) hpke.PrivateKey {
	t.Helper()
	k, err := SealingKey(seedOf(n))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// wang is a person with all that there may be.
func wang() Member {
	return Member{Account: "wang", Name: "Wang", Display: "王班长", Password: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", PasswordAt: 1764115200000, NeedsFactor: true,
		Factors: []Factor{{ID: 3, Kind: FactorTOTP, Secret: []byte("12345678901234567890"), Made: 1764115200001, Credential: []byte{}, Transports: []string{}},
			{ID: 4, Kind: FactorPasskey, Secret: []byte{0xa5, 1, 2}, Made: 1764115200002, Name: "手机", Credential: []byte{1, 2, 3, 4}, Counter: 7, Flags: 5, Transports: []string{"internal", "usb"}}},
		Roles: []RoleID{"warehouse-lead", "warehouse-worker"}, Warehouses: []stock.Warehouse{"SHA"}, Handle: bytes.Repeat([]byte{9}, 32),
		Badge: Badge{Hash: bytes.Repeat([]byte{0xba}, 32), Name: "aGVsbG8", Made: 1764115200003}, PIN: PIN{Hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$cGlu", Set: 1764115200004}}
}

func sealedWang(t testing.TB, readers ...byte) Sealed {
	t.Helper()
	var keys [][]byte
	for _, r := range readers {
		keys = append(keys, sealingKey(t, r).PublicKey().Bytes())
	}
	s, err := Seal(wang(), sha, keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSealed: each reader reads all of it, nobody else anything, nowhere else, and not a bit may differ.
func TestSealed(t *testing.T) {
	s := sealedWang(t, 1, 2, 3)
	for n := byte(1); n <= 3; n++ {
		if m, err := s.Open(sealingKey(t, n), sha); err != nil || !reflect.DeepEqual(m, wang()) {
			t.Errorf("reader %d reads %+v, %v", n, m, err)
		}
	}
	if _, err := s.Open(sealingKey(t, 4), sha); !errors.Is(err, ErrNoReader) {
		t.Errorf("another node: %v", err)
	}
	for _, at := range []Place{{"acme", "CTU"}, {"rival", "SHA"}, {}} {
		if m, err := s.Open(sealingKey(t, 1), at); err == nil {
			t.Errorf("at %+v it is read as %+v", at, m)
		}
	}
	open := func(what string, s Sealed) {
		t.Helper()
		if m, err := s.Open(sealingKey(t, 1), sha); err == nil && !reflect.DeepEqual(m, wang()) || err == nil && what != "" {
			t.Errorf("%s is read as %+v", what, m)
		}
	}
	other := s
	other.Account = "chen"
	open("under another name", other)
	mixed := sealedWang(t, 1, 2, 3)
	mixed.Keys = s.Keys
	open("the keys of another word", mixed)
	mine := slices.IndexFunc(s.Keys, func(k SealedKey) bool {
		id := IDOfReader(sealingKey(t, 1).PublicKey().Bytes())
		return bytes.Equal(k.Reader, id[:])
	})
	for _, part := range []func(*Sealed) []byte{func(s *Sealed) []byte { return s.Content }, func(s *Sealed) []byte { return s.Keys[mine].Encapsulated }, func(s *Sealed) []byte { return s.Keys[mine].Key }} {
		for i := range part(&s) {
			bad := s
			bad.Content, bad.Keys = slices.Clone(s.Content), slices.Clone(s.Keys)
			k := &bad.Keys[mine]
			k.Encapsulated, k.Key = slices.Clone(k.Encapsulated), slices.Clone(k.Key)
			part(&bad)[i] ^= 0x10
			open("with a bit flipped", bad)
		}
	}
	if again := sealedWang(t, 1, 2, 3); bytes.Equal(again.Content, s.Content) || bytes.Equal(again.Keys[0].Encapsulated, s.Keys[0].Encapsulated) {
		t.Error("the same word twice shows that it is the same")
	}
	plain := wang()
	plain.Badge, plain.PIN, plain.Factors = Badge{}, PIN{}, nil
	short, err := Seal(plain, sha, [][]byte{sealingKey(t, 1).PublicKey().Bytes()})
	if err != nil || len(short.Content)%padTo != gcmTag {
		t.Errorf("%d bytes, %v", len(short.Content), err)
	}
	for what, readers := range map[string][][]byte{"nobody": nil, "a short key": {make([]byte, 31)}, "a point of small order": {make([]byte, 32)}, "one twice": {sealingKey(t, 1).PublicKey().Bytes(), sealingKey(t, 1).PublicKey().Bytes()}} {
		if s, err := Seal(wang(), sha, readers); err == nil {
			t.Errorf("sealed to %s: %+v", what, s)
		}
	}
}

// TestClaims: a node's word about its key is its own, for its company and name.
func TestClaims(t *testing.T) {
	key := ed25519.NewKeyFromSeed(seedOf(1))
	public := sealingKey(t, 1).PublicKey().Bytes()
	claim := func(org string, node stock.NodeID, public []byte) []byte {
		b, err := ClaimSealing(key, org, node, public)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	own := key.Public().(ed25519.PublicKey)
	if got, err := OpenClaim(own, "acme", "sha-1", claim("acme", "sha-1", public)); err != nil || !bytes.Equal(got, public) {
		t.Fatalf("read as %x, %v", got, err)
	}
	for what, b := range map[string][]byte{"another node's": claim("acme", "sha-2", public), "another company's": claim("rival", "sha-1", public), "no key": claim("acme", "sha-1", []byte{1}),
		"a weak key": claim("acme", "sha-1", make([]byte, 32)), "nothing": nil} {
		if _, err := OpenClaim(own, "acme", "sha-1", b); err == nil {
			t.Errorf("%s was believed", what)
		}
	}
	if _, err := OpenClaim(ed25519.NewKeyFromSeed(seedOf(2)).Public().(ed25519.PublicKey), "acme", "sha-1", claim("acme", "sha-1", public)); err == nil {
		t.Error("signed by another key, and believed")
	}
	if bytes.Equal(sealingKey(t, 1).PublicKey().Bytes(), sealingKey(t, 2).PublicKey().Bytes()) {
		t.Error("two nodes have one key")
	}
	if _, err := SealingKey(nil); err == nil {
		t.Error("a key of nothing")
	}
}

// TestMembersInTheClear: version 1 of an entry never carries what only a sealed one may.
func TestMembersInTheClear(t *testing.T) {
	e, err := Pack(wang())
	if err != nil || e.Version != 1 {
		t.Fatalf("%+v, %v", e, err)
	}
	v, err := Unpack(e)
	m, ok := v.(Member)
	if err != nil || !ok || len(m.Factors) != 2 || string(m.Factors[0].Secret) != "12345678901234567890" || len(m.Factors[1].Secret)+len(m.Factors[1].Credential)+len(m.Handle)+len(m.Badge.Hash)+len(m.PIN.Hash) > 0 {
		t.Errorf("read as %+v, %v", v, err)
	}
	used := wang()
	used.Factors[1].Counter++
	a, err1 := wang().Words()
	b, err2 := used.Words()
	used.Factors[1].Name = "other"
	c, err3 := used.Words()
	if errors.Join(err1, err2, err3) != nil || !bytes.Equal(a, b) || bytes.Equal(b, c) {
		t.Error("a counter is news, or a name is none")
	}
}

func TestMembersAreChecked(t *testing.T) {
	for what, spoil := range map[string]func(*Member){
		"a PIN in the clear": func(m *Member) { m.PIN.Hash = "830274" }, "half a badge": func(m *Member) { m.Badge.Hash = m.Badge.Hash[:16] }, "a badge without name": func(m *Member) { m.Badge.Name = "" },
		"a name without badge": func(m *Member) { m.Badge.Hash = nil }, "a large credential": func(m *Member) { m.Factors[1].Credential = make([]byte, 1024) }, "a large handle": func(m *Member) { m.Handle = make([]byte, 65) },
		"many factors": func(m *Member) { m.Factors = make([]Factor, 17) }, "withdrawn and described": func(m *Member) { m.Withdrawn = true }, "a password in the clear": func(m *Member) { m.Password = "x" },
	} {
		m := wang()
		spoil(&m)
		if m.Check() == nil {
			t.Errorf("%s is taken", what)
		}
		if _, err := Seal(m, sha, [][]byte{sealingKey(t, 1).PublicKey().Bytes()}); err == nil {
			t.Errorf("%s is sealed", what)
		}
	}
}

// people are published examples of what is said of people. Sealing is random, so they are opened, and only what is not sealed is written again. Hexadecimal.
type people struct {
	Seed   string // of the node's Ed25519 key
	Org    string
	Node   string
	Place  string // warehouse
	Public string // its sealing key
	Claim  string
	Reader string // payload of kind 20 version 1
	Member string // of kind 19 version 1
	Sealed string // of kind 19 version 2
	Inside string // what is sealed
}

// TestPeopleVectors: what was published is still read like that, and what has one form only written like that.
func TestPeopleVectors(t *testing.T) {
	const file = "testdata/people.json"
	key := ed25519.NewKeyFromSeed(seedOf(1))
	public := sealingKey(t, 1).PublicKey().Bytes()
	now := func() (p people, sealed feed.Entry) {
		claim, err := ClaimSealing(key, sha.Org, "sha-1", public)
		if err != nil {
			t.Fatal(err)
		}
		e := packed(t, Reader{Node: "sha-1", Key: public}, wang(), sealedWang(t, 1, 2))
		inside, err := change.Marshal(wang())
		if err != nil {
			t.Fatal(err)
		}
		return people{Seed: hex.EncodeToString(seedOf(1)), Org: sha.Org, Node: "sha-1", Place: string(sha.Warehouse), Public: hex.EncodeToString(public), Claim: hex.EncodeToString(claim),
			Reader: hex.EncodeToString(e[0].Payload), Member: hex.EncodeToString(e[1].Payload), Inside: hex.EncodeToString(inside)}, e[2]
	}
	p, sealed := now()
	if *update {
		p.Sealed = hex.EncodeToString(sealed.Payload)
		b, err := json.MarshalIndent(p, "", " ")
		if err == nil {
			err = os.WriteFile(file, append(b, '\n'), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want people
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	p.Sealed = want.Sealed
	if p != want {
		t.Errorf("written as %+v, published %+v", p, want)
	}
	payload, err := hex.DecodeString(want.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Unpack(feed.Entry{Kind: KindMember, Version: 2, Payload: payload})
	s, ok := v.(Sealed)
	if err != nil || !ok {
		t.Fatalf("%T, %v", v, err)
	}
	for n := byte(1); n <= 2; n++ {
		if m, err := s.Open(sealingKey(t, n), sha); err != nil || !reflect.DeepEqual(m, wang()) {
			t.Errorf("opened as %+v, %v", m, err)
		}
	}
}

// FuzzSealed: bytes of any content as a sealed entry are refused or opened, and what was opened is a person of that name.
func FuzzSealed(f *testing.F) {
	e := packed(f, sealedWang(f, 1, 2))[0]
	f.Add([]byte(e.Payload))
	for _, cut := range []int{0, 1, 7, len(e.Payload) / 2, len(e.Payload) - 1} {
		f.Add([]byte(e.Payload[:cut]))
	}
	b, err := change.Marshal(Sealed{Account: "wang", Content: make([]byte, padTo+gcmTag), Keys: []SealedKey{{Reader: make([]byte, readerSize), Encapsulated: make([]byte, encapsulated), Key: make([]byte, sealedKeySize)}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	own := sealingKey(f, 1)
	f.Fuzz(func(t *testing.T, payload []byte) {
		e := feed.Entry{Kind: KindMember, Version: 2, Payload: payload}
		v, err := Unpack(e)
		if err != nil {
			return
		}
		s := v.(Sealed)
		if again, err := Pack(s); err != nil || !bytes.Equal(again.Payload, payload) || again.Version != 2 {
			t.Fatalf("%+v is written as %+v, %v", s, again, err)
		}
		if m, err := s.Open(own, sha); err == nil && (m.Account != s.Account || m.Check() != nil) {
			t.Fatalf("%+v in a word about %s", m, s.Account)
		}
	})
}

// FuzzInside: whatever stands inside a word that is sealed well is a person, or is refused.
func FuzzInside(f *testing.F) {
	b, err := change.Marshal(wang())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pad(b))
	f.Add(b)
	f.Add(pad(nil))
	f.Add([]byte{})
	f.Add(make([]byte, padTo))
	own := sealingKey(f, 1)
	about, err := sha.bound("wang")
	if err != nil {
		f.Fatal(err)
	}
	content := seedOf(7)
	enc, sender, err := hpke.NewSender(own.PublicKey(), sealingKDF, sealingAEAD, about)
	if err != nil {
		f.Fatal(err)
	}
	ct, err := sender.Seal(nil, content)
	if err != nil {
		f.Fatal(err)
	}
	id := IDOfReader(own.PublicKey().Bytes())
	f.Fuzz(func(t *testing.T, inside []byte) {
		hide, err := contentCipher(content)
		if err != nil {
			t.Fatal(err)
		}
		s := Sealed{Account: "wang", Content: hide.Seal(nil, make([]byte, hide.NonceSize()), inside, about), Keys: []SealedKey{{Reader: id[:], Encapsulated: enc, Key: ct}}}
		if m, err := s.Open(own, sha); err == nil && (m.Account != "wang" || m.Check() != nil || strings.ToLower(m.Name) == "") && !m.Withdrawn {
			t.Fatalf("%x is read as %+v", inside, m)
		}
	})
}
