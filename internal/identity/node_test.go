package identity

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// line is a hub and a node of one warehouse, with what the hub says on its way to the node.
type line struct {
	t         *testing.T
	hub, node *desk
	news      []access.Member // said and not yet heard
	last      map[access.Account]access.Member
}

const (
	nodeHost = "sh-1." + keyDomain + ":8443"
	site     = stock.Warehouse("SHA")
)

func newLine(t *testing.T) *line {
	t.Helper()
	l := &line{t: t, hub: newKeyDesk(t), node: newKeyDesk(t), last: map[access.Account]access.Member{}}
	l.hub.changed = func(tx *vault.Tx, account string) error {
		m, err := l.hub.Member(tx, account)
		if err != nil {
			return err
		}
		if slices.Contains(m.Warehouses, site) { // as the hub's store says it
			m.Warehouses = []stock.Warehouse{site}
		} else {
			m = access.Member{Account: m.Account, Withdrawn: true}
		}
		l.news = append(l.news, m)
		return nil
	}
	return l
}

// flow lets the node hear all that was said.
func (l *line) flow() {
	l.t.Helper()
	l.node.now = l.hub.now
	for _, m := range l.news {
		if err := l.node.update(func(tx *vaultTx) error { return l.node.Repeat(tx, m) }); err != nil {
			l.t.Fatalf("%+v: %v", m, err)
		}
		l.last[m.Account] = m
	}
	l.news = nil
}

func (l *line) suspend(account access.Account) {
	l.t.Helper()
	if err := l.node.update(func(tx *vaultTx) error { return l.node.Suspend(tx, account) }); err != nil {
		l.t.Fatal(err)
	}
}

// passkeyAtNode signs in at the node with the password and the key.
func (l *line) passkeyAtNode(k *softKey, name, password string) (Session, error) {
	l.t.Helper()
	ctx := l.t.Context()
	s, err := l.node.SignIn(ctx, name, password, here)
	if err != nil {
		return s, err
	}
	options, err := l.node.AskPasskeyOfHalf(ctx, s.Half, nodeHost)
	if err != nil {
		return Session{}, err
	}
	k.origin = "https://" + nodeHost
	defer func() { k.origin = "https://" + keyHost }()
	return l.node.SignInPasskey(ctx, s.Half, nodeHost, k.get(options), here)
}

// TestPasskeyAtANode: a passkey that was enrolled at the hub opens its account at a node that hears nothing, under the node's own name; each place watches
// its counter, and neither sets the other's back.
func TestPasskeyAtANode(t *testing.T) {
	l := newLine(t)
	ctx := t.Context()
	session := l.hub.hire(l.hub.who(l.hub.first().Token), "Wang", other)
	k := newSoftKey(t)
	k.counter = 10
	codes, token := l.hub.enrolKey(k, session.Token, "phone")
	l.flow()
	s, err := l.passkeyAtNode(k, "wang", other)
	if err != nil {
		t.Fatalf("at the node: %v", err)
	}
	if list, _, err := l.node.Factors(ctx, l.node.who(s.Token)); err != nil || len(list) != 1 || list[0].Name != "phone" || list[0].Used.IsZero() {
		t.Errorf("the node shows %+v, %v", list, err)
	}
	if _, err := l.node.BeginPasskey(ctx, l.node.who(s.Token), nodeHost); !errors.Is(err, ErrElsewhere) {
		t.Errorf("enrolled at the node: %v", err)
	}
	l.node.now = l.node.now.Add(FreshFor + time.Second)
	options, err := l.node.AskPasskey(ctx, l.node.who(s.Token), nodeHost)
	if err != nil {
		t.Fatal(err)
	}
	k.origin = "https://" + nodeHost
	if s, err = l.node.StepUpPasskey(ctx, l.node.who(s.Token), nodeHost, k.get(options)); err != nil || !l.node.who(s.Token).Fresh {
		t.Errorf("step-up at the node: %v", err)
	}
	k.origin = "https://" + keyHost

	// Outside of the domain it can not be asked for, and the account is not open without it.
	half, err := l.node.SignIn(ctx, "wang", other, here)
	if err != nil || half.Half == "" {
		t.Fatalf("the password alone: %+v, %v", half, err)
	}
	for _, host := range []string{"192.0.2.7:8443", "sh-1.local:8443"} {
		if _, err := l.node.AskPasskeyOfHalf(ctx, half.Half, host); !errors.Is(err, ErrDomain) || l.node.PasskeyAt(host) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := l.node.SignInCode(ctx, half.Half, codes[0], here); !errors.Is(err, ErrFactor) {
		t.Errorf("a recovery code of the hub: %v", err)
	}

	// A word of the hub with an older counter does not set the node's back: a copy of the key is noticed where the true one was used.
	copied := *k
	copied.counter = 10
	list, _, _ := l.hub.Factors(ctx, l.hub.who(token))
	if err := l.hub.RenamePasskey(ctx, l.hub.who(token), list[0].ID, "telephone"); err != nil {
		t.Fatal(err)
	}
	l.flow()
	if list, _, _ := l.node.Factors(ctx, l.node.who(s.Token)); list[0].Name != "telephone" {
		t.Errorf("renamed at the hub, at the node %+v", list)
	}
	l.node.trail = nil
	if _, err := l.passkeyAtNode(&copied, "wang", other); !errors.Is(err, ErrCopied) || !strings.Contains(strings.Join(l.node.trail, ";"), "signin.code wang refused") {
		t.Errorf("a copy at the node: %v, %v", err, l.node.trail)
	}
	if !l.node.told(s.Token, "passkey_copied") {
		t.Error("the person is not told at the node")
	}
	// The hub's higher one is taken over.
	copied.counter = k.counter
	k.counter += 5
	if half, err = l.hub.SignIn(ctx, "wang", other, here); err != nil {
		t.Fatal(err)
	}
	if options, err = l.hub.AskPasskeyOfHalf(ctx, half.Half, keyHost); err != nil {
		t.Fatal(err)
	}
	at, err := l.hub.SignInPasskey(ctx, half.Half, keyHost, k.get(options), here)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.news) > 0 {
		t.Error("using a passkey at the hub is news for nodes")
	}
	list, _, _ = l.hub.Factors(ctx, l.hub.who(at.Token))
	if err := l.hub.RenamePasskey(ctx, l.hub.who(at.Token), list[0].ID, "again"); err != nil {
		t.Fatal(err)
	}
	l.flow()
	if _, err := l.passkeyAtNode(&copied, "wang", other); !errors.Is(err, ErrCopied) {
		t.Errorf("a copy that is behind the hub: %v", err)
	}
	if s, err = l.passkeyAtNode(k, "wang", other); err != nil {
		t.Errorf("the true one: %v", err)
	}

	// Removed at the hub it opens nothing, and sessions with it end.
	if _, err := l.hub.RemoveFactor(ctx, l.hub.who(at.Token), list[0].ID); err != nil {
		t.Fatal(err)
	}
	l.flow()
	if l.node.who(s.Token).Account != "" {
		t.Error("the session goes on without the passkey")
	}
	if s, err := l.node.SignIn(ctx, "wang", other, here); err != nil || s.Half != "" {
		t.Errorf("without any factor: %+v, %v", s, err)
	}
}

// TestBadgeAtANode: badge and PIN of the hub serve at the node, and end there with the next word.
func TestBadgeAtANode(t *testing.T) {
	l := newLine(t)
	ctx := t.Context()
	boss := l.hub.who(l.hub.first().Token)
	token := l.hub.hire(boss, "Wang", other).Token
	make := func() string {
		t.Helper()
		code, err := l.hub.NewBadge(ctx, boss, "wang")
		if err != nil {
			t.Fatal(err)
		}
		l.flow()
		return code
	}
	code := make()
	if _, err := l.node.ReadBadge(ctx, code); !errors.Is(err, ErrNoPIN) {
		t.Fatalf("without a PIN: %v", err)
	}
	set := func(pin string) {
		t.Helper()
		l.hub.now = l.hub.now.Add(time.Second)
		if err := l.hub.SetPIN(ctx, l.hub.who(token), pin); err != nil {
			t.Fatal(err)
		}
		l.flow()
	}
	set(pin)
	enter := func(pin string) (BadgeHolder, error) {
		t.Helper()
		h, err := l.node.ReadBadge(ctx, code)
		if err != nil {
			return h, err
		}
		_, err = l.node.EnterPIN(ctx, h.Badge, pin, "dock-1", "192.0.2.9")
		return h, err
	}
	holds := func(h BadgeHolder) bool {
		t.Helper()
		good, err := l.node.BadgeHolds(ctx, h.Badge, h.PIN)
		if err != nil {
			t.Fatal(err)
		}
		return good
	}
	h, err := enter(pin)
	if err != nil || h.Account != "Wang" || h.Display != "小Wang" || !holds(h) {
		t.Fatalf("badge and PIN at the node: %+v, %v", h, err)
	}
	l.suspend("wang")
	if _, err := enter(pin); !errors.Is(err, ErrBadge) || holds(h) {
		t.Errorf("of somebody about whom the hub was not understood: %v", err)
	}
	l.news = []access.Member{l.last["wang"]}
	l.flow()
	if !holds(h) {
		t.Error("understood again, and still kept out")
	}
	set("472961")
	if holds(h) {
		t.Error("work goes on with a PIN that is no longer the right one")
	}
	if _, err := enter(pin); !errors.Is(err, ErrPIN) {
		t.Errorf("the former PIN: %v", err)
	}
	l.node.now = l.node.now.Add(time.Minute)
	l.hub.now = l.node.now
	if h, err = enter("472961"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"made":    func() error { _, err := l.node.NewBadge(ctx, Person{Account: "li"}, "wang"); return err }(),
		"revoked": l.node.RevokeBadge(ctx, Person{Account: "li"}, "wang"), "PIN": l.node.SetPIN(ctx, Person{Account: "wang"}, "728419"), "disabled": l.node.Disable(ctx, Person{Account: "li"}, "wang"),
	} {
		if !errors.Is(err, ErrElsewhere) {
			t.Errorf("%s at the node: %v", what, err)
		}
	}
	for _, void := range []struct {
		what string
		end  func() error
		back func() error
	}{
		{"revoked", func() error { return l.hub.RevokeBadge(ctx, boss, "wang") }, func() error { return nil }},
		{"another badge", func() error { _, err := l.hub.NewBadge(ctx, boss, "wang"); return err }, func() error { return nil }},
		{"disabled", func() error { return l.hub.Disable(ctx, boss, "wang") }, func() error { return l.hub.Enable(ctx, boss, "wang") }},
		{"left", func() error { return l.hub.Change(ctx, boss, Account{Name: "wang", Warehouses: []string{"BJ"}}) }, func() error { return l.hub.Change(ctx, boss, Account{Name: "wang", Warehouses: []string{"BJ", "SHA"}}) }},
	} {
		code = make()
		if h, err = enter("472961"); err != nil {
			t.Fatalf("before %s: %v", void.what, err)
		}
		if err := void.end(); err != nil {
			t.Fatal(err)
		}
		if !holds(h) {
			t.Errorf("%s: out before the node has heard", void.what)
		}
		l.flow()
		if _, err := enter("472961"); !errors.Is(err, ErrBadge) || holds(h) {
			t.Errorf("%s: %v, holds %t", void.what, err, holds(h))
		}
		if err := void.back(); err != nil {
			t.Fatal(err)
		}
		l.flow()
	}
	left := 0
	err = l.node.store.View(ctx, func(tx *vault.Tx) error {
		return tx.QueryRow(`SELECT (SELECT count(*) FROM account_challenge) + (SELECT count(*) FROM account_half)`).Scan(&left)
	})
	if err != nil || left > 0 {
		t.Errorf("%d questions wait for nobody, %v", left, err)
	}
}

// TestTheNodeEqualsTheHub: whatever is done at the hub, in any order, and however late it is heard: then the node knows of the warehouse's people what the hub does,
// of others nothing, and what was used there stays used.
func TestTheNodeEqualsTheHub(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1)) // #nosec G404 -- a test
	l := newLine(t)
	ctx := t.Context()
	boss := l.hub.who(l.hub.first().Token)
	phc := []string{hashPassword("a", present), hashPassword("b", present)}
	names := []string{"wang", "li", "zhao"}
	keys := map[string][]*softKey{}
	used := map[string]uint32{} // by credential: highest counter that the node saw
	// as writes something that a person does themselves, without the sign-in and hashing that leads to it.
	as := func(name, act string, do func(tx *vault.Tx, key string) error) error {
		return l.hub.update(func(tx *vaultTx) error {
			if err := do(tx, name); err != nil {
				return err
			}
			return l.hub.note(tx, act, name, "ok", Person{Account: name}, nil)
		})
	}
	exec := func(q string, args ...any) func(*vault.Tx, string) error {
		return func(tx *vault.Tx, key string) error { _, err := tx.Exec(q, append([]any{key}, args...)...); return err }
	}
	acts := []func(name string) error{
		func(n string) error {
			_, err := l.hub.Create(ctx, boss, Account{Name: n, Roles: []string{"seller"}, Warehouses: []string{"SHA"}})
			return err
		},
		func(n string) error {
			places := [][]string{{"SHA"}, {"BJ", "SHA"}, {"BJ"}, nil}[r.IntN(4)]
			return l.hub.Change(ctx, boss, Account{Name: n, Display: fmt.Sprint("小", r.IntN(9)), Roles: []string{"seller", "warehouse-worker"}[:r.IntN(3)], Warehouses: places, NeedsFactor: r.IntN(2) == 0})
		},
		func(n string) error { return l.hub.Disable(ctx, boss, n) },
		func(n string) error { return l.hub.Enable(ctx, boss, n) },
		func(n string) error { _, err := l.hub.NewBadge(ctx, boss, n); return err },
		func(n string) error { _, err := l.hub.NewBadge(ctx, boss, n); return err },
		func(n string) error { return l.hub.RevokeBadge(ctx, boss, n) },
		func(n string) error { return l.hub.ResetFactor(ctx, boss, n) },
		func(n string) error { _, err := l.hub.ResetPassword(ctx, boss, n); return err },
		func(n string) error { _, err := l.hub.Recover(ctx, boss, n); return err },
		func(n string) error {
			_, err := l.hub.WithdrawRole(ctx, boss, n, "seller", "not needed")
			return err
		},
		func(n string) error {
			return as(n, "account.password_changed", exec(`UPDATE account SET password = ?2, password_at = ?3 WHERE folded = ?1`, phc[r.IntN(2)], l.hub.now.UnixMilli()))
		},
		func(n string) error {
			return as(n, "badge.pin_set", exec(`INSERT OR REPLACE INTO account_pin (account, pin, set_at) SELECT folded, ?2, ?3 FROM account WHERE folded = ?1`, phc[r.IntN(2)], l.hub.now.UnixMilli()))
		},
		func(n string) error {
			return as(n, "factor.added", exec(`INSERT INTO account_factor (account, kind, secret, made_at, confirmed_at) SELECT folded, 'totp', ?2, ?3, ?3 FROM account WHERE folded = ?1`, []byte(secret(20)), l.hub.now.UnixMilli()))
		},
		func(n string) error {
			k := newSoftKey(t)
			public := keyOf(t, k).PublicKey
			if err := as(n, "factor.added", func(tx *vault.Tx, key string) error {
				if err := exec(`UPDATE account SET handle = coalesce(handle, ?2) WHERE folded = ?1`, []byte("handle of "+n))(tx, key); err != nil {
					return err
				}
				return exec(`INSERT INTO account_factor (account, kind, secret, counter, made_at, confirmed_at, name, credential, flags, transports) SELECT folded, 'passkey', ?2, 0, ?3, ?3, 'key', ?4, 5, 'usb' FROM account WHERE folded = ?1`,
					public, l.hub.now.UnixMilli(), k.id)(tx, key)
			}); err != nil {
				return err
			}
			k.handle = raw64.EncodeToString([]byte("handle of " + n))
			keys[n] = append(keys[n], k)
			return nil
		},
		func(n string) error {
			return as(n, "factor.renamed", exec(`UPDATE account_factor SET name = ?2 WHERE account = ?1 AND kind = 'passkey'`, fmt.Sprint("key ", r.IntN(9))))
		},
		func(n string) error {
			return as(n, "factor.removed", exec(`DELETE FROM account_factor WHERE id = (SELECT id FROM account_factor WHERE account = ?1 ORDER BY id LIMIT 1)`))
		},
	}
	describe := func(d *desk, name string) (m access.Member, known bool) {
		t.Helper()
		err := d.store.View(ctx, func(tx *vault.Tx) (err error) { m, err = d.Member(tx, name); return err })
		if err != nil && !errors.Is(err, ErrNobody) {
			t.Fatal(err)
		}
		return m, err == nil
	}
	for step := range 250 {
		l.hub.now = l.hub.now.Add(time.Second)
		name := names[r.IntN(len(names))]
		if err := acts[r.IntN(len(acts))](name); err != nil && !slices.ContainsFunc([]error{ErrNobody, ErrTaken, ErrNothing}, func(e error) bool { return errors.Is(err, e) }) {
			t.Fatalf("seed %d step %d: %v", seed, step, err)
		}
		switch r.IntN(6) {
		case 0, 1: // not heard yet
			continue
		case 2: // something that it can not read comes between
			l.suspend(access.Account(name))
			if a, err := l.node.Account(ctx, name); err == nil && !a.Disabled {
				t.Fatalf("seed %d step %d: %s is let in on an unread word", seed, step, name)
			}
			if m, ok := l.last[access.Account(name)]; ok {
				l.news = append([]access.Member{m}, l.news...)
			}
		case 3: // the program starts again
			for _, m := range l.last {
				l.news = append([]access.Member{m}, l.news...)
			}
		}
		l.flow()
		for _, name := range names {
			want, known := describe(l.hub, name)
			got, here := describe(l.node, name)
			if in := known && slices.Contains(want.Warehouses, site); in != here || !in {
				if in != here {
					t.Fatalf("seed %d step %d: %s is at the hub %t, at the node %t", seed, step, name, in, here)
				}
				for _, k := range keys[name] { // with an account that left goes what it used
					delete(used, string(k.id))
				}
				continue
			}
			want.Warehouses, want.NeedsFactor = []stock.Warehouse{site}, want.NeedsFactor || len(want.Factors) > 0
			bySecret := func(a, b access.Factor) int { return bytes.Compare(a.Secret, b.Secret) }
			slices.SortFunc(want.Factors, bySecret)
			slices.SortFunc(got.Factors, bySecret)
			for i := range min(len(want.Factors), len(got.Factors)) {
				f := &want.Factors[i]
				if now := got.Factors[i].Counter; now < max(f.Counter, used[string(f.Credential)]) {
					t.Fatalf("seed %d step %d: a counter went back to %d", seed, step, now)
				}
				f.ID, f.Counter = got.Factors[i].ID, got.Factors[i].Counter
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d step %d: of %s the node knows\n%+v\nwant\n%+v", seed, step, name, got, want)
			}
			if r.IntN(3) == 0 && len(keys[name]) > 0 { // a passkey is used at the node
				k := keys[name][r.IntN(len(keys[name]))]
				if err := l.node.update(func(tx *vaultTx) error {
					_, err := tx.Exec(`UPDATE account_factor SET counter = counter + 3, used_at = 1 WHERE credential = ?1`, k.id)
					return err
				}); err != nil {
					t.Fatal(err)
				}
				now, _ := describe(l.node, name)
				for _, f := range now.Factors {
					used[string(f.Credential)] = f.Counter
				}
			}
		}
	}
}
