package store

import (
	"errors"
	"fmt"

	"stockade/internal/vault"
)

// SettingOrg is the name of the organisation, which package keyring decides.
const SettingOrg = "org"

// Setting returns what was decided under a name, or ErrNotFound.
func (v *View) Setting(name string) ([]byte, error) {
	var b []byte
	err := v.tx.QueryRow(`SELECT value FROM setting WHERE name = ?1`, name).Scan(&b)
	if errors.Is(err, vault.ErrNoRows) {
		return nil, fmt.Errorf("setting %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read setting %s: %w", name, err)
	}
	return b, nil
}

// PutSetting decides something under a name.
func (tx *Tx) PutSetting(name string, value []byte) error {
	_, err := tx.tx.Exec(`INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	if err != nil {
		return fmt.Errorf("store setting %s: %w", name, err)
	}
	return nil
}
