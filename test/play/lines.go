package play

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"stockade/protocol/barcode"
	"stockade/protocol/stock"
)

// ReadLines returns column 1 of a file of scans, unquoted: the bytes that a scanner sends.
func ReadLines(path string) ([][]byte, error) {
	b, err := os.ReadFile(path) // #nosec G304 -- named by the caller
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for i, line := range strings.Split(string(b), "\n") {
		line = strings.TrimRight(line, "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		first, _, _ := strings.Cut(line, "\t")
		raw, err := strconv.Unquote(strings.TrimSpace(first))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		out = append(out, []byte(raw))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: %w", path, errNoScans)
	}
	return out, nil
}

var errNoScans = errors.New("no scans in the file")

// itemCode returns what names the item in a scan, empty when nothing does.
func itemCode(s barcode.Scan) string {
	switch {
	case s.Error != "":
		return ""
	case s.GTIN != "":
		return s.GTIN
	}
	return s.Content
}

// Items are the items of a site by their codes.
type Items map[string]stock.SKU

// Collect returns an item for every item code in lines. Any code can be a barcode, not any can
// be an SKU.
func Collect(lines [][]byte, now time.Time) Items {
	items := Items{}
	for _, raw := range lines {
		for _, s := range barcode.Decode(barcode.Profile{}, raw, now) {
			if code := itemCode(s); code != "" && items[code] == "" {
				items[code] = stock.SKU(fmt.Sprintf("I-%05d", len(items)+1))
			}
		}
	}
	return items
}

// WriteCSV writes the items for `hub item import`.
func (i Items) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"sku", "name", "unit", "code"}); err != nil {
		return err
	}
	for code, sku := range i {
		if err := out.Write([]string{string(sku), "商品 " + string(sku), "个", code}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
