package main

import (
	"cmp"
	"context"
	"time"

	"stockade/edge/store"
	"stockade/internal/identity"
	"stockade/internal/rights"
	"stockade/internal/vault"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/clock"
)

// defaultOffline is how long a node may be without word of the hub before it refuses privileged acts.
const defaultOffline = 14 * 24 * time.Hour

// openRights makes what decides who may do what here, lets people follow the feed of rights, brings accounts up to what it
// said last, and tells the hub to which key people are sealed for this node.
func (n *node) openRights(ctx context.Context, people *identity.Service) (err error) {
	n.accounts = people
	n.store.OnMember(store.People{Repeat: people.Repeat, Suspend: people.Suspend})
	n.store.OnSessionsEnd(people.EndedEverywhere)
	err = n.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.RepeatMembers(); err != nil {
			return err
		}
		return tx.TellSealing(n.made(identity.Person{}))
	})
	if err == nil {
		err = people.Settle(ctx)
	}
	if err != nil {
		return err
	}
	n.desk, err = rights.New(rights.Options{Now: n.clock.Wall, Zone: n.config.zone(), Home: n.enrolment.Trust.Warehouse, Known: n.known, Trust: n.trusted, Lent: n.lentTo, Refused: n.recordRefusal, Used: n.recordUse},
		access.Ready())
	if err != nil {
		return err
	}
	return n.loadRights(ctx)
}

// loadRights lets what the hub said last decide from now on.
func (n *node) loadRights(ctx context.Context) error {
	var r access.Rights
	var unread []string
	err := n.store.View(ctx, func(tx *store.Tx) (err error) {
		if r, _, err = tx.Rights(); err == nil {
			unread, err = tx.Unread()
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(unread) > 0 { // until the hub has this node's key, or this program is updated
		n.log.Warn("what the hub says of these people can not be read; they are kept out", "people", unread)
	}
	n.lent.Store(&r.People)
	return n.desk.Set(r.Policy)
}

// retell is how often a node tells its sealing key while the hub has not said that it knows it: the program of the hub may be updated after the node's.
const retell = 24 * time.Hour

// followRights takes news of the feed of rights into use, until ctx ends.
func (n *node) followRights(ctx context.Context) error {
	tell := time.NewTicker(retell)
	defer tell.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tell.C:
			if err := n.store.Update(ctx, func(tx *store.Tx) error { return tx.TellSealing(n.made(identity.Person{})) }); err != nil && ctx.Err() == nil {
				n.log.Error("the sealing key could not be told, trying again tomorrow", "error", err)
			}
			continue
		case <-n.store.RightsChanged():
		}
		if err := n.loadRights(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n.log.Error("rights could not be read; those before go on", "error", err)
			continue
		}
		n.accounts.Announce()
		n.log.Info("rights were taken in", "version", n.desk.Policy().Version)
	}
}

// lentTo returns the temporary grants and customers of a person by the hub's last word.
func (n *node) lentTo(a access.Account) access.Subject {
	if all := n.lent.Load(); all != nil {
		return (*all)[a]
	}
	return access.Subject{}
}

// lastWord returns the hub's clock at its last signed word, and what it shows now if it went on since as this machine counts: setting
// the machine's clock does not move that.
func (n *node) lastWord() (at, since time.Time) {
	if n.uplink != nil {
		if st := n.uplink.Status(); !st.HubTime.IsZero() {
			return st.HubTime, st.HubTime.Add(time.Since(st.LastWord))
		}
	}
	return n.enrolment.HubTime, n.enrolment.HubTime.Add(time.Since(n.began))
}

// known returns what has certainly passed.
func (n *node) known() time.Time {
	_, t := n.lastWord()
	if c := certain(n.enrolment); c.After(t) {
		return c
	}
	return t
}

// trusted says whether the clock is right as far as this machine can tell, and whether the hub was heard within the time that the
// company allows. Time is believed when the hub has set it right since the start, or when it goes on from the hub's last word and not for too
// long. A clock that was set back behind what is certain is not.
func (n *node) trusted() (clockOK, contact bool) {
	now, known := n.clock.Wall(), n.known()
	at, _ := n.lastWord()
	latest := now
	if known.After(now) {
		latest = known
	}
	limit := cmp.Or(time.Duration(n.config.OfflineLimit), defaultOffline)
	contact = latest.Sub(at) <= limit
	if now.Before(known.Add(-clock.MaxAhead)) {
		return false, contact
	}
	if n.clock.Quality() != clock.Unsynced {
		return true, contact
	}
	shown := n.machine()
	return contact && !shown.Before(known.Add(-clock.MaxAhead)) && shown.Sub(at) <= limit, contact
}

// machine is what this machine's own clock shows.
func (n *node) machine() time.Time {
	if n.shown != nil {
		return n.shown()
	}
	return machineTime()
}

// roles are those that people here can have.
func (n *node) roles() (out []web.Role) {
	for _, r := range n.desk.Policy().Roles {
		if !r.Withdrawn && r.ID != access.OpenStation {
			out = append(out, web.Role{ID: string(r.ID), Names: map[web.Lang]string{web.Chinese: r.Names.ZH, web.English: r.Names.EN}})
		}
	}
	return out
}

// recordRefusal adds to the audit trail that a person was refused.
func (n *node) recordRefusal(ctx context.Context, who identity.Person, r rights.Refusal) error {
	return n.store.Vault().Update(ctx, func(vtx *vault.Tx) error {
		return n.record(vtx, change.Entry{Act: r.Act(), Object: string(r.Permission), Outcome: "refused", Detail: r.Detail()}, who)
	})
}

// recordUse adds to the audit trail that a person used a temporary grant.
func (n *node) recordUse(ctx context.Context, who identity.Person, u rights.Use) error {
	return n.store.Vault().Update(ctx, func(vtx *vault.Tx) error {
		return n.record(vtx, change.Entry{Act: change.ActGrantUsed, Object: string(u.Grant), Outcome: "ok", Detail: u.Detail()}, who)
	})
}
