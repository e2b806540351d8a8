package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp/hotp"

	"stockade/internal/vault"
)

// Numbers of the second factor.
const (
	FreshFor      = 5 * time.Minute // how long a factor that was given counts as given just now
	RecoveryCodes = 10

	totpStep    = 30 * time.Second // RFC 6238; authenticators know no other
	totpSkew    = 1                // steps before and after the present one that are taken too
	totpSecret  = 20               // bytes, RFC 4226 section 4 R6
	mostFactors = 5                // of an account and a kind
	enrolFor    = 15 * time.Minute // how long a factor may stay unconfirmed
	halfFor     = 5 * time.Minute  // how long a sign-in waits for its second factor
	halfTries   = 5                // codes that one sign-in may try
)

// Kinds of factors, as they are stored.
const (
	KindPassword = "password"
	KindTOTP     = "totp"
	KindRecovery = "recovery"
	KindPasskey  = "passkey"
)

// Factor is a second factor of an account.
type Factor struct {
	ID   int64
	Kind string
	Name string // of a passkey, as the person called it
	Made time.Time
	Used time.Time // zero when never since it was enrolled
}

// Enrolment is a factor that the person has yet to show to work. Secret is base32, as authenticators take it; URI is the same
// for a QR code.
type Enrolment struct{ Secret, URI string }

var secretText = base32.StdEncoding.WithPadding(base32.NoPadding)

// BeginFactor makes a secret for an authenticator. It takes the place of one that was not confirmed.
func (s *Service) BeginFactor(ctx context.Context, who Person) (Enrolment, error) {
	key := fold(who.Account)
	b := make([]byte, totpSecret)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	err := s.store.Update(ctx, func(tx *vault.Tx) error {
		if err := s.mayChange(tx, who); err != nil {
			return err
		}
		n := 0
		if err := tx.QueryRow(`SELECT count(*) FROM account_factor WHERE account = ?1 AND kind = ?2 AND confirmed_at IS NOT NULL`, key, KindTOTP).Scan(&n); err != nil {
			return err
		}
		if n >= mostFactors {
			return ErrTooMany
		}
		if _, err := tx.Exec(`DELETE FROM account_factor WHERE account = ?1 AND confirmed_at IS NULL`, key); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO account_factor (account, kind, secret, made_at) VALUES (?1, ?2, ?3, ?4)`, key, KindTOTP, b, s.now().UnixMilli())
		return err
	})
	return s.enrolment(who.Account, b), err
}

// PendingFactor returns the factor that BeginFactor made and nothing confirmed yet. ErrNothing says that there is none.
func (s *Service) PendingFactor(ctx context.Context, who Person) (Enrolment, error) {
	var b []byte
	err := s.store.View(ctx, func(tx *vault.Tx) (err error) {
		if err := s.mayChange(tx, who); err != nil {
			return err
		}
		_, b, err = s.pending(tx, fold(who.Account))
		return err
	})
	if err != nil {
		return Enrolment{}, err
	}
	return s.enrolment(who.Account, b), nil
}

func (s *Service) enrolment(account string, secret []byte) Enrolment {
	text := secretText.EncodeToString(secret)
	label := url.PathEscape(s.issuer) + ":" + url.PathEscape(account)
	return Enrolment{Secret: text, URI: "otpauth://totp/" + label + "?" + url.Values{"secret": {text}, "issuer": {s.issuer}}.Encode()}
}

func (s *Service) pending(tx *vault.Tx, key string) (id int64, secret []byte, err error) {
	err = tx.QueryRow(`SELECT id, secret FROM account_factor WHERE account = ?1 AND kind = ?2 AND confirmed_at IS NULL AND made_at > ?3`, key, KindTOTP, s.now().Add(-enrolFor).UnixMilli()).Scan(&id, &secret)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrNothing
	}
	return id, secret, err
}

// ConfirmFactor takes the factor into use that the code shows to work. codes are the recovery codes, told this once, when there were
// none before. Every other session of the person ends, and this one gets a new token.
func (s *Service) ConfirmFactor(ctx context.Context, who Person, code string) (next Session, codes []string, err error) {
	key, counted := fold(who.Account), codeSubjects(fold(who.Account), who.Address)
	var wrong bool
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		wrong, codes = false, nil
		if err := s.mayChange(tx, who); err != nil {
			return err
		}
		id, secret, err := s.pending(tx, key)
		if err != nil {
			return err
		}
		if err := s.attemptIn(tx, counted); err != nil {
			return err
		}
		counter, right := s.totp(secret, 0, code)
		if wrong = !right; wrong {
			return s.note(tx, "factor.added", key, "refused", who, nil)
		}
		if _, err := s.succeeded(tx, counted); err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE account_factor SET confirmed_at = ?2, counter = ?3 WHERE id = ?1`, id, s.now().UnixMilli(), counter); err != nil {
			return err
		}
		next, codes, err = s.factorAdded(tx, who, "factor_added", map[string]string{"kind": KindTOTP})
		return err
	})
	switch {
	case err != nil:
		return Session{}, nil, err
	case wrong:
		return Session{}, nil, ErrFactor
	}
	s.announce()
	return next, codes, nil
}

// factorAdded makes recovery codes when there are none, tells the person, leaves an entry with that detail and ends the other sessions.
func (s *Service) factorAdded(tx *vault.Tx, who Person, notice string, detail map[string]string) (next Session, codes []string, err error) {
	key, left := fold(who.Account), 0
	if err := tx.QueryRow(`SELECT count(*) FROM account_recovery WHERE account = ?1 AND used_at IS NULL`, key).Scan(&left); err != nil {
		return Session{}, nil, err
	}
	only, err := s.passkeyOnly(tx, key)
	if err != nil {
		return Session{}, nil, err
	}
	if left == 0 && !only { // whose codes would not be taken needs none
		if codes, err = s.newCodes(tx, key); err != nil {
			return Session{}, nil, err
		}
	}
	if err := s.tell(tx, key, notice, map[string]string{"name": detail["name"]}); err != nil {
		return Session{}, nil, err
	}
	if err := s.note(tx, "factor.added", key, "ok", who, detail); err != nil {
		return Session{}, nil, err
	}
	next, err = s.renew(tx, who, true)
	return next, codes, err
}

// Factors returns a person's second factors and how many recovery codes are left.
func (s *Service) Factors(ctx context.Context, who Person) (list []Factor, codes int, err error) {
	err = s.store.View(ctx, func(tx *vault.Tx) error {
		list = nil
		rows, err := tx.Query(`SELECT id, kind, name, confirmed_at, used_at FROM account_factor WHERE account = ?1 AND confirmed_at IS NOT NULL ORDER BY id`, fold(who.Account))
		if err != nil {
			return err
		}
		for rows.Next() {
			var f Factor
			var made int64
			var used *int64
			if err := rows.Scan(&f.ID, &f.Kind, &f.Name, &made, &used); err != nil {
				return err
			}
			f.Made = time.UnixMilli(made)
			if used != nil {
				f.Used = time.UnixMilli(*used)
			}
			list = append(list, f)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT count(*) FROM account_recovery WHERE account = ?1 AND used_at IS NULL`, fold(who.Account)).Scan(&codes)
	})
	return list, codes, err
}

// RemoveFactor gives up one of the person's own factors; with the last one go the recovery codes. Every other session ends.
func (s *Service) RemoveFactor(ctx context.Context, who Person, id int64) (next Session, err error) {
	key := fold(who.Account)
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		if err := s.mayChange(tx, who); err != nil {
			return err
		}
		var kind, name string
		var credential, public []byte
		err := tx.QueryRow(`SELECT kind, name, coalesce(credential, x''), secret FROM account_factor WHERE id = ?1 AND account = ?2 AND confirmed_at IS NOT NULL`, id, key).Scan(&kind, &name, &credential, &public)
		if errors.Is(err, vault.ErrNoRows) {
			return ErrNothing
		}
		if err != nil {
			return err
		}
		notice, detail := "factor_removed", map[string]string{"kind": kind}
		if kind == KindPasskey {
			notice, detail["name"], detail["key"] = "passkey_removed", name, fingerprint(credential, public)
		}
		if _, err := tx.Exec(`DELETE FROM account_factor WHERE id = ?1`, id); err != nil {
			return err
		}
		if has, err := hasFactor(tx, key); err != nil {
			return err
		} else if !has {
			if _, err := tx.Exec(`DELETE FROM account_recovery WHERE account = ?1`, key); err != nil {
				return err
			}
		}
		if err := s.tell(tx, key, notice, map[string]string{"name": name}); err != nil {
			return err
		}
		if err := s.note(tx, "factor.removed", key, "ok", who, detail); err != nil {
			return err
		}
		next, err = s.renew(tx, who, true)
		return err
	})
	if err == nil {
		s.announce()
	}
	return next, err
}

// NewCodes makes new recovery codes, told this once; the former ones are void.
func (s *Service) NewCodes(ctx context.Context, who Person) (codes []string, err error) {
	key := fold(who.Account)
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		if err := s.mayChange(tx, who); err != nil {
			return err
		}
		if has, err := hasFactor(tx, key); err != nil {
			return err
		} else if !has {
			return ErrNothing
		}
		var err error
		if codes, err = s.newCodes(tx, key); err != nil {
			return err
		}
		if err := s.tell(tx, key, "codes_renewed", nil); err != nil {
			return err
		}
		return s.note(tx, "factor.codes", key, "ok", who, nil)
	})
	return codes, err
}

func (s *Service) newCodes(tx *vault.Tx, key string) (codes []string, err error) {
	if _, err := tx.Exec(`DELETE FROM account_recovery WHERE account = ?1`, key); err != nil {
		return nil, err
	}
	for range RecoveryCodes {
		code := oneTimeCode()
		sum := codeHash(code)
		if _, err := tx.Exec(`INSERT INTO account_recovery (code, account) VALUES (?1, ?2)`, sum[:], key); err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// mayChange holds back changes of passwords and factors until a factor was given just now. It asks the store and not
// who, which may be some time old.
func (s *Service) mayChange(tx *vault.Tx, who Person) error {
	if at, err := elsewhere(tx, fold(who.Account)); err != nil || at {
		return errors.Join(err, ErrElsewhere)
	}
	var at int64
	err := tx.QueryRow(`SELECT fresh_at FROM session WHERE public = ?1 AND account = ?2`, who.Session, fold(who.Account)).Scan(&at)
	if errors.Is(err, vault.ErrNoRows) || err == nil && !s.fresh(time.UnixMilli(at)) {
		return ErrNotFresh
	}
	return err
}

func (s *Service) fresh(at time.Time) bool {
	age := s.now().Sub(at)
	return age >= 0 && age <= FreshFor
}

func hasFactor(tx *vault.Tx, key string) (bool, error) {
	n := 0
	err := tx.QueryRow(`SELECT count(*) FROM account_factor WHERE account = ?1 AND confirmed_at IS NOT NULL`, key).Scan(&n)
	return n > 0, err
}

// SignInCode ends a sign-in with the code of a second factor or a recovery code. half is what SignIn returned. Which kind of code
// was wrong, or used before, shows neither in the answer nor in the work. ErrHalf says that the sign-in has to begin again.
func (s *Service) SignInCode(ctx context.Context, half, code string, from From) (Session, error) {
	err := s.store.View(ctx, func(tx *vault.Tx) error {
		key, _, _, _, err := s.halfway(tx, half)
		if err != nil {
			return err
		}
		return s.takesCodes(tx, key)
	})
	if err != nil {
		return Session{}, err
	}
	return s.finishHalf(ctx, half, from, func(tx *vault.Tx, key string) (used, error) { return s.useCode(tx, key, code) })
}

// used is a second factor that was given: its kind, or why it was refused (for the audit trail, may be empty) and as what.
type used struct {
	kind string
	name string // of a passkey
	why  string
	err  error
}

// detail is what the audit trail is told.
func (u used) detail() map[string]string {
	d := map[string]string{}
	for k, v := range map[string]string{"factor": u.kind, "name": u.name, "why": u.why} {
		if v != "" {
			d[k] = v
		}
	}
	return d
}

// halfway finds a sign-in that waits for its second factor; ErrHalf when there is none.
func (s *Service) halfway(tx *vault.Tx, half string) (key, name, way string, tries int, err error) {
	token := sha256.Sum256([]byte(half))
	err = tx.QueryRow(`SELECT a.folded, a.name, h.way, h.tries FROM account_half h JOIN account a ON a.folded = h.account WHERE h.token = ?1 AND h.made_at BETWEEN ?2 AND ?3 AND a.disabled_at IS NULL`,
		token[:], s.now().Add(-halfFor).UnixMilli(), s.now().UnixMilli()).Scan(&key, &name, &way, &tries)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrHalf
	}
	return key, name, way, tries, err
}

// finishHalf ends a sign-in with the second factor that use judges. An attempt counts before it is judged.
func (s *Service) finishHalf(ctx context.Context, half string, from From, use func(tx *vault.Tx, key string) (used, error)) (session Session, err error) {
	token := sha256.Sum256([]byte(half))
	var outcome error
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		session, outcome = Session{}, nil
		key, name, way, tries, err := s.halfway(tx, half)
		if err != nil {
			return err
		}
		counted := codeSubjects(key, from.Address)
		if err := s.attemptIn(tx, counted); err != nil {
			return err
		}
		u, err := use(tx, key)
		if err != nil {
			return err
		}
		if u.kind == "" {
			outcome = u.err
			if tries+1 >= halfTries {
				outcome = ErrHalf
				if err := s.tell(tx, key, "code_guessed", map[string]string{"address": from.Address}); err != nil {
					return err
				}
				_, err = tx.Exec(`DELETE FROM account_half WHERE token = ?1`, token[:])
			} else {
				_, err = tx.Exec(`UPDATE account_half SET tries = tries + 1 WHERE token = ?1`, token[:])
			}
			if err != nil {
				return err
			}
			return s.note(tx, "signin.code", key, "refused", Person{Address: from.Address}, u.detail())
		}
		if _, err := tx.Exec(`DELETE FROM account_half WHERE token = ?1`, token[:]); err != nil {
			return err
		}
		before, err := s.succeeded(tx, counted)
		if err != nil {
			return err
		}
		kind := u.kind
		if way == KindCompany {
			kind = KindCompany + "_" + kind
		}
		session, err = s.begin(tx, key, name, kind, before, from)
		return err
	})
	if err == nil {
		err = outcome
	}
	return session, err
}

// beginHalf remembers that the password was right, or what the provider said.
func (s *Service) beginHalf(tx *vault.Tx, key, way string, from From) (Session, error) {
	token := secret(32)
	sum := sha256.Sum256([]byte(token))
	if _, err := tx.Exec(`DELETE FROM account_half WHERE made_at NOT BETWEEN ?1 AND ?2`, s.now().Add(-halfFor).UnixMilli(), s.now().UnixMilli()); err != nil {
		return Session{}, err
	}
	// Of an account only the newest few wait: nobody can fill the store with them.
	if _, err := tx.Exec(`DELETE FROM account_half WHERE account = ?1 AND token NOT IN (SELECT token FROM account_half WHERE account = ?1 ORDER BY made_at DESC LIMIT 4)`, key); err != nil {
		return Session{}, err
	}
	if _, err := tx.Exec(`INSERT INTO account_half (token, account, made_at, way) VALUES (?1, ?2, ?3, ?4)`, sum[:], key, s.now().UnixMilli(), way); err != nil {
		return Session{}, err
	}
	return Session{Half: token}, s.note(tx, "signin.half", key, "ok", Person{Address: from.Address}, nil)
}

// StepUp takes a factor anew in a session: a code, or of an account without a second factor the password. The session gets a new token.
func (s *Service) StepUp(ctx context.Context, who Person, given string) (next Session, err error) {
	key := fold(who.Account)
	has := false
	err = s.store.View(ctx, func(tx *vault.Tx) error {
		if err := s.takesCodes(tx, key); err != nil {
			return err
		}
		has, err = hasFactor(tx, key)
		return err
	})
	if err != nil {
		return Session{}, err
	}
	if !has {
		return s.stepUpPassword(ctx, who, given)
	}
	return s.stepUp(ctx, who, func(tx *vault.Tx, key string) (used, error) { return s.useCode(tx, key, given) })
}

// stepUp takes the second factor that use judges anew in a session.
func (s *Service) stepUp(ctx context.Context, who Person, use func(tx *vault.Tx, key string) (used, error)) (next Session, err error) {
	key := fold(who.Account)
	counted := codeSubjects(key, who.Address)
	var outcome error
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		outcome = nil
		if err := s.attemptIn(tx, counted); err != nil {
			return err
		}
		u, err := use(tx, key)
		if err != nil {
			return err
		}
		if u.kind == "" {
			outcome = u.err
			return s.note(tx, "signin.again", key, "refused", who, u.detail())
		}
		if _, err := s.succeeded(tx, counted); err != nil {
			return err
		}
		if err := s.note(tx, "signin.again", key, "ok", who, u.detail()); err != nil {
			return err
		}
		if u.kind == KindPasskey {
			if err := byKey(tx, who.Session); err != nil {
				return err
			}
		}
		next, err = s.renew(tx, who, false)
		return err
	})
	if err == nil {
		err = outcome
	}
	return next, err
}

func (s *Service) stepUpPassword(ctx context.Context, who Person, given string) (next Session, err error) {
	key := fold(who.Account)
	counted := subjects(key, who.Address)
	if err := s.attempt(ctx, counted); err != nil {
		return Session{}, err
	}
	right, phc, err := s.rightPassword(ctx, key, given)
	if err != nil {
		return Session{}, errors.Join(err, s.takeBack(ctx, counted))
	}
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		if !right {
			return s.note(tx, "signin.again", key, "refused", who, nil)
		}
		if err := unchanged(tx, key, phc); err != nil {
			return err
		}
		if has, err := hasFactor(tx, key); err != nil || has {
			return errors.Join(err, ErrNotFresh) // enrolled meanwhile: the password is no longer enough
		}
		if _, err := s.succeeded(tx, counted); err != nil {
			return err
		}
		if err := s.note(tx, "signin.again", key, "ok", who, map[string]string{"factor": KindPassword}); err != nil {
			return err
		}
		next, err = s.renew(tx, who, false)
		return err
	})
	if err == nil && !right {
		err = ErrFactor
	}
	return next, err
}

// useCode uses up a code. Its kind is empty for one that is wrong or was used. Every code takes the same work.
func (s *Service) useCode(tx *vault.Tx, key, code string) (used, error) {
	wrong := used{err: ErrFactor}
	rows, err := tx.Query(`SELECT id, secret, counter FROM account_factor WHERE account = ?1 AND kind = ?2 AND confirmed_at IS NOT NULL`, key, KindTOTP)
	if err != nil {
		return used{}, err
	}
	var id, last int64
	for rows.Next() {
		var factor, counter int64
		var secret []byte
		if err := rows.Scan(&factor, &secret, &counter); err != nil {
			return used{}, err
		}
		if c, right := s.totp(secret, counter, code); right {
			id, last = factor, c
		}
	}
	if err := rows.Err(); err != nil {
		return used{}, err
	}
	sum := codeHash(code)
	r, err := tx.Exec(`UPDATE account_recovery SET used_at = ?3 WHERE code = ?1 AND account = ?2 AND used_at IS NULL`, sum[:], key, s.now().UnixMilli())
	if err != nil {
		return used{}, err
	}
	if r.RowsAffected > 0 {
		left := 0
		if err := tx.QueryRow(`SELECT count(*) FROM account_recovery WHERE account = ?1 AND used_at IS NULL`, key).Scan(&left); err != nil {
			return used{}, err
		}
		return used{kind: KindRecovery}, s.tell(tx, key, "code_used", map[string]string{"left": fmt.Sprint(left)})
	}
	if id == 0 {
		return wrong, nil
	}
	_, err = tx.Exec(`UPDATE account_factor SET counter = ?2, used_at = ?3 WHERE id = ?1`, id, last, s.now().UnixMilli())
	return used{kind: KindTOTP}, err
}

// totp judges a code by RFC 6238 and returns the counter that it belongs to. Counters up to last were used.
func (s *Service) totp(secret []byte, last int64, code string) (counter int64, right bool) {
	code = strings.NewReplacer(" ", "", "-", "").Replace(code)
	present := s.now().Unix() / int64(totpStep/time.Second)
	for c := present - totpSkew; c <= present+totpSkew; c++ {
		want, err := hotp.GenerateCode(secretText.EncodeToString(secret), uint64(max(0, c))) // #nosec G115 -- not negative
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && c > last {
			counter, right = c, true
		}
	}
	return counter, right
}
