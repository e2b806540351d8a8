// Package exports lets rows leave the house: only those that a person may see, within a quota for each day, above a
// number of rows after an approval, and each file marked with who asked for it.
//
// The rows are read once, when somebody asks for them, and kept in the encrypted store: what is approved is what is
// fetched, to the byte. A file is made when it is fetched and never lies on a disk, so that the password of a protected workbook is
// known to nobody but who typed it.
//
// A file carries the export's id, the person, the time and the SHA-256 of its rows. In CSV the first line has the marks, the second
// the headings, and the hash is over all bytes from the third line on (docs/exports.md).
package exports

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/auditlog"
	"stockade/hub/partners"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Limits are what a company allows.
type Limits struct {
	Free  int64         // rows that need no approval
	Quota int64         // rows for a person and day
	Keep  time.Duration // how long the rows of an export are kept
}

// DefaultLimits are those of a company that has chosen no others.
var DefaultLimits = Limits{Free: 5_000, Quota: 50_000, Keep: 7 * 24 * time.Hour}

// MaxQuota is the most rows that a quota may allow: rows are held in memory while a file is made.
const MaxQuota = 500_000

// Service makes exports. It is safe for concurrent use.
type Service struct {
	Store     *store.Store
	Recorder  *auditlog.Recorder
	Approvals *approvals.Service
	Limits    Limits
	Zone      *time.Location // of business days and times in files
	// Decide answers whether somebody may do something with a list of rows, and with which.
	Decide func(*store.View, identity.Person, access.Permission) (access.Decision, error)
	// Customers reads those that who may see and export, fields as far as they are open; nil where there are none.
	Customers func(v *store.View, who identity.Person, fn func(cells []string) error) error
	// Movements reads the history of an item in some places, the newest first, until fn returns an error.
	Movements func(v *store.View, sku stock.SKU, in access.Places, fn func(Line) error) error
}

// Conditions that callers turn into sentences.
var (
	ErrKind     = errors.New("no such kind of export")
	ErrDenied   = errors.New("the person may not export this")
	ErrNothing  = errors.New("there are no rows")
	ErrFormat   = errors.New("no such format")
	ErrPassword = errors.New("a password of a workbook has 12 to 128 characters")
)

// QuotaError refuses an export because a person has no rows left for the day.
type QuotaError struct{ Rows, Left, Quota int64 }

func (e *QuotaError) Error() string {
	return fmt.Sprintf("%d rows, %d left of %d for the day", e.Rows, e.Left, e.Quota)
}

// Acts in the audit trail.
const (
	ActMade    = "export.made"  // without an approval
	ActAsked   = "export.asked" // waits for one
	ActFetched = "export.fetched"
	ActDenied  = "export.denied"
)

func (s *Service) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

func (s *Service) day(t time.Time) string { return t.In(s.zone()).Format(time.DateOnly) }

// Content is what is asked of an approver about an export.
type Content struct {
	_      struct{} `cbor:",toarray"`
	Kind   Kind
	Filter string // JSON of the Query
	Lines  int64
	Hash   change.Hash // of the rows
}

// ContentOf reads the content of a request for an export.
func ContentOf(b []byte) (Content, error) {
	var c Content
	if err := change.UnmarshalExact(b, &c); err != nil {
		return Content{}, fmt.Errorf("read what is to be exported: %w", err)
	}
	return c, nil
}

// gathered are the rows of an export with what a rule wants to know about them.
type gathered struct {
	packed
	warehouses []stock.Warehouse
	everywhere bool
	temporary  []access.TemporaryID
}

// Create reads the rows that who may see, keeps them, and returns the export: ready, or waiting for an approval. why is needed always.
func (s *Service) Create(ctx context.Context, who identity.Person, q Query, why string) (e store.ExportInfo, err error) {
	if why = strings.TrimSpace(why); why == "" || len([]rune(why)) > approval.MaxReason {
		return e, approval.ErrReason
	}
	filter, err := json.Marshal(q)
	if err != nil {
		return e, err
	}
	var g gathered
	err = s.Store.View(ctx, func(v *store.View) error { g, err = s.gather(v, who, q); return err })
	if errors.Is(err, ErrDenied) {
		denied := change.Entry{Act: ActDenied, Object: string(q.Kind), Outcome: "refused", Detail: map[string]string{"filter": string(filter), "why": err.Error()}}
		return e, errors.Join(err, s.Recorder.Act(ctx, whoIs(who), denied, func(*store.Tx) error { return nil }))
	}
	if err != nil {
		return e, err
	}
	now := s.Recorder.Clock()
	e = store.ExportInfo{ID: approvals.NewID("E"), Account: access.Account(who.Account), Kind: string(q.Kind), Filter: string(filter), Day: s.day(now), Lines: g.lines, Hash: g.hash,
		State: store.ExportReady, MadeAt: now, Until: now.Add(s.Limits.Keep)}
	if e.Lines > s.Limits.Free {
		e.State = store.ExportWaiting
	}
	return e, s.Store.Update(ctx, now, func(tx *store.Tx) error { return s.add(tx, who, q, e, g, why) })
}

func (s *Service) add(tx *store.Tx, who identity.Person, q Query, e store.ExportInfo, g gathered, why string) error {
	used, err := tx.ExportedOn(e.Account, e.Day)
	if err != nil {
		return err
	}
	if used+e.Lines > s.Limits.Quota {
		return &QuotaError{Rows: e.Lines, Left: max(0, s.Limits.Quota-used), Quota: s.Limits.Quota}
	}
	if err := tx.AddExport(e, g.body); err != nil {
		return err
	}
	act := ActMade
	if e.State == store.ExportWaiting {
		act = ActAsked
		content, err := change.Marshal(Content{Kind: q.Kind, Filter: e.Filter, Lines: e.Lines, Hash: e.Hash})
		if err != nil {
			return err
		}
		err = s.Approvals.Open(tx, who, approval.Request{ID: e.ID, By: approvals.PersonOf(who), Content: content, Reason: why, Asked: tx.Now().UnixMilli(), Until: e.Until.UnixMilli(),
			Facts: approval.Facts{Kind: approval.Export, Permission: q.Kind.Permission(), Rows: e.Lines, Warehouses: g.warehouses, Everywhere: g.everywhere}})
		if err != nil {
			return err
		}
	}
	entry := entryOf(act, e)
	entry.Detail["reason"] = why
	if len(g.temporary) > 0 {
		entry.Detail["temporary"] = names(g.temporary)
	}
	for _, id := range g.temporary {
		if err := tx.CountUse(id, tx.Now(), act+" "+e.ID, string(stock.HubNode)); err != nil {
			return err
		}
	}
	return s.Recorder.Record(tx, whoIs(who), entry)
}

func names(ids []access.TemporaryID) string {
	list := make([]string, 0, len(ids))
	for _, id := range ids {
		list = append(list, string(id))
	}
	return strings.Join(list, " ")
}

func entryOf(act string, e store.ExportInfo) change.Entry {
	return change.Entry{Act: act, Object: e.ID, Detail: map[string]string{"kind": e.Kind, "filter": e.Filter, "rows": fmt.Sprint(e.Lines), "sha256": e.Hash.String()}}
}

func whoIs(p identity.Person) auditlog.Who {
	return auditlog.Who{Actor: p.Actor(), Session: p.Session, Terminal: p.Address, Lent: p.Lent}
}

// gather reads the rows of a query that who may see. It stops when there are more than any quota allows.
func (s *Service) gather(v *store.View, who identity.Person, q Query) (g gathered, err error) {
	if q.Kind.Permission() == "" {
		return g, ErrKind
	}
	d, err := s.Decide(v, who, q.Kind.Permission())
	if err != nil {
		return g, err
	}
	if !d.Allowed {
		return g, fmt.Errorf("%w: %s", ErrDenied, d.Reason)
	}
	g.temporary = d.Temporary
	if q.Kind == Customers { // nothing leaves that may not be seen
		read, err := s.Decide(v, who, partners.Customers.Read())
		if err != nil {
			return g, err
		}
		if !read.Allowed {
			return g, fmt.Errorf("%w: %s", ErrDenied, read.Reason)
		}
		g.temporary = append(slices.Clone(g.temporary), read.Temporary...)
	}
	subject := approvals.SubjectOf(who)
	p := newPacker(q.Kind)
	err = s.source(v, who, q, d.Rows.Any, func(l Line) error {
		if q.Kind != Customers && !visible(d.Rows, &subject, l) || q.Kind == Exceptions && q.Warehouse != "" && !slices.Contains(l.At, q.Warehouse) {
			return nil
		}
		if p.lines >= s.Limits.Quota {
			return &QuotaError{Rows: p.lines + 1, Left: s.Limits.Quota, Quota: s.Limits.Quota}
		}
		g.everywhere = g.everywhere || len(l.At) == 0
		for _, w := range l.At {
			if !slices.Contains(g.warehouses, w) {
				g.warehouses = append(g.warehouses, w)
			}
		}
		return p.add(l.Cells)
	})
	if err != nil {
		return g, err
	}
	if p.lines == 0 {
		return g, ErrNothing
	}
	slices.Sort(g.warehouses)
	g.packed, err = p.end()
	return g, err
}

// visible reports whether a line is among rows: what belongs to no warehouse only when all is open.
func visible(rows access.Rows, s *access.Subject, l Line) bool {
	if len(l.At) == 0 {
		return rows.Everything()
	}
	return slices.ContainsFunc(l.At, func(w stock.Warehouse) bool { return rows.Has(s, access.Resource{Warehouse: w}) })
}

// Left returns how many rows somebody may still export today.
func (s *Service) Left(ctx context.Context, who identity.Person) (left int64, err error) {
	err = s.Store.View(ctx, func(v *store.View) error {
		used, err := v.ExportedOn(access.Account(who.Account), s.day(s.Recorder.Clock()))
		left = max(0, s.Limits.Quota-used)
		return err
	})
	return left, err
}

// Preview returns the first rows of an export that waits or is ready, as texts.
func (s *Service) Preview(v *store.View, id string, most int) ([][]string, error) {
	e, err := v.Export(id)
	if err != nil {
		return nil, err
	}
	body, err := v.ExportBody(id)
	if err != nil {
		return nil, err
	}
	b, err := unpack(body, e.Hash)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	err = eachRow(b, func(row []string) error {
		if len(rows) == most {
			return errEnough
		}
		rows = append(rows, row)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return rows, err
}

var errEnough = errors.New("enough rows")

// Headings returns the keys of the headings of a kind.
func Headings(k Kind) (keys []string) {
	for _, c := range columns(k) {
		keys = append(keys, c.key)
	}
	return keys
}

// Due drops the rows of exports whose time has passed.
func (s *Service) Due(ctx context.Context) error {
	now := s.Recorder.Clock()
	due := false
	err := s.Store.View(ctx, func(v *store.View) (err error) { due, err = v.ExportsDue(now); return err })
	if err != nil || !due {
		return err
	}
	return s.Store.Update(ctx, now, func(tx *store.Tx) error { _, err := tx.EndExports(); return err })
}
