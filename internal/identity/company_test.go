package identity

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const issuer = "https://login.example"

// proofOf is what the provider says of somebody.
func proofOf(subject string) Proof {
	return Proof{Issuer: issuer, Subject: subject, Label: subject + "@example"}
}

// noted reports whether the audit trail has an entry.
func (d *desk) noted(entry string) bool { return slices.Contains(d.trail, entry) }

func TestLinkAndSignIn(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.first()
	wang := d.hire(d.who(boss.Token), "Wang", other)
	if _, err := d.SignInCompany(ctx, proofOf("Chen"), here); !errors.Is(err, ErrUnlinked) || !d.noted("signin.oidc Chen refused") {
		t.Errorf("by the name of an account: %v", err)
	}
	if err := d.LinkCompany(ctx, d.who(boss.Token), proofOf("1")); err != nil || !d.noted("account.oidc_linked chen ok") || !d.told(boss.Token, "company_linked") {
		t.Fatalf("link: %v, %v", err, d.trail)
	}
	if err := d.LinkCompany(ctx, d.who(wang.Token), proofOf("1")); !errors.Is(err, ErrLinkTaken) {
		t.Errorf("two accounts of one: %v", err)
	}
	for name, p := range map[string]Proof{"of another issuer": {Issuer: "https://login2.example", Subject: "1"}, "with space": proofOf("1 "), "another": proofOf("2"), "nobody": proofOf("")} {
		if _, err := d.SignInCompany(ctx, p, here); !errors.Is(err, ErrUnlinked) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.now = d.now.Add(time.Minute)
	s, err := d.SignInCompany(ctx, Proof{Issuer: issuer, Subject: "1", Label: "Chen K."}, From{Address: here.Address, Session: d.who(boss.Token).Session})
	if err != nil || s.Token == "" || !d.noted("signin.oidc chen ok") {
		t.Fatalf("sign-in: %+v, %v", s, err)
	}
	if d.who(boss.Token).Account != "" {
		t.Error("the browser's former session lives on")
	}
	p := d.who(s.Token)
	if p.Account != "Chen" || p.Fresh || !p.Company || s.Person.Fresh {
		t.Errorf("signed in as %+v", p)
	}
	if _, err := d.BeginFactor(ctx, p); !errors.Is(err, ErrNotFresh) {
		t.Errorf("what the provider remembers counts as a factor given just now: %v", err)
	}
	list, err := d.Sessions(ctx, p)
	if err != nil || list[0].Factor != KindCompany {
		t.Errorf("sessions %+v, %v", list, err)
	}
	l, err := d.LinkOf(ctx, "chen")
	if err != nil || l.Subject != "1" || l.Label != "Chen K." || !l.Used.Equal(d.now) || l.Only {
		t.Errorf("link %+v, %v", l, err)
	}
	if err := d.Disable(ctx, p, "Wang"); err != nil {
		t.Fatal(err)
	}
	if err := d.LinkFor(ctx, p, "Wang", issuer, "3"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignInCompany(ctx, proofOf("3"), here); !errors.Is(err, ErrUnlinked) {
		t.Errorf("a disabled account: %v", err)
	}
}

// TestCompanyAndSecondFactor: the provider takes the place of the password; our second factor is asked for, unless it took one.
func TestCompanyAndSecondFactor(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.first()
	d.needs = func(roles []string) bool { return len(roles) == 2 }
	if err := d.LinkCompany(ctx, d.who(boss.Token), proofOf("1")); err != nil {
		t.Fatal(err)
	}
	s, err := d.SignInCompany(ctx, proofOf("1"), here)
	if err != nil || d.who(s.Token).Must != MustEnrol {
		t.Errorf("who has to have a factor: must %q, %v", d.who(s.Token).Must, err)
	}
	two := proofOf("1")
	two.SecondFactor = true
	s, err = d.SignInCompany(ctx, two, here)
	if p := d.who(s.Token); err != nil || p.Must != "" || p.Fresh {
		t.Errorf("the provider took one: must %q, fresh %v, %v", p.Must, p.Fresh, err)
	}
	secret, codes, _ := d.enrol(boss.Token)
	d.now = d.now.Add(time.Minute)
	half, err := d.SignInCompany(ctx, proofOf("1"), here)
	if err != nil || half.Half == "" || half.Token != "" {
		t.Fatalf("with a factor: %+v, %v", half, err)
	}
	if _, err := d.SignInCode(ctx, half.Half, "000000", here); !errors.Is(err, ErrFactor) {
		t.Errorf("a wrong code: %v", err)
	}
	s, err = d.SignInCode(ctx, half.Half, d.code(secret, d.now), here)
	if p := d.who(s.Token); err != nil || !p.Fresh || !p.Company {
		t.Errorf("with the code: %+v, %v", p, err)
	}
	if list, _ := d.Sessions(ctx, s.Person); list[0].Factor != "company_totp" {
		t.Errorf("session by %s", list[0].Factor)
	}
	d.now = d.now.Add(FreshFor + time.Minute)
	recent := two
	recent.Recent = true
	if _, err := d.StepUpCompany(ctx, d.who(s.Token), recent); !errors.Is(err, ErrNotFresh) {
		t.Errorf("the provider confirms an important act of who has a factor of ours: %v", err)
	}
	if s, err = d.SignInCompany(ctx, two, here); err != nil || s.Token == "" {
		t.Errorf("the provider took one: %+v, %v", s, err)
	}
	half, err = d.SignInCompany(ctx, proofOf("1"), here)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = d.SignInCode(ctx, half.Half, codes[0], here); err != nil || !d.who(s.Token).Company {
		t.Errorf("with a recovery code: %v", err)
	}
	if half := d.half(here); half != "" { // the way is the sign-in's, not the account's
		s, err := d.SignInCode(ctx, half, codes[1], here)
		if err != nil || d.who(s.Token).Company {
			t.Errorf("by password: %v", err)
		}
	}
}

func TestStepUpAtCompany(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.first()
	wang := d.hire(d.who(boss.Token), "Wang", other)
	if err := errors.Join(d.LinkCompany(ctx, d.who(boss.Token), proofOf("1")), d.LinkCompany(ctx, d.who(wang.Token), proofOf("2"))); err != nil {
		t.Fatal(err)
	}
	s, err := d.SignInCompany(ctx, proofOf("1"), here)
	if err != nil {
		t.Fatal(err)
	}
	recent := proofOf("1")
	if _, err := d.StepUpCompany(ctx, d.who(s.Token), recent); !errors.Is(err, ErrNotRecent) {
		t.Errorf("from memory: %v", err)
	}
	recent.Recent = true
	another := proofOf("2")
	another.Recent = true
	if _, err := d.StepUpCompany(ctx, d.who(s.Token), another); !errors.Is(err, ErrOtherPerson) || !d.noted("signin.again chen refused") {
		t.Errorf("as somebody else: %v", err)
	}
	next, err := d.StepUpCompany(ctx, d.who(s.Token), recent)
	if err != nil || d.who(s.Token).Account != "" || !d.who(next.Token).Fresh || !d.noted("signin.again chen ok") {
		t.Errorf("asked anew: %v, %+v", err, d.who(next.Token))
	}
	gone := d.who(next.Token)
	if err := d.SignOut(ctx, next.Token, here); err != nil {
		t.Fatal(err)
	}
	if _, err := d.StepUpCompany(ctx, gone, recent); !errors.Is(err, ErrNotFresh) {
		t.Errorf("in a session that ended: %v", err)
	}
	if err := d.LinkCompany(ctx, gone, proofOf("9")); !errors.Is(err, ErrNotFresh) {
		t.Errorf("link from a session that ended: %v", err)
	}
}

func TestUnlink(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.first()
	by := d.who(boss.Token)
	if _, err := d.Create(ctx, by, Account{Name: "Li"}); err != nil {
		t.Fatal(err)
	}
	for subject, good := range map[string]bool{"": false, " 7": false, "7\n": false, "7\x00": false, strings.Repeat("x", 256): false, "\xff": false, "a\u202eb": false, "7": true, strings.Repeat("x", 255): true} {
		if err := d.LinkFor(ctx, by, "Li", issuer, subject); (err == nil) != good {
			t.Errorf("subject %q: %v", subject, err)
		}
	}
	if err := d.LinkFor(ctx, by, "Li", issuer, "7"); err != nil {
		t.Fatal(err)
	}
	if err := d.LinkFor(ctx, by, "Chen", issuer, "8"); !errors.Is(err, ErrSelf) {
		t.Errorf("one's own account without a factor: %v", err)
	}
	li, err := d.SignInCompany(ctx, proofOf("7"), here)
	if err != nil {
		t.Fatalf("who never had a password: %v", err)
	}
	if a, _ := d.Account(ctx, "Li"); a.Waiting || !a.Linked {
		t.Errorf("account %+v", a)
	}
	recent := proofOf("7")
	recent.Recent = true
	if li, err = d.StepUpCompany(ctx, d.who(li.Token), recent); err != nil {
		t.Fatal(err)
	}
	if _, err := d.UnlinkCompany(ctx, d.who(li.Token)); !errors.Is(err, ErrOnlyWay) {
		t.Errorf("gives up the only way in: %v", err)
	}
	if err := d.UnlinkFor(ctx, by, "Li"); err != nil || d.who(li.Token).Account != "" || !d.noted("account.oidc_unlinked li ok") {
		t.Errorf("by the administrator: %v", err)
	}
	if err := d.UnlinkFor(ctx, by, "Li"); !errors.Is(err, ErrNothing) {
		t.Errorf("twice: %v", err)
	}
	if _, err := d.SignInCompany(ctx, proofOf("7"), here); !errors.Is(err, ErrUnlinked) {
		t.Errorf("unlinked: %v", err)
	}

	if err := d.LinkCompany(ctx, by, proofOf("1")); err != nil {
		t.Fatal(err)
	}
	elsewhere, err := d.SignInCompany(ctx, proofOf("1"), From{Address: "192.0.2.200"})
	if err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(FreshFor + time.Second)
	if _, err := d.UnlinkCompany(ctx, d.who(boss.Token)); !errors.Is(err, ErrNotFresh) {
		t.Errorf("without a fresh factor: %v", err)
	}
	if boss, err = d.StepUp(ctx, d.who(boss.Token), password); err != nil {
		t.Fatal(err)
	}
	boss, err = d.UnlinkCompany(ctx, d.who(boss.Token))
	if err != nil || d.who(elsewhere.Token).Account != "" || d.who(boss.Token).Account != "Chen" || !d.told(boss.Token, "company_unlinked") {
		t.Errorf("by oneself: %v", err)
	}

	// Recovering an account leaves no way in but the new code; forgetting one leaves nothing.
	if err := d.LinkFor(ctx, by, "Li", issuer, "7"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Recover(ctx, Person{}, "Li"); err != nil {
		t.Fatal(err)
	}
	if l, err := d.LinkOf(ctx, "Li"); err != nil || l.Subject != "" {
		t.Errorf("after recovery: %+v, %v", l, err)
	}
}

// TestCompanyAndBrakes: while guesses at the password hold an account or an address back, the provider is no way round; and trying many of the
// provider's accounts is held back too.
func TestCompanyAndBrakes(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	if err := d.LinkCompany(ctx, d.who(d.first().Token), proofOf("1")); err != nil {
		t.Fatal(err)
	}
	var wait *WaitError
	for range pairBrake.free {
		if _, err := d.SignIn(ctx, "Chen", "wrong", here); !errors.Is(err, ErrWrong) {
			t.Fatal(err)
		}
	}
	if _, err := d.SignInCompany(ctx, proofOf("1"), here); !errors.As(err, &wait) {
		t.Errorf("while guesses hold the account back: %v", err)
	}
	s, err := d.SignInCompany(ctx, proofOf("1"), From{Address: "203.0.113.1"})
	if err != nil || !d.told(s.Token, "after_failures") || !d.told(s.Token, "new_network") {
		t.Errorf("from elsewhere: %v", err)
	}
	thief := From{Address: "198.51.100.9"}
	for i := range pairBrake.free {
		if _, err := d.SignInCompany(ctx, proofOf("stranger"), thief); !errors.Is(err, ErrUnlinked) {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if _, err := d.SignInCompany(ctx, proofOf("stranger"), thief); !errors.As(err, &wait) {
		t.Errorf("after many that belong to nobody: %v", err)
	}
	if _, err := d.SignInCompany(ctx, proofOf("1"), From{Address: "203.0.113.1"}); err != nil {
		t.Errorf("others wait too: %v", err)
	}
}

// TestOverdueAtCompany: an overdue password is asked to be changed by who signs in with it.
func TestOverdueAtCompany(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	if err := d.LinkCompany(ctx, d.who(d.first().Token), proofOf("1")); err != nil {
		t.Fatal(err)
	}
	d.rules = Dengbao
	d.now = d.now.Add(Dengbao.Change + Dengbao.Grace + time.Hour)
	s, err := d.SignInCompany(ctx, proofOf("1"), here)
	if err != nil || d.who(s.Token).Must != "" {
		t.Errorf("at the provider: must %q, %v", d.who(s.Token).Must, err)
	}
	if token := d.mustSignIn("Chen", password); d.who(token).Must != MustChange {
		t.Error("with the password nobody has to change it")
	}
}

// TestNoEntryNoLink: what can not be recorded does not happen.
func TestNoEntryNoLink(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.who(d.first().Token)
	d.deny = errors.New("the trail is full")
	if err := d.LinkCompany(ctx, boss, proofOf("1")); !errors.Is(err, d.deny) {
		t.Errorf("link: %v", err)
	}
	if l, err := d.LinkOf(ctx, "Chen"); err != nil || l.Subject != "" {
		t.Errorf("linked without an entry: %+v, %v", l, err)
	}
	d.deny = nil
	if err := d.LinkCompany(ctx, boss, proofOf("1")); err != nil {
		t.Fatal(err)
	}
	d.deny = errors.New("the trail is full")
	if s, err := d.SignInCompany(ctx, proofOf("1"), here); !errors.Is(err, d.deny) || s.Token != "" {
		t.Errorf("sign-in: %+v, %v", s, err)
	}
}

// TestLinksInParallel: of many who want the same account of the provider at once, one gets it.
func TestLinksInParallel(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.who(d.first().Token)
	names := []string{"A1", "A2", "A3", "A4", "A5", "A6"}
	for _, n := range names {
		if _, err := d.Create(ctx, boss, Account{Name: n}); err != nil {
			t.Fatal(err)
		}
	}
	var good atomic.Int32
	var all sync.WaitGroup
	for _, n := range names {
		all.Go(func() {
			switch err := d.LinkFor(ctx, boss, n, issuer, "1"); {
			case err == nil:
				good.Add(1)
			case !errors.Is(err, ErrLinkTaken):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if good.Load() != 1 {
		t.Errorf("%d accounts have the link", good.Load())
	}
}
