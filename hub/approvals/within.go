package approvals

import (
	"errors"
	"time"

	"stockade/hub/auditlog"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/approval"
)

// OpenIn begins the process of a request in an open transaction, or says that its rule asks nobody: then it has no process and counts at once.
func (s *Service) OpenIn(tx *store.Tx, who identity.Person, r approval.Request) (free bool, err error) {
	rule, err := s.choose(&tx.View, r.Facts)
	if err != nil || rule.Free() {
		return err == nil, err
	}
	return false, s.Open(tx, who, r)
}

// EditIn puts r in the place of a request of who that waits, in an open transaction. Approvals that it has are void.
func (s *Service) EditIn(tx *store.Tx, who identity.Person, r approval.Request) error {
	stored, err := tx.Approval(r.ID)
	if err != nil {
		return err
	}
	rule, err := s.choose(&tx.View, r.Facts)
	if err != nil {
		return err
	}
	p, events, err := stored.Edit(r, rule, tx.Now().UnixMilli())
	if err != nil {
		return err
	}
	return s.keep(tx, whoIs(who), p, stored.Revision, events)
}

// VoidIn closes a request that waits because what it was about is no longer so.
func (s *Service) VoidIn(tx *store.Tx, a store.StoredApproval, why string) error {
	p, events, err := a.Void(why, tx.Now().UnixMilli())
	if err != nil {
		return err
	}
	return s.keep(tx, auditlog.Hub(), p, a.Revision, events)
}

// System is who asks where no person does: the hub itself. No account can have the name.
const System access.Account = "@hub"

// OpenOwn begins the process of a request that the hub makes itself, by a rule that was chosen for it.
func (s *Service) OpenOwn(tx *store.Tx, r approval.Request, rule approval.Rule) error {
	p, asked, err := approval.Open(r, rule, tx.Now().UnixMilli())
	if err != nil {
		return err
	}
	if err := tx.AddApproval(p, asked); err != nil {
		return err
	}
	return s.Recorder.Record(tx, auditlog.Hub(), asked.Entry(p))
}

// RuleAt returns the rule for a request by the edition that counted at a time.
func (s *Service) RuleAt(v *store.View, f approval.Facts, at time.Time) (approval.Rule, error) {
	e, err := v.RulesAt(at)
	if errors.Is(err, store.ErrNotFound) {
		e, err = store.RulesEdition{Rules: s.Rules}, nil
	}
	if err != nil {
		return approval.Rule{}, err
	}
	return s.chooseOf(e.Rules, f)
}
