package devrun

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"stockade/hub/master"
	"stockade/protocol/feed"
)

// Files in the folder that the hub imports.
const (
	itemsFile = "items.csv"
	binsFile  = "bins.csv"
)

//go:embed items.csv
var itemsCSV []byte

// items reads the catalogue as the hub will.
func items() ([]feed.Item, error) {
	return master.ReadItems(csv.NewReader(bytes.NewReader(itemsCSV)))
}

const receiving = "RECV"

// binsCSV lists the bins of all warehouses for the hub: a receiving area and three aisles of eight bins.
func binsCSV() []byte {
	var b strings.Builder
	b.WriteString("warehouse,bin,name,use\n")
	for _, w := range warehouses {
		fmt.Fprintf(&b, "%s,%s,收货区,receiving\n", w.code, receiving)
		for _, bin := range storage() {
			fmt.Fprintf(&b, "%s,%s,%s 区,storage\n", w.code, bin, bin[:1])
		}
	}
	return []byte(b.String())
}

// storage returns the codes of a warehouse's bins for storing.
func storage() []string {
	var out []string
	for _, aisle := range "ABC" {
		for n := range 8 {
			out = append(out, fmt.Sprintf("%c-%02d-%d", aisle, n/4+1, n%4+1))
		}
	}
	return out
}

// goods is stock of one kind with a number of units: what stands on a label.
type goods struct {
	gtin, lot, serial, expiry string
	count                     int
}

// scan returns what a scanner sends for the label, a GS1 DataMatrix (GS1 General Specifications 3.2).
func (g goods) scan() []byte {
	const separator = "\x1d"
	s := "]d201" + g.gtin
	if g.expiry != "" {
		s += "17" + strings.ReplaceAll(g.expiry, "-", "")[2:]
	}
	if g.lot != "" {
		s += "10" + g.lot + separator
	}
	if g.serial != "" {
		s += "21" + g.serial + separator
	}
	if g.count != 1 {
		s += fmt.Sprintf("30%d", g.count)
	}
	return []byte(strings.TrimSuffix(s, separator) + "\r")
}

// Goods that spoil have a lot and an expiry date, machines a serial number.
var (
	spoils  = []string{"SP-", "YL-", "RH-", "YY-", "MY-", "CW-"}
	machine = "台"
)

// delivered makes up goods as a supplier would send them.
func delivered(r *rand.Rand, i feed.Item, now time.Time) goods {
	g := goods{gtin: string(i.Codes[0].GTIN), count: 4 + r.IntN(33)}
	if i.Unit == machine {
		g.serial, g.count = fmt.Sprintf("S%09d", r.IntN(1e9)), 1
	}
	for _, prefix := range spoils {
		if strings.HasPrefix(string(i.SKU), prefix) {
			n := r.IntN(20) // all units of a lot expire together
			g.lot = fmt.Sprintf("%s%02d", now.Format("060102"), n)
			g.expiry = now.AddDate(0, 0, 120+15*n).Format(time.DateOnly)
		}
	}
	return g
}
