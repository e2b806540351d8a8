package store

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"stockade/hub/rights"
	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Drafts and reviews have migrations of their own: they are nothing that a node ever hears of.
//
//go:embed review/*.sql
var reviewFiles embed.FS

func reviewMigrations() fs.FS {
	dir, err := fs.Sub(reviewFiles, "review")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return dir
}

// Errors about drafts and reviews.
var (
	ErrDraftChanged = errors.New("the draft was changed in another window meanwhile")
	ErrReviewClosed = errors.New("the review is closed")
	ErrReviewOpen   = errors.New("another review is open")
)

// Draft returns what a person has changed of the policy and not saved; the empty draft when there is none.
func (v *View) Draft(account string) (rights.Draft, error) {
	var b []byte
	err := v.tx.QueryRow(`SELECT body FROM policy_draft WHERE account = ?1`, account).Scan(&b)
	if errors.Is(err, vault.ErrNoRows) {
		return rights.Draft{}, nil
	}
	if err != nil {
		return rights.Draft{}, fmt.Errorf("read draft of %s: %w", account, err)
	}
	return rights.DecodeDraft(b)
}

// PutDraft keeps a person's draft. d.Rev is that of the draft that it was made of: when it was changed since, nothing is
// written, and the error is ErrDraftChanged. It returns the draft's new revision.
func (tx *Tx) PutDraft(account string, d rights.Draft) (uint64, error) {
	was, err := tx.Draft(account)
	if err == nil && was.Rev != d.Rev {
		err = ErrDraftChanged
	}
	if err != nil {
		return 0, err
	}
	d.Rev++
	b, err := d.Encode()
	if err == nil && len(b) > access.MaxPolicy {
		err = ErrPolicyLarge
	}
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO policy_draft (account, body, written_at) VALUES (?1, ?2, ?3)
			ON CONFLICT (account) DO UPDATE SET body = excluded.body, written_at = excluded.written_at`, account, b, tx.now)
	}
	if err != nil {
		return 0, fmt.Errorf("store draft of %s: %w", account, err)
	}
	return d.Rev, nil
}

// ClearDraft makes a person's draft change nothing. Its revision goes on rising.
func (tx *Tx) ClearDraft(account string) error {
	d, err := tx.Draft(account)
	if err != nil || d.Rev == 0 {
		return err
	}
	_, err = tx.PutDraft(account, rights.Draft{Rev: d.Rev})
	return err
}

// Review is a review of who has which role.
type Review struct {
	ID        int64
	Title     string
	Due       stock.Date
	StartedBy string
	StartedAt time.Time
	ClosedBy  string
	ClosedAt  time.Time // zero while it is open
	Result    []byte    // signed, once it is closed

	Items, Decided, Withdrawn int
}

// StartReview begins a review with its questions and returns its id. One is open at a time.
func (tx *Tx) StartReview(title string, due stock.Date, by string, items []rights.Item) (id int64, err error) {
	var open int64
	if err = tx.tx.QueryRow(`SELECT count(*) FROM review WHERE closed_at IS NULL`).Scan(&open); err == nil && open > 0 {
		err = ErrReviewOpen
	}
	if err == nil {
		err = tx.tx.QueryRow(`INSERT INTO review (title, due, started_by, started_at) VALUES (?1, ?2, ?3, ?4) RETURNING id`, title, string(due), by, tx.now).Scan(&id)
	}
	for _, i := range items {
		if err == nil {
			err = tx.AskReview(id, i)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("start review: %w", err)
	}
	return id, nil
}

// AskReview adds a question to a review; one that is asked already is left as it is.
func (tx *Tx) AskReview(review int64, i rights.Item) error {
	_, err := tx.tx.Exec(`INSERT INTO review_item (review, account, name, display, role, role_zh, role_en, warehouse, verdict, decided_by, decided_at, note)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, '', 0, '') ON CONFLICT DO NOTHING`,
		review, string(i.Account), i.Name, i.Display, string(i.Role), i.Names.ZH, i.Names.EN, string(i.Warehouse), string(access.Undecided))
	if err != nil {
		return fmt.Errorf("ask in review %d: %w", review, err)
	}
	return nil
}

// AnswerReview stores the answer to one question of an open review.
func (tx *Tx) AnswerReview(review, item int64, verdict access.Verdict, by, note string) error {
	r, err := tx.Review(review)
	if err != nil {
		return err
	}
	if !r.ClosedAt.IsZero() {
		return ErrReviewClosed
	}
	res, err := tx.tx.Exec(`UPDATE review_item SET verdict = ?3, decided_by = ?4, decided_at = ?5, note = ?6 WHERE review = ?1 AND id = ?2`,
		review, item, string(verdict), by, tx.now, note)
	if err == nil && res.RowsAffected == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("answer item %d of review %d: %w", item, review, err)
	}
	return nil
}

// CloseReview ends a review with its signed result.
func (tx *Tx) CloseReview(review int64, by string, result []byte) error {
	res, err := tx.tx.Exec(`UPDATE review SET closed_by = ?2, closed_at = ?3, result = ?4 WHERE id = ?1 AND closed_at IS NULL`, review, by, tx.now, result)
	if err == nil && res.RowsAffected == 0 {
		err = ErrReviewClosed
	}
	if err != nil {
		return fmt.Errorf("close review %d: %w", review, err)
	}
	return nil
}

const reviewColumns = `SELECT id, title, due, started_by, started_at, closed_by, coalesce(closed_at, 0), result,
	(SELECT count(*) FROM review_item WHERE review = review.id),
	(SELECT count(*) FROM review_item WHERE review = review.id AND verdict <> 'undecided'),
	(SELECT count(*) FROM review_item WHERE review = review.id AND verdict = 'withdrawn') FROM review `

func scanReview(scan func(...any) error) (r Review, err error) {
	var started, closed int64
	var due string
	err = scan(&r.ID, &r.Title, &due, &r.StartedBy, &started, &r.ClosedBy, &closed, &r.Result, &r.Items, &r.Decided, &r.Withdrawn)
	r.Due, r.StartedAt = stock.Date(due), time.UnixMilli(started).UTC()
	if closed > 0 {
		r.ClosedAt = time.UnixMilli(closed).UTC()
	}
	return r, err
}

// Review returns one review, or ErrNotFound.
func (v *View) Review(id int64) (Review, error) {
	r, err := scanReview(v.tx.QueryRow(reviewColumns+`WHERE id = ?1`, id).Scan)
	if errors.Is(err, vault.ErrNoRows) {
		return Review{}, fmt.Errorf("review %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return Review{}, fmt.Errorf("read review %d: %w", id, err)
	}
	return r, nil
}

// Reviews returns all reviews, the newest first.
func (v *View) Reviews() (out []Review, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		one, err := scanReview(r.Scan)
		out = append(out, one)
		return err
	}, reviewColumns+`ORDER BY id DESC`)
	if err != nil {
		return nil, fmt.Errorf("read reviews: %w", err)
	}
	return out, nil
}

// ReviewItems returns the questions of a review by warehouse and person; those of headquarters first.
func (v *View) ReviewItems(review int64) (out []rights.Item, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var i rights.Item
		var account, role, warehouse, verdict string
		err := r.Scan(&i.ID, &account, &i.Name, &i.Display, &role, &i.Names.ZH, &i.Names.EN, &warehouse, &verdict, &i.By, &i.At, &i.Note)
		i.Account, i.Role, i.Warehouse, i.Verdict = access.Account(account), access.RoleID(role), stock.Warehouse(warehouse), access.Verdict(verdict)
		out = append(out, i)
		return err
	}, `SELECT id, account, name, display, role, role_zh, role_en, warehouse, verdict, decided_by, decided_at, note FROM review_item WHERE review = ?1
		ORDER BY warehouse, account, role`, review)
	if err != nil {
		return nil, fmt.Errorf("read items of review %d: %w", review, err)
	}
	return out, nil
}
