package station_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stockade/edge/station"
	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/barcode"
	"stockade/protocol/change"
	"stockade/protocol/clock"
)

const (
	pin     = "830274"
	monitor = "session monitor" // a browser
)

var boss = identity.Person{Account: "boss"}

// badges is what a node has between stations and accounts.
type badges struct {
	*identity.Service
	lent []string
}

func (b badges) Read(ctx context.Context, code string) (station.Holder, error) {
	h, err := b.ReadBadge(ctx, code)
	if errors.Is(err, identity.ErrBadge) {
		err = station.ErrBadge
	}
	if errors.Is(err, identity.ErrNoPIN) {
		err = station.ErrNoPIN
	}
	return station.Holder{Name: h.Display, Account: h.Account, Badge: h.Badge, PIN: h.PIN}, err
}

func (b badges) Enter(ctx context.Context, h station.Holder, pin, name, address string) (station.Worker, error) {
	p, err := b.EnterPIN(ctx, h.Badge, pin, name, address)
	return station.Worker{Actor: p.Account, Session: p.Session, Lent: b.lent}, err
}

func (b badges) Holds(ctx context.Context, h station.Holder) (bool, error) {
	return b.BadgeHolds(ctx, h.Badge, h.PIN)
}

// badgeBench is a bench whose station takes badges.
type badgeBench struct {
	*bench
	people *identity.Service
	codes  map[string]string // badge by account
	lent   []string          // temporary grants by which people work
}

func newBadgeBench(t *testing.T, needs bool) *badgeBench {
	t.Helper()
	b := &badgeBench{bench: newBench(t), codes: map[string]string{}}
	ctx := t.Context()
	var err error
	b.people, err = identity.Open(ctx, b.store.Vault(), identity.Options{Now: func() time.Time { return b.now }, Audit: func(*vault.Tx, change.Entry, identity.Person) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lilei", "hanmei"} {
		code, err := b.people.Create(ctx, boss, identity.Account{Name: name, Display: map[string]string{"lilei": "李雷", "hanmei": "韩梅梅"}[name]})
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.people.Activate(ctx, code, "seven lamps over the quay", identity.From{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := b.people.Person(ctx, s.Token, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.people.SetPIN(ctx, p, pin); err != nil {
			t.Fatal(err)
		}
		if b.codes[name], err = b.people.NewBadge(ctx, boss, name); err != nil {
			t.Fatal(err)
		}
	}
	b.restart(needs)
	return b
}

// restart makes the station anew, as after a power cut.
func (b *badgeBench) restart(needs bool) {
	b.t.Helper()
	now := func() time.Time { return b.now }
	var err error
	b.st, err = station.New(station.Config{Name: "desk", Receiving: storetest.Warehouse.Bin("RECV"), Repeat: 700 * time.Millisecond, Zone: time.UTC, Now: now,
		Badges: badges{b.people, b.lent}, NeedsBadge: needs}, b.store, clock.New(now, 0))
	if err != nil {
		b.t.Fatal(err)
	}
}

// from hands in a scan from the station's scanner (no browser) or from a page.
func (b *badgeBench) from(w station.Worker, raw string) station.Feedback {
	b.t.Helper()
	b.now = b.now.Add(time.Second)
	return b.repeat(w, raw)
}

func (b *badgeBench) repeat(w station.Worker, raw string) station.Feedback {
	b.t.Helper()
	f, err := b.st.Handle(b.t.Context(), barcode.Decode(barcode.Profile{}, []byte(raw), b.now)[0], w)
	if err != nil {
		b.t.Fatal(err)
	}
	return f
}

var gun station.Worker // the station's own scanner

func guest(browser string) station.Worker {
	return station.Worker{Actor: "station/desk", Browser: browser}
}

// begin signs a person in at the station, the PIN typed in the browser at the monitor.
func (b *badgeBench) begin(name string) {
	b.t.Helper()
	if f := b.from(gun, b.codes[name]); f.Code != station.BadgeRead && f.Code != station.BadgeLeft {
		b.t.Fatalf("badge: %+v", f)
	}
	if err := b.st.EnterPIN(b.t.Context(), pin, monitor, "192.0.2.9"); err != nil {
		b.t.Fatal(err)
	}
}

// actor is in whose name the last change was made.
func (b *badgeBench) actor() (actor, session string) {
	b.t.Helper()
	storetest.View(b.t, b.store, func(tx *store.Tx) error {
		f, err := station.Scans(tx, "desk", 0, 1000)
		if err != nil {
			return err
		}
		for i := len(f) - 1; i >= 0; i-- {
			if f[i].Movement != "" {
				entries, _, err := tx.Movements("", "", 1)
				if err == nil {
					actor, session = entries[0].Meta.Actor, entries[0].Meta.Session
				}
				return err
			}
		}
		return nil
	})
	return actor, session
}

// TestWorkByBadgeForATime: whatever is booked by who may scan for a time only says so in an entry beside it; what books nothing does not.
func TestWorkByBadgeForATime(t *testing.T) {
	b := newBadgeBench(t, true)
	b.lent = []string{"A7-grant"}
	b.restart(true)
	b.begin("lilei")
	marks := func() (n int) {
		storetest.View(t, b.store, func(tx *store.Tx) error {
			all, err := tx.Uncut(1, 1000, 1<<20)
			for _, raw := range all {
				c, err := change.Decode(raw)
				if err != nil {
					return err
				}
				if e, err := c.Entry(); err == nil && e.Act == change.ActGrantUsed {
					if e.Object != "A7-grant" || c.Meta.Actor != "lilei" || e.Detail["station"] != "desk" {
						t.Errorf("%+v by %s", e, c.Meta.Actor)
					}
					n++
				}
			}
			return err
		})
		return n
	}
	if f := b.from(gun, "STK:MODE:RECEIVE"); f.Outcome != station.Info || marks() != 0 {
		t.Errorf("a mode: %+v, %d marks", f, marks())
	}
	for i := range 2 {
		if f := b.from(gun, "]C101"+tea+"\x1d10L1"); f.Outcome != station.Accepted || marks() != i+1 {
			t.Errorf("receipt %d: %+v, %d marks", i+1, f, marks())
		}
	}
	if f := b.from(gun, "nothing that is known"); f.Outcome != station.Refused || marks() != 2 {
		t.Errorf("a refused scan: %+v, %d marks", f, marks())
	}
}

func TestWorkByBadge(t *testing.T) {
	b, ctx := newBadgeBench(t, true), t.Context()
	const receipt = "]C101" + tea + "\x1d10L1"
	if f := b.from(gun, receipt); f.Outcome != station.Refused || f.Code != station.BadgeFirst {
		t.Errorf("without a badge: %+v", f)
	}
	if f, err := b.st.SetMode(ctx, station.Pick, guest(monitor)); err != nil || f.Code != station.BadgeFirst {
		t.Errorf("a button without a badge: %+v, %v", f, err)
	}
	if err := b.st.EnterPIN(ctx, pin, monitor, ""); !errors.Is(err, station.ErrNoBadge) {
		t.Errorf("a PIN without a badge: %v", err)
	}
	if f := b.from(gun, b.codes["lilei"]); f.Code != station.BadgeRead || f.Args["person"] != "李雷" || b.st.AtWork() != (station.AtWork{Asked: "李雷"}) {
		t.Fatalf("the badge: %+v, %+v", f, b.st.AtWork())
	}
	if f := b.repeat(gun, b.codes["lilei"]); f.Code != station.RepeatIgnored || b.st.AtWork().Asked != "李雷" {
		t.Errorf("read twice: %+v", f)
	}
	if f := b.from(gun, receipt); f.Code != station.BadgeFirst {
		t.Errorf("a badge alone: %+v", f)
	}
	if err := b.st.EnterPIN(ctx, "940613", monitor, ""); !errors.Is(err, identity.ErrPIN) || b.st.AtWork().Name != "" {
		t.Errorf("a wrong PIN: %v", err)
	}
	if err := b.st.EnterPIN(ctx, pin, monitor, ""); err != nil || b.st.AtWork() != (station.AtWork{Name: "李雷"}) {
		t.Fatalf("the right PIN: %v, %+v", err, b.st.AtWork())
	}
	if f := b.from(gun, receipt); f.Outcome != station.Accepted {
		t.Fatalf("by badge: %+v", f)
	}
	if actor, session := b.actor(); actor != "lilei" || session == "" {
		t.Errorf("booked by %q in session %q", actor, session)
	}
	// The page where the PIN was typed works in the same name; one elsewhere does not, and one signed in works as itself.
	if f := b.from(guest(monitor), receipt); f.Outcome != station.Accepted {
		t.Errorf("at the monitor: %+v", f)
	} else if actor, _ := b.actor(); actor != "lilei" {
		t.Errorf("booked by %q", actor)
	}
	if f := b.from(guest("visit somebody in the network"), receipt); f.Code != station.BadgeFirst {
		t.Errorf("a page elsewhere: %+v", f)
	}
	if err := b.st.Leave(ctx, "visit somebody in the network"); !errors.Is(err, station.ErrNoBadge) || b.st.AtWork().Name == "" {
		t.Errorf("signed off from elsewhere: %v", err)
	}
	if f := b.from(station.Worker{Actor: "wang", Session: "w", Browser: "session w"}, receipt); f.Outcome != station.Accepted {
		t.Errorf("somebody signed in: %+v", f)
	} else if actor, _ := b.actor(); actor != "wang" {
		t.Errorf("booked by %q", actor)
	}

	// Another badge ends the first one's work at once, before its PIN is given.
	b.from(gun, b.codes["hanmei"])
	if b.st.AtWork() != (station.AtWork{Asked: "韩梅梅"}) {
		t.Errorf("after another badge: %+v", b.st.AtWork())
	}
	if f := b.from(gun, receipt); f.Code != station.BadgeFirst {
		t.Errorf("between two people: %+v", f)
	}
	if err := b.st.EnterPIN(ctx, pin, monitor, ""); err != nil {
		t.Fatal(err)
	}
	if f := b.from(gun, b.codes["hanmei"]); f.Code != station.BadgeLeft || b.st.AtWork() != (station.AtWork{}) {
		t.Errorf("the badge again: %+v, %+v", f, b.st.AtWork())
	}
	b.begin("hanmei")
	if err := b.st.Leave(ctx, monitor); err != nil || b.st.AtWork() != (station.AtWork{}) {
		t.Errorf("the button: %v, %+v", err, b.st.AtWork())
	}
	// A PIN is waited for a minute.
	b.from(gun, b.codes["hanmei"])
	b.now = b.now.Add(time.Minute + time.Second)
	if err := b.st.EnterPIN(ctx, pin, monitor, ""); !errors.Is(err, station.ErrNoBadge) || b.st.AtWork().Asked != "" {
		t.Errorf("too late: %v", err)
	}
	b.from(gun, b.codes["hanmei"])
	b.st.Cancel()
	if err := b.st.EnterPIN(ctx, pin, monitor, ""); !errors.Is(err, station.ErrNoBadge) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestWorkByBadgeEnds(t *testing.T) {
	b, ctx := newBadgeBench(t, true), t.Context()
	const receipt = "]C101" + tea + "\x1d10L1"
	b.begin("lilei")
	for range 3 { // work goes on as long as something is done
		b.now = b.now.Add(station.DefaultBadgeIdle - 2*time.Second)
		if f := b.from(gun, receipt); f.Outcome != station.Accepted {
			t.Fatalf("at work: %+v", f)
		}
	}
	b.now = b.now.Add(station.DefaultBadgeIdle)
	if f := b.from(gun, receipt); f.Code != station.BadgeFirst || b.st.AtWork() != (station.AtWork{}) {
		t.Errorf("after a pause: %+v", f)
	}
	last, err := b.st.LastScans(ctx, 2)
	if err != nil || last[0].Code != station.BadgeIdle || last[0].Args["person"] != "李雷" {
		t.Errorf("told %+v, %v", last, err)
	}
	b.begin("lilei")
	b.now = b.now.Add(station.DefaultBadgeIdle + time.Second)
	if err := b.st.Sweep(ctx); err != nil || b.st.AtWork() != (station.AtWork{}) {
		t.Errorf("swept: %v, %+v", err, b.st.AtWork())
	}
	// A badge that was reported lost, and a disabled account, end it at the next scan.
	for name, void := range map[string]func() error{"revoked": func() error { return b.people.RevokeBadge(ctx, boss, "lilei") }, "disabled": func() error { return b.people.Disable(ctx, boss, "hanmei") }} {
		who := map[string]string{"revoked": "lilei", "disabled": "hanmei"}[name]
		b.begin(who)
		if err := void(); err != nil {
			t.Fatal(err)
		}
		if f := b.from(gun, receipt); f.Code != station.BadgeFirst || b.st.AtWork() != (station.AtWork{}) {
			t.Errorf("%s: %+v", name, f)
		}
		if f := b.from(gun, b.codes[who]); f.Code != station.BadgeUnknown {
			t.Errorf("%s, scanned again: %+v", name, f)
		}
	}
	// After a restart the badge is asked for again.
	code, err := b.people.NewBadge(ctx, boss, "lilei")
	if err != nil {
		t.Fatal(err)
	}
	b.codes["lilei"] = code
	b.begin("lilei")
	b.restart(true)
	if f := b.from(gun, receipt); f.Code != station.BadgeFirst {
		t.Errorf("after a restart: %+v", f)
	}
}

// At a station that is open the badge is a choice: it names who works.
func TestOpenStationWithoutBadge(t *testing.T) {
	b := newBadgeBench(t, false)
	const receipt = "]C101" + tea + "\x1d10L1"
	if f := b.from(gun, receipt); f.Outcome != station.Accepted {
		t.Fatalf("without a badge: %+v", f)
	}
	if actor, _ := b.actor(); actor != "station/desk" {
		t.Errorf("booked by %q", actor)
	}
	b.begin("lilei")
	b.from(gun, receipt)
	if actor, _ := b.actor(); actor != "lilei" {
		t.Errorf("booked by %q", actor)
	}
	b.from(guest("visit another page"), receipt) // works as before, in nobody's name
	if actor, _ := b.actor(); actor != "station/desk" {
		t.Errorf("booked by %q from another page", actor)
	}
}

// What a badge says stands nowhere: not in what is told, nor in the journal, nor in the outbox.
func TestBadgeIsKeptNowhere(t *testing.T) {
	b, ctx := newBadgeBench(t, true), t.Context()
	secret := strings.TrimPrefix(b.codes["lilei"], "STK:BADGE:")
	news, stop := b.st.Subscribe()
	defer stop()
	b.begin("lilei")
	for _, raw := range []string{b.codes["lilei"], "]C0" + b.codes["lilei"], "]Q3" + strings.ToLower(b.codes["lilei"]), "x" + b.codes["lilei"], "]d201" + tea + "\x1d10" + b.codes["lilei"], b.codes["lilei"] + "\xff",
		"STK:BADGE:" + strings.Repeat("A", 18), "https://a.example/" + b.codes["lilei"]} {
		b.from(gun, raw)
		b.repeat(gun, raw) // read twice
	}
	if len(news) == 0 {
		t.Fatal("nothing was told")
	}
	var all []string
	for range len(news) {
		f := <-news
		all = append(all, fmt.Sprintf("%+v %s %+v", f, f.Raw, f.Scan))
	}
	scans, err := b.st.Scans(ctx, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range scans {
		all = append(all, fmt.Sprintf("%+v %s %+v", f, f.Raw, f.Scan))
	}
	if err := b.store.Vault().View(ctx, func(tx *vault.Tx) error {
		for _, q := range []string{`SELECT hex(raw) || told || state FROM scan`, `SELECT hex(bytes) FROM change`} {
			rows, err := tx.Query(q)
			if err != nil {
				return err
			}
			for rows.Next() {
				var s string
				if err := rows.Scan(&s); err != nil {
					return err
				}
				all = append(all, s)
			}
			if err := rows.Err(); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{secret, strings.ToLower(secret), fmt.Sprintf("%X", secret), base64.StdEncoding.EncodeToString([]byte(secret))[:20]} {
		for _, s := range all {
			if strings.Contains(s, form) {
				t.Errorf("%s stands in %.300s", form, s)
			}
		}
	}
}
