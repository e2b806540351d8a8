package store

import (
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
)

// ReviewTold names a reminder of a review. Review 0 stands for there having been none.
type ReviewTold struct {
	Review  int64
	Account access.Account
	Stage   string
}

// TellReview notes that somebody is reminded, and reports whether that is new.
func (tx *Tx) TellReview(t ReviewTold) (bool, error) {
	r, err := tx.tx.Exec(`INSERT INTO review_told (review, account, stage, told_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING`, t.Review, string(t.Account), t.Stage, tx.now)
	if err != nil {
		return false, fmt.Errorf("store reminder of review %d: %w", t.Review, err)
	}
	return r.RowsAffected > 0, nil
}

// ReviewTold returns who was reminded of a review, and when.
func (v *View) ReviewTold(review int64) (map[ReviewTold]time.Time, error) {
	out := map[ReviewTold]time.Time{}
	err := each(v.tx, func(r *vault.Rows) error {
		t := ReviewTold{Review: review}
		var account string
		var at int64
		err := r.Scan(&account, &t.Stage, &at)
		t.Account = access.Account(account)
		out[t] = timeOf(at)
		return err
	}, `SELECT account, stage, told_at FROM review_told WHERE review = ?1`, review)
	if err != nil {
		return nil, fmt.Errorf("read reminders of review %d: %w", review, err)
	}
	return out, nil
}
