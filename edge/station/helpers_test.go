package station_test

import (
	"fmt"

	"stockade/protocol/barcode"
	"stockade/protocol/stock"
)

func skuOf(i int) stock.SKU { return stock.SKU(fmt.Sprintf("SKU-%03d", i%50)) }

func gtinOf(i int) string { return fmt.Sprintf("%013d0", 690000000000+i%50) }

func scanOf(i int) barcode.Scan {
	lot := fmt.Sprintf("L%02d", i%7)
	gtin := gtinOf(i)
	return barcode.Scan{GTIN: gtin, Lot: lot, Expiry: "2099-12-31", Raw: []byte("]C101" + gtin + "17991231" + "10" + lot)}
}
