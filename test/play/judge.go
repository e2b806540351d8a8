package play

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"

	"stockade/protocol/barcode"
	"stockade/protocol/stock"
)

// receiving is the bin that all goods are received into.
const receiving = "RECV"

// Row is a line of the digest.
type Row struct {
	Warehouse string `json:"warehouse"`
	GTIN      string `json:"gtin"`
	Lot       string `json:"lot"`
	Serial    string `json:"serial"`
	Expiry    string `json:"expiry"`
	Location  string `json:"location"`
	State     string `json:"state"`
	Quantity  string `json:"quantity"`
}

// Digest is SHA-256 over the sorted rows whose quantity is not zero.
func Digest(rows []Row) string {
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

// judge is what a player itself knows of one node: which scans must be accepted, and what the
// stock then is. It uses the decoder and none of the ledger's code.
type judge struct {
	warehouse string
	stock     map[Row]uint64 // by row without quantity
	serials   map[string]bool
}

func newJudge(warehouse string) *judge {
	return &judge{warehouse: warehouse, stock: map[Row]uint64{}, serials: map[string]bool{}}
}

func (j *judge) clone() *judge {
	return &judge{warehouse: j.warehouse, stock: maps.Clone(j.stock), serials: maps.Clone(j.serials)}
}

// take says whether a scan has to be accepted on that business day, and books it if so. The row is
// what it adds to the stock.
func (j *judge) take(s barcode.Scan, day string) (Row, bool) {
	code := itemCode(s)
	count := uint64(1)
	if s.Count != nil {
		count = *s.Count
	}
	serial := code + "\x00" + s.Serial
	if code == "" || count == 0 || (s.Expiry != "" && s.Expiry < day) || (s.Serial != "" && j.serials[serial]) {
		return Row{}, false
	}
	if s.Serial != "" {
		j.serials[serial] = true
	}
	r := Row{Warehouse: j.warehouse, GTIN: code, Lot: s.Lot, Serial: s.Serial, Expiry: s.Expiry, Location: receiving, State: stock.Available.String()}
	j.stock[r] += count
	r.Quantity = strconv.FormatUint(count, 10)
	return r, true
}

// add books what another judge has let pass.
func (j *judge) add(more []confirmed) {
	for _, c := range more {
		n, err := strconv.ParseUint(c.row.Quantity, 10, 64)
		if err != nil {
			panic(err) // take has written it
		}
		if c.row.Serial != "" {
			j.serials[c.row.GTIN+"\x00"+c.row.Serial] = true
		}
		r := c.row
		r.Quantity = ""
		j.stock[r] += n
	}
}

// total adds up what several players expect, zero rows left out.
func total(judges ...*judge) []Row {
	sum := map[Row]uint64{}
	for _, j := range judges {
		for r, n := range j.stock {
			sum[r] += n
		}
	}
	var out []Row
	for r, n := range sum {
		r.Quantity = strconv.FormatUint(n, 10)
		out = append(out, r)
	}
	return out
}
