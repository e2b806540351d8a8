// Package auditlog writes what people and programs do at the hub into the master log, checks
// the whole log against what it is about, and exports it for others to check.
//
// An act and its entry are one transaction: no entry, no commit. The log holds an entry's
// salted hash; the entry itself lies beside it and can be erased without harm to the log.
package auditlog

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"strings"
	"time"

	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/stock"
)

// Who does something: a person of the pages, the operating system's user of a command, a
// node at its enrolment, or the hub itself.
type Who struct {
	Actor    string
	Session  string   // public name of the sign-in, empty for commands
	Terminal string   // network address, or "cli"
	Lent     []string // temporary grants that the act goes by; every entry names them
}

// Hub is the hub itself.
func Hub() Who { return Who{Actor: string(stock.HubNode)} }

// Recorder records acts. It is safe for concurrent use.
type Recorder struct {
	Store *store.Store
	Ring  *keyring.Ring
	Clock func() time.Time
	Zone  *time.Location // of the headquarters, for the business day; UTC when nil
}

// Act runs fn and records e with it, in one transaction, and cuts a checkpoint. When fn
// fails nothing of both remains.
func (r *Recorder) Act(ctx context.Context, who Who, e change.Entry, fn func(*store.Tx) error) error {
	return r.Store.Update(ctx, r.Clock(), func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return r.Record(tx, who, e)
	})
}

// Record logs e in an open transaction and cuts a checkpoint.
func (r *Recorder) Record(tx *store.Tx, who Who, e change.Entry) error {
	if e.Detail = maps.Clone(e.Detail); e.Detail == nil {
		e.Detail = map[string]string{}
	}
	if len(who.Lent) > 0 {
		e.Detail["grants"] = strings.Join(who.Lent, " ")
	}
	if e.Outcome == "" {
		e.Outcome = "ok"
	}
	zone := r.Zone
	if zone == nil {
		zone = time.UTC
	}
	now := tx.Now()
	c, err := change.OfEntry(change.Meta{Time: clock.StampOf(now), Quality: clock.Synced, Actor: who.Actor, Session: who.Session,
		Terminal: who.Terminal, Day: stock.Date(now.In(zone).Format(time.DateOnly)), Zone: zone.String()}, e)
	if err != nil {
		return fmt.Errorf("record %s: %w", e.Act, err)
	}
	salt := make([]byte, change.SaltSize)
	if _, err := rand.Read(salt); err != nil {
		return fmt.Errorf("record %s: %w", e.Act, err)
	}
	if _, err := tx.Record(c, salt); err != nil {
		return err
	}
	return r.Ring.Checkpoint(tx)
}
