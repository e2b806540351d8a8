package identity

import (
	"context"
	"errors"

	"stockade/internal/vault"
)

// ChangePassword gives a person another password. Every other session of theirs ends, and this one gets a new token.
func (s *Service) ChangePassword(ctx context.Context, who Person, old, next string) (session Session, err error) {
	key := fold(who.Account)
	counted := subjects(key, who.Address)
	if err := s.attempt(ctx, counted); err != nil {
		return Session{}, err
	}
	right, phc, err := s.rightPassword(ctx, key, old)
	if err != nil {
		return Session{}, errors.Join(err, s.takeBack(ctx, counted))
	}
	if !right {
		return Session{}, errors.Join(s.store.Update(ctx, func(tx *vault.Tx) error { return s.note(tx, "account.password", key, "refused", who, nil) }), ErrOld)
	}
	made, err := s.choose(ctx, key, next)
	if err != nil {
		return Session{}, errors.Join(err, s.takeBack(ctx, counted))
	}
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		if err := s.mayChange(tx, who); err != nil {
			return err
		}
		if err := unchanged(tx, key, phc); err != nil {
			return err
		}
		if _, err := s.succeeded(tx, counted); err != nil {
			return err
		}
		if err := s.setPassword(tx, key, made); err != nil {
			return err
		}
		if err := s.tell(tx, key, "password_changed", map[string]string{"address": who.Address}); err != nil {
			return err
		}
		if err := s.note(tx, "account.password", key, "ok", who, nil); err != nil {
			return err
		}
		session, err = s.renew(tx, who, true)
		return err
	})
	if err == nil {
		s.announce()
	}
	return session, err
}

// choose judges a password that a person wants and hashes it.
func (s *Service) choose(ctx context.Context, key, password string) (phc string, err error) {
	var name, display string
	var former []string
	err = s.store.View(ctx, func(tx *vault.Tx) error {
		former = nil
		var present string
		if err := tx.QueryRow(`SELECT name, display, password FROM account WHERE folded = ?1`, key).Scan(&name, &display, &present); err != nil {
			return err
		}
		last := max(1, s.rules.History) // the present password, or after a reset the one that was voided, is never taken again
		if present != "" {
			former, last = append(former, present), last-1
		}
		rows, err := tx.Query(`SELECT password FROM account_password WHERE account = ?1 ORDER BY at DESC LIMIT ?2`, key, last)
		if err != nil {
			return err
		}
		for rows.Next() {
			var p string
			if err := rows.Scan(&p); err != nil {
				return err
			}
			former = append(former, p)
		}
		return rows.Err()
	})
	if err != nil {
		return "", err
	}
	if err := s.rules.check(password, s.contextWords(name, display), s.judge); err != nil {
		return "", err
	}
	used := false
	if err := s.hashing.do(ctx, func() {
		for _, p := range former {
			if same, _, err := checkPassword(p, password); err == nil && same {
				used = true
				return
			}
		}
		phc = hashPassword(password, present)
	}); err != nil {
		return "", err
	}
	if used {
		return "", &RuleError{"login.password_used"}
	}
	return phc, nil
}

// setPassword changes the stored password and keeps the former one, so that it is not chosen again.
func (s *Service) setPassword(tx *vault.Tx, key, phc string) error {
	now := s.now().UnixMilli()
	if _, err := tx.Exec(`INSERT OR REPLACE INTO account_password (account, at, password) SELECT folded, ?2, password FROM account WHERE folded = ?1 AND password <> ''`, key, now); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM account_password WHERE account = ?1 AND at NOT IN (SELECT at FROM account_password WHERE account = ?1 ORDER BY at DESC LIMIT ?2)`,
		key, max(Dengbao.History, s.rules.History)); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE account SET password = ?2, password_at = ?3 WHERE folded = ?1`, key, phc, now)
	return err
}
