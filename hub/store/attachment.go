package store

import (
	"errors"
	"fmt"
	"math"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Attachment is what is known of a file that belongs to something. Its contents are package attachments' concern.
type Attachment struct {
	ID        string
	Kind      string // of the subject
	Subject   string
	Warehouse stock.Warehouse // empty for the whole company
	Category  string
	Number    string // of the document
	Note      string
	Name      string // of the file
	Type      string // media type
	Size      int64
	Hash      change.Hash // SHA-256 of the contents
	Account   access.Account
	Day       string // business day
	AddedAt   time.Time
	DeletedAt time.Time // zero while it is there
	DeletedBy string
	Reason    string // why it was destroyed
}

// Deleted reports whether only the row is left.
func (a Attachment) Deleted() bool { return !a.DeletedAt.IsZero() }

// AttachmentFilter chooses files. Zero fields do not restrict, except In: files of no warehouse pass, others must be in one of its places.
type AttachmentFilter struct {
	Kind, Subject, Category string
	Warehouse               stock.Warehouse
	Account                 access.Account
	From, To                string // business days
	In                      access.Places
	BeforeAt                int64 // go on behind the file of this time in Unix milliseconds and this id
	BeforeID                string
}

const attachmentColumns = `id, kind, subject, warehouse, category, number, note, name, type, size, hash, account, day, added_at, deleted_at, deleted_by, reason`

// AddAttachment keeps a file's row with its key.
func (tx *Tx) AddAttachment(a Attachment, secret []byte) error {
	_, err := tx.tx.Exec(`INSERT INTO attachment (id, kind, subject, warehouse, category, number, note, name, type, size, hash, account, day, added_at)
	                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)`,
		a.ID, a.Kind, a.Subject, string(a.Warehouse), a.Category, a.Number, a.Note, a.Name, a.Type, a.Size, a.Hash[:], string(a.Account), a.Day, tx.now)
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO attachment_key (attachment, secret) VALUES (?1, ?2)`, a.ID, secret)
	}
	if err != nil {
		return fmt.Errorf("store attachment %s: %w", a.ID, err)
	}
	return nil
}

// ShredAttachment destroys the key of a file, which is then lost for everybody, and says so in its row. One that is gone already is ErrNotFound.
func (tx *Tx) ShredAttachment(id, by, reason string) error {
	r, err := tx.tx.Exec(`DELETE FROM attachment_key WHERE attachment = ?1`, id)
	if err == nil && r.RowsAffected == 0 {
		err = ErrNotFound
	}
	if err == nil {
		_, err = tx.tx.Exec(`UPDATE attachment SET deleted_at = ?2, deleted_by = ?3, reason = ?4 WHERE id = ?1`, id, tx.now, by, reason)
	}
	if err != nil {
		return fmt.Errorf("destroy attachment %s: %w", id, err)
	}
	return nil
}

// AttachmentKey returns the key of a file, or ErrNotFound when there is none or none any more.
func (v *View) AttachmentKey(id string) (secret []byte, err error) {
	err = v.tx.QueryRow(`SELECT secret FROM attachment_key WHERE attachment = ?1`, id).Scan(&secret)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("key of attachment %s: %w", id, err)
	}
	return secret, nil
}

// Attachment returns a file's row, or ErrNotFound.
func (v *View) Attachment(id string) (a Attachment, err error) {
	found := false
	err = v.attachments(func(b Attachment) error { a, found = b, true; return nil }, `WHERE id = ?1`, id)
	if err == nil && !found {
		err = fmt.Errorf("attachment %s: %w", id, ErrNotFound)
	}
	return a, err
}

// Attachments calls fn for the files that f chooses, the newest first, until it returns an error.
func (v *View) Attachments(f AttachmentFilter, fn func(Attachment) error) error {
	if f.BeforeAt == 0 {
		f.BeforeAt = math.MaxInt64
	}
	return v.attachments(fn, `WHERE (added_at, id) < (?1, ?10) AND (?2 = '' OR kind = ?2) AND (?3 = '' OR subject = ?3) AND (?4 = '' OR category = ?4) AND (?5 = '' OR warehouse = ?5) AND (?6 = '' OR account = ?6)
	    AND (?7 = '' OR day >= ?7) AND (?8 = '' OR day <= ?8) AND (?9 = '*' OR warehouse = '' OR ?9 LIKE '%,' || warehouse || ',%')
	  ORDER BY added_at DESC, id DESC`, f.BeforeAt, f.Kind, f.Subject, f.Category, string(f.Warehouse), string(f.Account), f.From, f.To, listOf(f.In), f.BeforeID)
}

// AllAttachments calls fn for every file that is there, by id.
func (v *View) AllAttachments(fn func(Attachment) error) error {
	return v.attachments(fn, `WHERE deleted_at = 0 ORDER BY id`)
}

func (v *View) attachments(fn func(Attachment) error, where string, args ...any) error {
	err := each(v.tx, func(r *vault.Rows) error {
		var a Attachment
		var warehouse, account string
		var added, deleted int64
		err := r.Scan(&a.ID, &a.Kind, &a.Subject, &warehouse, &a.Category, &a.Number, &a.Note, &a.Name, &a.Type, &a.Size, &a.Hash, &account, &a.Day, &added, &deleted, &a.DeletedBy, &a.Reason)
		if err != nil {
			return err
		}
		a.Warehouse, a.Account, a.AddedAt, a.DeletedAt = stock.Warehouse(warehouse), access.Account(account), timeOf(added), timeOf(deleted)
		return fn(a)
	}, `SELECT `+attachmentColumns+` FROM attachment `+where, args...)
	if err != nil {
		return fmt.Errorf("read attachments: %w", err)
	}
	return nil
}

// AttachmentsOn returns how many files somebody added on a business day and how large they are together, destroyed ones counted.
func (v *View) AttachmentsOn(account access.Account, day string) (files, size int64, err error) {
	err = v.tx.QueryRow(`SELECT count(*), coalesce(sum(size), 0) FROM attachment WHERE account = ?1 AND day = ?2`, string(account), day).Scan(&files, &size)
	if err != nil {
		return 0, 0, fmt.Errorf("count attachments of %s: %w", account, err)
	}
	return files, size, nil
}

// AttachmentsOf returns how many files a subject has.
func (v *View) AttachmentsOf(kind, subject string) (files int64, err error) {
	err = v.tx.QueryRow(`SELECT count(*) FROM attachment WHERE kind = ?1 AND subject = ?2 AND deleted_at = 0`, kind, subject).Scan(&files)
	if err != nil {
		return 0, fmt.Errorf("count attachments of %s %s: %w", kind, subject, err)
	}
	return files, nil
}
