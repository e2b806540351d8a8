package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
)

// ErrRevision is returned when a request was changed by somebody else after it was read.
var ErrRevision = errors.New("the request was changed meanwhile")

// ApprovalEvent is a transition of a request as it is kept.
type ApprovalEvent struct {
	Act    approval.Act
	By     access.Account
	Deputy bool
	Step   int
	Hash   change.Hash
	At     time.Time
	Note   string
}

// StoredApproval is a request with the number that it has to be written back with.
type StoredApproval struct {
	approval.Process
	Revision int64
}

// AddApproval keeps a new request.
func (tx *Tx) AddApproval(p approval.Process, asked approval.Event) error {
	b, err := p.Encode()
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO approval (id, kind, requester, state, asked_at, due, revision, process) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7)`,
			p.Request.ID, string(p.Request.Facts.Kind), string(p.Request.By.Account), string(p.State), p.Request.Asked, p.Due(), b)
	}
	if err != nil {
		return fmt.Errorf("store request %s: %w", p.Request.ID, err)
	}
	return tx.addApprovalEvents(p.Request.ID, []approval.Event{asked})
}

// PutApproval keeps what a request has become by events. Where it was changed since it was read nothing is
// written, and the error is ErrRevision.
func (tx *Tx) PutApproval(p approval.Process, revision int64, events []approval.Event) error {
	b, err := p.Encode()
	var r vault.Result
	if err == nil {
		r, err = tx.tx.Exec(`UPDATE approval SET state = ?3, due = ?4, process = ?5, revision = revision + 1 WHERE id = ?1 AND revision = ?2`,
			p.Request.ID, revision, string(p.State), p.Due(), b)
	}
	if err == nil && r.RowsAffected == 0 {
		err = ErrRevision
	}
	if err != nil {
		return fmt.Errorf("store request %s: %w", p.Request.ID, err)
	}
	return tx.addApprovalEvents(p.Request.ID, events)
}

func (tx *Tx) addApprovalEvents(id string, events []approval.Event) error {
	for _, e := range events {
		_, err := tx.tx.Exec(`INSERT INTO approval_event (approval, act, actor, deputy, step, hash, at, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,
			id, string(e.Act), string(e.By), e.Deputy, int64(e.Step), e.Hash[:], e.At, e.Note)
		if err != nil {
			return fmt.Errorf("store event of request %s: %w", id, err)
		}
	}
	return nil
}

// Approval returns a request, or ErrNotFound.
func (v *View) Approval(id string) (StoredApproval, error) {
	list, err := v.approvals(`WHERE id = ?1`, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("request %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return StoredApproval{}, err
	}
	return list[0], nil
}

// OpenApprovals returns what waits for somebody, the oldest first.
func (v *View) OpenApprovals() ([]StoredApproval, error) {
	return v.approvals(`WHERE state = 'waiting' ORDER BY asked_at, id`)
}

// DueApprovals returns what waits and of which a time has come.
func (v *View) DueApprovals(now time.Time) ([]StoredApproval, error) {
	return v.approvals(`WHERE state = 'waiting' AND due <= ?1 ORDER BY due, id`, now.UnixMilli())
}

// ApprovalsOf returns what somebody has asked for, the newest first, at most so many. An empty account means everybody.
func (v *View) ApprovalsOf(account access.Account, most int) ([]StoredApproval, error) {
	return v.approvals(`WHERE ?1 = '' OR requester = ?1 ORDER BY asked_at DESC, id DESC LIMIT ?2`, string(account), most)
}

func (v *View) approvals(where string, args ...any) (out []StoredApproval, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var a StoredApproval
		var b []byte
		err := r.Scan(&a.Revision, &b)
		if err == nil {
			a.Process, err = approval.Decode(b)
		}
		out = append(out, a)
		return err
	}, `SELECT revision, process FROM approval `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	return out, nil
}

// ApprovalEvents returns what happened to a request, in order.
func (v *View) ApprovalEvents(id string) (out []ApprovalEvent, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var e ApprovalEvent
		var act, by string
		var deputy, step, at int64
		err := r.Scan(&act, &by, &deputy, &step, &e.Hash, &at, &e.Note)
		e.Act, e.By, e.Deputy, e.Step, e.At = approval.Act(act), access.Account(by), deputy == 1, int(step), timeOf(at)
		out = append(out, e)
		return err
	}, `SELECT act, actor, deputy, step, hash, at, note FROM approval_event WHERE approval = ?1 ORDER BY id`, id)
	if err != nil {
		return nil, fmt.Errorf("read events of request %s: %w", id, err)
	}
	return out, nil
}

// TemporaryGrant is a permission for a time as it is kept.
type TemporaryGrant struct {
	access.Temporary
	Account access.Account
	EndedAt time.Time // zero while it counts
	EndedBy string    // empty when time ended it
}

// AddTemporary gives somebody a permission for a time. Its ID is that of the approval that it comes of; folded is the account's name in the
// form in which names are told apart.
func (tx *Tx) AddTemporary(account access.Account, folded string, t access.Temporary) error {
	b, err := change.Marshal(t.Grant)
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO temporary_grant (id, account, folded, body, reason, approver, from_at, until_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,
			string(t.ID), string(account), folded, b, t.Reason, string(t.Approver), t.From, t.Until)
	}
	if err != nil {
		return fmt.Errorf("store temporary grant %s: %w", t.ID, err)
	}
	return nil
}

// EndTemporary ends a grant now; ErrNotFound when there is none that still counts. by is empty for time.
func (tx *Tx) EndTemporary(id access.TemporaryID, by string) error {
	r, err := tx.tx.Exec(`UPDATE temporary_grant SET ended_at = ?2, ended_by = ?3 WHERE id = ?1 AND ended_at = 0`, string(id), tx.now, by)
	if err == nil && r.RowsAffected == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("end temporary grant %s: %w", id, err)
	}
	return nil
}

// Temporaries returns the grants for a time that count for a person, by id; folded is the account's name in the form in which names are told
// apart. Whoever decides gives them to package access, which judges their
// times: one whose end has passed may still be among them, and one that was ended early never is.
func (v *View) Temporaries(folded access.Account) ([]access.Temporary, error) {
	list, err := v.temporaries(`WHERE folded = ?1 AND ended_at = 0 ORDER BY id`, string(folded))
	var out []access.Temporary
	for _, t := range list {
		out = append(out, t.Temporary)
	}
	return out, err
}

// AllTemporaries returns the grants for a time that count, by person and id, as Temporaries does for one.
func (v *View) AllTemporaries() (map[access.Account][]access.Temporary, error) {
	list, err := v.temporaries(`WHERE ended_at = 0 ORDER BY id`)
	out := map[access.Account][]access.Temporary{}
	for _, t := range list {
		key := access.Account(access.Fold(string(t.Account)))
		out[key] = append(out[key], t.Temporary)
	}
	return out, err
}

// TemporaryGrants returns the grants of a person, those that have ended too, the newest first, at most so many. An empty account means everybody.
func (v *View) TemporaryGrants(account access.Account, most int) ([]TemporaryGrant, error) {
	return v.temporaries(`WHERE ?1 = '' OR account = ?1 ORDER BY from_at DESC, id LIMIT ?2`, string(account), most)
}

// TemporaryGrant returns a grant, or ErrNotFound.
func (v *View) TemporaryGrant(id access.TemporaryID) (TemporaryGrant, error) {
	list, err := v.temporaries(`WHERE id = ?1`, string(id))
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("temporary grant %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return TemporaryGrant{}, err
	}
	return list[0], nil
}

// DueTemporaries returns the grants whose end has come and that were not marked as ended.
func (v *View) DueTemporaries(now time.Time) ([]TemporaryGrant, error) {
	return v.temporaries(`WHERE ended_at = 0 AND until_at <= ?1 ORDER BY until_at, id`, now.UnixMilli())
}

func (v *View) temporaries(where string, args ...any) (out []TemporaryGrant, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var t TemporaryGrant
		var id, account, approver string
		var body []byte
		var ended int64
		err := r.Scan(&id, &account, &body, &t.Reason, &approver, &t.From, &t.Until, &ended, &t.EndedBy)
		if err == nil {
			err = change.Unmarshal(body, &t.Grant)
		}
		t.ID, t.Account, t.Approver, t.EndedAt = access.TemporaryID(id), access.Account(account), access.Account(approver), timeOf(ended)
		out = append(out, t)
		return err
	}, `SELECT id, account, body, reason, approver, from_at, until_at, ended_at, ended_by FROM temporary_grant `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read temporary grants: %w", err)
	}
	return out, nil
}
