package identity

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/pquerna/otp/hotp"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// TestPeopleAtANode: what the hub says of a person is enough to sign in with at a node, both factors included, and less than the hub knows.
func TestPeopleAtANode(t *testing.T) {
	hub, ctx := newDesk(t), t.Context()
	var said []string
	hub.changed = func(tx *vault.Tx, account string) error { said = append(said, account); return nil }
	boss := hub.who(hub.first().Token)
	session := hub.hire(boss, "Wang", other)
	if !slices.Equal(slices.Compact(said), []string{"chen", "wang"}) {
		t.Errorf("told of %v", said)
	}
	describe := func() (m access.Member) {
		t.Helper()
		if err := hub.store.View(ctx, func(tx *vault.Tx) (err error) { m, err = hub.Member(tx, "WANG"); return err }); err != nil {
			t.Fatal(err)
		}
		return m
	}
	node := newDesk(t)
	node.now = hub.now
	repeat := func(m access.Member) {
		t.Helper()
		if err := node.update(func(tx *vaultTx) error { return node.Repeat(tx, m) }); err != nil {
			t.Fatal(err)
		}
	}
	repeat(describe())
	in := func(name, password string) Session {
		t.Helper()
		s, err := node.SignIn(ctx, name, password, here)
		if err != nil {
			t.Fatalf("%s at the node: %v", name, err)
		}
		return s
	}
	first := in("wang", other)
	p := node.who(first.Token)
	if p.Account != "Wang" || !p.Elsewhere || !slices.Equal(p.Roles, []string{"warehouse-worker"}) || !slices.Equal(p.Warehouses, []string{"SHA"}) {
		t.Errorf("at the node: %+v", p)
	}
	for what, err := range map[string]error{
		"password": func() error { _, err := node.ChangePassword(ctx, p, other, "a wholly different sentence"); return err }(),
		"factor":   func() error { _, err := node.BeginFactor(ctx, p); return err }(),
		"codes":    func() error { _, err := node.NewCodes(ctx, p); return err }(),
	} {
		if !errors.Is(err, ErrElsewhere) {
			t.Errorf("%s changed at the node: %v", what, err)
		}
	}

	// A second factor ends sessions there and is asked for; recovery codes do not come along.
	worker := hub.who(session.Token)
	e, err := hub.BeginFactor(ctx, worker)
	if err != nil {
		t.Fatal(err)
	}
	code := func() string {
		c, err := hotp.GenerateCode(e.Secret, uint64(hub.now.Unix()/30)) // #nosec G115 -- after 1970
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	_, recovery, err := hub.ConfirmFactor(ctx, worker, code())
	if err != nil {
		t.Fatal(err)
	}
	m := describe()
	b, err := change.Marshal(m)
	if err != nil || len(m.Factors) != 1 || len(b) > 600 {
		t.Fatalf("described in %d bytes as %+v, %v", len(b), m, err)
	}
	repeat(m)
	if node.who(first.Token).Account != "" {
		t.Error("a session goes on at the node without the new factor")
	}
	half := in("wang", other)
	if half.Half == "" {
		t.Fatal("the node asks for no code")
	}
	if _, err := node.SignInCode(ctx, half.Half, recovery[0], here); !errors.Is(err, ErrFactor) {
		t.Errorf("a recovery code at the node: %v", err)
	}
	second, err := node.SignInCode(ctx, half.Half, code(), here)
	if err != nil {
		t.Fatalf("the authenticator at the node: %v", err)
	}
	repeat(m) // the same again is no news, and the code stays used
	if node.who(second.Token).Account == "" {
		t.Error("hearing the same again ends sessions")
	}
	again := in("wang", other)
	if _, err := node.SignInCode(ctx, again.Half, code(), here); !errors.Is(err, ErrFactor) {
		t.Errorf("the code again: %v", err)
	}

	// A factor that the node can not judge does not open the account to the password alone.
	strange := m
	strange.Factors = []access.Factor{{ID: 9, Kind: "passkey", Secret: []byte{}}}
	repeat(strange)
	if s := in("wang", other); node.who(s.Token).Must != MustEnrol {
		t.Errorf("without its factor the account may go on: %+v", node.who(s.Token))
	}

	// Disabled, and gone.
	repeat(m)
	open := func() Session {
		node.now = node.now.Add(time.Minute)
		hub.now = node.now
		s, err := node.SignInCode(ctx, in("wang", other).Half, code(), here)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, next := range []access.Member{func() access.Member { d := m; d.Disabled = true; return d }(), {Account: "wang", Withdrawn: true}} {
		repeat(m)
		s := open()
		repeat(next)
		if node.who(s.Token).Account != "" {
			t.Errorf("after %+v the session goes on", next)
		}
		if _, err := node.SignIn(ctx, "wang", other, here); !errors.Is(err, ErrWrong) {
			t.Errorf("after %+v: sign-in gives %v", next, err)
		}
	}
	repeat(access.Member{Account: "wang", Withdrawn: true})
}

// TestTheHubsNameWins: an account that was made at the node is somebody else's once the hub has one of the name; the hub's leaving does
// not remove what was made here.
func TestTheHubsNameWins(t *testing.T) {
	node, ctx := newDesk(t), t.Context()
	local := node.first()
	repeat := func(m access.Member) error { return node.update(func(tx *vaultTx) error { return node.Repeat(tx, m) }) }
	if err := repeat(access.Member{Account: "chen", Withdrawn: true}); err != nil || node.who(local.Token).Account != "Chen" {
		t.Fatalf("somebody of that name left elsewhere: %v, here %+v", err, node.who(local.Token))
	}
	phc := hashPassword(other, present)
	if err := repeat(access.Member{Account: "chen", Name: "chen", Password: phc, Roles: []access.RoleID{"seller"}, Warehouses: []stock.Warehouse{"SHA"}, Factors: []access.Factor{}}); err != nil {
		t.Fatal(err)
	}
	if node.who(local.Token).Account != "" {
		t.Error("the session of the account that was made here goes on")
	}
	if _, err := node.SignIn(ctx, "chen", password, here); !errors.Is(err, ErrWrong) {
		t.Errorf("the password that was chosen here: %v", err)
	}
	s, err := node.SignIn(ctx, "Chen", other, here)
	if p := node.who(s.Token); err != nil || !slices.Equal(p.Roles, []string{"seller"}) {
		t.Errorf("the hub's: %+v, %v", p, err)
	}
	for _, bad := range []access.Member{{Account: "Chen", Name: "Chen"}, {Account: "x", Name: "y"}, {Account: "x", Name: "x", Password: "plain"}, {}} {
		if repeat(bad) == nil {
			t.Errorf("taken: %+v", bad)
		}
	}
}

func TestNobodyRaisesThemselves(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.who(d.first().Token)
	if err := d.Change(ctx, boss, Account{Name: "chen", Roles: append(slices.Clone(boss.Roles), "finance")}); !errors.Is(err, ErrSelf) {
		t.Errorf("own roles: %v", err)
	}
	if err := d.Change(ctx, boss, Account{Name: "chen", Display: "陈", Roles: boss.Roles}); err != nil {
		t.Errorf("own display name: %v", err)
	}
}
