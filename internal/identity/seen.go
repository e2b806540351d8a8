package identity

import (
	"time"

	"stockade/internal/vault"
)

// SeenAt notes that a person has signed in at a node of a warehouse where they work, so that who never opens the hub's pages is not taken for
// dormant. Nothing but what is reported hangs on it: a node that tells stories can hide that one of its own people is dormant, and no more.
func (s *Service) SeenAt(tx *vault.Tx, name, warehouse string, at time.Time) error {
	_, err := tx.Exec(`UPDATE account SET seen_at = ?3 WHERE folded = ?1 AND coalesce(seen_at, 0) < ?3 AND EXISTS (SELECT 1 FROM account_warehouse WHERE account = ?1 AND warehouse = ?2)`,
		fold(name), warehouse, at.UnixMilli())
	return err
}
