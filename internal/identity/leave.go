package identity

import (
	"context"
	"strings"

	"stockade/internal/vault"
)

// Tell leaves a notice for a person in an open transaction; kind is the key of its text below "notice.". An argument "link" is the address
// of the page where the person can do something about it.
func (s *Service) Tell(tx *vault.Tx, name, kind string, args map[string]string) error {
	return s.tell(tx, fold(name), kind, args)
}

// VoidBadge voids a person's badge and PIN for good: of somebody who comes back neither works again.
func (s *Service) VoidBadge(ctx context.Context, by Person, name string) error {
	return s.on(ctx, by, name, func(tx *vault.Tx, key string, _ Account) error {
		gone := int64(0)
		for _, q := range []string{`DELETE FROM account_badge WHERE account = ?1`, `DELETE FROM account_pin WHERE account = ?1`} {
			r, err := tx.Exec(q, key)
			if err != nil {
				return err
			}
			gone += r.RowsAffected
		}
		if gone == 0 {
			return ErrNothing
		}
		return s.note(tx, "account.badge_voided", key, "ok", by, nil)
	})
}

// Strip takes all roles and warehouses from an account and voids its password, so that enabling it again gives nothing back: somebody has to
// give roles, and the person chooses a password with a new activation code. It ends all sessions.
func (s *Service) Strip(ctx context.Context, by Person, name string) error {
	return s.on(ctx, by, name, func(tx *vault.Tx, key string, a Account) error {
		if err := grant(tx, key, nil, nil); err != nil {
			return err
		}
		if !a.Waiting {
			if err := s.setPassword(tx, key, ""); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`DELETE FROM account_activation WHERE account = ?1`, key); err != nil {
			return err
		}
		if err := endSessions(tx, key, ""); err != nil {
			return err
		}
		return s.note(tx, "account.stripped", key, "ok", by, map[string]string{"roles_before": strings.Join(a.Roles, " "), "warehouses_before": strings.Join(a.Warehouses, " ")})
	})
}
