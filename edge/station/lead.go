package station

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"stockade/protocol/stock"
)

// Lead lets a scan pass that would take more than is on hand, with a reason that stays in the movement.
type Lead struct {
	Worker Worker
	Reason string
}

// ErrReason refuses a reason that says nothing or that the ledger can not keep.
var ErrReason = fmt.Errorf("a reason of at most %d bytes of UTF-8 is needed", stock.MaxText)

// Passable reports whether a lead may let a refused scan pass: the node knows of less stock in the bin
// than there is, because a sibling's movements have not come yet or something was never booked.
func (f Feedback) Passable() bool {
	return f.Outcome == Refused && slices.Contains([]string{MoreThanHere, NotOnHand, WrongBin}, f.Code)
}

// LetPass books the station's last scan, refused under that number, on a lead's word that the goods are
// there. Only the last scan can be: the mode and bin that the worker meant still stand then, and
// nothing passes twice. The movement keeps the reason, and what it overdraws is an exception. A reason
// that can not be kept gives ErrReason.
func (s *Station) LetPass(ctx context.Context, number int64, l Lead) (Feedback, error) {
	l.Reason = strings.TrimSpace(l.Reason)
	if l.Reason == "" || len(l.Reason) > stock.MaxText || !utf8.ValidString(l.Reason) {
		return Feedback{}, fmt.Errorf("station %s: %w", s.config.Name, ErrReason)
	}
	if l.Worker.Actor == "" {
		return Feedback{}, fmt.Errorf("station %s: nobody is no lead", s.config.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(ctx, nil, func(a *act) error {
		a.worker = l.Worker
		last, err := a.tx.LastScan(s.config.Name)
		if err != nil {
			return err
		}
		f, err := feedbackOf(a.tx, last)
		if err != nil {
			return err
		}
		if f.Number != number || !f.Passable() || f.Scan == nil {
			return a.refuse(NothingToPass, nil)
		}
		a.reason, a.f.Scan, a.f.Raw, a.st.Quantity = l.Reason, f.Scan, f.Raw, f.Set
		return a.judge(*f.Scan)
	})
}
