package identity

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stockade/internal/vault"
)

// Signing in with the company's identity provider. What the provider said is verified elsewhere (package hub/oidc) and comes here as a
// Proof. It takes the place of the password and of nothing else: the provider makes no accounts, and gives no roles. Which account is meant
// says a link from (issuer, subject) that its person or an administrator made; names and e-mail addresses, which a provider may let its
// people choose or give to somebody else later, link nothing.

// Kinds of sign-ins that began at the provider; one that went on to a factor of ours is KindCompany, "_" and the kind of that factor.
const (
	KindCompany       = "company"
	KindCompanyFactor = "company_factor" // the provider took a second factor itself
)

// MaxSubject is the longest subject of a provider, in bytes (OpenID Connect Core 1.0, section 2).
const MaxSubject = 255

// Conditions of signing in with the provider.
var (
	ErrUnlinked    = errors.New("the provider's account belongs to no account here that may sign in")
	ErrLinkTaken   = errors.New("the provider's account is linked to another account already")
	ErrOnlyWay     = errors.New("the account has no other way in")
	ErrOtherPerson = errors.New("the provider named somebody else")
	ErrNotRecent   = errors.New("the provider did not say that it asked the person just now")
	ErrSubject     = &RuleError{"company.bad_subject"}
)

// Referral sends a browser to the provider. Errand is what for; it comes back with the answer.
type Referral struct {
	Browser string // secret of the browser from an earlier referral; empty for the first
	Address string // where the browser is: one place has only so many referrals under way
	Again   bool   // the provider is to ask the person anew, whatever it remembers
	Errand  any
	Size    int // bytes that Errand takes, about
}

// Proof is what the provider said of a person, verified.
type Proof struct {
	Issuer, Subject string
	Label           string // what the provider calls the person
	SecondFactor    bool   // the provider took one that counts by the configuration
	Recent          bool   // and has said that the person was asked since the referral
}

// ReferralError is why a referral came to nothing. Why is the end of its text's key, below "company.problem_".
type ReferralError struct {
	Why   string
	Cause error // for the log; no secrets
}

func (e *ReferralError) Error() string {
	if e.Cause == nil {
		return "sign-in at the provider: " + e.Why
	}
	return "sign-in at the provider: " + e.Why + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *ReferralError) Unwrap() error { return e.Cause }

// Link is the provider's account of an account here; Subject is empty when there is none.
type Link struct {
	Issuer, Subject, Label string
	Made, Used             time.Time // Used is zero for never
	Only                   bool      // there is no password: it is the only way in
}

// LinkOf returns an account's link.
func (s *Service) LinkOf(ctx context.Context, name string) (l Link, err error) {
	err = s.store.View(ctx, func(tx *vault.Tx) error {
		var made, used int64
		l = Link{}
		err := tx.QueryRow(`SELECT l.issuer, l.subject, l.label, l.made_at, coalesce(l.used_at, 0), a.password = '' FROM account_link l JOIN account a ON a.folded = l.account WHERE l.account = ?1`, fold(name)).Scan(
			&l.Issuer, &l.Subject, &l.Label, &made, &used, &l.Only)
		if errors.Is(err, vault.ErrNoRows) {
			return nil
		}
		l.Made = time.UnixMilli(made)
		if used > 0 {
			l.Used = time.UnixMilli(used)
		}
		return err
	})
	return l, err
}

// SignInCompany begins a session for whom the provider has named, or the wait for the second factor. An account that is disabled, and
// none at all, give the same answer. The brakes of passwords hold here too.
func (s *Service) SignInCompany(ctx context.Context, p Proof, from From) (session Session, err error) {
	var outcome error
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		session, outcome = Session{}, nil
		var key, name string
		err := tx.QueryRow(`SELECT a.folded, a.name FROM account_link l JOIN account a ON a.folded = l.account WHERE l.issuer = ?1 AND l.subject = ?2 AND a.disabled_at IS NULL`, p.Issuer, p.Subject).Scan(&key, &name)
		if err != nil && !errors.Is(err, vault.ErrNoRows) {
			return err
		}
		counted := subjects(key, from.Address)
		if err := s.attemptIn(tx, counted); err != nil {
			return err
		}
		if key == "" {
			outcome = ErrUnlinked
			return s.note(tx, "signin.oidc", clipped(p.Subject), "refused", Person{Address: from.Address}, map[string]string{"issuer": p.Issuer})
		}
		before, err := s.succeeded(tx, counted)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE account_link SET used_at = ?2, label = CASE WHEN ?3 = '' THEN label ELSE ?3 END WHERE account = ?1`, key, s.now().UnixMilli(), p.Label); err != nil {
			return err
		}
		detail := map[string]string{"issuer": p.Issuer}
		if p.SecondFactor {
			detail["factor"] = KindCompanyFactor
		}
		if err := s.note(tx, "signin.oidc", key, "ok", Person{Address: from.Address}, detail); err != nil {
			return err
		}
		has, err := hasFactor(tx, key)
		if err != nil {
			return err
		}
		only, err := s.passkeyOnly(tx, key) // then no other factor will do, the provider's neither
		switch {
		case err != nil:
			return err
		case p.SecondFactor && !only:
			session, err = s.begin(tx, key, name, KindCompanyFactor, before, from)
		case has:
			session, err = s.beginHalf(tx, key, KindCompany, from)
		default:
			session, err = s.begin(tx, key, name, KindCompany, before, from)
		}
		return err
	})
	if err == nil {
		err = outcome
	}
	return session, err
}

// StepUpCompany takes it in the place of a password given again that the provider has asked the person anew. An account that has a second
// factor has to give that.
func (s *Service) StepUpCompany(ctx context.Context, who Person, p Proof) (next Session, err error) {
	key := fold(who.Account)
	var outcome error
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		outcome = nil
		counted := subjects(key, who.Address)
		if err := s.attemptIn(tx, counted); err != nil {
			return err
		}
		if has, err := hasFactor(tx, key); err != nil || has {
			return errors.Join(err, ErrNotFresh) // enrolled meanwhile
		}
		same := 0
		if err := tx.QueryRow(`SELECT count(*) FROM account_link l JOIN account a ON a.folded = l.account WHERE l.account = ?1 AND l.issuer = ?2 AND l.subject = ?3 AND a.disabled_at IS NULL`, key, p.Issuer, p.Subject).Scan(&same); err != nil {
			return err
		}
		switch {
		case same == 0:
			outcome = ErrOtherPerson
		case !p.Recent:
			outcome = ErrNotRecent
		}
		if outcome != nil {
			return s.note(tx, "signin.again", key, "refused", who, map[string]string{"factor": KindCompany})
		}
		if _, err := s.succeeded(tx, counted); err != nil {
			return err
		}
		if err := s.note(tx, "signin.again", key, "ok", who, map[string]string{"factor": KindCompany}); err != nil {
			return err
		}
		next, err = s.renew(tx, who, false)
		return err
	})
	if err == nil {
		err = outcome
	}
	return next, err
}

// LinkCompany links the person's own account to the provider's account of a proof. That a factor was fresh was made sure when
// the person was sent to the provider; here the session has to be there still.
func (s *Service) LinkCompany(ctx context.Context, who Person, p Proof) error {
	key := fold(who.Account)
	return s.store.Update(ctx, func(tx *vault.Tx) error {
		if at, err := elsewhere(tx, key); err != nil || at {
			return errors.Join(err, ErrElsewhere)
		}
		open := 0
		if err := tx.QueryRow(`SELECT count(*) FROM session s JOIN account a ON a.folded = s.account WHERE s.public = ?1 AND s.account = ?2 AND a.disabled_at IS NULL`, who.Session, key).Scan(&open); err != nil {
			return err
		}
		if open == 0 {
			return ErrNotFresh
		}
		return s.link(tx, key, p, who, "company_linked")
	})
}

// LinkFor links somebody else's account to the provider's account that an administrator names.
func (s *Service) LinkFor(ctx context.Context, by Person, name, issuer, subject string) error {
	if !validSubject(subject) {
		return ErrSubject
	}
	return s.on(ctx, by, name, func(tx *vault.Tx, key string, _ Account) error {
		return s.link(tx, key, Proof{Issuer: issuer, Subject: subject}, by, "company_linked_by")
	})
}

// validSubject judges what somebody typed: printable text without space around it, at most MaxSubject bytes.
func validSubject(subject string) bool {
	return subject != "" && len(subject) <= MaxSubject && utf8.ValidString(subject) && subject == strings.TrimSpace(subject) && !strings.ContainsFunc(subject, func(r rune) bool { return !unicode.IsPrint(r) })
}

// link writes a link in the place of a former one of the account.
func (s *Service) link(tx *vault.Tx, key string, p Proof, by Person, notice string) error {
	var holder string
	err := tx.QueryRow(`SELECT account FROM account_link WHERE issuer = ?1 AND subject = ?2`, p.Issuer, p.Subject).Scan(&holder)
	switch {
	case err == nil && holder != key:
		return ErrLinkTaken
	case err != nil && !errors.Is(err, vault.ErrNoRows):
		return err
	}
	if _, err := tx.Exec(`INSERT INTO account_link (account, issuer, subject, label, made_at) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (account) DO UPDATE SET issuer = excluded.issuer, subject = excluded.subject, label = excluded.label, made_at = excluded.made_at, used_at = NULL`,
		key, p.Issuer, p.Subject, p.Label, s.now().UnixMilli()); err != nil {
		return err
	}
	if err := s.tell(tx, key, notice, map[string]string{"by": by.Account, "label": labelOf(p.Label, p.Subject)}); err != nil {
		return err
	}
	return s.note(tx, "account.oidc_linked", key, "ok", by, map[string]string{"issuer": p.Issuer, "subject": p.Subject})
}

func labelOf(label, subject string) string {
	if label != "" {
		return label
	}
	return subject
}

// UnlinkCompany gives up the person's own link. Every other session ends; the only way into an account stays (ErrOnlyWay).
func (s *Service) UnlinkCompany(ctx context.Context, who Person) (next Session, err error) {
	key := fold(who.Account)
	err = s.ending(ctx, func(tx *vault.Tx) error {
		if err := s.mayChange(tx, who); err != nil {
			return err
		}
		without := 0
		if err := tx.QueryRow(`SELECT count(*) FROM account WHERE folded = ?1 AND password = ''`, key).Scan(&without); err != nil {
			return err
		}
		if without > 0 {
			return ErrOnlyWay
		}
		if err := s.unlink(tx, key, who, "company_unlinked"); err != nil {
			return err
		}
		next, err = s.renew(tx, who, true)
		return err
	})
	return next, err
}

// UnlinkFor takes the link of somebody else's account away and ends all of its sessions.
func (s *Service) UnlinkFor(ctx context.Context, by Person, name string) error {
	return s.on(ctx, by, name, func(tx *vault.Tx, key string, _ Account) error {
		if err := s.unlink(tx, key, by, "company_unlinked_by"); err != nil {
			return err
		}
		return endSessions(tx, key, "")
	})
}

func (s *Service) unlink(tx *vault.Tx, key string, by Person, notice string) error {
	var issuer, subject, label string
	err := tx.QueryRow(`SELECT issuer, subject, label FROM account_link WHERE account = ?1`, key).Scan(&issuer, &subject, &label)
	if errors.Is(err, vault.ErrNoRows) {
		return ErrNothing
	}
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM account_link WHERE account = ?1`, key); err != nil {
		return err
	}
	if err := s.tell(tx, key, notice, map[string]string{"by": by.Account, "label": labelOf(label, subject)}); err != nil {
		return err
	}
	return s.note(tx, "account.oidc_unlinked", key, "ok", by, map[string]string{"issuer": issuer, "subject": subject})
}
