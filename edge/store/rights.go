package store

import (
	"fmt"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
)

// OnMember lets fn take in what the hub says of a person, in the transaction of the chunk that says so. It is set before the uplink runs.
func (s *Store) OnMember(fn func(*vault.Tx, access.Member) error) { s.member = fn }

// OnSessionsEnd lets fn end all sessions because the hub has ended everybody's, in the transaction of the chunk that says so. It is set before the uplink runs.
func (s *Store) OnSessionsEnd(fn func(*vault.Tx) error) { s.sessionsEnd = fn }

// RightsChanged is sent to after a commit that took in entries of the feed of rights.
func (s *Store) RightsChanged() <-chan struct{} { return s.rights }

// isRights reports whether an entry is of the feed of rights and may act: in other feeds such an entry means nothing.
func isRights(at delivery.FeedPlace, e feed.Entry, tx *Tx) bool {
	return at.Feed == feed.Rights(tx.memo.warehouse) && (e.Kind >= access.KindRole && e.Kind <= access.KindMember || e.Kind == access.KindEnding)
}

// putRights keeps an entry in the place of the one before about the same, and lets accounts follow. One whose id can not be read is kept
// and does nothing; a person in a form that this program can not read is taken away here, since the news may be that less is allowed.
func (tx *Tx) putRights(at delivery.FeedPlace, place int, e feed.Entry) error {
	name, err := access.IDOf(e)
	if err != nil {
		return tx.putUnknown(at, place, e)
	}
	b, err := change.Marshal(e)
	if err != nil {
		return err
	}
	tx.rights = true
	if err := tx.exec("rights", `INSERT INTO rights_entry (kind, name, entry) VALUES (?1, ?2, ?3) ON CONFLICT (kind, name) DO UPDATE SET entry = excluded.entry`, int64(e.Kind), name, b); err != nil {
		return err
	}
	if e.Kind == access.KindEnding && tx.sessionsEnd != nil {
		return tx.sessionsEnd(tx.tx)
	}
	if e.Kind != access.KindMember || tx.member == nil {
		return nil
	}
	return tx.member(tx.tx, memberOf(name, e))
}

func memberOf(name string, e feed.Entry) access.Member {
	if v, err := access.Unpack(e); err == nil {
		if m, ok := v.(access.Member); ok {
			return m
		}
	}
	return access.Member{Account: access.Account(access.Fold(name)), Withdrawn: true}
}

// rightsEntries returns what the feed of rights said last.
func (tx *Tx) rightsEntries() (list []feed.Entry, err error) {
	rows, err := tx.tx.Query(`SELECT entry FROM rights_entry ORDER BY kind, name`)
	if err != nil {
		return nil, fmt.Errorf("read rights: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		var e feed.Entry
		if err := rows.Scan(&b); err != nil {
			return nil, fmt.Errorf("read rights: %w", err)
		}
		if err := change.Unmarshal(b, &e); err != nil {
			return nil, fmt.Errorf("read rights: %w", err)
		}
		list = append(list, e)
	}
	return list, rows.Err()
}

// Rights returns who may do what here by the hub's last word, and whether there was one: before that the ready policy counts.
func (tx *Tx) Rights() (r access.Rights, heard bool, err error) {
	list, err := tx.rightsEntries()
	if err != nil || len(list) == 0 {
		return access.Rights{Policy: access.Ready()}, false, err
	}
	feeds, err := tx.Feeds()
	if err != nil {
		return r, false, err
	}
	version := uint64(max(1, feeds[feed.Rights(tx.memo.warehouse)][1])) // #nosec G115 -- not negative
	if err := r.Apply(version, list); err != nil {
		return access.Rights{}, false, fmt.Errorf("read rights: %w", err)
	}
	return r, true, nil
}

// Members returns the people of the warehouse by the hub's last word, those who left too.
func (tx *Tx) Members() (out []access.Member, err error) {
	list, err := tx.rightsEntries()
	for _, e := range list {
		if e.Kind != access.KindMember {
			continue
		}
		name, err := access.IDOf(e)
		if err != nil {
			return nil, err
		}
		out = append(out, memberOf(name, e))
	}
	return out, err
}
