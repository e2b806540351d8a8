package exports

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode"

	"stockade/hub/partners"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Kind says what is exported. The words are stored and shown.
type Kind string

// The kinds.
const (
	Stock      Kind = "stock"
	Movements  Kind = "movements" // of one item
	Exceptions Kind = "exceptions"
	Catalogue  Kind = "catalogue"
	Customers  Kind = "customers"
)

// Kinds returns all kinds in the order in which they are shown.
func Kinds() []Kind { return []Kind{Stock, Movements, Exceptions, Catalogue, Customers} }

// Permission returns what somebody needs to export k, besides the permission to export at all: its rows are those that
// the decision about it gives.
func (k Kind) Permission() access.Permission {
	switch k {
	case Stock:
		return "stock.export"
	case Movements:
		return "movement.export"
	case Exceptions:
		return "case.read"
	case Catalogue:
		return "master.read"
	case Customers:
		return partners.Export
	}
	return ""
}

// column is a column of an export: the key of its heading, and whether it holds numbers.
type column struct {
	key    string
	number bool
}

func columns(k Kind) []column {
	text := func(names ...string) (out []column) {
		for _, n := range names {
			out = append(out, column{key: "export.col_" + n})
		}
		return out
	}
	number := func(name string) column { return column{"export.col_" + name, true} }
	switch k {
	case Stock:
		return append(text("warehouse", "bin", "sku", "gtin", "name", "name_en", "lot", "serial", "expiry", "state"), append([]column{number("quantity")}, text("unit")...)...)
	case Movements:
		return append(text("time", "day", "id", "kind", "sku", "from", "to"), append([]column{number("quantity")}, text("unit", "lot", "serial", "expiry", "state", "actor", "terminal", "cause", "batch")...)...)
	case Exceptions:
		return append([]column{number("number")}, append(text("kind", "subject", "node", "bin", "sku", "lot", "serial", "expiry", "detail"), append([]column{number("times")}, text("opened", "closed")...)...)...)
	case Catalogue:
		return text("sku", "name", "name_en", "unit", "codes", "active")
	case Customers:
		var out []column
		for _, key := range partners.ExportHeadings() {
			out = append(out, column{key: "partner." + key})
		}
		return out
	}
	return nil
}

// Line is a row of an export, with the warehouses that it belongs to: who sees one of them sees the row.
type Line struct {
	Cells []string
	At    []stock.Warehouse
}

// Query is what somebody chose.
type Query struct {
	Kind      Kind            `json:"kind"`
	Warehouse stock.Warehouse `json:"warehouse,omitempty"` // of Stock and Exceptions, empty for all
	SKU       stock.SKU       `json:"sku,omitempty"`       // of Movements
	All       bool            `json:"all,omitempty"`       // closed exceptions too
}

// source reads the rows of a query that lie in some places, and may read others too: whoever asks looks at each. Customers, which lie in no place, are
// those of who alone.
func (s *Service) source(v *store.View, who identity.Person, q Query, in access.Places, fn func(Line) error) error {
	switch q.Kind {
	case Stock:
		return v.Stock(store.StockFilter{Warehouse: q.Warehouse, In: in}, func(r store.StockRow) error {
			k := r.Key
			return fn(Line{At: []stock.Warehouse{r.Warehouse}, Cells: []string{string(r.Warehouse), r.Location.Code(), string(k.SKU), string(r.GTIN), r.Name, r.NameEN, string(k.Lot),
				string(k.Serial), string(k.Expiry), k.State.String(), r.OnHand.String(), r.Unit}})
		})
	case Movements:
		return s.Movements(v, q.SKU, in, fn)
	case Exceptions:
		return v.Cases(q.All, func(c store.CaseInfo) error {
			at := c.Case.Cell
			l := Line{Cells: []string{fmt.Sprint(c.ID), string(c.Case.Kind), c.Case.Subject, string(c.Case.Node), string(at.Location), string(at.Key.SKU), string(at.Key.Lot),
				string(at.Key.Serial), string(at.Key.Expiry), c.Case.Detail, fmt.Sprint(c.Times), s.time(c.OpenedAt), s.time(c.ClosedAt)}}
			if w := at.Location.Warehouse(); w != "" {
				l.At = []stock.Warehouse{w}
			}
			return fn(l)
		})
	case Catalogue:
		items, err := v.Items()
		for _, i := range items {
			codes := make([]string, 0, len(i.Codes))
			for _, c := range i.Codes {
				codes = append(codes, string(c.GTIN))
			}
			if err == nil {
				err = fn(Line{Cells: []string{string(i.SKU), i.Name, i.NameEN, i.Unit, strings.Join(codes, " "), map[bool]string{true: "1", false: "0"}[i.Active]}})
			}
		}
		return err
	}
	if q.Kind == Customers && s.Customers != nil {
		return s.Customers(v, who, func(cells []string) error { return fn(Line{Cells: cells}) })
	}
	return fmt.Errorf("export of %q: %w", q.Kind, ErrKind)
}

func (s *Service) time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(s.zone()).Format("2006-01-02 15:04:05")
}

var plainNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// formula are the signs with which a spreadsheet begins a formula, in their wide forms too.
const formula = "=+-@＝＋－＠"

// Cell returns a text as it may stand in a spreadsheet: one line, and never taken for a formula. The mark is an apostrophe before it, which
// Excel and its like show or hide but never carry out (OWASP, CSV Injection).
func Cell(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\uFEFF' || r == '\uFFFE' || r == '\uFFFF' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	start := strings.TrimLeft(s, " \u00a0\u3000\"'")
	if start != "" && strings.ContainsRune(formula, []rune(start)[0]) {
		return "'" + s
	}
	return afterSemicolon.ReplaceAllString(s, "$1'$2")
}

// afterSemicolon finds what a spreadsheet that divides at semicolons would take for the beginning of a formula.
var afterSemicolon = regexp.MustCompile(`(;[ "']*)([=+\-@＝＋－＠])`)

// cells makes a row safe. Numbers of number columns stay numbers.
func cells(cols []column, row []string) []string {
	out := make([]string, len(row))
	for i, s := range row {
		if i < len(cols) && cols[i].number && plainNumber.MatchString(s) {
			out[i] = s
		} else {
			out[i] = Cell(s)
		}
	}
	return out
}

// packed are rows as they are kept: gzip of CSV (RFC 4180), and the SHA-256 of that CSV.
type packed struct {
	lines int64
	hash  change.Hash
	body  []byte
}

// packer gathers rows.
type packer struct {
	cols  []column
	out   bytes.Buffer
	zip   *gzip.Writer
	csv   *csv.Writer
	sum   interface{ Sum([]byte) []byte }
	lines int64
}

func newPacker(k Kind) *packer {
	p := &packer{cols: columns(k)}
	p.zip = gzip.NewWriter(&p.out)
	sum := sha256.New()
	p.sum = sum
	p.csv = csv.NewWriter(io.MultiWriter(p.zip, sum))
	p.csv.UseCRLF = true
	return p
}

func (p *packer) add(row []string) error {
	p.lines++
	return p.csv.Write(cells(p.cols, row))
}

func (p *packer) end() (packed, error) {
	p.csv.Flush()
	if err := p.csv.Error(); err != nil {
		return packed{}, err
	}
	if err := p.zip.Close(); err != nil {
		return packed{}, err
	}
	out := packed{lines: p.lines, body: p.out.Bytes()}
	copy(out.hash[:], p.sum.Sum(nil))
	return out, nil
}

// unpack returns kept rows as CSV and checks their hash.
func unpack(body []byte, want change.Hash) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("unpack rows: %w", err)
	}
	b, err := io.ReadAll(r) // our own bytes, of at most so many rows as the quota has
	if err != nil {
		return nil, fmt.Errorf("unpack rows: %w", err)
	}
	if sha256.Sum256(b) != want {
		return nil, fmt.Errorf("unpack rows: their hash is not %s", want)
	}
	return b, nil
}
