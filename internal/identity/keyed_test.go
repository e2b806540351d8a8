package identity

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stockade/internal/vault"
)

// TestRolesThatTakePasskeysAlone: their people enrol one before anything else; from then on no code of an authenticator and no recovery code serves, neither at
// sign-in nor as step-up, and a session that was begun with a code before is void. Who has lost the key is let in by a reset.
func TestRolesThatTakePasskeysAlone(t *testing.T) {
	d, ctx := newKeyDesk(t), t.Context()
	s := d.first()
	secret, codes, token := d.enrol(s.Token)
	d.now = d.now.Add(time.Minute)
	byCode, err := d.SignInCode(ctx, d.half(here), d.code(secret, d.now), here)
	if err != nil {
		t.Fatal(err)
	}
	asks := false
	d.needsKey = func(roles []string) bool { return asks && len(roles) > 0 }

	asks = true // the configuration, or the role, is new
	if must := d.who(token).Must; must != MustPasskey {
		t.Fatalf("without a passkey one must %q", must)
	}
	d.now = d.now.Add(time.Minute)
	if s, err := d.SignInCode(ctx, d.half(here), d.code(secret, d.now), here); err != nil || d.who(s.Token).Must != MustPasskey {
		t.Errorf("to enrol one, who has a code is let in: %v", err)
	}
	k := newSoftKey(t)
	made, next := d.enrolKey(k, token, "key")
	if p := d.who(next); p.Account == "" || p.Must != "" || len(made) > 0 {
		t.Errorf("after enrolling it: %+v, %d recovery codes that nobody would take", p, len(made))
	}
	if p := d.who(byCode.Token); p.Account != "" {
		t.Errorf("the session by a code goes on: %+v", p)
	}

	half, options := d.askHalf()
	d.now = d.now.Add(time.Minute)
	for what, code := range map[string]string{"authenticator": d.code(secret, d.now), "recovery": codes[0], "wrong": "000000"} {
		for range halfTries + 1 { // nothing is counted: no code is judged
			if s, err := d.SignInCode(ctx, half, code, here); !errors.Is(err, ErrNeedsPasskey) || s.Token != "" {
				t.Errorf("sign-in by %s: %+v, %v", what, s, err)
			}
		}
		if _, err := d.StepUp(ctx, d.who(next), code); !errors.Is(err, ErrNeedsPasskey) {
			t.Errorf("step-up by %s: %v", what, err)
		}
	}
	if w, err := d.WaysOfHalf(ctx, half); err != nil || w != (Ways{Passkey: true, Only: true}) {
		t.Errorf("ways %+v, %v", w, err)
	}
	in, err := d.SignInPasskey(ctx, half, keyHost, k.get(options), here)
	if err != nil || d.who(in.Token).Must != "" {
		t.Fatalf("by the passkey: %+v, %v", in, err)
	}
	options, err = d.AskPasskey(ctx, d.who(in.Token), keyHost)
	if err != nil {
		t.Fatal(err)
	}
	if in, err = d.StepUpPasskey(ctx, d.who(in.Token), keyHost, k.get(options)); err != nil || d.who(in.Token).Account == "" {
		t.Errorf("step-up by the passkey: %v", err)
	}

	asks = false // the role was taken away: codes serve again
	byCode, err = d.SignInCode(ctx, d.half(here), d.code(secret, d.now), here)
	if err != nil || d.who(byCode.Token).Account == "" {
		t.Errorf("without the role, by a code: %v", err)
	}
	asks = true
	if p := d.who(byCode.Token); p.Account != "" {
		t.Errorf("the role was given in a session by a code, which goes on: %+v", p)
	}
	if err := d.ResetFactor(ctx, Person{Account: "Wang"}, "Chen"); err != nil {
		t.Fatal(err)
	}
	if s, err := d.SignIn(ctx, "Chen", password, here); err != nil || s.Token == "" || d.who(s.Token).Must != MustPasskey {
		t.Errorf("after a reset: %v", err)
	}
}

// TestEndEverybody: all sessions end but that of who asks, sign-ins under way too; it needs a reason, is told on, and stands in the trail or does not happen.
func TestEndEverybody(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	boss := d.first()
	other, err := d.SignIn(ctx, "Chen", password, here)
	if err != nil {
		t.Fatal(err)
	}
	code, err := d.Create(ctx, d.who(boss.Token), Account{Name: "wang"})
	if err != nil {
		t.Fatal(err)
	}
	wang, err := d.Activate(ctx, code, "ten red boats went home", here)
	if err != nil {
		t.Fatal(err)
	}
	_, _, secondly := d.enrol(wang.Token)
	half, err := d.SignIn(ctx, "wang", "ten red boats went home", here)
	if err != nil || half.Half == "" {
		t.Fatal(half, err)
	}
	told := 0
	d.allEnded = func(*vault.Tx) error { told++; return nil }
	for _, reason := range []string{"", "  ", strings.Repeat("长", maxEndReason+1)} {
		if _, err := d.EndEverybody(ctx, d.who(boss.Token), reason); err == nil || told > 0 {
			t.Errorf("reason %q: %v", reason, err)
		}
	}
	d.deny = errors.New("disk full")
	if _, err := d.EndEverybody(ctx, d.who(boss.Token), "stolen"); err == nil || d.who(secondly).Account == "" {
		t.Error("sessions ended without an entry")
	}
	d.deny = nil
	ended := d.Ended()
	n, err := d.EndEverybody(ctx, d.who(boss.Token), "a laptop was stolen")
	if err != nil || n != 2 || told != 1 {
		t.Errorf("%d ended, told %d times, %v", n, told, err)
	}
	select {
	case <-ended:
	default:
		t.Error("streams were not told")
	}
	if d.who(boss.Token).Account == "" || d.who(other.Token).Account != "" || d.who(secondly).Account != "" {
		t.Error("the wrong sessions ended")
	}
	if _, err := d.WaysOfHalf(ctx, half.Half); !errors.Is(err, ErrHalf) {
		t.Errorf("a sign-in that was under way: %v", err)
	}
	if last := d.trail[len(d.trail)-1]; last != "session.all_ended  ok" {
		t.Errorf("the trail ends with %q", last)
	}
}

// TestTouch: who is at work stays signed in, up to the longest time; a session that has idled out is not woken.
func TestTouch(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	s := d.first()
	p := d.who(s.Token)
	began := d.now
	for d.now.Sub(began)+10*time.Minute < DefaultMax {
		d.now = d.now.Add(10 * time.Minute)
		if err := d.Touch(ctx, p.Session); err != nil {
			t.Fatal(err)
		}
		if now, _ := d.PersonOf(ctx, p.Session); now.Account == "" {
			t.Fatalf("out after %s", d.now.Sub(began))
		}
	}
	d.now = began.Add(DefaultMax + time.Minute)
	if err := d.Touch(ctx, p.Session); err != nil {
		t.Fatal(err)
	}
	if now, _ := d.PersonOf(ctx, p.Session); now.Account != "" {
		t.Error("work goes on beyond the longest time")
	}
	s, err := d.SignIn(ctx, "Chen", password, here)
	if err != nil {
		t.Fatal(err)
	}
	p = d.who(s.Token)
	d.now = d.now.Add(DefaultIdle + time.Second)
	if err := d.Touch(ctx, p.Session); err != nil {
		t.Fatal(err)
	}
	if now, _ := d.PersonOf(ctx, p.Session); now.Account != "" {
		t.Error("an idle session was woken")
	}
}
