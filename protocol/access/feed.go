package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"stockade/protocol/change"
	"stockade/protocol/feed"
)

// The kinds of entry in the feed of rights. The numbers are sent and stored, and are only ever added to;
// numbers from 16 to 31 are for rights.
const (
	KindRole      feed.EntryKind = 16
	KindExclusion feed.EntryKind = 17
	KindSubject   feed.EntryKind = 18
	KindMember    feed.EntryKind = 19 // version 1 in the clear, version 2 sealed
	KindReader    feed.EntryKind = 20
	KindEnding    feed.EntryKind = 21
)

// MaxPolicy limits a whole policy, in encoded bytes.
const MaxPolicy = 4 << 20

// Encode returns the bytes of p: a deterministic CBOR array.
func (p Policy) Encode() ([]byte, error) {
	b, err := change.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode policy version %d: %w", p.Version, err)
	}
	if len(b) > MaxPolicy {
		return nil, fmt.Errorf("encode policy version %d: %d bytes, at most %d", p.Version, len(b), MaxPolicy)
	}
	return b, nil
}

// DecodePolicy reads what Encode wrote.
func DecodePolicy(b []byte) (Policy, error) {
	var p Policy
	if len(b) > MaxPolicy {
		return Policy{}, fmt.Errorf("read policy: %d bytes, at most %d", len(b), MaxPolicy)
	}
	if err := change.UnmarshalExact(b, &p); err != nil {
		return Policy{}, fmt.Errorf("read policy: %w", err)
	}
	if err := p.Check(); err != nil {
		return Policy{}, fmt.Errorf("read policy: %w", err)
	}
	return p, nil
}

// Pack makes the feed's entry of v, which is a Role, an Exclusion, a Subject, a Sealed, a Reader, an Ending, or a Member, which travels in
// the clear and loses what only a Sealed carries.
func Pack(v any) (feed.Entry, error) {
	var k feed.EntryKind
	var fault error
	version := uint64(1)
	switch v := v.(type) {
	case Role:
		k, fault = KindRole, v.Check()
	case Exclusion:
		k, fault = KindExclusion, v.Check()
	case Subject:
		k, fault = KindSubject, v.Check()
	case Member:
		k, fault = KindMember, v.Check()
	case Sealed:
		k, version, fault = KindMember, 2, v.Check()
	case Reader:
		k, fault = KindReader, v.Check()
	case Ending:
		k, fault = KindEnding, v.Check()
	default:
		fault = fmt.Errorf("feed entry of type %T", v)
	}
	if fault != nil {
		return feed.Entry{}, fault
	}
	if m, ok := v.(Member); ok {
		v = m.v1()
	}
	b, err := change.Marshal(v)
	return feed.Entry{Kind: k, Version: version, Payload: b}, err
}

// Unpack reads an entry; it returns a Role, an Exclusion, a Subject, a Member, a Sealed, a Reader, an Ending, or change.ErrUnknown.
func Unpack(e feed.Entry) (any, error) {
	if e.Kind == KindMember && e.Version == 2 {
		return unpack[Sealed](e)
	}
	if e.Version == 1 {
		switch e.Kind {
		case KindRole:
			return unpack[Role](e)
		case KindExclusion:
			return unpack[Exclusion](e)
		case KindSubject:
			return unpack[Subject](e)
		case KindMember:
			v, err := unpack[memberV1](e)
			if m, ok := v.(memberV1); ok {
				return m.member(), err
			}
			return nil, err
		case KindReader:
			return unpack[Reader](e)
		case KindEnding:
			return unpack[Ending](e)
		}
	}
	return nil, fmt.Errorf("%w: feed entry kind %d version %d", change.ErrUnknown, e.Kind, e.Version)
}

func unpack[T interface{ Check() error }](e feed.Entry) (any, error) {
	var v T
	err := change.UnmarshalExact(e.Payload, &v)
	if err == nil {
		err = v.Check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: feed entry kind %d: %w", change.ErrUnknown, e.Kind, err)
	}
	return v, nil
}

// Rights is what a reader of the feed holds. The zero Rights are those before the first chunk.
type Rights struct {
	Policy Policy
	People map[Account]Subject
}

// ErrStale is returned for entries that are not newer than what is held.
var ErrStale = errors.New("rights are newer than that")

// Apply takes in the entries of a chunk, whose version becomes that of the policy. An entry replaces the one of its
// kind and id. Entries of other kinds are passed over.
//
// A role or a person in a version that this program does not know must not live on as it was, since the news may be
// that less is allowed. So in every version the first element is the id, and what can not be read is taken away and
// allows nothing. An exclusion that can not be read leaves the one that is held in force; the hub, which knows it, has judged
// the assignments. When not even an id can be read, Apply fails and leaves r as it was.
func (r *Rights) Apply(version uint64, entries []feed.Entry) error {
	if version <= r.Policy.Version {
		return fmt.Errorf("apply version %d over %d: %w", version, r.Policy.Version, ErrStale)
	}
	next := Rights{Policy: r.Policy.clone(), People: make(map[Account]Subject, len(r.People))}
	for a, s := range r.People {
		next.People[a] = s
	}
	next.Policy.Version = version
	for _, e := range entries {
		if e.Kind < KindRole || e.Kind > KindSubject {
			continue
		}
		if err := next.apply(e); err != nil {
			return fmt.Errorf("apply version %d: %w", version, err)
		}
	}
	*r = next
	return nil
}

func (r *Rights) apply(e feed.Entry) error {
	id, err := idOf(e.Payload)
	if err != nil {
		return fmt.Errorf("%w: feed entry kind %d version %d: %w", change.ErrUnknown, e.Kind, e.Version, err)
	}
	v, _ := Unpack(e) // what can not be read is none of the types below
	p := &r.Policy
	switch e.Kind {
	case KindRole:
		p.Roles = slices.DeleteFunc(p.Roles, func(r Role) bool { return r.ID == RoleID(id) })
		if role, ok := v.(Role); ok && !role.Withdrawn {
			p.Roles = append(p.Roles, role)
			slices.SortFunc(p.Roles, func(a, b Role) int { return strings.Compare(string(a.ID), string(b.ID)) })
		}
	case KindSubject:
		delete(r.People, Account(id))
		if s, ok := v.(Subject); ok {
			r.People[s.Account] = s
		}
	case KindExclusion:
		x, ok := v.(Exclusion)
		if !ok {
			return nil
		}
		p.Exclusions = slices.DeleteFunc(p.Exclusions, func(x Exclusion) bool { return x.ID == id })
		if !x.Withdrawn {
			p.Exclusions = append(p.Exclusions, x)
			slices.SortFunc(p.Exclusions, func(a, b Exclusion) int { return strings.Compare(a.ID, b.ID) })
		}
	}
	return nil
}

// IDOf returns what an entry of the feed of rights is about, in any version.
func IDOf(e feed.Entry) (string, error) { return idOf(e.Payload) }

// idOf reads the first element of an array of any length.
func idOf(payload []byte) (string, error) {
	var parts []cbor.RawMessage
	if err := change.Unmarshal(payload, &parts); err != nil {
		return "", err
	}
	if len(parts) == 0 {
		return "", errors.New("nothing in it")
	}
	var id string
	if err := change.Unmarshal(parts[0], &id); err != nil {
		return "", err
	}
	if id == "" {
		return "", errors.New("no id")
	}
	return id, nil
}
