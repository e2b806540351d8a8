package dashboard

import (
	"time"

	"stockade/protocol/stock"
)

// AdjustmentAsk is the content of a request to confirm what a count has found. Value is empty for who may not see it, and where no cost is known.
type AdjustmentAsk struct {
	Location stock.Location
	SKU      stock.SKU
	Name     string
	Lot      stock.Lot
	Serial   stock.Serial
	Expiry   stock.Date
	State    string
	Book     stock.Quantity // what the books said
	Counted  stock.Quantity // what was found
	Size     stock.Quantity // the difference
	Percent  string
	Value    string
	Counters []string
	At       time.Time
}
