package bench

import (
	"encoding/csv"
	"fmt"
	"io"

	"stockade/protocol/barcode"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// The warehouse of all measurements: its catalogue is that of a middling wholesaler.
const (
	receiving = "RECV"
	bins      = 240
	items     = 2000
)

// good is an item as its labels show it.
type good struct {
	sku     stock.SKU
	gtin    string
	lots    bool // its label names lot and expiry
	serials bool // each unit has a serial number
	inner   int  // units in a carton that is scanned as one, 1 for none
}

// goodOf returns the i-th item: most have lots, some serial numbers, some come in cartons.
func goodOf(i int) good {
	body := fmt.Sprintf("0690%09d", i*7919%1_000_000_000)
	g := good{sku: stock.SKU(fmt.Sprintf("SP-%05d", i)), gtin: body + string(barcode.CheckDigit(body)), lots: i%10 < 7, serials: i%10 == 7, inner: 1}
	if i%4 == 0 && !g.serials {
		g.inner = 6
	}
	return g
}

func (g good) item() feed.Item {
	return feed.Item{SKU: g.sku, Name: "商品 " + string(g.sku), NameEN: "item " + string(g.sku), Unit: "个", Active: true,
		Codes: []feed.Code{{GTIN: stock.GTIN(g.gtin), Factor: stock.Unit}}}
}

func binOf(i int) string { return fmt.Sprintf("%c-%02d-%d", 'A'+i%8, i/8%30+1, i%3+1) }

// binCodes returns the warehouse's bins, the receiving one first.
func binCodes() []string {
	codes := []string{receiving}
	seen := map[string]bool{}
	for i := range bins {
		if code := binOf(i); !seen[code] {
			seen[code] = true
			codes = append(codes, code)
		}
	}
	return codes
}

func useOf(code string) feed.Use {
	if code == receiving {
		return feed.UseReceiving
	}
	return feed.UseStorage
}

// writeItems and writeBins write the catalogue as the hub's import commands read it.
func writeItems(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"sku", "name", "unit", "code"}}
	for i := range items {
		it := goodOf(i).item()
		rows = append(rows, []string{string(it.SKU), it.Name, it.Unit, string(it.Codes[0].GTIN)})
	}
	return out.WriteAll(rows)
}

func writeBins(w io.Writer, warehouse stock.Warehouse) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"warehouse", "bin", "name", "use"}}
	for _, code := range binCodes() {
		rows = append(rows, []string{string(warehouse), code, code, string(useOf(code))})
	}
	return out.WriteAll(rows)
}
