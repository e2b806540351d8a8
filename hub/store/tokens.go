package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// Token is what is kept of a one-time token.
type Token struct {
	Hash      change.Hash // of its secret
	Node      stock.NodeID
	Warehouse stock.Warehouse
	Replaces  bool
	Log       delivery.LogPlace // head that the token names; its hash is not kept
	Expires   time.Time
	UsedBy    []byte // the key that used it, nil while nobody has
}

// PutToken keeps a new token, and throws away those that expired a while ago.
func (tx *Tx) PutToken(t Token) error {
	const keep = 30 * 24 * time.Hour // so that a late user is told that it expired
	_, err := tx.tx.Exec(`DELETE FROM token WHERE expires_at < ?1`, tx.now-keep.Milliseconds())
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO token (hash, node, warehouse, replaces, log_size, log_epoch, made_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,
			t.Hash[:], string(t.Node), string(t.Warehouse), t.Replaces, t.Log.Size, signed(t.Log.Epoch), tx.now, t.Expires.UnixMilli())
	}
	if err != nil {
		return fmt.Errorf("store token: %w", err)
	}
	return nil
}

// Token returns the token with that hash, or ErrNotFound.
func (v *View) Token(hash change.Hash) (Token, error) {
	t := Token{Hash: hash}
	var replaces, epoch, expires int64
	err := v.tx.QueryRow(`SELECT node, warehouse, replaces, log_size, log_epoch, expires_at, used_by FROM token WHERE hash = ?1`, hash[:]).
		Scan(&t.Node, &t.Warehouse, &replaces, &t.Log.Size, &epoch, &expires, &t.UsedBy)
	if errors.Is(err, vault.ErrNoRows) {
		return t, fmt.Errorf("token: %w", ErrNotFound)
	}
	if err != nil {
		return t, fmt.Errorf("read token: %w", err)
	}
	t.Replaces, t.Log.Epoch, t.Expires = replaces == 1, unsigned(epoch), timeOf(expires)
	return t, nil
}

// UseToken notes which key has used a token.
func (tx *Tx) UseToken(hash change.Hash, key []byte) error {
	if _, err := tx.tx.Exec(`UPDATE token SET used_by = ?2, used_at = ?3 WHERE hash = ?1`, hash[:], key, tx.now); err != nil {
		return fmt.Errorf("store token: %w", err)
	}
	return nil
}
