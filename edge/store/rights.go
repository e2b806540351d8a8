package store

import (
	"bytes"
	"crypto/hpke"
	"encoding/base64"
	"errors"
	"fmt"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
)

// People follow what the hub says of them, in the transaction of the chunk that says so.
type People struct {
	Repeat  func(*vault.Tx, access.Member) error
	Suspend func(*vault.Tx, access.Account) error // something was said that this node can not read
}

// OnMember lets p follow what the hub says of people. It is called before the uplink runs.
func (s *Store) OnMember(p People) { s.people = p }

// OnSessionsEnd lets fn end all sessions because the hub has ended everybody's, in the transaction of the chunk that says so. It is set before the uplink runs.
func (s *Store) OnSessionsEnd(fn func(*vault.Tx) error) { s.sessionsEnd = fn }

// RightsChanged is sent to after a commit that took in entries of the feed of rights.
func (s *Store) RightsChanged() <-chan struct{} { return s.rights }

// isRights reports whether an entry is of the feed of rights and may act: in other feeds such an entry means nothing.
func isRights(at delivery.FeedPlace, e feed.Entry, tx *Tx) bool {
	return at.Feed == feed.Rights(tx.memo.warehouse) && e.Kind >= access.KindRole && e.Kind <= access.KindEnding
}

// putRights keeps an entry in the place of the one before about the same, and lets accounts follow. One whose id can not be read is kept
// and does nothing; a person in a form that this node can not read is kept out, since the news may be that less is allowed.
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
	if e.Kind != access.KindMember {
		return nil
	}
	return tx.repeat(name, e)
}

// repeat lets the account of a person follow an entry about them. One that is sealed to others, from before the feed says that the hub knows our key, is no
// news for us: after that we are told all of them. So a feed that is read anew, after the hub's store was restored, shuts nobody out on its way.
func (tx *Tx) repeat(name string, e feed.Entry) error {
	if tx.people.Repeat == nil {
		return nil
	}
	m, err := tx.memberOf(e)
	if errors.Is(err, access.ErrNoReader) {
		known, err := tx.sealingKnown()
		if err != nil || !known {
			return err
		}
	}
	switch {
	case errors.Is(err, errUnread):
		return tx.people.Suspend(tx.tx, access.Account(access.Fold(name)))
	case err != nil:
		return err
	}
	return tx.people.Repeat(tx.tx, m)
}

// errUnread is returned for an entry about a person that this node can not read: it is of a newer program, or not sealed to this node.
var errUnread = errors.New("this node can not read what the hub says of a person")

// memberOf reads an entry about a person.
func (tx *Tx) memberOf(e feed.Entry) (access.Member, error) {
	v, err := access.Unpack(e)
	switch v := v.(type) {
	case access.Member:
		return v, nil
	case access.Sealed:
		enrolled, key, err := tx.sealing()
		if err != nil {
			return access.Member{}, err
		}
		m, err := v.Open(key, access.Place{Org: enrolled.Trust.Org, Warehouse: enrolled.Trust.Warehouse})
		if err != nil {
			return access.Member{}, errors.Join(errUnread, err)
		}
		return m, nil
	}
	return access.Member{}, errors.Join(errUnread, err)
}

// sealing returns who this node is and the key with which it opens what is sealed to it.
func (tx *Tx) sealing() (e Enrolment, key hpke.PrivateKey, err error) {
	if e, err = tx.Enrolment(); err != nil {
		return e, nil, err
	}
	key, err = access.SealingKey(e.Seed)
	return e, key, err
}

// sealingKnown reports whether the hub has said, since the feed of rights began, that it knows the key to which people are sealed for this node.
func (tx *Tx) sealingKnown() (bool, error) {
	e, key, err := tx.sealing()
	if err != nil {
		return false, err
	}
	var known []byte
	err = tx.tx.QueryRow(`SELECT entry FROM rights_entry WHERE kind = ?1 AND name = ?2`, int64(access.KindReader), string(e.Trust.Node)).Scan(&known)
	if errors.Is(err, vault.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read rights: %w", err)
	}
	var said feed.Entry
	if err := change.Unmarshal(known, &said); err != nil {
		return false, fmt.Errorf("read rights: %w", err)
	}
	v, _ := access.Unpack(said) // of a later form: not known
	r, ok := v.(access.Reader)
	return ok && bytes.Equal(r.Key, key.PublicKey().Bytes()), nil
}

// TellSealing puts into the outbox to which key the hub is to seal what it says of people, unless the hub has said that it knows. made tells of the entry.
func (tx *Tx) TellSealing(made change.Meta) error {
	if known, err := tx.sealingKnown(); err != nil || known {
		return err
	}
	e, key, err := tx.sealing()
	if err != nil {
		return err
	}
	claim, err := access.ClaimSealing(e.Trust.Key, e.Trust.Org, e.Trust.Node, key.PublicKey().Bytes())
	if err != nil {
		return err
	}
	c, err := change.OfEntry(made, change.Entry{Act: change.ActSealing, Object: string(e.Trust.Node), Outcome: "ok", Detail: map[string]string{"claim": base64.StdEncoding.EncodeToString(claim)}})
	if err != nil {
		return err
	}
	_, err = tx.Add(c)
	return err
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

// Members returns the people of the warehouse by the hub's last word, those who left too, but for those that this node can not read.
func (tx *Tx) Members() (out []access.Member, err error) {
	err = tx.eachMember(func(_ string, e feed.Entry) error {
		m, err := tx.memberOf(e)
		if errors.Is(err, errUnread) {
			return nil
		}
		out = append(out, m)
		return err
	})
	return out, err
}

// Unread returns of whom the hub has said something last that this node can not read, though it would have to.
func (tx *Tx) Unread() (out []string, err error) {
	known, err := tx.sealingKnown()
	if errors.Is(err, ErrNotEnrolled) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = tx.eachMember(func(name string, e feed.Entry) error {
		_, err := tx.memberOf(e)
		if errors.Is(err, access.ErrNoReader) && !known {
			return nil
		}
		if errors.Is(err, errUnread) {
			out = append(out, name)
			return nil
		}
		return err
	})
	return out, err
}

// RepeatMembers lets accounts follow what the hub said last: after the first start of a program that understands more of it.
func (tx *Tx) RepeatMembers() error { return tx.eachMember(tx.repeat) }

func (tx *Tx) eachMember(do func(name string, e feed.Entry) error) error {
	list, err := tx.rightsEntries()
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Kind != access.KindMember {
			continue
		}
		name, err := access.IDOf(e)
		if err != nil {
			return err
		}
		if err := do(name, e); err != nil {
			return err
		}
	}
	return nil
}
