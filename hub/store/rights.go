package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// PolicyWritten is the act under which an edition of the policy stands in the audit log. Whoever calls PutPolicy records it in
// the same transaction.
const PolicyWritten = "policy.written"

// Errors about policies.
var (
	// ErrPolicyChanged is returned when there is a newer edition than the one that the writer has seen.
	ErrPolicyChanged = errors.New("the policy was written by somebody else meanwhile")
	// ErrPolicyLarge is returned for a role or an exclusion that no chunk of a feed has room for.
	ErrPolicyLarge = errors.New("a role or an exclusion is too large")
)

// PolicyEdition is an edition of the policy, with the version in it.
type PolicyEdition struct {
	access.Policy
	By   string // who wrote it
	At   time.Time
	Note string // why
}

// PutPolicy makes p the policy that counts, says so in the feeds of rights, and returns the number of its edition. p.Version is
// the edition that it was made of (that of View.Policy): where there is a newer one nothing is written, and the error is
// ErrPolicyChanged. To return to an older edition, put its content with the present Version.
func (tx *Tx) PutPolicy(p access.Policy, who, note string) (uint64, error) {
	last, err := tx.policyVersion()
	if err == nil && last != p.Version {
		err = ErrPolicyChanged
	}
	var body []byte
	if err == nil {
		p.Version++
		err = p.Check()
	}
	if err == nil {
		body, err = p.Encode()
	}
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO policy (version, body, written_by, written_at, note) VALUES (?1, ?2, ?3, ?4, ?5)`, signed(p.Version), body, who, tx.now, note)
	}
	if err == nil {
		err = tx.SayPolicy()
	}
	if err == nil {
		err = tx.Notify(NoticePolicy, "")
	}
	if err != nil {
		return 0, fmt.Errorf("store policy: %w", err)
	}
	return p.Version, nil
}

func (v *View) policyVersion() (uint64, error) {
	var n int64
	err := v.tx.QueryRow(`SELECT coalesce(max(version), 0) FROM policy`).Scan(&n)
	return unsigned(n), err
}

// Policy returns the policy that counts: access.Ready with version 0 while none was written.
func (v *View) Policy() (access.Policy, error) {
	e, err := v.PolicyEdition(0)
	if errors.Is(err, ErrNotFound) {
		p := access.Ready()
		p.Version = 0
		return p, nil
	}
	return e.Policy, err
}

const policyColumns = `SELECT body, written_by, written_at, note FROM policy `

func scanPolicy(scan func(...any) error) (e PolicyEdition, err error) {
	var body []byte
	var at int64
	if err := scan(&body, &e.By, &at, &e.Note); err != nil {
		return e, err
	}
	e.At = timeOf(at)
	e.Policy, err = access.DecodePolicy(body)
	return e, err
}

// PolicyEdition returns an edition, 0 for the newest, or ErrNotFound.
func (v *View) PolicyEdition(version uint64) (PolicyEdition, error) {
	e, err := scanPolicy(v.tx.QueryRow(policyColumns+`WHERE ?1 = 0 OR version = ?1 ORDER BY version DESC LIMIT 1`, signed(version)).Scan)
	if errors.Is(err, vault.ErrNoRows) {
		return PolicyEdition{}, fmt.Errorf("policy %d: %w", version, ErrNotFound)
	}
	if err != nil {
		return PolicyEdition{}, fmt.Errorf("read policy %d: %w", version, err)
	}
	return e, nil
}

// Policies returns the editions, the newest first, at most so many.
func (v *View) Policies(most int) ([]PolicyEdition, error) {
	var out []PolicyEdition
	err := each(v.tx, func(r *vault.Rows) error {
		e, err := scanPolicy(r.Scan)
		out = append(out, e)
		return err
	}, policyColumns+`ORDER BY version DESC LIMIT ?1`, most)
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	return out, nil
}

// RightsWarehouses returns the warehouses that have a feed of rights, or nodes to read one.
func (v *View) RightsWarehouses() ([]stock.Warehouse, error) {
	list, err := v.Warehouses()
	if err != nil {
		return nil, err
	}
	err = each(v.tx, func(r *vault.Rows) error {
		var name string
		err := r.Scan(&name)
		if w := stock.Warehouse(name[min(len(name), len(feed.Rights(""))):]); err == nil && !slices.Contains(list, w) {
			list = append(list, w)
		}
		return err
	}, `SELECT DISTINCT feed FROM rights_word ORDER BY feed`)
	if err != nil {
		return nil, fmt.Errorf("read feeds of rights: %w", err)
	}
	return list, nil
}

// SayPolicy tells the policy that counts to every feed of rights: what is new or differs in it, and what is gone.
func (tx *Tx) SayPolicy() error {
	p, err := tx.Policy()
	if err != nil {
		return err
	}
	list, err := tx.RightsWarehouses()
	for _, w := range list {
		if err == nil {
			err = tx.sayPolicyTo(w, p)
		}
	}
	return err
}

func (tx *Tx) sayPolicyTo(w stock.Warehouse, p access.Policy) error {
	present := map[wordName]bool{}
	for _, r := range p.Roles {
		present[wordName{access.KindRole, string(r.ID)}] = true
		if err := tx.say(w, r, string(r.ID), r.Withdrawn); err != nil {
			return err
		}
	}
	for _, x := range p.Exclusions {
		present[wordName{access.KindExclusion, x.ID}] = true
		if err := tx.say(w, x, x.ID, x.Withdrawn); err != nil {
			return err
		}
	}
	said, err := tx.saidOf(w)
	if err != nil {
		return err
	}
	for _, n := range said {
		switch {
		case present[n]:
		case n.kind == access.KindRole:
			err = tx.say(w, access.Role{ID: access.RoleID(n.name), Withdrawn: true}, n.name, true)
		case n.kind == access.KindExclusion:
			err = tx.say(w, access.Exclusion{ID: n.name, Withdrawn: true}, n.name, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wordName names what a word of a feed of rights is about.
type wordName struct {
	kind feed.EntryKind
	name string
}

// saidOf returns what the feed of a warehouse has said and not taken back.
func (v *View) saidOf(w stock.Warehouse) ([]wordName, error) {
	var out []wordName
	err := each(v.tx, func(r *vault.Rows) error {
		var kind int64
		var n wordName
		err := r.Scan(&kind, &n.name)
		n.kind = feed.EntryKind(kind) // #nosec G115 -- one of ours
		out = append(out, n)
		return err
	}, `SELECT kind, name FROM rights_word WHERE feed = ?1 AND gone = 0 ORDER BY kind, name`, feed.Rights(w))
	if err != nil {
		return nil, fmt.Errorf("read feed of rights of %s: %w", w, err)
	}
	return out, nil
}

// say adds an entry to a warehouse's feed of rights unless its last word about the same was just that. What was never
// said is not taken back.
func (tx *Tx) say(w stock.Warehouse, v any, name string, gone bool) error {
	e, err := access.Pack(v)
	if err != nil {
		return err
	}
	return tx.sayWord(w, word{wordName: wordName{e.Kind, name}, digest: sha256.Sum256(e.Payload), gone: gone}, func() (feed.Entry, error) { return e, nil })
}

// word is what a feed of rights says about something.
type word struct {
	wordName
	digest  change.Hash // of what it says; of a sealed one, of what is inside
	readers []access.ReaderID
	gone    bool
}

// sayWord adds an entry to a warehouse's feed of rights unless its last word about the same was that, and to all of those readers.
func (tx *Tx) sayWord(w stock.Warehouse, say word, entry func() (feed.Entry, error)) error {
	var last, readers []byte
	err := tx.tx.QueryRow(`SELECT digest, readers FROM rights_word WHERE feed = ?1 AND kind = ?2 AND name = ?3`, feed.Rights(w), int64(say.kind), say.name).Scan(&last, &readers)
	switch {
	case errors.Is(err, vault.ErrNoRows) && say.gone:
		return nil
	case err != nil && !errors.Is(err, vault.ErrNoRows):
		return fmt.Errorf("read feed of rights of %s: %w", w, err)
	case bytes.Equal(last, say.digest[:]) && covers(readers, say.readers):
		return nil
	}
	e, err := entry()
	if err != nil {
		return err
	}
	if len(e.Payload) > feed.MaxChunk {
		return fmt.Errorf("%s: %d bytes: %w", say.name, len(e.Payload), ErrPolicyLarge)
	}
	readers = []byte{}
	for _, r := range say.readers {
		readers = append(readers, r[:]...)
	}
	if _, err := tx.tx.Exec(`INSERT INTO rights_word (feed, kind, name, digest, version, gone, readers) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6)
		ON CONFLICT (feed, kind, name) DO UPDATE SET digest = excluded.digest, version = version + 1, gone = excluded.gone, readers = excluded.readers`,
		feed.Rights(w), int64(say.kind), say.name, say.digest[:], say.gone, readers); err != nil {
		return fmt.Errorf("store feed of rights of %s: %w", w, err)
	}
	return tx.putEntry(feed.Rights(w), e)
}

// covers reports whether all those readers are among the names.
func covers(names []byte, readers []access.ReaderID) bool {
	for _, r := range readers {
		if !slices.ContainsFunc(slices.Collect(slices.Chunk(names, len(r))), func(n []byte) bool { return bytes.Equal(n, r[:]) }) {
			return false
		}
	}
	return true
}

// SayMember tells the nodes of its warehouses about a person, sealed to them, with what is lent to the person for a time, and takes the person back
// from warehouses that it no longer works in. Each feed learns of its own warehouse only.
func (tx *Tx) SayMember(m access.Member) error {
	list, err := tx.RightsWarehouses()
	if err != nil {
		return err
	}
	lent, err := tx.lentTo(m)
	if err != nil {
		return err
	}
	for _, w := range slices.Concat(m.Warehouses, lent.guest) {
		if !slices.Contains(list, w) {
			list = append(list, w)
			p, err := tx.Policy()
			if err == nil {
				err = tx.sayPolicyTo(w, p)
			}
			if err != nil {
				return err
			}
		}
	}
	for _, w := range list {
		one := lent.member(m, w)
		if one.Withdrawn {
			err = tx.say(w, one, string(m.Account), true)
		} else {
			err = tx.sayMemberTo(w, one)
		}
		if err != nil {
			return fmt.Errorf("tell %s about %s: %w", w, m.Account, err)
		}
		if err := tx.sayLent(w, lent.subject(m, w)); err != nil {
			return err
		}
	}
	return nil
}

// putEntry adds an entry to the source of a feed.
func (tx *Tx) putEntry(name string, e feed.Entry) error {
	b, err := change.Marshal(e)
	if err != nil {
		return fmt.Errorf("store news of %s: %w", name, err)
	}
	_, err = tx.tx.Exec(`INSERT INTO master_entry (feed, entry) VALUES (?1, ?2)`, name, b)
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO feed (name, news, version, head, source, place) VALUES (?1, 1, 0, ?2, 0, 0) ON CONFLICT DO NOTHING`, name, make([]byte, len(change.Hash{})))
	}
	if err != nil {
		return fmt.Errorf("store news of %s: %w", name, err)
	}
	return tx.Notify(NoticeMaster, "")
}
