package identity

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stockade/internal/guessable"
	"stockade/internal/vault"
	"stockade/protocol/change"
)

// desk is a service over a store of its own, with a clock that the test turns and an audit trail it can read.
type desk struct {
	*Service
	t     *testing.T
	now   time.Time
	trail []string // "act object outcome"
	deny  error    // that the audit trail answers
}

var here = From{Address: "192.0.2.7"}

const password = "correct horse battery"

func newVault(t *testing.T) *vault.Store {
	t.Helper()
	v, err := vault.Open(t.Context(), vault.Options{Path: filepath.Join(t.TempDir(), "people.db"), Key: vault.Key{1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	v := newVault(t)
	var err error
	d := &desk{t: t, now: time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)}
	d.Service, err = Open(t.Context(), v, Options{Now: func() time.Time { return d.now }, Audit: func(_ *vault.Tx, e change.Entry, _ Person) error {
		if d.deny != nil {
			return d.deny
		}
		d.trail = append(d.trail, e.Act+" "+e.Object+" "+e.Outcome)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// first makes the first account.
func (d *desk) first() Session {
	d.t.Helper()
	code, err := d.FirstCode(d.t.Context())
	if err != nil || code == "" {
		d.t.Fatalf("one-time code %q, %v", code, err)
	}
	s, err := d.Begin(d.t.Context(), code, "Chen", password, here)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func TestFirstCode(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	if _, err := d.Begin(ctx, "", "Chen", password, here); !errors.Is(err, ErrCode) {
		t.Errorf("no code was made, an empty one: %v", err)
	}
	old, err := d.FirstCode(ctx)
	if err != nil {
		t.Fatal(err)
	}
	code, err := d.FirstCode(ctx)
	if err != nil || code == old {
		t.Fatalf("second code %q after %q, %v", code, old, err)
	}
	if _, err := d.Begin(ctx, old, "Chen", password, here); !errors.Is(err, ErrCode) {
		t.Errorf("a code that was replaced: %v", err)
	}
	var rule *RuleError
	if _, err := d.Begin(ctx, code, "Chen", "short", here); !errors.As(err, &rule) || rule.Rule != "login.password_short" {
		t.Errorf("a weak password: %v", err)
	}
	// What was refused by a rule has not used the code up; people type it in small letters and without hyphens.
	s, err := d.Begin(ctx, strings.ToLower(strings.ReplaceAll(code, "-", " ")), "Chen", password, here)
	if err != nil || s.Person.Account != "Chen" {
		t.Fatalf("the right code: %+v, %v", s.Person, err)
	}
	if _, err := d.Begin(ctx, code, "Wang", password, here); !errors.Is(err, ErrCode) {
		t.Errorf("the code a second time: %v", err)
	}
	if again, err := d.FirstCode(ctx); again != "" || err != nil {
		t.Errorf("a code %q, %v though there is an account", again, err)
	}
}

func TestSignIn(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	d.first()
	for _, tt := range []struct {
		name, password string
		want           error
	}{
		{"Chen", password, nil},
		{" chen ", password, nil}, // people do not mind letters and blanks in a name
		{"Chen", password + " ", ErrWrong},
		{"Chen", strings.ToUpper(password), ErrWrong},
		{"Wang", password, ErrWrong},
		{"", "", ErrWrong},
	} {
		s, err := d.SignIn(ctx, tt.name, tt.password, here)
		if !errors.Is(err, tt.want) || (err == nil) != (s.Token != "") {
			t.Errorf("%q with %q: %v, want %v", tt.name, tt.password, err, tt.want)
		}
	}
	want := []string{"account.first chen ok", "signin.ok chen ok", "signin.ok chen ok", "signin.ok chen ok",
		"signin.password chen refused", "signin.password chen refused", "signin.password wang refused", "signin.password  refused"}
	if strings.Join(d.trail, "\n") != strings.Join(want, "\n") {
		t.Errorf("audit trail\n%s\nwant\n%s", strings.Join(d.trail, "\n"), strings.Join(want, "\n"))
	}
}

// TestNoEntryNoSession: what can not be recorded does not happen.
func TestNoEntryNoSession(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	s := d.first()
	d.deny = errors.New("the trail is full")
	if _, err := d.SignIn(ctx, "Chen", password, here); !errors.Is(err, d.deny) {
		t.Errorf("sign-in without an entry: %v", err)
	}
	if err := d.SignOut(ctx, s.Token, here); !errors.Is(err, d.deny) {
		t.Errorf("sign-out without an entry: %v", err)
	}
	if p, err := d.Person(ctx, s.Token, false); p.Account != "Chen" || err != nil {
		t.Errorf("the session of before: %+v, %v", p, err)
	}
}

func TestSessions(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	who := func(token string, used bool) string {
		t.Helper()
		p, err := d.Person(ctx, token, used)
		if err != nil {
			t.Fatal(err)
		}
		return p.Account
	}
	s := d.first()
	d.now = d.now.Add(DefaultIdle - time.Minute)
	if who(s.Token, true) != "Chen" {
		t.Error("a session ended before it was idle for long")
	}
	d.now = d.now.Add(DefaultIdle - time.Minute)
	if who(s.Token, false) != "Chen" {
		t.Error("a session that was used ended as if it had been idle")
	}
	d.now = d.now.Add(2 * time.Minute)
	if who(s.Token, false) != "" {
		t.Error("an idle session goes on")
	}
	s, err := d.SignIn(ctx, "Chen", password, here)
	if err != nil {
		t.Fatal(err)
	}
	for end := d.now.Add(DefaultMax); d.now.Before(end); d.now = d.now.Add(DefaultIdle / 2) {
		who(s.Token, true)
	}
	d.now = d.now.Add(time.Minute)
	if who(s.Token, true) != "" {
		t.Error("a session outlives its greatest age by being used")
	}
	if s, err = d.SignIn(ctx, "Chen", password, here); err != nil {
		t.Fatal(err)
	}
	next, err := d.SignIn(ctx, "Chen", password, From{Address: here.Address, Session: s.Person.Session})
	if err != nil || who(s.Token, false) != "" || who(next.Token, false) != "Chen" {
		t.Errorf("after a new sign-in of the same browser: %v, old %q, new %q", err, who(s.Token, false), who(next.Token, false))
	}
	if err := d.SignOut(ctx, next.Token, here); err != nil || who(next.Token, false) != "" {
		t.Errorf("after sign-out: %v, %q", err, who(next.Token, false))
	}
	if err := d.SignOut(ctx, "nonsense", here); err != nil {
		t.Errorf("sign-out with a token that means nothing: %v", err)
	}
}

// TestBrakes: guessing is slowed down, the right password included, for the one who guesses and not for others.
func TestBrakes(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	d.first()
	thief := From{Address: "198.51.100.9"}
	for i := range pairBrake.free {
		if _, err := d.SignIn(ctx, "Chen", "wrong", thief); !errors.Is(err, ErrWrong) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	var wait *WaitError
	if _, err := d.SignIn(ctx, "Chen", password, thief); !errors.As(err, &wait) || wait.For != pairBrake.first {
		t.Errorf("after %d guesses: %v, want to wait %v", pairBrake.free, err, pairBrake.first)
	}
	if _, err := d.SignIn(ctx, "Chen", password, here); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	d.now = d.now.Add(pairBrake.first)
	if _, err := d.SignIn(ctx, "Chen", "wrong", thief); !errors.Is(err, ErrWrong) {
		t.Errorf("after waiting: %v", err)
	}
	if _, err := d.SignIn(ctx, "Chen", password, thief); !errors.As(err, &wait) || wait.For <= pairBrake.first {
		t.Errorf("one failure more: %v, want a longer wait", err)
	}
}

func TestWaitGrowsToALimit(t *testing.T) {
	for _, b := range []brake{pairBrake, accountBrake, addressBrake} {
		if b.wait(b.free-1) != 0 || b.wait(b.free) != b.first || b.wait(b.free+1) != 2*b.first || b.wait(1_000_000) != b.most {
			t.Errorf("%+v waits %v, %v, %v, %v", b, b.wait(b.free-1), b.wait(b.free), b.wait(b.free+1), b.wait(1_000_000))
		}
	}
}

func TestNetworks(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.2", false},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff:1", true}, // anyone can pick addresses in a /64
		{"2001:db8::1", "2001:db8:0:1::1", false},
	} {
		if (networkOf(tt.a) == networkOf(tt.b)) != tt.same {
			t.Errorf("%s and %s are the same network: %v, want %v", tt.a, tt.b, !tt.same, tt.same)
		}
	}
}

func TestPasswordChoice(t *testing.T) {
	for password, want := range map[string]string{
		"":                          "login.password_short",
		"elevenchars":               "login.password_short",
		strings.Repeat("ab12 ", 60): "login.password_long",
		"password1234":              "login.password_common",
		"P@ssw0rd2026!":             "login.password_common",
		"stockade2026":              "login.password_common",
		"chenchen1234":              "login.password_common", // the person's own name
		"123456789012":              "login.password_common",
		"qwertyuiopas":              "login.password_common",
		"aaaaaaaabbbb":              "login.password_common",
		"四十二个仓库都在下雨的夜里": "",
		password: "",
	} {
		err, got := ASVS.check(password, []string{"Chen"}, guessable.Judge), ""
		var rule *RuleError
		if errors.As(err, &rule) {
			got = rule.Rule
		}
		if got != want {
			t.Errorf("password %q: %q, want %q", password, got, want)
		}
	}
}

// FuzzNames: whatever name is accepted finds its own account again, however it is typed.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"Chen", "陈 大文", "a@b.example", "\x00", "İstanbul", " x ", "ﬀ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if checkName(name) != nil {
			return
		}
		if fold(fold(name)) != fold(name) || strings.ContainsAny(name, "<>\"'&\x00\r\n") {
			t.Errorf("name %q is kept as %q, then as %q", name, fold(name), fold(fold(name)))
		}
	})
}

func TestPasswordHashes(t *testing.T) {
	a, b := hashPassword(password, present), hashPassword(password, present)
	if a == b || strings.Contains(a, "horse") || !strings.HasPrefix(a, "$argon2id$") {
		t.Errorf("hashes %q and %q", a, b)
	}
	for phc, want := range map[string]bool{a: true, b: true, "": false, "$argon2id$": false, a[:len(a)-2]: false} {
		right, _, err := checkPassword(phc, password)
		if right != want {
			t.Errorf("%q fits: %v, %v; want %v", phc, right, err, want)
		}
	}
}
