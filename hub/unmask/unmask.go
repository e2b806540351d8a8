// Package unmask lets people see for a reason what is masked for them: one value at a time, each with its entry in the audit
// log, and only so many in a day.
//
// The entry and the row that the auditor's list shows are written in the transaction in which the value is found, so that nothing is seen that
// is not recorded. The value stands in neither.
package unmask

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/auditlog"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/change"
)

// DefaultQuota is how many values a person may see in a day where the company has chosen no other number; MaxQuota is the most that can be chosen.
const (
	DefaultQuota = 50
	MaxQuota     = 1000
)

// Acts in the audit log.
const (
	ActUnmasked = "field.unmasked"
	ActLimit    = "field.unmask_limit" // somebody asked for more than a day's number: once for each person and day
)

// Desk keeps count and records. It is safe for concurrent use.
type Desk struct {
	Store    *store.Store
	Recorder *auditlog.Recorder
	Quota    int64          // values for a person and day
	Zone     *time.Location // of business days; UTC when nil
}

// LimitError refuses because a person has seen a day's number of values.
type LimitError struct{ Quota int64 }

func (e *LimitError) Error() string {
	return fmt.Sprintf("%d values were seen today, which is the limit", e.Quota)
}

// Reveal records that who sees what u names and returns the value that find finds. find decides in the same transaction whether who may see it;
// its error undoes everything. u.Class may be set by find.
func (d *Desk) Reveal(ctx context.Context, who identity.Person, u access.Unmasking, find func(*store.Tx, *access.Unmasking) (string, error)) (value string, err error) {
	if err := u.Check(); err != nil {
		return "", err
	}
	account := access.Account(who.Account)
	folded := approvals.Fold(account)
	zone := d.Zone
	if zone == nil {
		zone = time.UTC
	}
	now := d.Recorder.Clock()
	day := now.In(zone).Format(time.DateOnly)
	err = d.Store.Update(ctx, now, func(tx *store.Tx) error {
		found, err := find(tx, &u)
		if err != nil {
			return err
		}
		seen, err := tx.UnmaskedOn(folded, day)
		if err != nil {
			return err
		}
		if seen >= d.Quota {
			return &LimitError{Quota: d.Quota}
		}
		if err := tx.AddUnmasked(store.Unmasked{Unmasking: u, Account: account, Day: day}, folded); err != nil {
			return err
		}
		value = found
		return d.Recorder.Record(tx, whoIs(who), entry(ActUnmasked, u, map[string]string{"number": strconv.FormatInt(seen+1, 10)}))
	})
	var limit *LimitError
	if errors.As(err, &limit) {
		return "", errors.Join(err, d.alert(ctx, who, u, folded, day))
	}
	if err != nil {
		return "", err
	}
	return value, nil
}

// alert records, once for a person and day, that the limit was met.
func (d *Desk) alert(ctx context.Context, who identity.Person, u access.Unmasking, folded access.Account, day string) error {
	return d.Store.Update(ctx, d.Recorder.Clock(), func(tx *store.Tx) error {
		first, err := tx.MeetLimit(folded, day)
		if err != nil || !first {
			return err
		}
		e := entry(ActLimit, u, map[string]string{"quota": strconv.FormatInt(d.Quota, 10)})
		e.Outcome = "refused"
		return d.Recorder.Record(tx, whoIs(who), e)
	})
}

func entry(act string, u access.Unmasking, detail map[string]string) change.Entry {
	detail["field"], detail["class"], detail["purpose"] = u.Field, u.Class.Title().EN, string(u.Purpose)
	if u.Reason != "" {
		detail["reason"] = u.Reason
	}
	return change.Entry{Act: act, Object: u.Kind + "/" + u.Subject, Detail: detail}
}

func whoIs(p identity.Person) auditlog.Who {
	return auditlog.Who{Actor: p.Actor(), Session: p.Session, Terminal: p.Address, Lent: p.Lent}
}
