package identity

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/change"
)

const pin = "830274"

var boss = Person{Account: "Wang", Session: "boss"}

// badge gives Chen a badge and a PIN and returns the badge's text and its public name.
func (d *desk) badge() (code string, h BadgeHolder) {
	d.t.Helper()
	s := d.first()
	if err := d.SetPIN(d.t.Context(), d.who(s.Token), pin); err != nil {
		d.t.Fatal(err)
	}
	return d.newBadge()
}

func (d *desk) newBadge() (code string, h BadgeHolder) {
	d.t.Helper()
	code, err := d.NewBadge(d.t.Context(), boss, "Chen")
	if err != nil {
		d.t.Fatal(err)
	}
	if h, err = d.ReadBadge(d.t.Context(), code); err != nil {
		d.t.Fatal(err)
	}
	return code, h
}

func TestBadge(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	var details []string
	audit := d.audit
	d.audit = func(tx *vault.Tx, e change.Entry, p Person) error {
		details = append(details, fmt.Sprint(e, p))
		return audit(tx, e, p)
	}
	s := d.first()
	code, err := d.NewBadge(ctx, boss, "Chen")
	if err != nil || len(code) != len(BadgePrefix)+badgeLetters || strings.Trim(code[len(BadgePrefix):], codeLetters) != "" {
		t.Fatalf("badge %q, %v", code, err)
	}
	if _, err := d.ReadBadge(ctx, code); !errors.Is(err, ErrNoPIN) {
		t.Errorf("without a PIN: %v", err)
	}
	if err := d.SetPIN(ctx, d.who(s.Token), pin); err != nil {
		t.Fatal(err)
	}
	h, err := d.ReadBadge(ctx, code)
	if err != nil || h.Account != "Chen" || h.Display != "Chen" || h.Badge == "" || strings.Contains(code, h.Badge) {
		t.Fatalf("read as %+v, %v", h, err)
	}
	if _, err := d.EnterPIN(ctx, h.Badge, "111222", "dock-1", "192.0.2.9"); !errors.Is(err, ErrPIN) {
		t.Errorf("a wrong PIN: %v", err)
	}
	who, err := d.EnterPIN(ctx, h.Badge, pin, "dock-1", "192.0.2.9")
	if err != nil || who.Account != "Chen" || who.Session == "" || who.Session == d.who(s.Token).Session {
		t.Fatalf("the right PIN: %+v, %v", who, err)
	}
	// It opens no page: there is no such session.
	if p, err := d.PersonOf(ctx, who.Session); err != nil || p.Account != "" {
		t.Errorf("a session of the pages: %+v, %v", p, err)
	}

	// Another badge voids the first; a revoked one is void at once; a disabled person's too.
	second, h2 := d.newBadge()
	if _, err := d.ReadBadge(ctx, code); !errors.Is(err, ErrBadge) {
		t.Errorf("the former badge: %v", err)
	}
	if _, err := d.EnterPIN(ctx, h.Badge, pin, "dock-1", ""); !errors.Is(err, ErrBadge) {
		t.Errorf("the former badge, read before: %v", err)
	}
	if good, err := d.BadgeHolds(ctx, h.Badge, h.PIN); good || err != nil {
		t.Errorf("the former badge holds: %v, %v", good, err)
	}
	if good, err := d.BadgeHolds(ctx, h2.Badge, h2.PIN); !good || err != nil {
		t.Errorf("the new badge: %v, %v", good, err)
	}
	if err := d.Disable(ctx, boss, "Chen"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadBadge(ctx, second); !errors.Is(err, ErrBadge) {
		t.Errorf("a disabled person: %v", err)
	}
	if good, _ := d.BadgeHolds(ctx, h2.Badge, h2.PIN); good {
		t.Error("the badge of a disabled person holds")
	}
	if _, err := d.NewBadge(ctx, boss, "Chen"); !errors.Is(err, ErrNothing) {
		t.Errorf("a badge for a disabled person: %v", err)
	}
	if err := d.Enable(ctx, boss, "Chen"); err != nil {
		t.Fatal(err)
	}
	if err := d.RevokeBadge(ctx, boss, "Chen"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.EnterPIN(ctx, h2.Badge, pin, "dock-1", ""); !errors.Is(err, ErrBadge) {
		t.Errorf("revoked: %v", err)
	}
	if err := d.RevokeBadge(ctx, boss, "Chen"); !errors.Is(err, ErrNothing) {
		t.Errorf("revoked twice: %v", err)
	}
	if _, err := d.NewBadge(ctx, Person{Account: "chen"}, "Chen"); !errors.Is(err, ErrSelf) {
		t.Errorf("one's own badge: %v", err)
	}
	if b, err := d.BadgeOf(ctx, "Chen"); err != nil || b.Name != "" || b.PIN.IsZero() {
		t.Errorf("told %+v, %v", b, err)
	}

	// All of it is recorded, nothing of it tells badge or PIN, and the store holds neither.
	trail := strings.Join(d.trail, "; ")
	for _, want := range []string{"badge.made chen ok", "badge.pin_set chen ok", "signin.badge chen refused", "signin.badge chen ok", "badge.revoked chen ok"} {
		if !strings.Contains(trail, want) {
			t.Errorf("%q is not recorded: %s", want, trail)
		}
	}
	for _, text := range append(details, stored(t, d)...) {
		for _, secret := range []string{code[len(BadgePrefix):], second[len(BadgePrefix):], pin} {
			if strings.Contains(text, secret) {
				t.Errorf("%q stands in %q", secret, text)
			}
		}
	}
}

// stored returns what the tables of badges hold, as text.
func stored(t *testing.T, d *desk) (out []string) {
	t.Helper()
	if err := d.store.View(t.Context(), func(tx *vault.Tx) error {
		rows, err := tx.Query(`SELECT account || badge || public FROM account_badge UNION ALL SELECT account || pin FROM account_pin UNION ALL SELECT kind || args FROM account_notice UNION ALL SELECT subject FROM attempt`)
		if err != nil {
			return err
		}
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return err
			}
			out = append(out, s)
		}
		return rows.Err()
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPINRules(t *testing.T) {
	for pin, rule := range map[string]string{
		"": "pin.bad", "12345": "pin.bad", "1234567890123": "pin.bad", "83027a": "pin.bad", "８３０２７４": "pin.bad", "830 274": "pin.bad",
		"123456": "pin.easy", "654321": "pin.easy", "345678": "pin.easy", "890123": "pin.easy", "135791": "pin.easy", "000000": "pin.easy", "888888": "pin.easy", "666888": "pin.easy", "121212": "pin.easy",
		"123123": "pin.easy", "112233": "pin.easy", "123321": "pin.easy", "147258": "pin.easy", "5201314": "pin.easy", "900101": "pin.easy", "19900101": "pin.easy", "311299": "pin.easy", "12341234": "pin.easy",
		"830274": "", "90210467": "", "472961385037": "", "117346": "",
	} {
		var r *RuleError
		err := checkPIN(pin)
		if rule == "" && err != nil || rule != "" && (!errors.As(err, &r) || r.Rule != rule) {
			t.Errorf("%q: %v, want %q", pin, err, rule)
		}
	}
}

func TestPINNeedsAFreshFactor(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	s := d.first()
	d.now = d.now.Add(FreshFor + time.Second)
	if err := d.SetPIN(ctx, d.who(s.Token), pin); !errors.Is(err, ErrNotFresh) {
		t.Errorf("set without a fresh factor: %v", err)
	}
	var rule *RuleError
	if err := d.SetPIN(ctx, d.who(s.Token), "123456"); !errors.As(err, &rule) {
		t.Errorf("an easy one: %v", err)
	}
}

func TestPINBrake(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	_, h := d.badge()
	var wait *WaitError
	try := func(pin string) error {
		_, err := d.EnterPIN(ctx, h.Badge, pin, "dock-1", "192.0.2.9")
		return err
	}
	for failed, pause := range []time.Duration{0, 0, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		if pause > 0 {
			d.now = d.now.Add(pause - time.Second)
			if err := try("940613"); !errors.As(err, &wait) {
				t.Errorf("after %d wrong PINs a second too early: %v", failed, err)
			}
			d.now = d.now.Add(time.Second)
		}
		if err := try("940613"); !errors.Is(err, ErrPIN) {
			t.Fatalf("wrong PIN %d: %v", failed+1, err)
		}
	}
	list, err := d.Notices(ctx, Person{Account: "Chen"}, false)
	if err != nil || len(list) == 0 || list[0].Kind != "pin_guessed" {
		t.Errorf("told %+v, %v", list, err)
	}
	again, err := Open(ctx, d.store, Options{Now: d.Service.now, Audit: d.audit}) // a restart frees nobody
	if err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(15*time.Minute - time.Second)
	if _, err := again.EnterPIN(ctx, h.Badge, pin, "dock-2", "192.0.2.10"); !errors.As(err, &wait) || wait.For != time.Second {
		t.Errorf("locked, the right PIN elsewhere after a restart: %v", err)
	}
	d.now = d.now.Add(time.Second)
	if _, err := again.EnterPIN(ctx, h.Badge, pin, "dock-1", "192.0.2.9"); err != nil {
		t.Errorf("when the lock is over: %v", err)
	}

	// A station brakes whatever the badge: a stolen box of them gains nothing there.
	for range 5 {
		_, h := d.newBadge()
		d.now = d.now.Add(time.Minute)
		if _, err := d.EnterPIN(ctx, h.Badge, "940613", "dock-3", ""); !errors.Is(err, ErrPIN) {
			t.Fatal(err)
		}
	}
	_, h = d.newBadge()
	if _, err := d.EnterPIN(ctx, h.Badge, pin, "dock-3", ""); !errors.As(err, &wait) {
		t.Errorf("a sixth badge at the same station: %v", err)
	}
	if _, err := d.EnterPIN(ctx, h.Badge, pin, "dock-4", ""); err != nil {
		t.Errorf("another station: %v", err)
	}
}

// 10,000 guesses from eight addresses at eight stations, for two days, in parallel.
func TestGuessingPINs(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	_, h := d.badge()
	var judged, waited atomic.Int64
	const rounds, stations = 1250, 8
	for i := range rounds {
		d.now = d.now.Add(48 * time.Hour / rounds)
		var all sync.WaitGroup
		for at := range stations {
			all.Go(func() {
				guess := fmt.Sprintf("%06d", (i*stations+at)*73+1)
				if guess == pin {
					return
				}
				_, err := d.EnterPIN(ctx, h.Badge, guess, fmt.Sprintf("dock-%d", at), fmt.Sprintf("192.0.2.%d", at+1))
				var wait *WaitError
				switch {
				case errors.As(err, &wait):
					waited.Add(1)
				case errors.Is(err, ErrPIN):
					judged.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
	// Five, then four in an hour; of the million that there are.
	if n := judged.Load(); n > 5+4*48 || n < 100 || n+waited.Load() != rounds*stations {
		t.Errorf("%d guesses were judged, %d had to wait", n, waited.Load())
	}
}
