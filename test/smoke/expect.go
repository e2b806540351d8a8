package smoke

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"stockade/protocol/barcode"
	"stockade/protocol/stock"
)

// readLines returns column 1 of a file of scans, unquoted: the bytes that a scanner sends.
func readLines(path string) ([][]byte, error) {
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
	return out, nil
}

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

// catalogue writes every item code of the file as an item, for `hub item import`.
func catalogue(w io.Writer, lines [][]byte, now time.Time) (int, error) {
	seen := map[string]bool{}
	out := csv.NewWriter(w)
	if err := out.Write([]string{"sku", "name", "unit", "code"}); err != nil {
		return 0, err
	}
	for _, raw := range lines {
		for _, s := range barcode.Decode(barcode.Profile{}, raw, now) {
			code := itemCode(s)
			if code == "" || seen[code] {
				continue
			}
			seen[code] = true
			sku := fmt.Sprintf("I-%05d", len(seen)) // any code can be a barcode, not any can be an SKU
			if err := out.Write([]string{sku, "商品 " + sku, "个", code}); err != nil {
				return 0, err
			}
		}
	}
	out.Flush()
	return len(seen), out.Error()
}

// row is a line of the digest.
type row struct {
	Warehouse string `json:"warehouse"`
	GTIN      string `json:"gtin"`
	Lot       string `json:"lot"`
	Serial    string `json:"serial"`
	Expiry    string `json:"expiry"`
	Location  string `json:"location"`
	State     string `json:"state"`
	Quantity  string `json:"quantity"`
}

// digest is SHA-256 over the sorted rows whose quantity is not zero.
func digest(rows []row) string {
	var lines []string
	for _, r := range rows {
		if r.Quantity != "0" {
			lines = append(lines, strings.Join([]string{r.Warehouse, r.GTIN, r.Lot, r.Serial, r.Expiry, r.Location, r.State, r.Quantity}, "\t")+"\n")
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return hex.EncodeToString(sum[:])
}

// judge is what the player itself knows of one edge: which scans must be accepted, and what the
// stock then is. It uses the decoder and none of the ledger's code.
type judge struct {
	warehouse string
	stock     map[row]uint64 // by row without quantity
	serials   map[string]bool
}

func newJudge(warehouse string) *judge {
	return &judge{warehouse: warehouse, stock: map[row]uint64{}, serials: map[string]bool{}}
}

// take says whether a scan has to be accepted on that business day, and books it if so.
func (j *judge) take(s barcode.Scan, day string) bool {
	code := itemCode(s)
	count := uint64(1)
	if s.Count != nil {
		count = *s.Count
	}
	serial := code + "\x00" + s.Serial
	if code == "" || count == 0 || (s.Expiry != "" && s.Expiry < day) || (s.Serial != "" && j.serials[serial]) {
		return false
	}
	if s.Serial != "" {
		j.serials[serial] = true
	}
	j.stock[row{Warehouse: j.warehouse, GTIN: code, Lot: s.Lot, Serial: s.Serial, Expiry: s.Expiry, Location: receiving, State: stock.Available.String()}] += count
	return true
}

func (j *judge) rows() []row {
	var out []row
	for r, n := range j.stock {
		r.Quantity = strconv.FormatUint(n, 10)
		out = append(out, r)
	}
	return out
}
