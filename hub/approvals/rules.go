package approvals

import (
	"context"
	"crypto/sha256"
	"errors"
	"strconv"

	"stockade/hub/rules"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
)

// ActRulesWritten is the act under which an edition of the rules stands in the audit log.
const ActRulesWritten = "approval.rules_written"

// Conditions about rules that callers turn into sentences.
var (
	ErrNothingNew = errors.New("these rules count already")
	ErrNote       = errors.New("say why, in 300 characters at most")
)

// RulesNow returns the edition that counts; what a company begins with is edition 0.
func (s *Service) RulesNow(v *store.View) (store.RulesEdition, error) {
	e, err := v.Rules()
	if errors.Is(err, store.ErrNotFound) {
		return store.RulesEdition{Rules: s.Rules}, nil
	}
	return e, err
}

// RulesOf returns an edition, 0 for the ready one.
func (s *Service) RulesOf(v *store.View, version int64) (store.RulesEdition, error) {
	if version == 0 {
		return store.RulesEdition{Rules: s.Rules}, nil
	}
	return v.RulesOf(version)
}

// choose returns the rule for a request. What an edition says nothing about goes by the ready rules: it was written before there was such a kind.
func (s *Service) choose(v *store.View, f approval.Facts) (approval.Rule, error) {
	e, err := s.RulesNow(v)
	if err != nil {
		return approval.Rule{}, err
	}
	return s.chooseOf(e.Rules, f)
}

func (s *Service) chooseOf(rules []approval.Rule, f approval.Facts) (approval.Rule, error) {
	r, err := approval.Choose(rules, f)
	if errors.Is(err, approval.ErrNoRule) {
		return approval.Choose(s.Rules, f)
	}
	return r, err
}

// person returns who as package approval wants to know them at this moment.
func (s *Service) person(who identity.Person) approval.Person {
	p := PersonOf(who)
	if s.Holds != nil {
		p.Holds = func(permission access.Permission, f approval.Facts) bool {
			return s.Holds(who, permission, f.Warehouses)
		}
	}
	return p
}

// SaveRules makes next, which were made of the edition base, the ones that count for what is asked from now on. Requests that wait keep theirs. The
// draft of who is dropped. check may refuse, in the transaction.
func (s *Service) SaveRules(ctx context.Context, who identity.Person, next []approval.Rule, base int64, note string, check func(*store.View) error) (version int64, err error) {
	if n := len([]rune(note)); n == 0 || n > approval.MaxReason {
		return 0, ErrNote
	}
	body, err := approval.EncodeRules(next)
	if err != nil {
		return 0, err
	}
	err = s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		now, err := s.RulesNow(&tx.View)
		if err != nil {
			return err
		}
		deltas := rules.Diff(now.Rules, next, func(id access.RoleID) access.Text { return access.Text{ZH: string(id), EN: string(id)} })
		switch {
		case now.Version != base:
			return store.ErrRulesChanged
		case len(deltas) == 0:
			return ErrNothingNew
		}
		if err := check(&tx.View); err != nil {
			return err
		}
		if version, err = tx.PutRules(next, base, who.Actor(), note); err != nil {
			return err
		}
		if err := tx.DropRulesDraft(string(Fold(access.Account(who.Account)))); err != nil {
			return err
		}
		return s.Recorder.Record(tx, whoIs(who), change.Entry{Act: ActRulesWritten, Object: "approval_rules/" + strconv.FormatInt(version, 10),
			Detail: map[string]string{"note": note, "content": change.Hash(sha256.Sum256(body)).String(), "changes": rules.Summary(deltas)}})
	})
	return version, err
}

// Asks reports whether who is asked for an answer to a request at that moment.
func (s *Service) Asks(p approval.Process, who identity.Person, now int64) bool {
	return p.Asks(s.person(who), now)
}
