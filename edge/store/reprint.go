package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/approval"
)

// ErrReprintOpen is returned for a job of which a request waits already.
var ErrReprintOpen = errors.New("somebody has asked for this label already")

// keepReprints is how long requests that are closed are kept; the audit trail has them for good.
const keepReprints = 90 * 24 * time.Hour

// Reprint is a request to print a label again, with the number that it has to be written back with.
type Reprint struct {
	approval.Process
	Job      string
	Revision int64
}

// AddReprint keeps a new request. One that waits for the same job gives ErrReprintOpen.
func (tx *Tx) AddReprint(job string, p approval.Process) error {
	var open bool
	if err := tx.tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM reprint WHERE state = 'waiting' AND job = ?1)`, job).Scan(&open); err != nil {
		return err
	}
	if open {
		return fmt.Errorf("print job %s: %w", job, ErrReprintOpen)
	}
	b, err := p.Encode()
	if err != nil {
		return err
	}
	if err := tx.exec("old reprints", `DELETE FROM reprint WHERE state <> 'waiting' AND asked_at < ?1`, p.Request.Asked-keepReprints.Milliseconds()); err != nil {
		return err
	}
	return tx.exec("reprint", `INSERT INTO reprint (id, job, requester, state, asked_at, revision, process) VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)`,
		p.Request.ID, job, string(p.Request.By.Account), string(p.State), p.Request.Asked, b)
}

// PutReprint keeps what a request has become. One that was changed since it was read gives ErrPrintState.
func (tx *Tx) PutReprint(p approval.Process, revision int64) error {
	b, err := p.Encode()
	if err != nil {
		return err
	}
	r, err := tx.tx.Exec(`UPDATE reprint SET state = ?3, process = ?4, revision = revision + 1 WHERE id = ?1 AND revision = ?2`, p.Request.ID, revision, string(p.State), b)
	if err == nil && r.RowsAffected == 0 {
		err = ErrPrintState
	}
	if err != nil {
		return fmt.Errorf("store reprint %s: %w", p.Request.ID, err)
	}
	return nil
}

// Reprint returns a request, or ErrNotFound.
func (tx *Tx) Reprint(id string) (Reprint, error) {
	list, err := tx.reprints(`WHERE id = ?1`, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("reprint %.40q: %w", id, ErrNotFound)
	}
	if err != nil {
		return Reprint{}, err
	}
	return list[0], nil
}

// OpenReprints returns what waits, the oldest first.
func (tx *Tx) OpenReprints() ([]Reprint, error) {
	return tx.reprints(`WHERE state = 'waiting' ORDER BY asked_at, id`)
}

// CountReprints returns for how many labels somebody has asked since then, those that were refused or taken back left out.
func (tx *Tx) CountReprints(requester string, since time.Time) (n int64, err error) {
	err = tx.tx.QueryRow(`SELECT count(*) FROM reprint WHERE requester = ?1 AND asked_at >= ?2 AND state IN ('waiting', 'approved')`, requester, since.UnixMilli()).Scan(&n)
	return n, err
}

// ReprintMark differs when a request was made or has changed.
func (tx *Tx) ReprintMark() (mark string, err error) {
	var n, revisions, last int64
	err = tx.tx.QueryRow(`SELECT count(*), coalesce(sum(revision), 0), coalesce(max(asked_at), 0) FROM reprint WHERE state = 'waiting'`).Scan(&n, &revisions, &last)
	return fmt.Sprintf("%d/%d/%d", n, revisions, last), err
}

func (tx *Tx) reprints(which string, args ...any) (out []Reprint, err error) {
	err = tx.each(func(r *vault.Rows) error {
		var p Reprint
		var b []byte
		err := r.Scan(&p.Job, &p.Revision, &b)
		if err == nil {
			p.Process, err = approval.Decode(b)
		}
		out = append(out, p)
		return err
	}, `SELECT job, revision, process FROM reprint `+which, args...)
	if err != nil {
		return nil, fmt.Errorf("read reprints: %w", err)
	}
	return out, nil
}
