package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/attachments"
	"stockade/hub/auditlog"
	"stockade/hub/dashboard"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/stock"
)

func TestSizesInTheConfiguration(t *testing.T) {
	for text, want := range map[string]int64{"20MB": 20 << 20, "512KB": 512 << 10, "1 GB": 1 << 30, "20": -1, "MB": -1, "-1MB": -1 << 20, "1e3MB": -1, "99999999999GB": -1} {
		var b byteSize
		err := b.UnmarshalText([]byte(text))
		if (err != nil) != (want == -1) || err == nil && int64(b) != want {
			t.Errorf("%q: %d %v", text, b, err)
		}
	}
	for _, c := range []attachmentConfig{{}, {-1, 1, 1, 1}, {attachments.MaxSize + 1, 1, 1, 1 << 40}, {1 << 20, 0, 1, 1 << 20}, {1 << 20, 1, 0, 1 << 20}, {1 << 20, 1, 1, 1 << 19}} {
		if c.check() == nil {
			t.Errorf("%+v passes", c)
		}
	}
}

// withFiles gives pages what files need.
func withFiles(t *testing.T) pages {
	p := openPages(t, 1)
	p.recorder = &auditlog.Recorder{Store: p.store, Clock: func() time.Time { return pagesTime }}
	p.files = &attachments.Service{Dir: filepath.Join(t.TempDir(), "attachments"), Store: p.store, Recorder: p.recorder, Kinds: attachments.Kinds(p.isParty), Limits: attachments.DefaultLimits}
	return p
}

// TestWhoHasToDoWithARequest: its files are seen by who asks and who is asked, and by nobody else without the permission.
func TestWhoHasToDoWithARequest(t *testing.T) {
	p := withFiles(t)
	person := func(name, role string, places ...string) identity.Person {
		return identity.Person{Account: name, Roles: []string{role}, Warehouses: places}
	}
	li := person("li", string(access.Worker), "SHA")
	r := approval.Request{ID: "A2345-6789-ABCD", By: approvals.PersonOf(li), Content: []byte{0x80}, Reason: "count", Asked: pagesTime.UnixMilli(), Until: pagesTime.UnixMilli() + 1000_000,
		Facts: approval.Facts{Kind: approval.Access, Permission: "stock.export", Warehouses: []stock.Warehouse{"SHA"}}}
	rule, err := approval.Choose(approvals.Rules(), r.Facts)
	if err != nil {
		t.Fatal(err)
	}
	process, asked, err := approval.Open(r, rule, r.Asked)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.store.Update(t.Context(), pagesTime, func(tx *store.Tx) error { return tx.AddApproval(process, asked) }); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		who  identity.Person
		want bool
	}{{li, true}, {person("manager", string(access.Manager), "SHA"), true}, {person("other", string(access.Manager), "CTU"), false}, {person("worker", string(access.Worker), "SHA"), false}, {identity.Person{}, false}} {
		s, k, err := p.Subject(t.Context(), c.who, "request", r.ID)
		if err != nil || s.Party != c.want || s.Warehouse != "SHA" || !k.Parties || k.Permission != "approval.read" {
			t.Errorf("%s: %+v %v", c.who.Account, s, err)
		}
	}
	if _, _, err := p.Subject(t.Context(), li, "request", "none"); err == nil {
		t.Error("a request that is none")
	}
}

// TestListOfFilesGoesOn: page after page, each file that may be seen once.
func TestListOfFilesGoesOn(t *testing.T) {
	p := withFiles(t)
	err := p.store.Update(t.Context(), pagesTime, func(tx *store.Tx) error { // all at one moment
		for i := range 25 {
			a := store.Attachment{ID: fmt.Sprintf("f%02d", i), Kind: "warehouse", Subject: "SHA", Warehouse: []stock.Warehouse{"SHA", "CTU", ""}[i%3], Category: "other", Name: "n", Account: "li", Day: "2026-11-24"}
			if err := tx.AddAttachment(a, []byte("k")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rows access.Rows
		want int
	}{{access.Rows{Any: access.Places{All: true}}, 25}, {access.Rows{Any: access.Places{Warehouses: []stock.Warehouse{"SHA"}}}, 17}, {access.Rows{Own: access.Places{All: true}}, 25}} {
		var seen []string
		for q := (dashboard.FileQuery{Rows: c.rows, Limit: 4}); ; {
			page, err := p.Files(t.Context(), identity.Person{}, q, func(f dashboard.FileRow) bool { return f.ID != "f03" })
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Rows {
				seen = append(seen, r.ID)
			}
			if q.Before = page.Next; q.Before == "" {
				break
			}
		}
		if len(seen) != c.want-1 || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != len(seen) || !slices.IsSortedFunc(seen, func(a, b string) int { return strings.Compare(b, a) }) {
			t.Errorf("%+v: %d files %v, want %d", c.rows, len(seen), seen, c.want-1)
		}
	}
}

// TestEveryRefusalOfAFileHasItsSentence: what a person is told exists in the catalogue.
func TestEveryRefusalOfAFileHasItsSentence(t *testing.T) {
	p := withFiles(t)
	texts, err := web.LoadTexts()
	if err != nil {
		t.Fatal(err)
	}
	list := []error{attachments.ErrTooLarge, attachments.ErrEmpty, attachments.ErrMany, attachments.ErrQuota, attachments.ErrBusy, attachments.ErrCategory, attachments.ErrLength, attachments.ErrName, attachments.ErrReason, attachments.ErrDamaged}
	for _, why := range []attachments.Why{attachments.WrongType, attachments.WrongEnding, attachments.Macros, attachments.Locked, attachments.Active, attachments.Broken, attachments.Bomb, attachments.NotText, attachments.Unsafe} {
		list = append(list, &attachments.Refused{Why: why})
	}
	for _, err := range list {
		var f *web.Failure
		if !errors.As(p.fileRefusal(err), &f) || !texts.Has(f.Key) || strings.Contains(texts.Text(web.English, f.Key, f.Args), "{") {
			t.Errorf("%v is told as %v", err, f)
		}
	}
	for _, k := range p.FileKinds() {
		if !texts.Has("file.kind_" + k.Name) {
			t.Errorf("kind %s has no name", k.Name)
		}
	}
	for _, c := range attachments.Categories() {
		if !texts.Has("file.category_" + string(c)) {
			t.Errorf("category %s has no name", c)
		}
	}
	if err := errors.New("disk"); !errors.Is(p.fileRefusal(err), err) || p.fileRefusal(nil) != nil {
		t.Error("another error is told as something else")
	}
}
