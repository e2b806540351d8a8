package identity

import (
	"context"
	"slices"
	"strings"

	"stockade/internal/vault"
)

// WithdrawRole takes one role from an account, at once and in open sessions too, and reports whether the account had it. Unlike Change it
// needs no word about the rest of the account, so that nothing that somebody else has changed meanwhile is lost. Nobody takes a
// role from themselves (ErrSelf).
func (s *Service) WithdrawRole(ctx context.Context, by Person, name, role, why string) (had bool, err error) {
	err = s.on(ctx, by, name, func(tx *vault.Tx, key string, a Account) error {
		if had = slices.Contains(a.Roles, role); !had {
			return nil
		}
		left := slices.DeleteFunc(slices.Clone(a.Roles), func(r string) bool { return r == role })
		if err := grant(tx, key, left, a.Warehouses); err != nil {
			return err
		}
		if err := s.tell(tx, key, "rights_changed", map[string]string{"by": by.Account}); err != nil {
			return err
		}
		return s.note(tx, "account.role_withdrawn", key, "ok", by, map[string]string{"role": role, "roles": strings.Join(left, " "), "roles_before": strings.Join(a.Roles, " "), "why": why})
	})
	return had, err
}
