package approvals

import (
	"context"

	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/approval"
)

// OpenOf returns what waits of the requests of a person, the oldest first.
func OpenOf(v *store.View, account access.Account) (out []store.StoredApproval, err error) {
	list, err := v.OpenApprovals()
	for _, a := range list {
		if Fold(a.Request.By.Account) == Fold(account) {
			out = append(out, a)
		}
	}
	return out, err
}

// WithdrawFor takes all requests of somebody who leaves back, recorded as the act of by, and returns how many there were.
func (s *Service) WithdrawFor(ctx context.Context, by identity.Person, account access.Account) (n int, err error) {
	err = s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		list, err := OpenOf(&tx.View, account)
		if err != nil {
			return err
		}
		for _, a := range list {
			p, events, err := a.Withdraw(a.Request.By.Account, tx.Now().UnixMilli())
			if err != nil {
				return err
			}
			if err := s.keep(tx, whoIs(by), p, a.Revision, events); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// OnlyBy returns which of the requests that wait for who nobody else of others could answer now.
func OnlyBy(v *store.View, who approval.Person, others []approval.Person, now int64) (out []store.StoredApproval, err error) {
	list, err := v.OpenApprovals()
	for _, a := range list {
		if !a.Asks(who, now) {
			continue
		}
		alone := true
		for _, o := range others {
			alone = alone && (o.Account == who.Account || !a.Asks(o, now))
		}
		if alone {
			out = append(out, a)
		}
	}
	return out, err
}
