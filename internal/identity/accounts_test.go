package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/internal/guessable"
	"stockade/internal/vault"
	"stockade/protocol/change"
)

type vaultTx = vault.Tx

func (d *desk) update(act func(*vaultTx) error) error {
	return d.store.Update(context.Background(), act)
}

// hire makes an account, activates it and returns the session.
func (d *desk) hire(by Person, name, password string) Session {
	d.t.Helper()
	code, err := d.Create(d.t.Context(), by, Account{Name: name, Display: "小" + name, Roles: []string{"warehouse-worker"}, Warehouses: []string{"SHA"}})
	if err != nil {
		d.t.Fatal(err)
	}
	s, err := d.Activate(d.t.Context(), code, password, here)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

const other = "seven lamps over the quay"

func TestActivation(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.who(d.first().Token)
	if !slices.Equal(boss.Roles, []string{"operations", "security-administrator"}) {
		t.Errorf("the first account has roles %v", boss.Roles)
	}
	code, err := d.Create(ctx, boss, Account{Name: " Wang ", Roles: []string{"seller", "seller", ""}, Warehouses: []string{"SHA", "BJ"}})
	if err != nil || len(code) != 29 {
		t.Fatalf("code %q, %v", code, err)
	}
	if _, err := d.Create(ctx, boss, Account{Name: "WANG"}); !errors.Is(err, ErrTaken) {
		t.Errorf("a second account of the name: %v", err)
	}
	if _, err := d.SignIn(ctx, "Wang", "", here); !errors.Is(err, ErrWrong) {
		t.Errorf("sign-in without a password: %v", err)
	}
	var rule *RuleError
	for _, bad := range []string{"short", "WangWang2026", "stockade2026!"} {
		if _, err := d.Activate(ctx, code, bad, here); !errors.As(err, &rule) {
			t.Errorf("password %q: %v", bad, err)
		}
	}
	if _, err := d.Activate(ctx, "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF", other, here); !errors.Is(err, ErrCode) {
		t.Errorf("a made-up code: %v", err)
	}
	d.now = d.now.Add(ActivationFor - time.Minute)
	s, err := d.Activate(ctx, strings.ToLower(code), other, here)
	if err != nil {
		t.Fatal(err)
	}
	if p := d.who(s.Token); p.Account != "Wang" || !slices.Equal(p.Roles, []string{"seller"}) || !slices.Equal(p.Warehouses, []string{"BJ", "SHA"}) {
		t.Errorf("person %+v", p)
	}
	if _, err := d.Activate(ctx, code, other+"!", here); !errors.Is(err, ErrCode) {
		t.Errorf("the code again: %v", err)
	}
	late, err := d.Create(ctx, boss, Account{Name: "Li"})
	if err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(ActivationFor + time.Minute)
	if _, err := d.Activate(ctx, late, other, here); !errors.Is(err, ErrCode) {
		t.Errorf("a code too old: %v", err)
	}
	d.now = d.now.Add(-2 * ActivationFor) // setting the clock back revives nothing
	if _, err := d.Activate(ctx, late, other, here); !errors.Is(err, ErrCode) {
		t.Errorf("a code from the future: %v", err)
	}
	for _, bad := range []Account{{Name: "a/b"}, {Name: ""}, {Name: "x", Display: "a\nb"}, {Name: "x", Roles: []string{"a b"}}, {Name: "x", Warehouses: []string{"../x"}}} {
		if _, err := d.Create(ctx, boss, bad); !errors.As(err, &rule) {
			t.Errorf("account %+v: %v", bad, err)
		}
	}
	d.roles = func(r []string) error {
		if slices.Contains(r, "auditor") && slices.Contains(r, "finance") {
			return &RuleError{"people.bad_roles"}
		}
		return nil
	}
	if err := d.Change(ctx, boss, Account{Name: "Wang", Roles: []string{"auditor", "finance"}}); !errors.As(err, &rule) {
		t.Errorf("roles that exclude each other: %v", err)
	}
}

// TestAdministration: what an administrator does works at once, is told and recorded, and never on the own account.
func TestAdministration(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.who(d.first().Token)
	wang := d.hire(boss, "Wang", other)
	// A factor for Wang.
	secret, codes, token := d.enrol(wang.Token)

	if err := d.Change(ctx, boss, Account{Name: "wang", Display: "王五", Roles: []string{"finance"}}); err != nil || !d.who(token).Has("finance") || d.who(token).Has("warehouse-worker") {
		t.Errorf("changed roles: %v, %v", err, d.who(token).Roles)
	}
	ended := d.Ended()
	if err := d.EndSessions(ctx, boss, "Wang"); err != nil || d.who(token).Account != "" {
		t.Errorf("ended sessions: %v, %q", err, d.who(token).Account)
	}
	select {
	case <-ended:
	default:
		t.Error("nobody is told that sessions ended")
	}
	d.now = d.now.Add(time.Hour)
	boss = d.who(d.mustSignIn("Chen", password))
	code, err := d.ResetPassword(ctx, boss, "Wang")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignIn(ctx, "Wang", other, here); !errors.Is(err, ErrWrong) {
		t.Errorf("the old password after a reset: %v", err)
	}
	var rule *RuleError
	if _, err := d.Activate(ctx, code, other, here); !errors.As(err, &rule) || rule.Rule != "login.password_used" {
		t.Errorf("the password that was reset: %v", err)
	}
	s, err := d.Activate(ctx, code, "ten red boats went home", here)
	if err != nil || s.Token != "" || s.Half == "" {
		t.Fatalf("a new password goes round the second factor: %+v, %v", s, err)
	}
	if s, err = d.SignInCode(ctx, s.Half, d.code(secret, d.now), here); err != nil {
		t.Fatal(err)
	}
	if !d.told(s.Token, "password_reset") || !d.told(s.Token, "rights_changed") || !d.told(s.Token, "sessions_ended") {
		t.Error("the person was not told")
	}
	if err := d.ResetFactor(ctx, boss, "Wang"); err != nil || d.who(s.Token).Account != "" {
		t.Errorf("factor reset: %v, session of %q", err, d.who(s.Token).Account)
	}
	if s, err = d.SignIn(ctx, "Wang", "ten red boats went home", here); err != nil || s.Token == "" || !d.told(s.Token, "factor_reset") {
		t.Errorf("sign-in after the factor was reset: %+v, %v", s, err)
	}
	if _, err := d.StepUp(ctx, d.who(s.Token), codes[0]); !errors.Is(err, ErrFactor) {
		t.Errorf("a recovery code after the reset: %v", err)
	}
	if err := d.Disable(ctx, boss, "Wang"); err != nil || d.who(s.Token).Account != "" {
		t.Errorf("disabled: %v, session of %q", err, d.who(s.Token).Account)
	}
	if _, err := d.SignIn(ctx, "Wang", "ten red boats went home", here); !errors.Is(err, ErrWrong) {
		t.Errorf("sign-in of a disabled account: %v", err)
	}
	if _, err := d.ResetPassword(ctx, boss, "Wang"); !errors.Is(err, ErrNothing) {
		t.Errorf("a code for a disabled account: %v", err)
	}
	if err := d.Enable(ctx, boss, "Wang"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignIn(ctx, "Wang", "ten red boats went home", here); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	for name, act := range map[string]func() error{
		"disable": func() error { return d.Disable(ctx, boss, "chen") }, "factor": func() error { return d.ResetFactor(ctx, boss, "Chen") },
		"password": func() error { _, err := d.ResetPassword(ctx, boss, "Chen"); return err },
	} {
		if err := act(); !errors.Is(err, ErrSelf) {
			t.Errorf("%s on the own account: %v", name, err)
		}
	}
	if err := d.Disable(ctx, boss, "Nobody"); !errors.Is(err, ErrNobody) {
		t.Errorf("an account that is not there: %v", err)
	}
	for _, want := range []string{"account.created wang ok", "account.activated wang ok", "factor.added wang ok", "account.changed wang ok", "account.sessions_ended wang ok",
		"account.password_reset wang ok", "account.factor_reset wang ok", "account.disabled wang ok", "account.enabled wang ok", "signin.half wang ok"} {
		if !slices.Contains(d.trail, want) {
			t.Errorf("the audit trail lacks %q", want)
		}
	}
	d.deny = errors.New("the trail is full")
	if err := d.Disable(ctx, boss, "Wang"); !errors.Is(err, d.deny) {
		t.Errorf("disabled without an entry: %v", err)
	}
	if a, err := d.Account(ctx, "Wang"); err != nil || a.Disabled {
		t.Errorf("without an entry: %+v, %v", a, err)
	}
}

func (d *desk) mustSignIn(name, password string) string {
	d.t.Helper()
	s, err := d.SignIn(d.t.Context(), name, password, here)
	if err != nil || s.Token == "" {
		d.t.Fatalf("sign-in of %s: %+v, %v", name, s, err)
	}
	return s.Token
}

func TestChangePassword(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	first := d.first()
	elsewhere := d.mustSignIn("Chen", password)
	who := d.who(first.Token)
	if _, err := d.ChangePassword(ctx, who, "wrong", other); !errors.Is(err, ErrOld) {
		t.Errorf("a wrong old password: %v", err)
	}
	var rule *RuleError
	for next, want := range map[string]string{password: "login.password_used", "password1234": "login.password_common", "x": "login.password_short"} {
		if _, err := d.ChangePassword(ctx, who, password, next); !errors.As(err, &rule) || rule.Rule != want {
			t.Errorf("new password %q: %v, want %s", next, err, want)
		}
	}
	s, err := d.ChangePassword(ctx, who, password, other)
	if err != nil {
		t.Fatal(err)
	}
	if d.who(elsewhere).Account != "" || d.who(first.Token).Account != "" || d.who(s.Token).Account != "Chen" {
		t.Error("other sessions, or the old token, go on")
	}
	if !d.told(s.Token, "password_changed") || d.who(s.Token).Notices == 0 {
		t.Error("the person was not told")
	}
	if err := d.SeeNotices(ctx, d.who(s.Token), 1<<40); err != nil || d.who(s.Token).Notices != 0 {
		t.Errorf("%v, %d notices not seen", err, d.who(s.Token).Notices)
	}
	if _, err := d.SignIn(ctx, "Chen", password, here); !errors.Is(err, ErrWrong) {
		t.Errorf("the old password: %v", err)
	}
	d.mustSignIn("Chen", other)
}

func TestDengbao(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	d.rules = Dengbao
	for p, want := range map[string]string{"kdjehfirnvkdw": "login.password_kinds", "kdjehfIrnvkdw": "login.password_kinds", "kdjehf7Irnvkd": "", "仓kdjehfI": "login.password_short", "仓库kdjehfirn2": ""} {
		var rule *RuleError
		got := ""
		if err := d.rules.check(p, nil, guessable.Judge); errors.As(err, &rule) {
			got = rule.Rule
		}
		if got != want {
			t.Errorf("password %q: %q, want %q", p, got, want)
		}
	}
	code, _ := d.FirstCode(ctx)
	list := []string{"Quay-lamp-1-seven", "Quay-boat-2-eight", "Reed-wind-3-nine", "Snow-gate-4-ten", "Moss-path-5-two", "Fern-lake-6-four"}
	s, err := d.Begin(ctx, code, "Chen", list[0], here)
	if err != nil {
		t.Fatal(err)
	}
	for i, next := range list[1:] {
		d.now = d.now.Add(time.Minute)
		var rule *RuleError
		if _, err := d.ChangePassword(ctx, d.who(s.Token), list[i], list[max(0, i-4)]); !errors.As(err, &rule) || rule.Rule != "login.password_used" {
			t.Errorf("password %d again after %d: %v", max(0, i-4), i, err)
		}
		if s, err = d.ChangePassword(ctx, d.who(s.Token), list[i], next); err != nil {
			t.Fatal(err)
		}
	}
	if s, err = d.ChangePassword(ctx, d.who(s.Token), list[5], list[0]); err != nil {
		t.Errorf("the sixth last: %v", err)
	}
	d.now = d.now.Add(Dengbao.Change + time.Hour)
	token := d.mustSignIn("Chen", list[0])
	if accounts, _ := d.Accounts(ctx); !d.told(token, "password_overdue") || d.who(token).Must != "" || !accounts[0].Overdue {
		t.Errorf("overdue: must %q, listed %+v", d.who(token).Must, accounts)
	}
	d.now = d.now.Add(Dengbao.Grace)
	token = d.mustSignIn("Chen", list[0])
	if d.who(token).Must != MustChange {
		t.Error("after the grace nobody has to change the password")
	}
	if s, err = d.ChangePassword(ctx, d.who(token), list[0], "Iron-bell-7-five"); err != nil || d.who(s.Token).Must != "" {
		t.Errorf("changed: %v, must %q", err, d.who(s.Token).Must)
	}
}

func TestOwnSessions(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.first()
	wang := d.hire(d.who(boss.Token), "Wang", other)
	phone, err := d.SignIn(ctx, "Chen", password, From{Address: "192.0.2.99", Agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile/15E148 Safari/604.1"})
	if err != nil {
		t.Fatal(err)
	}
	list, err := d.Sessions(ctx, d.who(boss.Token))
	if err != nil || len(list) != 2 || list[0].Present == list[1].Present {
		t.Fatalf("sessions %+v, %v", list, err)
	}
	for _, i := range list {
		if !i.Present && (i.Device != "Safari · iPhone" || i.Address != "192.0.2.99" || i.Factor != KindPassword) {
			t.Errorf("the other session %+v", i)
		}
	}
	if err := d.EndSession(ctx, d.who(boss.Token), d.who(wang.Token).Session); !errors.Is(err, ErrNothing) || d.who(wang.Token).Account != "Wang" {
		t.Errorf("ended another's session: %v", err)
	}
	if err := d.EndSession(ctx, d.who(boss.Token), phone.Person.Session); err != nil || d.who(phone.Token).Account != "" {
		t.Errorf("ended one: %v", err)
	}
	second := d.mustSignIn("Chen", password)
	if err := d.EndOthers(ctx, d.who(second)); err != nil || d.who(boss.Token).Account != "" || d.who(second).Account != "Chen" || d.who(wang.Token).Account != "Wang" {
		t.Errorf("ended others: %v", err)
	}
	for range mostSessions {
		d.now = d.now.Add(time.Second)
		d.mustSignIn("Chen", password)
	}
	if list, _ := d.Sessions(ctx, Person{Account: "Chen"}); len(list) != mostSessions || d.who(second).Account != "" {
		t.Errorf("%d sessions at once", len(list))
	}
	d.now = d.now.Add(-time.Hour)
	if list, _ := d.Sessions(ctx, Person{Account: "Chen"}); len(list) != 0 {
		t.Errorf("%d sessions outlive a clock that was set back", len(list))
	}
}

func TestUnusualSignIns(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	desk := From{Address: "192.0.2.7", Agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/139.0 Safari/537.36"}
	d.first()
	seen := map[string]bool{}
	in := func(from From) (fresh []string) {
		t.Helper()
		s, err := d.SignIn(ctx, "Chen", password, from)
		if err != nil {
			t.Fatal(err)
		}
		list, err := d.Notices(ctx, d.who(s.Token), true)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range list {
			fresh = append(fresh, n.Kind)
			seen[n.Kind] = true
		}
		if err := d.SeeNotices(ctx, d.who(s.Token), 1<<40); err != nil {
			t.Fatal(err)
		}
		slices.Sort(fresh)
		return fresh
	}
	if got := in(desk); !slices.Equal(got, []string{"new_device"}) {
		t.Errorf("a new device: %v", got)
	}
	for range hoursLearnt {
		d.now = d.now.Add(24 * time.Hour)
		if got := in(desk); len(got) != 0 {
			t.Errorf("as always: %v", got)
		}
	}
	desk.Address = "192.0.2.200" // near by
	if got := in(desk); len(got) != 0 {
		t.Errorf("from the same network: %v", got)
	}
	desk.Address = "203.0.113.5"
	if got := in(desk); !slices.Equal(got, []string{"new_network"}) {
		t.Errorf("from another network: %v", got)
	}
	d.now = d.now.Add(19 * time.Hour) // three in the morning
	if got := in(desk); !slices.Equal(got, []string{"odd_hour"}) {
		t.Errorf("at night: %v", got)
	}
	for range worthTelling {
		if _, err := d.SignIn(ctx, "Chen", "wrong", From{Address: "198.51.100.1"}); !errors.Is(err, ErrWrong) {
			t.Fatal(err)
		}
	}
	if got := in(desk); !slices.Equal(got, []string{"after_failures"}) {
		t.Errorf("after failures: %v", got)
	}
	if n := strings.Count(strings.Join(d.trail, "\n"), "signin.unusual chen ok"); n != 4 {
		t.Errorf("%d entries in the audit trail, want 4", n)
	}
}

func TestReports(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	d.first()
	d.now = d.now.Add(DormantAfter + time.Hour)
	if list, err := d.Accounts(ctx); err != nil || len(list) != 1 || !list[0].Dormant || list[0].Waiting || list[0].Sessions != 0 {
		t.Errorf("accounts %+v, %v", list, err)
	}
	boss := d.who(d.mustSignIn("Chen", password))
	if _, err := d.Create(ctx, boss, Account{Name: "Li", NeedsFactor: true}); err != nil {
		t.Fatal(err)
	}
	list, err := d.Accounts(ctx)
	if err != nil || list[0].Dormant || list[0].Sessions != 1 || !list[1].Waiting || !list[1].LacksFactor {
		t.Errorf("accounts %+v, %v", list, err)
	}
}

// TestNothingTellsAccountsApart: that there is an account, that it is disabled or waits for its activation shows in no error, no
// entry but the name that was typed, and no difference of work.
func TestNothingTellsAccountsApart(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.who(d.first().Token)
	d.hire(boss, "Wang", other)
	if err := d.Disable(ctx, boss, "Wang"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create(ctx, boss, Account{Name: "Li"}); err != nil {
		t.Fatal(err)
	}
	hashed := func() int64 { return d.hashing.done.Load() }
	for who, password := range map[string]string{"Chen": "wrong", "Wang": other, "Li": "wrong", "Nobody": "wrong"} {
		d.trail = nil
		before := hashed()
		_, err := d.SignIn(ctx, who, password, From{Address: "198.51.100.7"})
		if err == nil || !errors.Is(err, ErrWrong) || err.Error() != ErrWrong.Error() {
			t.Errorf("%s: %v", who, err)
		}
		if want := "signin.password " + strings.ToLower(who) + " refused"; !slices.Equal(d.trail, []string{want}) {
			t.Errorf("%s: entries %q", who, d.trail)
		}
		if n := hashed() - before; n != 1 {
			t.Errorf("%s: %d passwords were hashed", who, n)
		}
	}
}

// TestAddressBrakeIsNotBought: who signs in to an account of their own between guesses at others' goes no faster.
func TestAddressBrakeIsNotBought(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	d.first()
	thief := From{Address: "198.51.100.9"}
	var wait *WaitError
	for i := range addressBrake.free {
		if _, err := d.SignIn(ctx, "victim"+string(rune('a'+i)), "guess", thief); !errors.Is(err, ErrWrong) {
			t.Fatalf("guess %d: %v", i, err)
		}
		if i == addressBrake.free-1 {
			break
		}
		if _, err := d.SignIn(ctx, "Chen", password, thief); err != nil {
			t.Fatalf("the own account, %d: %v", i, err)
		}
	}
	if _, err := d.SignIn(ctx, "victim-next", "guess", thief); !errors.As(err, &wait) {
		t.Errorf("after %d guesses at as many accounts: %v", addressBrake.free, err)
	}
}

// TestOlderStore: a store from before accounts had more than a password goes on; its account keeps its name and password.
func TestOlderStore(t *testing.T) {
	v, ctx := newVault(t), t.Context()
	old, err := migrations.ReadFile("migrations/0001_accounts.sql")
	if err != nil {
		t.Fatal(err)
	}
	err = v.Update(ctx, func(tx *vault.Tx) error {
		for statement := range strings.SplitSeq(string(old), ";\n") {
			if strings.Trim(statement, " \n") == "" {
				continue
			}
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO account (folded, name, password, made_at) VALUES ('chen', 'Chen', ?1, 1)`, hashPassword(password, present))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, v, Options{Audit: func(*vault.Tx, change.Entry, Person) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	in, err := s.SignIn(ctx, "chen", password, here)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := s.Person(ctx, in.Token, false); err != nil || p.Account != "Chen" || len(p.Roles) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestContextWords: what everybody here would try first is no password, however it is put together; a sentence that has such a word is one.
func TestContextWords(t *testing.T) {
	words := []string{"acme", "hub.acme.example", "SHA", "Chen", "陈大文"}
	for password, good := range map[string]bool{"Acme-Chen-2026!": false, "acmeacmeacme": false, "5ha-acm3-5ha-2026": false, "陈大文陈大文陈大文陈大": false, "hub-acme-example-1": false,
		"woaini1314520": false, "mnbvcxz-lkjhgf": false, "iloveyou123456": false, "football-baseball": false, "the depot of acme leaks": true, "陈大文的猫在屋顶上睡着了": true} {
		if err := ASVS.check(password, words, guessable.Judge); (err == nil) != good {
			t.Errorf("password %q: %v, want it taken: %v", password, err, good)
		}
	}
}

// FuzzDevice: what a browser calls itself becomes a few words of ours.
func FuzzDevice(f *testing.F) {
	for _, s := range []string{"", "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/139.0 Safari/537.36", "curl/8", "\x00<script>", "Edg"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, agent string) {
		if d := Device(agent); len(d) > 40 || strings.ContainsAny(d, "<>\"&\n\x00") {
			t.Errorf("%q is %q", agent, d)
		}
	})
}
