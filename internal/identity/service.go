package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/change"
)

// Limits of a session.
const (
	IdleLimit   = 30 * time.Minute
	MaxAge      = 12 * time.Hour
	touchPeriod = time.Minute // how exactly idleness is measured
)

//go:embed migrations.sql
var tables string

// Options describe a Service.
type Options struct {
	Now func() time.Time // time.Now when nil
	// Audit records an entry in the transaction of the act. It is required.
	Audit func(tx *vault.Tx, e change.Entry, p Person) error
}

// Service knows the accounts of one store.
type Service struct {
	store   *vault.Store
	now     func() time.Time
	audit   func(*vault.Tx, change.Entry, Person) error
	hashing queue
	decoy   string // a password's hash that nobody knows, so that a wrong name takes the same work

	mu   sync.Mutex
	code [sha256.Size]byte // of the one-time code; zero when there is none
}

// Open brings the tables into the store.
func Open(ctx context.Context, v *vault.Store, o Options) (*Service, error) {
	if o.Audit == nil {
		return nil, errors.New("identity: an audit trail is required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	err := v.Update(ctx, func(tx *vault.Tx) error {
		for statement := range strings.SplitSeq(tables, ";\n") {
			if strings.Trim(statement, " \n") == "" {
				continue
			}
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open accounts: %w", err)
	}
	return &Service{store: v, now: o.Now, audit: o.Audit, hashing: newQueue(), decoy: hashPassword(secret(16), present)}, nil
}

// secret returns n random bytes as text.
func secret(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

// Empty reports whether there is no account yet.
func (s *Service) Empty(ctx context.Context) (bool, error) {
	n := 0
	err := s.store.View(ctx, func(tx *vault.Tx) error { return tx.QueryRow(`SELECT count(*) FROM account`).Scan(&n) })
	return n == 0, err
}

// codeLetters leave out what is easily mistaken for another.
const codeLetters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// FirstCode makes the one-time code with which the first account is made: 24 letters, 120 bits. It
// is good until it is used or the program ends, and replaces an earlier one. With an account there is none: "".
func (s *Service) FirstCode(ctx context.Context) (string, error) {
	empty, err := s.Empty(ctx)
	if err != nil || !empty {
		return "", err
	}
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	code := ""
	for i, c := range b {
		if i > 0 && i%4 == 0 {
			code += "-"
		}
		code += string(codeLetters[c%32])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code = codeHash(code)
	return code, nil
}

// codeHash takes the code as people type it.
func codeHash(code string) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))))
}

// Begin makes the first account with the one-time code and signs it in.
func (s *Service) Begin(ctx context.Context, code, name, password string, from From) (Session, error) {
	who := Person{Account: name, Address: from.Address}
	if err := s.braked(ctx, subjects("", from.Address)); err != nil {
		return Session{}, err
	}
	s.mu.Lock()
	given := codeHash(code)
	right := s.code != [sha256.Size]byte{} && subtle.ConstantTimeCompare(given[:], s.code[:]) == 1
	s.mu.Unlock()
	if !right {
		return Session{}, errors.Join(s.failed(ctx, subjects("", from.Address), "signin.first", who), ErrCode)
	}
	if err := checkName(name); err != nil {
		return Session{}, err
	}
	if err := checkPasswordChoice(password, name); err != nil {
		return Session{}, err
	}
	var phc string
	if err := s.hashing.do(ctx, func() { phc = hashPassword(password, present) }); err != nil {
		return Session{}, err
	}
	var session Session
	err := s.store.Update(ctx, func(tx *vault.Tx) (err error) {
		n := 0
		if err := tx.QueryRow(`SELECT count(*) FROM account`).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return ErrNotEmpty
		}
		if _, err := tx.Exec(`INSERT INTO account (folded, name, password, made_at) VALUES (?1, ?2, ?3, ?4)`, fold(name), strings.TrimSpace(name), phc, s.now().UnixMilli()); err != nil {
			return err
		}
		if err := s.audit(tx, change.Entry{Act: "account.first", Object: fold(name), Outcome: "ok", Detail: map[string]string{"address": from.Address}}, who); err != nil {
			return err
		}
		session, err = s.begin(tx, strings.TrimSpace(name), from)
		return err
	})
	if err == nil {
		s.mu.Lock()
		s.code = [sha256.Size]byte{}
		s.mu.Unlock()
	}
	return session, err
}

// SignIn checks name and password and begins a session. Which of them was wrong shows neither
// in the answer nor in the time that it takes.
func (s *Service) SignIn(ctx context.Context, name, password string, from From) (Session, error) {
	counted := subjects(fold(name), from.Address)
	if err := s.braked(ctx, counted); err != nil {
		return Session{}, err
	}
	stored, phc := "", s.decoy
	err := s.store.View(ctx, func(tx *vault.Tx) error {
		return tx.QueryRow(`SELECT name, password FROM account WHERE folded = ?1`, fold(name)).Scan(&stored, &phc)
	})
	if err != nil && !errors.Is(err, vault.ErrNoRows) {
		return Session{}, err
	}
	right, stale, fresh := false, false, ""
	var checked error
	if err := s.hashing.do(ctx, func() {
		if right, stale, checked = checkPassword(phc, password); right && stale {
			fresh = hashPassword(password, present)
		}
	}); err != nil {
		return Session{}, err
	}
	if checked != nil {
		return Session{}, checked
	}
	if !right || stored == "" {
		return Session{}, errors.Join(s.failed(ctx, counted, "signin.password", Person{Account: name, Address: from.Address}), ErrWrong)
	}
	var session Session
	err = s.store.Update(ctx, func(tx *vault.Tx) (err error) {
		if fresh != "" {
			if _, err := tx.Exec(`UPDATE account SET password = ?2 WHERE folded = ?1`, fold(name), fresh); err != nil {
				return err
			}
		}
		for _, c := range counted {
			if _, err := tx.Exec(`DELETE FROM attempt WHERE subject = ?1`, c.name); err != nil {
				return err
			}
		}
		session, err = s.begin(tx, stored, from)
		return err
	})
	return session, err
}

// begin makes a session and its audit entry.
func (s *Service) begin(tx *vault.Tx, account string, from From) (Session, error) {
	token := secret(32)
	sum := sha256.Sum256([]byte(token))
	p := Person{Account: account, Session: secret(6), Address: from.Address}
	now := s.now().UnixMilli()
	if _, err := tx.Exec(`DELETE FROM session WHERE used_at < ?1 OR made_at < ?2`, now-IdleLimit.Milliseconds(), now-MaxAge.Milliseconds()); err != nil {
		return Session{}, err
	}
	if from.Session != "" { // the browser's former session dies with the new sign-in
		if _, err := tx.Exec(`DELETE FROM session WHERE public = ?1`, from.Session); err != nil {
			return Session{}, err
		}
	}
	if _, err := tx.Exec(`INSERT INTO session (token, public, account, address, made_at, used_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)`, sum[:], p.Session, account, from.Address, now); err != nil {
		return Session{}, err
	}
	return Session{Token: token, Person: p}, s.audit(tx, change.Entry{Act: "signin.ok", Object: fold(account), Outcome: "ok", Detail: map[string]string{"address": from.Address}}, p)
}

// braked returns a WaitError while one of the brakes holds.
func (s *Service) braked(ctx context.Context, counted []subject) error {
	now := s.now()
	wait := time.Duration(0)
	err := s.store.View(ctx, func(tx *vault.Tx) error {
		for _, c := range counted {
			failures, last, err := attempts(tx, c.name)
			if err != nil {
				return err
			}
			if now.Sub(last) < forgetAfter {
				wait = max(wait, c.brake.wait(failures)-now.Sub(last))
			}
		}
		return nil
	})
	if err == nil && wait > 0 {
		err = &WaitError{wait}
	}
	return err
}

func attempts(tx *vault.Tx, subject string) (int, time.Time, error) {
	var failures int
	var last int64
	err := tx.QueryRow(`SELECT failures, last_at FROM attempt WHERE subject = ?1`, subject).Scan(&failures, &last)
	if errors.Is(err, vault.ErrNoRows) {
		return 0, time.Time{}, nil
	}
	return failures, time.UnixMilli(last), err
}

// failed counts a failure and records it.
func (s *Service) failed(ctx context.Context, counted []subject, act string, who Person) error {
	now := s.now()
	return s.store.Update(ctx, func(tx *vault.Tx) error {
		for _, c := range counted {
			failures, last, err := attempts(tx, c.name)
			if err != nil {
				return err
			}
			if now.Sub(last) >= forgetAfter {
				failures = 0
			}
			if _, err := tx.Exec(`INSERT INTO attempt (subject, failures, last_at) VALUES (?1, ?2, ?3) ON CONFLICT (subject) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at`,
				c.name, failures+1, now.UnixMilli()); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`DELETE FROM attempt WHERE last_at < ?1`, now.Add(-forgetAfter).UnixMilli()); err != nil {
			return err
		}
		return s.audit(tx, change.Entry{Act: act, Object: clipped(fold(who.Account)), Outcome: "refused", Detail: map[string]string{"address": who.Address}}, Person{Address: who.Address})
	})
}

// clipped keeps what a stranger typed short.
func clipped(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), maxName)])
}

// Person returns who a session's token stands for, the zero Person when nobody. used keeps the
// session from idling out.
func (s *Service) Person(ctx context.Context, token string, used bool) (Person, error) {
	sum := sha256.Sum256([]byte(token))
	var p Person
	var made, last int64
	err := s.store.View(ctx, func(tx *vault.Tx) error {
		return tx.QueryRow(`SELECT s.account, s.public, s.address, s.made_at, s.used_at FROM session s JOIN account a ON a.name = s.account WHERE s.token = ?1`, sum[:]).Scan(
			&p.Account, &p.Session, &p.Address, &made, &last)
	})
	if errors.Is(err, vault.ErrNoRows) {
		return Person{}, nil
	}
	if err != nil {
		return Person{}, err
	}
	now := s.now()
	if now.Sub(time.UnixMilli(made)) > MaxAge || now.Sub(time.UnixMilli(last)) > IdleLimit {
		return Person{}, nil
	}
	if used && now.Sub(time.UnixMilli(last)) > touchPeriod {
		err = s.store.Update(ctx, func(tx *vault.Tx) error {
			_, err := tx.Exec(`UPDATE session SET used_at = ?2 WHERE token = ?1`, sum[:], now.UnixMilli())
			return err
		})
	}
	return p, err
}

// SignOut ends the session; a token that means nothing is no error.
func (s *Service) SignOut(ctx context.Context, token string, from From) error {
	p, err := s.Person(ctx, token, false)
	if err != nil || p.Account == "" {
		return err
	}
	sum := sha256.Sum256([]byte(token))
	return s.store.Update(ctx, func(tx *vault.Tx) error {
		if _, err := tx.Exec(`DELETE FROM session WHERE token = ?1`, sum[:]); err != nil {
			return err
		}
		return s.audit(tx, change.Entry{Act: "signout", Object: fold(p.Account), Outcome: "ok", Detail: map[string]string{"address": from.Address}}, p)
	})
}
