package master

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// ItemRow is an item as people write it: in a CSV file with these columns, or on the command line.
type ItemRow struct {
	SKU    string
	Name   string
	NameEN string
	Unit   string // base unit
	Code   string // barcode of the base unit exactly as it is scanned, blanks and all
	Codes  string // more barcodes: CODE, or CODE:UNIT:FACTOR for a package, separated by blanks; GTINs are brought to 14 digits
	Active string // "0" for an item that is no longer traded
}

// Limits of master data, in bytes. An item must fit a chunk many times over.
const (
	maxName  = 200
	maxUnit  = 20
	maxCodes = 20
	maxCode  = 4096 // some two-dimensional codes are long
)

// Item checks r and returns the item.
func (r ItemRow) Item() (feed.Item, error) {
	fail := func(format string, args ...any) (feed.Item, error) {
		return feed.Item{}, fmt.Errorf("item %q: %w", r.SKU, fmt.Errorf(format, args...))
	}
	if r.SKU == "" || len(r.SKU) > stock.MaxSKU || strings.TrimSpace(r.SKU) != r.SKU {
		return fail("the SKU must have 1 to %d bytes and no blanks around it", stock.MaxSKU)
	}
	if r.Name == "" || len(r.Name) > maxName || len(r.NameEN) > maxName {
		return fail("a name of 1 to %d bytes is needed", maxName)
	}
	if r.Unit == "" || len(r.Unit) > maxUnit {
		return fail("a base unit of 1 to %d bytes is needed", maxUnit)
	}
	if r.Active != "" && r.Active != "0" && r.Active != "1" {
		return fail("active is %q: want 0 or 1", r.Active)
	}
	i := feed.Item{SKU: stock.SKU(r.SKU), Name: r.Name, NameEN: r.NameEN, Unit: r.Unit, Active: r.Active != "0", Codes: []feed.Code{}}
	for _, text := range []string{r.SKU, r.Name, r.NameEN, r.Unit, r.Code, r.Codes} {
		if !utf8.ValidString(text) {
			return fail("%q is not UTF-8", text)
		}
	}
	if len(r.Code) > maxCode {
		return fail("barcode of more than %d bytes", maxCode)
	}
	if r.Code != "" {
		i.Codes = append(i.Codes, feed.Code{GTIN: stock.GTIN(r.Code), Factor: stock.Unit})
	}
	for _, text := range strings.Fields(r.Codes) {
		c, err := parseCode(text)
		if err != nil {
			return fail("%w", err)
		}
		i.Codes = append(i.Codes, c)
	}
	if len(i.Codes) > maxCodes {
		return fail("%d barcodes, at most %d", len(i.Codes), maxCodes)
	}
	return i, nil
}

func parseCode(text string) (feed.Code, error) {
	parts := strings.Split(text, ":")
	c := feed.Code{Factor: stock.Unit}
	if len(parts) == 3 {
		c.Unit = parts[1]
		factor, err := stock.ParseQuantity(parts[2])
		if err != nil || factor <= 0 || c.Unit == "" || len(c.Unit) > maxUnit {
			return c, fmt.Errorf("barcode %q: want CODE:UNIT:FACTOR with a factor above zero", text)
		}
		c.Factor = factor
	} else if len(parts) != 1 {
		return c, fmt.Errorf("barcode %q: want CODE or CODE:UNIT:FACTOR", text)
	}
	c.GTIN = stock.GTIN(parts[0])
	if c.GTIN == "" || len(c.GTIN) > maxCode {
		return c, fmt.Errorf("barcode %q: want 1 to %d bytes", text, maxCode)
	}
	if gtin, is, err := NormalGTIN(parts[0]); err != nil {
		return c, err
	} else if is {
		c.GTIN = gtin
	}
	return c, nil
}

// NormalGTIN returns the 14 digits of a code that is a GTIN of 8, 12, 13 or 14 digits. A code
// of 14 digits with a wrong check digit is a mistake; shorter ones may be codes of another kind.
func NormalGTIN(code string) (stock.GTIN, bool, error) {
	if strings.Trim(code, "0123456789") != "" || !slices.Contains([]int{8, 12, 13, 14}, len(code)) {
		return "", false, nil
	}
	full := strings.Repeat("0", 14-len(code)) + code
	sum := 0
	for i := range 14 {
		weight := 3 - 2*(i%2) // 3, 1, 3, 1 … from the left of 14 digits
		sum += int(full[i]-'0') * weight
	}
	if sum%10 == 0 {
		return stock.GTIN(full), true, nil
	}
	if len(code) == 14 {
		return "", false, fmt.Errorf("barcode %q: wrong check digit", code)
	}
	return "", false, nil
}

// CheckLocation returns an error that says what is wrong with a bin.
func CheckLocation(l feed.Location) error {
	if err := l.ID.Check(); err != nil {
		return err
	}
	if l.ID.Outside() {
		return fmt.Errorf("location %s is outside every warehouse", l.ID)
	}
	if l.Use != feed.UseStorage && l.Use != feed.UseReceiving {
		return fmt.Errorf("location %s: use is %q, want %s or %s", l.ID, l.Use, feed.UseStorage, feed.UseReceiving)
	}
	if len(l.Name) > maxName || !utf8.ValidString(l.Name) {
		return fmt.Errorf("location %s: the name must be UTF-8 and at most %d bytes", l.ID, maxName)
	}
	return nil
}

// ReadItems reads a CSV file with the columns sku, name, name_en, unit, code, codes, active in any
// order; sku and name are needed. The first mistake is told with its line.
func ReadItems(r *csv.Reader) ([]feed.Item, error) {
	return readRows(r, []string{"sku", "name"}, []string{"name_en", "unit", "code", "codes", "active"}, func(f map[string]string) (feed.Item, error) {
		if f["unit"] == "" {
			f["unit"] = "个"
		}
		return ItemRow{SKU: f["sku"], Name: f["name"], NameEN: f["name_en"], Unit: f["unit"], Code: f["code"], Codes: f["codes"], Active: f["active"]}.Item()
	})
}

// ReadLocations reads a CSV file with the columns warehouse, bin, name, use, active in any
// order; warehouse and bin are needed.
func ReadLocations(r *csv.Reader) ([]feed.Location, error) {
	return readRows(r, []string{"warehouse", "bin"}, []string{"name", "use", "active"}, func(f map[string]string) (feed.Location, error) {
		if f["use"] == "" {
			f["use"] = string(feed.UseStorage)
		}
		l := feed.Location{ID: stock.Warehouse(f["warehouse"]).Bin(f["bin"]), Name: f["name"], Use: feed.Use(f["use"]), Active: f["active"] != "0"}
		return l, CheckLocation(l)
	})
}

func readRows[T any](r *csv.Reader, needed, known []string, row func(map[string]string) (T, error)) ([]T, error) {
	heads, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("read the line with the column names: %w", err)
	}
	for i, h := range heads {
		heads[i] = strings.ToLower(strings.TrimSpace(h))
		if !slices.Contains(needed, heads[i]) && !slices.Contains(known, heads[i]) {
			return nil, fmt.Errorf("column %q is unknown; there are %s", h, strings.Join(append(slices.Clone(needed), known...), ", "))
		}
	}
	for _, n := range needed {
		if !slices.Contains(heads, n) {
			return nil, fmt.Errorf("column %q is missing", n)
		}
	}
	var out []T
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		f := map[string]string{}
		for i, v := range fields {
			f[heads[i]] = v
		}
		line, _ := r.FieldPos(0)
		v, err := row(f)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		out = append(out, v)
	}
}
