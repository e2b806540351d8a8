package identity

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stockade/internal/vault"
)

// Numbers of accounts.
const (
	ActivationFor = 72 * time.Hour      // how long an activation code is good for
	DormantAfter  = 60 * 24 * time.Hour // without a sign-in
)

// Account is what administrators see and say of a person. Name can not be changed later, since the audit trail names it.
type Account struct {
	Name        string
	Display     string // what the person is called
	Roles       []string
	Warehouses  []string
	NeedsFactor bool // may not work without a second factor, whatever the roles say

	// What follows is told, not set.
	Made        time.Time
	Seen        time.Time // last sign-in; zero for never
	Waiting     bool      // has yet to choose a password, and has no other way in
	Disabled    bool
	Factor      bool // has a second factor
	Linked      bool // to an account at the company's identity provider
	LacksFactor bool // and would have to have one
	Sessions    int
	Dormant     bool // has not signed in for DormantAfter
	Overdue     bool // the password has to be changed
}

// Key returns the form of the name under which accounts are told apart.
func (a Account) Key() string { return fold(a.Name) }

const accountColumns = `SELECT a.folded, a.name, a.display, a.made_at, coalesce(a.seen_at, 0), a.password = '', a.password_at, a.disabled_at IS NOT NULL, a.needs_factor,
	(SELECT coalesce(group_concat(role, char(10)), '') FROM account_role WHERE account = a.folded),
	(SELECT coalesce(group_concat(warehouse, char(10)), '') FROM account_warehouse WHERE account = a.folded),
	(SELECT count(*) FROM account_factor WHERE account = a.folded AND confirmed_at IS NOT NULL),
	(SELECT count(*) FROM account_link WHERE account = a.folded) > 0,
	(SELECT count(*) FROM session WHERE account = a.folded AND used_at >= ?1 AND made_at >= ?2)
	FROM account a `

func (s *Service) scanAccount(scan func(...any) error) (a Account, err error) {
	var key, roles, warehouses string
	var made, seen, chosen int64
	var factors int
	var none bool // no password
	if err := scan(&key, &a.Name, &a.Display, &made, &seen, &none, &chosen, &a.Disabled, &a.NeedsFactor, &roles, &warehouses, &factors, &a.Linked, &a.Sessions); err != nil {
		return Account{}, err
	}
	now := s.now()
	a.Roles, a.Warehouses, a.Made, a.Factor = lines(roles), lines(warehouses), time.UnixMilli(made), factors > 0
	last := a.Made
	if seen > 0 {
		a.Seen = time.UnixMilli(seen)
		last = a.Seen
	}
	a.LacksFactor = !a.Factor && (a.NeedsFactor || s.needs != nil && s.needs(a.Roles))
	a.Dormant = !a.Disabled && now.Sub(last) > DormantAfter
	a.Waiting = none && !a.Linked
	if !none {
		a.Overdue, _ = s.rules.overdue(time.UnixMilli(chosen), now)
	}
	return a, nil
}

// Accounts returns all accounts by name.
func (s *Service) Accounts(ctx context.Context) (list []Account, err error) {
	err = s.store.View(ctx, func(tx *vault.Tx) error {
		list = nil
		rows, err := tx.Query(accountColumns+`ORDER BY a.folded`, s.now().Add(-s.idle).UnixMilli(), s.now().Add(-s.max).UnixMilli())
		if err != nil {
			return err
		}
		for rows.Next() {
			a, err := s.scanAccount(rows.Scan)
			if err != nil {
				return err
			}
			list = append(list, a)
		}
		return rows.Err()
	})
	return list, err
}

// Account returns one account, ErrNobody when there is none of the name.
func (s *Service) Account(ctx context.Context, name string) (a Account, err error) {
	err = s.store.View(ctx, func(tx *vault.Tx) (err error) {
		a, err = s.account(tx, fold(name))
		return err
	})
	return a, err
}

func (s *Service) account(tx *vault.Tx, key string) (Account, error) {
	a, err := s.scanAccount(tx.QueryRow(accountColumns+`WHERE a.folded = ?3`, s.now().Add(-s.idle).UnixMilli(), s.now().Add(-s.max).UnixMilli(), key).Scan)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrNobody
	}
	return a, err
}

// insert adds an account. An empty phc is one that has yet to choose a password.
func (s *Service) insert(tx *vault.Tx, key, name, display, phc string, needs bool) error {
	now := s.now().UnixMilli()
	_, err := tx.Exec(`INSERT INTO account (folded, name, password, made_at, display, password_at, needs_factor) VALUES (?1, ?2, ?3, ?4, ?5, ?4, ?6)`, key, name, phc, now, display, needs)
	return err
}

// grant replaces an account's roles and warehouses.
func grant(tx *vault.Tx, key string, roles, warehouses []string) error {
	for _, q := range []string{`DELETE FROM account_role WHERE account = ?1`, `DELETE FROM account_warehouse WHERE account = ?1`} {
		if _, err := tx.Exec(q, key); err != nil {
			return err
		}
	}
	for _, r := range roles {
		if _, err := tx.Exec(`INSERT INTO account_role (account, role) VALUES (?1, ?2)`, key, r); err != nil {
			return err
		}
	}
	for _, w := range warehouses {
		if _, err := tx.Exec(`INSERT INTO account_warehouse (account, warehouse) VALUES (?1, ?2)`, key, w); err != nil {
			return err
		}
	}
	return nil
}

var wordOf = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// tidy brings what was typed into form, or refuses it.
func (s *Service) tidy(a Account) (Account, error) {
	a.Name, a.Display = strings.TrimSpace(a.Name), strings.TrimSpace(a.Display)
	if err := checkName(a.Name); err != nil {
		return a, err
	}
	if utf8.RuneCountInString(a.Display) > maxName || !utf8.ValidString(a.Display) || strings.ContainsFunc(a.Display, unicode.IsControl) {
		return a, &RuleError{"people.bad_display"}
	}
	for list, rule := range map[*[]string]string{&a.Roles: "people.bad_roles", &a.Warehouses: "people.bad_warehouses"} {
		var words []string
		for _, w := range *list {
			if w = strings.TrimSpace(w); w == "" {
				continue
			}
			if !wordOf.MatchString(w) || len(words) >= 64 {
				return a, &RuleError{rule}
			}
			words = append(words, w)
		}
		slices.Sort(words)
		*list = slices.Compact(words)
	}
	if s.roles != nil {
		return a, s.roles(a.Roles)
	}
	return a, nil
}

// Create makes an account and returns the activation code with which its person chooses a password. The code is told once and
// not stored; ErrTaken says that the name is used.
func (s *Service) Create(ctx context.Context, by Person, a Account) (code string, err error) {
	if a, err = s.tidy(a); err != nil {
		return "", err
	}
	key := a.Key()
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		if _, err := s.account(tx, key); err == nil {
			return ErrTaken
		} else if !errors.Is(err, ErrNobody) {
			return err
		}
		if err := s.insert(tx, key, a.Name, a.Display, "", a.NeedsFactor); err != nil {
			return err
		}
		if err := grant(tx, key, a.Roles, a.Warehouses); err != nil {
			return err
		}
		if code, err = s.newActivation(tx, key); err != nil {
			return err
		}
		return s.note(tx, "account.created", key, "ok", by, map[string]string{"roles": strings.Join(a.Roles, " "), "warehouses": strings.Join(a.Warehouses, " ")})
	})
	return code, err
}

func (s *Service) newActivation(tx *vault.Tx, key string) (string, error) {
	code := oneTimeCode()
	sum := codeHash(code)
	_, err := tx.Exec(`INSERT INTO account_activation (account, code, until) VALUES (?1, ?2, ?3) ON CONFLICT (account) DO UPDATE SET code = excluded.code, until = excluded.until`,
		key, sum[:], s.now().Add(ActivationFor).UnixMilli())
	return code, err
}

// Change gives an account another display name, roles and warehouses. It works at once, in open sessions and event streams too. Nobody changes their own roles: ErrSelf.
func (s *Service) Change(ctx context.Context, by Person, a Account) error {
	a, err := s.tidy(a)
	if err != nil {
		return err
	}
	key := a.Key()
	return s.ending(ctx, func(tx *vault.Tx) error {
		was, err := s.account(tx, key)
		if err != nil {
			return err
		}
		if key == fold(by.Account) && !(slices.Equal(was.Roles, a.Roles) && slices.Equal(was.Warehouses, a.Warehouses) && was.NeedsFactor == a.NeedsFactor) {
			return ErrSelf
		}
		if _, err := tx.Exec(`UPDATE account SET display = ?2, needs_factor = ?3 WHERE folded = ?1`, key, a.Display, a.NeedsFactor); err != nil {
			return err
		}
		if err := grant(tx, key, a.Roles, a.Warehouses); err != nil {
			return err
		}
		if !slices.Equal(was.Roles, a.Roles) || !slices.Equal(was.Warehouses, a.Warehouses) {
			if err := s.tell(tx, key, "rights_changed", map[string]string{"by": by.Account}); err != nil {
				return err
			}
		}
		return s.note(tx, "account.changed", key, "ok", by, map[string]string{"roles": strings.Join(a.Roles, " "), "roles_before": strings.Join(was.Roles, " "),
			"warehouses": strings.Join(a.Warehouses, " "), "warehouses_before": strings.Join(was.Warehouses, " ")})
	})
}

// on runs an administrator's act on somebody else's account. The account exists, and is not one that is changed at the hub alone (ErrElsewhere).
func (s *Service) on(ctx context.Context, by Person, name string, act func(tx *vault.Tx, key string, a Account) error) error {
	key := fold(name)
	if key == fold(by.Account) {
		return ErrSelf
	}
	return s.ending(ctx, func(tx *vault.Tx) error {
		a, err := s.account(tx, key)
		if err != nil {
			return err
		}
		if at, err := elsewhere(tx, key); err != nil || at {
			return errors.Join(err, ErrElsewhere)
		}
		return act(tx, key, a)
	})
}

// Disable ends all that an account can do, at once.
func (s *Service) Disable(ctx context.Context, by Person, name string) error {
	return s.on(ctx, by, name, func(tx *vault.Tx, key string, _ Account) error {
		if _, err := tx.Exec(`UPDATE account SET disabled_at = coalesce(disabled_at, ?2) WHERE folded = ?1`, key, s.now().UnixMilli()); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM account_activation WHERE account = ?1`, key); err != nil {
			return err
		}
		if err := endSessions(tx, key, ""); err != nil {
			return err
		}
		return s.note(tx, "account.disabled", key, "ok", by, nil)
	})
}

// Enable takes Disable back. Who had not chosen a password yet needs a new activation code.
func (s *Service) Enable(ctx context.Context, by Person, name string) error {
	return s.on(ctx, by, name, func(tx *vault.Tx, key string, _ Account) error {
		if _, err := tx.Exec(`UPDATE account SET disabled_at = NULL WHERE folded = ?1`, key); err != nil {
			return err
		}
		return s.note(tx, "account.enabled", key, "ok", by, nil)
	})
}

// ResetPassword voids the password, ends all sessions and returns a new activation code. A second factor stays: the code does not go round it.
func (s *Service) ResetPassword(ctx context.Context, by Person, name string) (code string, err error) {
	err = s.on(ctx, by, name, func(tx *vault.Tx, key string, a Account) (err error) {
		if a.Disabled {
			return ErrNothing
		}
		if err := s.setPassword(tx, key, ""); err != nil {
			return err
		}
		if err := endSessions(tx, key, ""); err != nil {
			return err
		}
		if code, err = s.newActivation(tx, key); err != nil {
			return err
		}
		if err := s.tell(tx, key, "password_reset", map[string]string{"by": by.Account}); err != nil {
			return err
		}
		return s.note(tx, "account.password_reset", key, "ok", by, nil)
	})
	return code, err
}

// ResetFactor removes a person's second factors and recovery codes and ends their sessions.
func (s *Service) ResetFactor(ctx context.Context, by Person, name string) error {
	return s.on(ctx, by, name, func(tx *vault.Tx, key string, _ Account) error {
		for _, q := range []string{`DELETE FROM account_factor WHERE account = ?1`, `DELETE FROM account_recovery WHERE account = ?1`} {
			if _, err := tx.Exec(q, key); err != nil {
				return err
			}
		}
		if err := endSessions(tx, key, ""); err != nil {
			return err
		}
		if err := s.tell(tx, key, "factor_reset", map[string]string{"by": by.Account}); err != nil {
			return err
		}
		return s.note(tx, "account.factor_reset", key, "ok", by, nil)
	})
}

// Recover opens an account to its person again when nobody is left who could: it enables it, voids the password, removes second factors and the
// link to the company's provider, and returns a new activation code. It is for who commands the machine; package web does not offer it.
func (s *Service) Recover(ctx context.Context, by Person, name string) (code string, err error) {
	err = s.on(ctx, by, name, func(tx *vault.Tx, key string, _ Account) (err error) {
		for _, q := range []string{`DELETE FROM account_factor WHERE account = ?1`, `DELETE FROM account_recovery WHERE account = ?1`, `DELETE FROM account_link WHERE account = ?1`, `UPDATE account SET disabled_at = NULL WHERE folded = ?1`} {
			if _, err := tx.Exec(q, key); err != nil {
				return err
			}
		}
		if err := s.setPassword(tx, key, ""); err != nil {
			return err
		}
		if err := endSessions(tx, key, ""); err != nil {
			return err
		}
		if code, err = s.newActivation(tx, key); err != nil {
			return err
		}
		if err := s.tell(tx, key, "recovered", nil); err != nil {
			return err
		}
		return s.note(tx, "account.recovered", key, "ok", by, nil)
	})
	return code, err
}

// Promote gives an account one role in the place of all it had. It is for who commands the machine when nobody is left who gives roles.
func (s *Service) Promote(ctx context.Context, by Person, name, role string) error {
	return s.on(ctx, by, name, func(tx *vault.Tx, key string, a Account) error {
		if err := grant(tx, key, []string{role}, a.Warehouses); err != nil {
			return err
		}
		if err := s.tell(tx, key, "rights_changed", map[string]string{"by": "hub account recover"}); err != nil {
			return err
		}
		return s.note(tx, "account.changed", key, "ok", by, map[string]string{"roles": role, "roles_before": strings.Join(a.Roles, " ")})
	})
}

// EndSessions ends all sessions of a person.
func (s *Service) EndSessions(ctx context.Context, by Person, name string) error {
	return s.on(ctx, by, name, func(tx *vault.Tx, key string, _ Account) error {
		if err := endSessions(tx, key, ""); err != nil {
			return err
		}
		if err := s.tell(tx, key, "sessions_ended", map[string]string{"by": by.Account}); err != nil {
			return err
		}
		return s.note(tx, "account.sessions_ended", key, "ok", by, nil)
	})
}

// Activate gives the account of an activation code the password that its person chose, and signs in; an account with a second
// factor still has to show it. A password that the rules refuse does not use the code up.
func (s *Service) Activate(ctx context.Context, code, password string, from From) (Session, error) {
	counted := subjects("", from.Address)
	if err := s.attempt(ctx, counted); err != nil {
		return Session{}, err
	}
	sum, key := codeHash(code), ""
	const usable = ` FROM account_activation v JOIN account a ON a.folded = v.account WHERE v.code = ?1 AND v.until >= ?2 AND v.until <= ?3 AND a.disabled_at IS NULL`
	err := s.store.View(ctx, func(tx *vault.Tx) error {
		return tx.QueryRow(`SELECT v.account`+usable, sum[:], s.now().UnixMilli(), s.now().Add(ActivationFor+maxAhead).UnixMilli()).Scan(&key)
	})
	if errors.Is(err, vault.ErrNoRows) {
		return Session{}, errors.Join(s.refused(ctx, "account.activated", "", from), ErrCode)
	}
	if err := errors.Join(err, s.takeBack(ctx, counted)); err != nil {
		return Session{}, err
	}
	phc, err := s.choose(ctx, key, password)
	if err != nil {
		return Session{}, err
	}
	var session Session
	err = s.store.Update(ctx, func(tx *vault.Tx) (err error) {
		r, err := tx.Exec(`DELETE FROM account_activation WHERE code = ?1 AND account = (SELECT v.account`+usable+`)`, sum[:], s.now().UnixMilli(), s.now().Add(ActivationFor+maxAhead).UnixMilli())
		if err != nil {
			return err
		}
		if r.RowsAffected == 0 {
			return ErrCode // somebody was faster
		}
		if err := s.setPassword(tx, key, phc); err != nil {
			return err
		}
		former := 0 // of a new account its first password is no news
		if err := tx.QueryRow(`SELECT count(*) FROM account_password WHERE account = ?1`, key).Scan(&former); err != nil {
			return err
		}
		if former > 0 {
			if err := s.tell(tx, key, "password_changed", map[string]string{"address": from.Address}); err != nil {
				return err
			}
		}
		if err := s.note(tx, "account.activated", key, "ok", Person{Address: from.Address}, nil); err != nil {
			return err
		}
		session, err = s.enter(tx, key, 0, from)
		return err
	})
	return session, err
}
