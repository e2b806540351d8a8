// Package attachments keeps files that belong to something the hub knows: contracts, invoices, delivery notes, photographs.
//
// What a file belongs to is its subject: a kind and an id, see Kinds. Who may see the subject and has the permission for files
// besides, in the file's warehouse, may see that there is a file, look at it or download it; each is a permission of its own. The
// caller asks for these; this package records each look and each download in the audit log before the first byte leaves.
//
// Contents are kept as they were given, byte for byte, encrypted under a key of their own in a folder beside the store (see folder); keys and all
// that is known of a file lie in the store. So the folder only ever gains files that never change and loses those that were destroyed: a backup is
// the store first, then the files that its rows name, and large files neither hold up the store's one writer nor fill its log. Destroying a file
// destroys its key, and leaves the row that says who, when, why, and what the contents' hash was. The same hash stands in the
// audit log's entry about the adding; Service.Check compares all three.
package attachments

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"stockade/hub/auditlog"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/change"
)

// Category says what kind of document a file is. The words are stored and are keys of the texts under "file.category_".
type Category string

// Categories returns all, in the order in which they are shown.
func Categories() []Category {
	return []Category{"contract", "invoice", "delivery_note", "photograph", "other"}
}

// Limits are what a company allows.
type Limits struct {
	Size       int64 // bytes of one file
	PerSubject int64 // files of one subject
	PerDay     int64 // files that one person adds in a day
	BytesADay  int64 // and how large they are together
}

// DefaultLimits are those of a company that has chosen no others.
var DefaultLimits = Limits{Size: 20 << 20, PerSubject: 200, PerDay: 200, BytesADay: 1 << 30}

// MaxSize is the most that Limits.Size may be.
const MaxSize = 200 << 20

// How many files are taken in at a time: each holds a connection and a few hundred KiB.
const (
	mostAtOnce = 6
	mostOfOne  = 2
)

// Lengths of what is written about a file, in characters.
const (
	MaxName   = 200
	MaxNumber = 60
	MaxNote   = 300
	MaxReason = 300
)

// Acts in the audit trail. The object is the file's id.
const (
	ActAdded      = "attachment.added"
	ActViewed     = "attachment.viewed"
	ActDownloaded = "attachment.downloaded"
	ActDeleted    = "attachment.deleted"
	ActDamaged    = "attachment.damaged" // somebody wanted to see it, and it is not what was added
	ActRefused    = "attachment.refused" // a file of a kind that is not taken
)

// Conditions that callers turn into sentences, besides *Refused.
var (
	ErrTooLarge = errors.New("the file is too large")
	ErrEmpty    = errors.New("the file is empty")
	ErrMany     = errors.New("the subject has as many files as it may")
	ErrQuota    = errors.New("the person has added as much as one may in a day")
	ErrBusy     = errors.New("too many files are being taken in")
	ErrCategory = errors.New("there is no such category")
	ErrLength   = errors.New("a text about the file is too long")
	ErrName     = errors.New("the file has no name")
	ErrReason   = errors.New("a reason is needed")
)

// Service keeps files. It is safe for concurrent use.
type Service struct {
	Dir      string
	Store    *store.Store
	Recorder *auditlog.Recorder
	Kinds    []Kind
	Limits   Limits
	Zone     *time.Location // of business days

	mu    sync.Mutex
	taken map[string]int // files that are being taken in, by account; "" for all
}

// Meta is what somebody says about a file that they add.
type Meta struct {
	Subject
	Category     Category
	Number, Note string
	Name         string
}

func (s *Service) dir() folder { return folder(s.Dir) }

func (s *Service) day(t time.Time) string {
	zone := s.Zone
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format(time.DateOnly)
}

// CleanName returns a file's name as it is kept: without folders, without characters that can not be seen or that turn the order of others
// around, and not longer than MaxName, its ending kept.
func CleanName(name string) string {
	name = strings.ToValidUTF8(name, "�")
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, name))
	if name == "." || name == "/" || name == ".." {
		return ""
	}
	if letters := []rune(name); len(letters) > MaxName {
		ending := []rune(path.Ext(name))
		if len(ending) > 10 {
			ending = nil
		}
		name = string(letters[:MaxName-len(ending)]) + string(ending)
	}
	return name
}

// check puts in order what was said about a file.
func (m *Meta) check() error {
	m.Name = CleanName(m.Name)
	for _, t := range []*string{&m.Number, &m.Note} {
		*t = strings.TrimSpace(strings.ToValidUTF8(*t, ""))
	}
	switch {
	case m.Name == "":
		return ErrName
	case !slices.Contains(Categories(), m.Category):
		return ErrCategory
	case utf8.RuneCountInString(m.Number) > MaxNumber || utf8.RuneCountInString(m.Note) > MaxNote:
		return ErrLength
	}
	return nil
}

// Add takes in a file: everything that r gives. It is either there as a whole, with its entry in the audit log, or not at all.
func (s *Service) Add(ctx context.Context, who identity.Person, m Meta, r io.Reader) (a store.Attachment, err error) {
	if err := m.check(); err != nil {
		return a, err
	}
	done, err := s.begin(who.Account)
	if err != nil {
		return a, err
	}
	defer done()
	now := s.Recorder.Clock()
	a = store.Attachment{Kind: m.Kind, Subject: m.ID, Warehouse: m.Warehouse, Category: string(m.Category), Number: m.Number, Note: m.Note, Name: m.Name, Account: access.Account(who.Account), Day: s.day(now), AddedAt: now}
	// Before anything is read: who may add no more does not send it in vain.
	if err := s.Store.View(ctx, func(v *store.View) error { return s.room(v, a) }); err != nil {
		return a, err
	}
	w, err := s.dir().write(r, s.Limits.Size)
	if err != nil {
		return a, err
	}
	kind, err := inspect(m.Name, w)
	if err != nil {
		w.drop()
		return a, s.refused(ctx, who, a, w.size, err)
	}
	if err := w.keep(); err != nil {
		return a, err
	}
	a.ID, a.Type, a.Size, a.Hash = w.id, kind.MIME, w.size, w.hash
	now = s.Recorder.Clock() // it may have taken minutes
	err = s.Store.Update(ctx, now, func(tx *store.Tx) error {
		if err := s.room(&tx.View, a); err != nil {
			return err
		}
		if err := tx.AddAttachment(a, []byte(w.secret)); err != nil {
			return err
		}
		return s.Recorder.Record(tx, whoIs(who), entryOf(ActAdded, a))
	})
	if err != nil {
		w.drop()
	}
	return a, err
}

func inspect(name string, w *draft) (Type, error) {
	r, err := w.contents()
	if err != nil {
		return Type{}, err
	}
	return Check(name, r, w.size)
}

// refused records that a file was not taken because of what is in it.
func (s *Service) refused(ctx context.Context, who identity.Person, a store.Attachment, size int64, err error) error {
	var r *Refused
	if !errors.As(err, &r) {
		return err
	}
	e := change.Entry{Act: ActRefused, Object: a.Kind + " " + a.Subject, Outcome: "refused", Detail: map[string]string{"name": a.Name, "why": string(r.Why), "found": short(r.Detail), "size": fmt.Sprint(size)}}
	return errors.Join(err, s.Recorder.Act(ctx, whoIs(who), e, func(*store.Tx) error { return nil }))
}

// short keeps what a file says of itself short in the log.
func short(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}

// room reports whether one more file may be added.
func (s *Service) room(v *store.View, a store.Attachment) error {
	n, err := v.AttachmentsOf(a.Kind, a.Subject)
	if err != nil {
		return err
	}
	if n >= s.Limits.PerSubject {
		return ErrMany
	}
	files, size, err := v.AttachmentsOn(a.Account, a.Day)
	if err == nil && (files >= s.Limits.PerDay || size+a.Size > s.Limits.BytesADay) {
		err = ErrQuota
	}
	return err
}

// begin takes one of the places for files that are being taken in.
func (s *Service) begin(account string) (done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == nil {
		s.taken = map[string]int{}
	}
	if s.taken[""] >= mostAtOnce || s.taken[account] >= mostOfOne {
		return nil, ErrBusy
	}
	s.taken[""]++
	s.taken[account]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.taken[""]--
		if s.taken[account]--; s.taken[account] == 0 {
			delete(s.taken, account)
		}
	}, nil
}

func entryOf(act string, a store.Attachment) change.Entry {
	d := map[string]string{"sha256": a.Hash.String(), "size": fmt.Sprint(a.Size), "type": a.Type, "category": a.Category, "of": a.Kind + " " + a.Subject, "name": a.Name}
	for k, v := range map[string]string{"warehouse": string(a.Warehouse), "number": a.Number} {
		if v != "" {
			d[k] = v
		}
	}
	return change.Entry{Act: act, Object: a.ID, Detail: d}
}

func whoIs(p identity.Person) auditlog.Who {
	return auditlog.Who{Actor: p.Actor(), Session: p.Session, Terminal: p.Address}
}

// Open lets who have the contents of a file, for one of ActViewed and ActDownloaded. First all of it is read and compared with what was
// added, then the act is recorded, and only then is there something to read: a damaged file gives nothing.
func (s *Service) Open(ctx context.Context, who identity.Person, id, act string, temporary []access.TemporaryID) (a store.Attachment, body io.ReadCloser, err error) {
	var secret []byte
	err = s.Store.View(ctx, func(v *store.View) error {
		if a, err = v.Attachment(id); err != nil {
			return err
		}
		secret, err = v.AttachmentKey(id)
		return err
	})
	if err != nil {
		return a, nil, err
	}
	if err := s.dir().verify(id, string(secret), a.Size, a.Hash); err != nil {
		if errors.Is(err, ErrDamaged) {
			e := entryOf(ActDamaged, a)
			e.Outcome, e.Detail["problem"] = "refused", short(err.Error())
			err = errors.Join(err, s.Recorder.Act(ctx, whoIs(who), e, func(*store.Tx) error { return nil }))
		}
		return a, nil, err
	}
	e := entryOf(act, a)
	if len(temporary) > 0 {
		e.Detail["temporary"] = fmt.Sprint(temporary)
	}
	err = s.Recorder.Act(ctx, whoIs(who), e, func(tx *store.Tx) error {
		_, err := tx.AttachmentKey(id) // it may have been destroyed meanwhile
		return err
	})
	if err != nil {
		return a, nil, err
	}
	body, err = s.dir().read(id, string(secret))
	return a, body, err
}

// Delete destroys a file: its key, and then what can not be read any more. The row stays.
func (s *Service) Delete(ctx context.Context, who identity.Person, id, why string) error {
	why = strings.TrimSpace(strings.ToValidUTF8(why, ""))
	if why == "" || utf8.RuneCountInString(why) > MaxReason {
		return ErrReason
	}
	err := s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		a, err := tx.Attachment(id)
		if err != nil {
			return err
		}
		if err := tx.ShredAttachment(id, who.Actor(), why); err != nil {
			return err
		}
		e := entryOf(ActDeleted, a)
		e.Detail["reason"] = why
		return s.Recorder.Record(tx, whoIs(who), e)
	})
	if err != nil {
		return err
	}
	return s.dir().remove(id)
}
