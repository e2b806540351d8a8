package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// code returns what an authenticator with that secret shows at a time.
func (d *desk) code(secret string, at time.Time) string {
	d.t.Helper()
	c, err := totp.GenerateCode(secret, at)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// who returns the person of a session's token.
func (d *desk) who(token string) Person {
	d.t.Helper()
	p, err := d.Person(d.t.Context(), token, false)
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// enrol gives the person of a session an authenticator and returns its secret, the recovery codes and the session's new token.
func (d *desk) enrol(token string) (secret string, codes []string, next string) {
	d.t.Helper()
	e, err := d.BeginFactor(d.t.Context(), d.who(token))
	if err != nil {
		d.t.Fatal(err)
	}
	s, codes, err := d.ConfirmFactor(d.t.Context(), d.who(token), d.code(e.Secret, d.now))
	if err != nil {
		d.t.Fatal(err)
	}
	return e.Secret, codes, s.Token
}

// half gives the right password and returns the secret of the sign-in that waits.
func (d *desk) half(from From) string {
	d.t.Helper()
	s, err := d.SignIn(d.t.Context(), "Chen", password, from)
	if err != nil || s.Half == "" || s.Token != "" {
		d.t.Fatalf("sign-in with a second factor: %+v, %v", s, err)
	}
	return s.Half
}

func TestSecondFactor(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	first := d.first()
	if _, _, err := d.ConfirmFactor(ctx, d.who(first.Token), "123456"); !errors.Is(err, ErrNothing) {
		t.Errorf("confirmed nothing: %v", err)
	}
	e, err := d.BeginFactor(ctx, d.who(first.Token))
	if err != nil || len(e.Secret) != 32 || !strings.HasPrefix(e.URI, "otpauth://totp/Stockade:Chen?") || !strings.Contains(e.URI, e.Secret) {
		t.Fatalf("enrolment %+v, %v", e, err)
	}
	if _, _, err := d.ConfirmFactor(ctx, d.who(first.Token), "000000"); !errors.Is(err, ErrFactor) {
		t.Errorf("a wrong code: %v", err)
	}
	if s, err := d.SignIn(ctx, "Chen", password, here); err != nil || s.Token == "" {
		t.Errorf("a factor that is not confirmed is asked for: %+v, %v", s, err)
	}
	secret, codes, token := d.enrol(first.Token)
	if len(codes) != RecoveryCodes || d.who(first.Token).Account != "" || d.who(token).Account != "Chen" {
		t.Errorf("%d recovery codes; the old token is of %q, the new one of %q", len(codes), d.who(first.Token).Account, d.who(token).Account)
	}
	if list, _ := d.Sessions(ctx, d.who(token)); len(list) != 1 {
		t.Errorf("other sessions go on after a factor was added: %+v", list)
	}
	// The code that confirmed the factor was used with that, and so were those before it.
	for _, at := range []time.Duration{0, -totpStep, -2 * totpStep, 3 * totpStep} {
		if _, err := d.SignInCode(ctx, d.half(here), d.code(secret, d.now.Add(at)), here); !errors.Is(err, ErrFactor) {
			t.Errorf("the code of %v: %v", at, err)
		}
	}
	d.now = d.now.Add(time.Hour)
	for _, at := range []time.Duration{-totpStep, 0, totpStep} { // a phone's clock may be a little wrong
		code := d.code(secret, d.now.Add(at))
		s, err := d.SignInCode(ctx, d.half(here), code[:3]+" "+code[3:], here)
		if err != nil || d.who(s.Token).Account != "Chen" {
			t.Fatalf("the code of %v: %v", at, err)
		}
		if _, err := d.SignInCode(ctx, d.half(here), code, here); !errors.Is(err, ErrFactor) {
			t.Errorf("the code of %v a second time: %v", at, err)
		}
	}
	if _, err := d.SignInCode(ctx, d.half(here), d.code(secret, d.now), here); !errors.Is(err, ErrFactor) {
		t.Errorf("a code older than the one used last: %v", err)
	}
	again, err := Open(ctx, d.store, Options{Now: d.Service.now, Audit: d.audit})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.SignInCode(ctx, d.half(here), d.code(secret, d.now.Add(totpStep)), here); !errors.Is(err, ErrFactor) {
		t.Errorf("a used code after a restart: %v", err)
	}
}

func TestRecoveryCodes(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	secret, codes, _ := d.enrol(d.first().Token)
	s, err := d.SignInCode(ctx, d.half(here), strings.ToLower(strings.ReplaceAll(codes[3], "-", " ")), here)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.SignInCode(ctx, d.half(here), codes[3], here); !errors.Is(err, ErrFactor) {
		t.Errorf("a recovery code a second time: %v", err)
	}
	sessions, err := d.Sessions(ctx, d.who(s.Token))
	if i := slices.IndexFunc(sessions, func(i SessionInfo) bool { return i.Present }); err != nil || i < 0 || sessions[i].Factor != KindRecovery {
		t.Errorf("sessions %+v, %v; want the present one signed in with a recovery code", sessions, err)
	}
	if _, left, _ := d.Factors(ctx, d.who(s.Token)); left != RecoveryCodes-1 {
		t.Errorf("%d recovery codes are left", left)
	}
	fresh, err := d.NewCodes(ctx, d.who(s.Token))
	if err != nil || len(fresh) != RecoveryCodes {
		t.Fatalf("new codes: %d, %v", len(fresh), err)
	}
	if _, err := d.SignInCode(ctx, d.half(here), codes[0], here); !errors.Is(err, ErrFactor) {
		t.Errorf("a code of before: %v", err)
	}
	list, _, err := d.Factors(ctx, d.who(s.Token))
	if err != nil || len(list) != 1 || list[0].Kind != KindTOTP {
		t.Fatalf("factors %+v, %v", list, err)
	}
	next, err := d.RemoveFactor(ctx, d.who(s.Token), list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := d.SignIn(ctx, "Chen", password, here); err != nil || s.Token == "" {
		t.Errorf("sign-in without the factor: %+v, %v", s, err)
	}
	if _, left, _ := d.Factors(ctx, d.who(next.Token)); left != 0 {
		t.Errorf("%d recovery codes outlive the factor", left)
	}
	_ = secret
}

// TestOneUseInParallel: whatever is good once is good once for however many come at the same time.
func TestOneUseInParallel(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	secret, codes, token := d.enrol(d.first().Token)
	activation, err := d.Create(ctx, d.who(token), Account{Name: "Wang"})
	if err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Hour)
	use := func(what string, do func(i int) error) {
		t.Helper()
		const many = 4 // fewer than the brakes let through
		var good atomic.Int32
		var all sync.WaitGroup
		for i := range many {
			all.Go(func() {
				if do(i) == nil {
					good.Add(1)
				}
			})
		}
		all.Wait()
		if good.Load() != 1 {
			t.Errorf("%s was good %d times", what, good.Load())
		}
	}
	halves := func() (list []string) {
		for range 4 {
			list = append(list, d.half(here))
		}
		return list
	}
	for what, code := range map[string]string{"a code": d.code(secret, d.now), "a recovery code": codes[0]} {
		waiting := halves()
		use(what, func(i int) error { _, err := d.SignInCode(ctx, waiting[i], code, here); return err })
	}
	waiting := d.half(here)
	use("a waiting sign-in", func(i int) error { _, err := d.SignInCode(ctx, waiting, codes[1+i], here); return err })
	use("an activation code", func(i int) error {
		_, err := d.Activate(ctx, activation, fmt.Sprintf("a sentence for parallel %d", i), From{Address: fmt.Sprintf("192.0.2.%d", i)})
		return err
	})
}

func TestHalfSignIns(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	secret, _, _ := d.enrol(d.first().Token)
	d.now = d.now.Add(time.Hour)
	half := d.half(here)
	d.now = d.now.Add(halfFor + time.Second)
	if _, err := d.SignInCode(ctx, half, d.code(secret, d.now), here); !errors.Is(err, ErrHalf) {
		t.Errorf("too late: %v", err)
	}
	if _, err := d.SignInCode(ctx, "made up", d.code(secret, d.now), here); !errors.Is(err, ErrHalf) {
		t.Errorf("a token that means nothing: %v", err)
	}
	if p, err := d.Person(ctx, d.half(here), true); p.Account != "" || err != nil {
		t.Errorf("a waiting sign-in is a session of %q, %v", p.Account, err)
	}
	half = d.half(here)
	for i := range halfTries {
		want := ErrFactor
		if i == halfTries-1 {
			want = ErrHalf
		}
		if _, err := d.SignInCode(ctx, half, "000000", here); !errors.Is(err, want) {
			t.Errorf("wrong code %d: %v, want %v", i, err, want)
		}
	}
	d.now = d.now.Add(time.Minute)
	if _, err := d.SignInCode(ctx, half, d.code(secret, d.now), here); !errors.Is(err, ErrHalf) {
		t.Errorf("the right code after too many wrong ones: %v", err)
	}
	s, err := d.SignInCode(ctx, d.half(here), d.code(secret, d.now), here)
	if err != nil {
		t.Fatal(err)
	}
	if !d.told(s.Token, "code_guessed") {
		t.Error("nobody tells that somebody else knows the password")
	}
}

// told reports whether the person was told something of that kind.
func (d *desk) told(token, kind string) bool {
	d.t.Helper()
	list, err := d.Notices(d.t.Context(), d.who(token), false)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, n := range list {
		if n.Kind == kind {
			return true
		}
	}
	return false
}

// TestGuessingCodes: 10,000 guesses from eight addresses, by somebody who knows the password and never tires, over two days: few of
// them are judged at all, so the chance to hit one of three good codes in a million stays below one in a thousand.
func TestGuessingCodes(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	secret, _, _ := d.enrol(d.first().Token)
	judged, waits := 0, 0
	half := ""
	began := d.now
	for i := range 10_000 {
		d.now = began.Add(time.Duration(i) * 48 * time.Hour / 10_000)
		from := From{Address: fmt.Sprintf("198.51.100.%d", i%8)}
		if _, err := d.WaysOfHalf(ctx, half); err != nil && !errors.Is(err, ErrHalf) {
			t.Fatal(err)
		} else if err != nil { // too old, or too many guesses: the password is given again, and it is right
			s, err := d.half2(from)
			if err != nil {
				t.Fatal(err)
			}
			half = s
		}
		guess := fmt.Sprintf("%06d", i)
		for _, c := range []time.Duration{-totpStep, 0, totpStep} {
			if guess == d.code(secret, d.now.Add(c)) {
				guess = "x" // a lucky guess is not what is looked at
			}
		}
		_, err := d.SignInCode(ctx, half, guess, from)
		var wait *WaitError
		switch {
		case errors.As(err, &wait):
			waits++
			// While the brake holds, the right code is no better than a wrong one.
			if i%500 == 0 {
				if _, err := d.SignInCode(ctx, half, d.code(secret, d.now), from); !errors.As(err, &wait) {
					t.Fatalf("the right code while the brake holds: %v", err)
				}
			}
		case errors.Is(err, ErrFactor), errors.Is(err, ErrHalf):
			judged++
		default:
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	allowed := codeBrake.free + 6 + int(48*time.Hour/codeBrake.most)
	if judged > allowed || judged < codeBrake.free || waits+judged != 10_000 {
		t.Errorf("%d guesses were judged and %d had to wait; at most %d of 10,000 may be judged", judged, waits, allowed)
	}
}

// half2 is half without hashing a password ten thousand times: what SignIn does after the right one.
func (d *desk) half2(from From) (half string, err error) {
	err = d.update(func(tx *vaultTx) error {
		s, err := d.beginHalf(tx, "chen", KindPassword, from)
		half = s.Half
		return err
	})
	return half, err
}

func TestStepUp(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	token := d.first().Token
	if !d.who(token).Fresh {
		t.Error("who has just signed in is not fresh")
	}
	d.now = d.now.Add(FreshFor + time.Second)
	stale := d.who(token)
	if stale.Fresh {
		t.Error("fresh after more than five minutes")
	}
	stale.Fresh = true // what a caller claims does not count
	if _, err := d.BeginFactor(ctx, stale); !errors.Is(err, ErrNotFresh) {
		t.Errorf("a factor enrolled by who is not fresh: %v", err)
	}
	if _, err := d.ChangePassword(ctx, stale, password, "another sentence of mine"); !errors.Is(err, ErrNotFresh) {
		t.Errorf("password changed by who is not fresh: %v", err)
	}
	if _, err := d.StepUp(ctx, stale, "wrong"); !errors.Is(err, ErrFactor) {
		t.Errorf("a wrong password: %v", err)
	}
	s, err := d.StepUp(ctx, stale, password)
	if err != nil || !d.who(s.Token).Fresh || d.who(token).Account != "" {
		t.Fatalf("with the password: %v, %+v", err, d.who(s.Token))
	}
	secret, codes, token := d.enrol(s.Token)
	d.now = d.now.Add(FreshFor + time.Second)
	if _, err := d.StepUp(ctx, d.who(token), password); !errors.Is(err, ErrFactor) {
		t.Errorf("the password of who has a second factor: %v", err)
	}
	code := d.code(secret, d.now)
	if s, err = d.StepUp(ctx, d.who(token), code); err != nil || !d.who(s.Token).Fresh {
		t.Errorf("with a code: %v", err)
	}
	if _, err := d.StepUp(ctx, d.who(s.Token), code); !errors.Is(err, ErrFactor) {
		t.Errorf("the code again: %v", err)
	}
	if s, err = d.StepUp(ctx, d.who(s.Token), codes[0]); err != nil {
		t.Errorf("with a recovery code: %v", err)
	}
	var wait *WaitError
	for range codeBrake.free {
		if _, err := d.StepUp(ctx, d.who(s.Token), "000000"); !errors.Is(err, ErrFactor) {
			t.Errorf("a wrong code: %v", err)
		}
	}
	if _, err = d.StepUp(ctx, d.who(s.Token), codes[1]); !errors.As(err, &wait) {
		t.Errorf("after guessing: %v", err)
	}
	d.now = d.now.Add(-time.Minute) // a clock that was set back makes nobody fresh
	if d.who(s.Token).Fresh {
		t.Error("fresh from the future")
	}
}

func TestFactorIsRequired(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	token := d.first().Token
	d.needs = func(roles []string) bool { return len(roles) == 2 }
	if p := d.who(token); p.Must != MustEnrol || len(p.Roles) != 2 {
		t.Errorf("must %q with roles %v", p.Must, p.Roles)
	}
	_, _, token = d.enrol(token)
	if p := d.who(token); p.Must != "" {
		t.Errorf("must %q after enrolling", p.Must)
	}
	list, _ := d.Accounts(ctx)
	if len(list) != 1 || list[0].LacksFactor || !list[0].Factor {
		t.Errorf("accounts %+v", list)
	}
}

// FuzzCodes: whatever is given as a code is wrong unless it is one, and harms nothing.
func FuzzCodes(f *testing.F) {
	for _, s := range []string{"", "123456", "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF", "１２３４５６", "\x00", "- - -", strings.Repeat("9", 1000)} {
		f.Add(s)
	}
	s := &Service{now: func() time.Time { return time.Unix(1_900_000_000, 0) }}
	secret := []byte("12345678901234567890")
	good := map[string]bool{}
	for _, at := range []int64{-30, 0, 30} {
		c, err := totp.GenerateCode(secretText.EncodeToString(secret), s.now().Add(time.Duration(at)*time.Second))
		if err != nil {
			f.Fatal(err)
		}
		good[c] = true
	}
	f.Fuzz(func(t *testing.T, code string) {
		plain := strings.NewReplacer(" ", "", "-", "").Replace(code)
		if _, right := s.totp(secret, 0, code); right != good[plain] {
			t.Errorf("%q is right: %v", code, right)
		}
		upper := strings.ToUpper(plain)
		if codeHash(code) != codeHash(upper) && strings.ToUpper(upper) == upper {
			t.Errorf("%q is another code when typed differently", code)
		}
	})
}

// TestTOTPVectors: the codes of RFC 6238, appendix B, for SHA-1; authenticators show the last six of the eight digits.
func TestTOTPVectors(t *testing.T) {
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		s := &Service{now: func() time.Time { return time.Unix(at, 0) }}
		if c, right := s.totp([]byte("12345678901234567890"), 0, want); !right || c != at/30 {
			t.Errorf("at %d the code %s belongs to %d, %v", at, want, c, right)
		}
	}
}
