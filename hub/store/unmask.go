package store

import (
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
)

// Unmasked is what somebody has seen of what is masked for them.
type Unmasked struct {
	access.Unmasking
	ID      int64
	Account access.Account
	Day     string // business day of the headquarters
	At      time.Time
}

// AddUnmasked keeps that somebody has seen something; folded is the account's name in the form in which names are told apart.
func (tx *Tx) AddUnmasked(u Unmasked, folded access.Account) error {
	_, err := tx.tx.Exec(`INSERT INTO unmasking (account, folded, day, kind, subject, field, class, purpose, reason, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`,
		string(u.Account), string(folded), u.Day, u.Kind, u.Subject, u.Field, int64(u.Class), string(u.Purpose), u.Reason, tx.now)
	if err != nil {
		return fmt.Errorf("store unmasking: %w", err)
	}
	return nil
}

// UnmaskedOn returns how many values somebody has seen on a day.
func (v *View) UnmaskedOn(folded access.Account, day string) (n int64, err error) {
	if err = v.tx.QueryRow(`SELECT count(*) FROM unmasking WHERE folded = ?1 AND day = ?2`, string(folded), day).Scan(&n); err != nil {
		return 0, fmt.Errorf("count unmaskings: %w", err)
	}
	return n, nil
}

// MeetLimit notes that somebody has met the limit of a day, and reports whether that is new.
func (tx *Tx) MeetLimit(folded access.Account, day string) (bool, error) {
	r, err := tx.tx.Exec(`INSERT INTO unmasking_limit (folded, day) VALUES (?1, ?2) ON CONFLICT (folded, day) DO NOTHING`, string(folded), day)
	if err != nil {
		return false, fmt.Errorf("store limit of unmaskings: %w", err)
	}
	return r.RowsAffected > 0, nil
}

// UnmaskedFilter chooses unmaskings. Zero fields do not restrict.
type UnmaskedFilter struct {
	Account access.Account // as names are told apart
	Subject string
	Before  int64 // ID of the last one of the page before
	Most    int
}

// Unmaskings returns who has seen what, the newest first.
func (v *View) Unmaskings(f UnmaskedFilter) (out []Unmasked, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var u Unmasked
		var account, purpose string
		var class, at int64
		err := r.Scan(&u.ID, &account, &u.Day, &u.Kind, &u.Subject, &u.Field, &class, &purpose, &u.Reason, &at)
		u.Account, u.Purpose, u.Class, u.At = access.Account(account), access.Purpose(purpose), access.FieldClass(class), timeOf(at) // #nosec G115 -- one of ours
		out = append(out, u)
		return err
	}, `SELECT id, account, day, kind, subject, field, class, purpose, reason, at FROM unmasking
		WHERE (?1 = '' OR folded = ?1) AND (?2 = '' OR subject = ?2) AND (?3 = 0 OR id < ?3) ORDER BY id DESC LIMIT ?4`, string(f.Account), f.Subject, f.Before, f.Most)
	if err != nil {
		return nil, fmt.Errorf("read unmaskings: %w", err)
	}
	return out, nil
}
