package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-webauthn/webauthn/webauthn"

	"stockade/internal/vault"
	"stockade/protocol/change"
)

const (
	keyDomain = "stock.example.cn"
	keyHost   = "hub.stock.example.cn:8443"
)

// softKey is an authenticator in software, by WebAuthn level 3 section 6: one key pair, and whatever a test wants to be wrong about its answers.
type softKey struct {
	t         testing.TB
	id        []byte
	key       *ecdsa.PrivateKey
	handle    string // that it was enrolled with
	counter   uint32
	flags     byte // of the authenticator data: user present 1, verified 4, attested data 64
	origin    string
	rpID      string // empty for the one that was asked for
	kind      string // of the client data; empty for the right one
	spoil     func(client, auth, signature []byte) ([]byte, []byte, []byte)
	cross     bool
	challenge string // instead of the one that was asked
}

func newSoftKey(t testing.TB) *softKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	return &softKey{t: t, id: id, key: key, flags: 5, origin: "https://" + keyHost}
}

var raw64 = base64.RawURLEncoding

type askedKey struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		RPID      string `json:"rpId"`
		RP        struct{ ID string }
		User      struct{ ID string }
		UV        string                `json:"userVerification"`
		Allow     []struct{ ID string } `json:"allowCredentials"`
		Exclude   []struct{ ID string } `json:"excludeCredentials"`
		Selection struct {
			UV string `json:"userVerification"`
		} `json:"authenticatorSelection"`
	} `json:"publicKey"`
}

func asked(t testing.TB, options []byte) (a askedKey) {
	t.Helper()
	if err := json.Unmarshal(options, &a); err != nil {
		t.Fatalf("%s: %v", options, err)
	}
	return a
}

func (k *softKey) client(kind, challenge string) []byte {
	if k.kind != "" {
		kind = k.kind
	}
	if k.challenge != "" {
		challenge = k.challenge
	}
	b, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": k.origin, "crossOrigin": k.cross})
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

func (k *softKey) auth(rpID string, flags byte) []byte {
	if k.rpID != "" {
		rpID = k.rpID
	}
	sum := sha256.Sum256([]byte(rpID))
	return binary.BigEndian.AppendUint32(append(sum[:], flags), k.counter)
}

// create answers a request for a new key.
func (k *softKey) create(options []byte) []byte {
	a := asked(k.t, options)
	k.handle = a.PublicKey.User.ID
	point, err := k.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		k.t.Fatal(err)
	}
	public, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:65]})
	if err != nil {
		k.t.Fatal(err)
	}
	auth := append(k.auth(a.PublicKey.RP.ID, k.flags|64), make([]byte, 16)...)
	auth = binary.BigEndian.AppendUint16(auth, uint16(len(k.id)))
	auth = append(append(auth, k.id...), public...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": auth})
	if err != nil {
		k.t.Fatal(err)
	}
	return k.answer(map[string]any{"clientDataJSON": raw64.EncodeToString(k.client("webauthn.create", a.PublicKey.Challenge)), "attestationObject": raw64.EncodeToString(object), "transports": []string{"internal"}})
}

// get answers a request to prove the key.
func (k *softKey) get(options []byte) []byte {
	a := asked(k.t, options)
	k.counter++
	client, auth := k.client("webauthn.get", a.PublicKey.Challenge), k.auth(a.PublicKey.RPID, k.flags)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, auth...), sum[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, k.key, digest[:])
	if err != nil {
		k.t.Fatal(err)
	}
	if k.spoil != nil {
		client, auth, signature = k.spoil(client, auth, signature)
	}
	return k.answer(map[string]any{"clientDataJSON": raw64.EncodeToString(client), "authenticatorData": raw64.EncodeToString(auth), "signature": raw64.EncodeToString(signature), "userHandle": k.handle})
}

func (k *softKey) answer(response map[string]any) []byte {
	id := raw64.EncodeToString(k.id)
	b, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": map[string]any{}})
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

// newKeyDesk is a desk where passkeys are set up.
func newKeyDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.domain = keyDomain
	return d
}

// enrolKey gives the person of a session a passkey and returns the recovery codes and the session's new token.
func (d *desk) enrolKey(k *softKey, token, name string) (codes []string, next string) {
	d.t.Helper()
	options, err := d.BeginPasskey(d.t.Context(), d.who(token), keyHost)
	if err != nil {
		d.t.Fatal(err)
	}
	s, codes, err := d.ConfirmPasskey(d.t.Context(), d.who(token), keyHost, name, k.create(options))
	if err != nil {
		d.t.Fatal(err)
	}
	return codes, s.Token
}

// askHalf asks for a passkey in a sign-in whose password was right.
func (d *desk) askHalf() (half string, options []byte) {
	d.t.Helper()
	half = d.half(here)
	options, err := d.AskPasskeyOfHalf(d.t.Context(), half, keyHost)
	if err != nil {
		d.t.Fatal(err)
	}
	return half, options
}

func TestPasskey(t *testing.T) {
	d, ctx := newKeyDesk(t), t.Context()
	k := newSoftKey(t)
	codes, token := d.enrolKey(k, d.first().Token, "工作手机")
	if len(codes) != RecoveryCodes {
		t.Errorf("%d recovery codes", len(codes))
	}
	half, options := d.askHalf()
	a := asked(t, options)
	if challenge, err := raw64.DecodeString(a.PublicKey.Challenge); err != nil || len(challenge) < 16 || a.PublicKey.UV != "required" || a.PublicKey.RPID != keyDomain || len(a.PublicKey.Allow) != 1 {
		t.Errorf("asked for %s", options)
	}
	s, err := d.SignInPasskey(ctx, half, keyHost, k.get(options), here)
	if err != nil || d.who(s.Token).Account != "Chen" {
		t.Fatalf("sign-in: %+v, %v", s.Person, err)
	}
	if list, _ := d.Sessions(ctx, d.who(s.Token)); len(list) != 2 || !slices.ContainsFunc(list, func(i SessionInfo) bool { return i.Present && i.Factor == KindPasskey }) {
		t.Errorf("sessions %+v", list)
	}
	// Both kinds serve, and so do recovery codes.
	if _, err := d.SignInCode(ctx, d.half(here), codes[0], here); err != nil {
		t.Errorf("a recovery code: %v", err)
	}
	d.now = d.now.Add(FreshFor + time.Second)
	if d.who(s.Token).Fresh {
		t.Fatal("fresh for ever")
	}
	if options, err = d.AskPasskey(ctx, d.who(s.Token), keyHost); err != nil {
		t.Fatal(err)
	}
	if s, err = d.StepUpPasskey(ctx, d.who(s.Token), keyHost, k.get(options)); err != nil || !d.who(s.Token).Fresh {
		t.Fatalf("step-up: %v", err)
	}
	if d.who(token).Fresh {
		t.Error("another session is fresh too")
	}

	// A second one, which is told not to be the first; both are listed, renamed, removed.
	options, err = d.BeginPasskey(ctx, d.who(s.Token), keyHost)
	if a := asked(t, options); err != nil || len(a.PublicKey.Exclude) != 1 || a.PublicKey.Selection.UV != "required" {
		t.Errorf("the second: %s, %v", options, err)
	}
	second := newSoftKey(t)
	more, token := d.enrolKey(second, s.Token, "USB key")
	if len(more) != 0 || second.handle != k.handle || len(second.handle) < 22 {
		t.Errorf("%d new recovery codes, handles %q %q", len(more), k.handle, second.handle)
	}
	list, left, err := d.Factors(ctx, d.who(token))
	if err != nil || len(list) != 2 || left != RecoveryCodes-1 || list[0].Name != "工作手机" || list[1].Kind != KindPasskey || list[0].Used.IsZero() || !list[1].Used.IsZero() {
		t.Fatalf("factors %+v, %d, %v", list, left, err)
	}
	if err := d.RenamePasskey(ctx, d.who(token), list[1].ID, "抽屉里的钥匙"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", " ", strings.Repeat("x", 41), "a\nb", "\xff"} {
		var rule *RuleError
		if err := d.RenamePasskey(ctx, d.who(token), list[1].ID, name); !errors.As(err, &rule) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	r, err := d.RemoveFactor(ctx, d.who(token), list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if list, left, _ = d.Factors(ctx, d.who(r.Token)); len(list) != 1 || left == 0 || list[0].Name != "抽屉里的钥匙" {
		t.Errorf("left: %+v, %d codes", list, left)
	}
	half, options = d.askHalf()
	if _, err := d.SignInPasskey(ctx, half, keyHost, k.get(options), here); !errors.Is(err, ErrPasskey) {
		t.Errorf("a removed passkey: %v", err)
	}
	if _, err := d.RemoveFactor(ctx, d.who(r.Token), list[0].ID); err != nil {
		t.Fatal(err)
	}
	if s, err := d.SignIn(ctx, "Chen", password, here); err != nil || s.Token == "" {
		t.Errorf("without any factor: %+v, %v", s, err)
	}
}

func TestPasskeysServeWhereAFactorIsRequired(t *testing.T) {
	d, ctx := newKeyDesk(t), t.Context()
	d.needs = func([]string) bool { return true }
	s := d.first()
	if d.who(s.Token).Must != MustEnrol {
		t.Fatal("no factor is asked for")
	}
	_, token := d.enrolKey(newSoftKey(t), s.Token, "key")
	if must := d.who(token).Must; must != "" {
		t.Errorf("still %s", must)
	}
	if err := d.ResetFactor(ctx, Person{Account: "Wang"}, "Chen"); err != nil {
		t.Fatal(err)
	}
	if list, codes, _ := d.Factors(ctx, Person{Account: "Chen"}); len(list)+codes > 0 {
		t.Errorf("after a reset %+v and %d codes", list, codes)
	}
}

func TestWhatPasskeysAreRefusedFor(t *testing.T) {
	d, ctx := newKeyDesk(t), t.Context()
	k := newSoftKey(t)
	k.counter = 100
	d.enrolKey(k, d.first().Token, "key")
	stranger := newSoftKey(t)
	stranger.id = k.id // the right name, another key
	for name, spoil := range map[string]func(*softKey){
		"another origin":               func(k *softKey) { k.origin = "https://hub.stock.example.cn.evil.example" },
		"another name of ours":         func(k *softKey) { k.origin = "https://sh-1.stock.example.cn:8443" },
		"another port":                 func(k *softKey) { k.origin = "https://hub.stock.example.cn" },
		"plain http":                   func(k *softKey) { k.origin = "http://" + keyHost },
		"in a frame":                   func(k *softKey) { k.cross = true },
		"another RP ID":                func(k *softKey) { k.rpID = "example.cn" },
		"a made up challenge":          func(k *softKey) { k.challenge = raw64.EncodeToString(make([]byte, 32)) },
		"an enrolment's answer":        func(k *softKey) { k.kind = "webauthn.create" },
		"user not verified":            func(k *softKey) { k.flags = 1 },
		"user not present":             func(k *softKey) { k.flags = 4 },
		"another handle":               func(k *softKey) { k.handle = raw64.EncodeToString([]byte("somebody else")) },
		"a key that may be copied now": func(k *softKey) { k.flags = 5 | 8 },
		"another key":                  func(k *softKey) { k.key = stranger.key },
		"an unknown key":               func(k *softKey) { k.id = []byte("0123456789abcdef") },
		"tampered client data": func(k *softKey) {
			k.spoil = func(c, a, s []byte) ([]byte, []byte, []byte) { return append(c[:len(c)-1], " }"...), a, s }
		},
		"tampered authenticator": func(k *softKey) {
			k.spoil = func(c, a, s []byte) ([]byte, []byte, []byte) { a[36] += 7; return c, a, s }
		},
		"tampered signature": func(k *softKey) {
			k.spoil = func(c, a, s []byte) ([]byte, []byte, []byte) { s[len(s)-1] ^= 1; return c, a, s }
		},
		"no signature": func(k *softKey) { k.spoil = func(c, a, _ []byte) ([]byte, []byte, []byte) { return c, a, nil } },
		"too long": func(k *softKey) {
			k.spoil = func(c, a, s []byte) ([]byte, []byte, []byte) { return c, append(a, make([]byte, maxAnswer)...), s }
		},
	} {
		d.now = d.now.Add(forgetAfter) // of the brakes
		d.trail = nil
		bad := *k
		spoil(&bad)
		half, options := d.askHalf()
		if _, err := d.SignInPasskey(ctx, half, keyHost, bad.get(options), here); !errors.Is(err, ErrPasskey) {
			t.Errorf("%s: %v", name, err)
		}
		if trail := strings.Join(d.trail, "; "); !strings.Contains(trail, "signin.code chen refused") {
			t.Errorf("%s: recorded as %s", name, trail)
		}
		// The question was used up: the right answer comes too late.
		if _, err := d.SignInPasskey(ctx, half, keyHost, k.get(options), here); !errors.Is(err, ErrStale) {
			t.Errorf("after %s the right answer: %v", name, err)
		}
	}

	d.now = d.now.Add(forgetAfter)
	half, options := d.askHalf()
	good := k.get(options)
	if _, err := d.SignInPasskey(ctx, half, keyHost, good, here); err != nil {
		t.Fatalf("the right answer: %v", err)
	}
	// Replayed: in the same sign-in, in another one without and with a question of its own, and as a step-up.
	if _, err := d.SignInPasskey(ctx, half, keyHost, good, here); !errors.Is(err, ErrHalf) {
		t.Errorf("replayed: %v", err)
	}
	if _, err := d.SignInPasskey(ctx, d.half(here), keyHost, good, here); !errors.Is(err, ErrStale) {
		t.Errorf("replayed where nothing was asked: %v", err)
	}
	half, _ = d.askHalf()
	if _, err := d.SignInPasskey(ctx, half, keyHost, good, here); !errors.Is(err, ErrPasskey) {
		t.Errorf("replayed where something else was asked: %v", err)
	}
	// An answer belongs to the sign-in that it was asked in.
	d.now = d.now.Add(forgetAfter)
	_, options = d.askHalf()
	other := d.half(here)
	if _, err := d.SignInPasskey(ctx, other, keyHost, k.get(options), here); !errors.Is(err, ErrStale) {
		t.Errorf("in another sign-in: %v", err)
	}
	// Too late, and with a clock that was set back.
	for _, by := range []time.Duration{challengeFor + time.Second, -time.Second} {
		d.now = d.now.Add(forgetAfter)
		half, options = d.askHalf()
		d.now = d.now.Add(by)
		want := ErrStale
		if by < 0 {
			want = ErrHalf // the sign-in itself lies in the future
		}
		if _, err := d.SignInPasskey(ctx, half, keyHost, k.get(options), here); !errors.Is(err, want) {
			t.Errorf("after %v: %v", by, err)
		}
	}
	// Disabled meanwhile.
	d.now = d.now.Add(forgetAfter)
	half, options = d.askHalf()
	if err := d.Disable(ctx, Person{Account: "Wang"}, "Chen"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignInPasskey(ctx, half, keyHost, k.get(options), here); !errors.Is(err, ErrHalf) {
		t.Errorf("disabled: %v", err)
	}
}

func TestPasskeyCounterGoesBack(t *testing.T) {
	d, ctx := newKeyDesk(t), t.Context()
	k := newSoftKey(t)
	k.counter = 7
	_, token := d.enrolKey(k, d.first().Token, "key")
	copied := *k
	half, options := d.askHalf()
	if _, err := d.SignInPasskey(ctx, half, keyHost, k.get(options), here); err != nil {
		t.Fatal(err)
	}
	d.trail = nil
	half, options = d.askHalf()
	if _, err := d.SignInPasskey(ctx, half, keyHost, copied.get(options), here); !errors.Is(err, ErrCopied) {
		t.Errorf("a copy with the same counter: %v", err)
	}
	if trail := strings.Join(d.trail, "; "); !strings.Contains(trail, "signin.code chen refused") {
		t.Errorf("recorded as %s", trail)
	}
	list, _ := d.Notices(ctx, d.who(token), false)
	if len(list) == 0 || list[0].Kind != "passkey_copied" || list[0].Args["name"] != "key" {
		t.Errorf("told: %+v", list)
	}
	half, options = d.askHalf()
	if _, err := d.SignInPasskey(ctx, half, keyHost, k.get(options), here); err != nil {
		t.Errorf("the true one, whose counter goes on: %v", err)
	}
	// Synchronised passkeys have no counter: it stays 0.
	flat := newSoftKey(t)
	_, _ = d.enrolKey(flat, token, "flat")
	for range 2 {
		flat.counter = ^uint32(0) // get adds one
		half, options = d.askHalf()
		if _, err := d.SignInPasskey(ctx, half, keyHost, flat.get(options), here); err != nil {
			t.Errorf("without a counter: %v", err)
		}
	}
}

func TestPasskeyEnrolmentRefused(t *testing.T) {
	d, ctx := newKeyDesk(t), t.Context()
	token := d.first().Token
	k := newSoftKey(t)
	if _, _, err := d.ConfirmPasskey(ctx, d.who(token), keyHost, "key", k.answer(nil)); !errors.Is(err, ErrStale) {
		t.Errorf("nothing was asked: %v", err)
	}
	for name, spoil := range map[string]func(*softKey){
		"another origin": func(k *softKey) { k.origin = "https://evil.example" }, "another RP ID": func(k *softKey) { k.rpID = "evil.example" },
		"user not verified": func(k *softKey) { k.flags = 1 }, "a proof": func(k *softKey) { k.kind = "webauthn.get" }, "another challenge": func(k *softKey) { k.challenge = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
	} {
		bad := newSoftKey(t)
		spoil(bad)
		options, err := d.BeginPasskey(ctx, d.who(token), keyHost)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.ConfirmPasskey(ctx, d.who(token), keyHost, "key", bad.create(options)); !errors.Is(err, ErrPasskey) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := d.ConfirmPasskey(ctx, d.who(token), keyHost, "key", k.create(options)); !errors.Is(err, ErrStale) {
			t.Errorf("%s, then the right answer: %v", name, err)
		}
	}
	options, err := d.BeginPasskey(ctx, d.who(token), keyHost)
	if err != nil {
		t.Fatal(err)
	}
	answer := k.create(options)
	d.now = d.now.Add(FreshFor + time.Second)
	if _, _, err := d.ConfirmPasskey(ctx, d.who(token), keyHost, "key", answer); !errors.Is(err, ErrNotFresh) {
		t.Errorf("not fresh any more: %v", err)
	}
	if _, err := d.BeginPasskey(ctx, d.who(token), keyHost); !errors.Is(err, ErrNotFresh) {
		t.Errorf("begun without a fresh factor: %v", err)
	}
	again, err := d.StepUp(ctx, d.who(token), password)
	if err != nil {
		t.Fatal(err)
	}
	_, token = d.enrolKey(k, again.Token, "key")
	if options, err = d.BeginPasskey(ctx, d.who(token), keyHost); err != nil {
		t.Fatal(err)
	}
	var rule *RuleError
	if _, _, err := d.ConfirmPasskey(ctx, d.who(token), keyHost, "key", k.create(options)); !errors.As(err, &rule) || rule.Rule != "passkey.known" {
		t.Errorf("the same key a second time: %v", err)
	}
	for range mostFactors - 1 {
		_, token = d.enrolKey(newSoftKey(t), token, "more")
	}
	if _, err := d.BeginPasskey(ctx, d.who(token), keyHost); !errors.Is(err, ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
	// No entry, no passkey.
	d.deny = errors.New("the trail is full")
	if list, _, _ := d.Factors(ctx, d.who(token)); len(list) != mostFactors {
		t.Errorf("%d passkeys", len(list))
	} else if _, err := d.RemoveFactor(ctx, d.who(token), list[0].ID); !errors.Is(err, d.deny) {
		t.Errorf("removed without an entry: %v", err)
	} else if err := d.RenamePasskey(ctx, d.who(token), list[0].ID, "other"); !errors.Is(err, d.deny) {
		t.Errorf("renamed without an entry: %v", err)
	}
}

func TestWherePasskeysWork(t *testing.T) {
	d, ctx := newKeyDesk(t), t.Context()
	token := d.first().Token
	k := newSoftKey(t)
	d.enrolKey(k, token, "key")
	for host, want := range map[string]bool{
		keyDomain: true, keyDomain + ":8443": true, keyHost: true, "SH-1." + strings.ToUpper(keyDomain): true,
		"example.cn": false, "evil" + keyDomain: false, keyDomain + ".evil.example": false, "127.0.0.1": false, "127.0.0.1:8443": false, "[::1]:8443": false, "": false, "localhost": false,
	} {
		if d.PasskeyAt(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
		_, err := d.AskPasskeyOfHalf(ctx, d.half(here), host)
		if want != (err == nil) || !want && !errors.Is(err, ErrDomain) {
			t.Errorf("%q: %v", host, err)
		}
	}
	d.domain = ""
	if d.PasskeyAt("") || d.PasskeyAt("localhost") {
		t.Error("they work where they are not set up")
	}
	for domain, good := range map[string]bool{"": true, "localhost": true, keyDomain: true, "127.0.0.1": false, "::1": false, "https://example.cn": false, "example.cn:8443": false, "Example.cn": false, ".example.cn": false, "example.cn.": false, "a b": false} {
		if err := CheckPasskeyDomain(domain); (err == nil) != good {
			t.Errorf("domain %q: %v", domain, err)
		}
	}
}

// Answers that are wrong count as codes do: after five the sign-in begins again, and the brake holds.
func TestGuessingPasskeys(t *testing.T) {
	d, ctx := newKeyDesk(t), t.Context()
	k := newSoftKey(t)
	d.enrolKey(k, d.first().Token, "key")
	bad := newSoftKey(t)
	bad.id = k.id
	half := d.half(here)
	for i := range halfTries {
		options, err := d.AskPasskeyOfHalf(ctx, half, keyHost)
		if err != nil {
			t.Fatal(err)
		}
		want := ErrPasskey
		if i == halfTries-1 {
			want = ErrHalf
		}
		if _, err := d.SignInPasskey(ctx, half, keyHost, bad.get(options), here); !errors.Is(err, want) {
			t.Errorf("answer %d: %v", i, err)
		}
	}
	half, options := d.askHalf()
	var wait *WaitError
	if _, err := d.SignInPasskey(ctx, half, keyHost, k.get(options), here); !errors.As(err, &wait) {
		t.Errorf("while the brake holds: %v", err)
	}
}

// keyOf returns what is stored of a key.
func keyOf(t *testing.T, k *softKey) webauthn.Credential {
	t.Helper()
	point, err := k.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	public, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:65]})
	if err != nil {
		t.Fatal(err)
	}
	return webauthn.Credential{ID: k.id, PublicKey: public}
}

// FuzzPasskeyAnswers: whatever a browser sends as an answer is refused, and in the form of a refusal.
func FuzzPasskeyAnswers(f *testing.F) {
	k := newSoftKey(f)
	create := []byte(`{"publicKey":{"rp":{"id":"` + keyDomain + `"},"user":{"id":"AAAA"},"challenge":"AAAAAAAAAAAAAAAAAAAAAA"}}`)
	get := []byte(`{"publicKey":{"rpId":"` + keyDomain + `","challenge":"AAAAAAAAAAAAAAAAAAAAAA"}}`)
	f.Add(k.create(create))
	f.Add(k.get(get))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}`))
	f.Add([]byte(`{"id":"","rawId":null,"response":{"attestationObject":"oWNmbXQ","clientDataJSON":"bnVsbA"}}`))
	f.Add([]byte(`[]`))
	v, err := vault.Open(f.Context(), vault.Options{Path: f.TempDir() + "/people.db", Key: vault.Key{1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = v.Close() })
	s, err := Open(f.Context(), v, Options{PasskeyDomain: keyDomain, Audit: func(*vault.Tx, change.Entry, Person) error { return nil }})
	if err != nil {
		f.Fatal(err)
	}
	rp, err := s.party(keyHost)
	if err != nil {
		f.Fatal(err)
	}
	h := &holder{handle: []byte("handle"), name: "Chen", display: "Chen"}
	_, enrol, err := rp.BeginRegistration(h)
	if err != nil {
		f.Fatal(err)
	}
	own := newSoftKey(f)
	use := *enrol
	f.Fuzz(func(t *testing.T, answer []byte) {
		if made, err := newKey(rp, h, *enrol, answer); err == nil {
			t.Errorf("enrolled %x", made.ID)
		}
		with := *h
		with.keys = append(with.keys, keyOf(t, own))
		if c, err := assert(rp, &with, use, answer); err == nil {
			t.Errorf("signed in with %x", c.ID)
		}
	})
}
