package dashboard

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// StockQuery asks for balances. Zero fields do not restrict.
type StockQuery struct {
	Search    string // in name, SKU, barcode, lot, serial number, bin
	Warehouse stock.Warehouse
	SKU       stock.SKU
	In        access.Places // what the reader may see
	Limit     int
	After     string // Next of the page before
	Value     value  // where the reader sees what stock is worth
}

// StockRow is the balance of one cell.
type StockRow struct {
	Warehouse stock.Warehouse `json:"warehouse"`
	SKU       stock.SKU       `json:"sku"`
	GTIN      stock.GTIN      `json:"gtin,omitempty"`
	Name      string          `json:"name"`
	Lot       stock.Lot       `json:"lot,omitempty"`
	Serial    stock.Serial    `json:"serial,omitempty"`
	Expiry    stock.Date      `json:"expiry,omitempty"`
	Expired   bool            `json:"expired,omitempty"`
	State     string          `json:"state"` // word of stock.State
	Location  stock.Location  `json:"location"`
	OnHand    stock.Quantity  `json:"on_hand"`
	Unit      string          `json:"unit,omitempty"`
	Adjusting string          `json:"adjustment,omitempty"` // "waiting" or "recount" while a large adjustment of it is not confirmed
	Value     string          `json:"value,omitempty"`      // by its cost, "***" where that is masked; empty where it is hidden or not known
}

// Link returns the address of the item's page.
func (r StockRow) Link() string { return itemLink(r.SKU) }

func itemLink(sku stock.SKU) string { return "/item/" + url.PathEscape(string(sku)) }

// AsOf says up to when the hub knows a warehouse through one of its nodes. Zero times are never.
type AsOf struct {
	Warehouse stock.Warehouse `json:"warehouse"`
	Node      stock.NodeID    `json:"node"`
	Seen      time.Time       `json:"seen"`  // last authentic word of the node
	Batch     time.Time       `json:"batch"` // its last batch came in
}

// StockPage is a part of the answer; Next asks for the following one, empty at the end.
type StockPage struct {
	Rows []StockRow `json:"rows"`
	AsOf []AsOf     `json:"as_of"` // of all warehouses
	Next string     `json:"next"`
}

// Item is what is known of an item.
type Item struct {
	SKU    stock.SKU `json:"sku"`
	Name   string    `json:"name"`
	NameEN string    `json:"name_en"`
	Unit   string    `json:"unit"`
	Codes  []Code    `json:"codes"`
	Active bool      `json:"active"`
	Known  bool      `json:"known"` // it is in the catalogue, not only in movements
	Price  string    `json:"price,omitempty"`
	Cost   string    `json:"cost,omitempty"`
}

// Link returns the address of the item's page.
func (i Item) Link() string { return itemLink(i.SKU) }

// Code is a barcode of an item.
type Code struct {
	Code   string         `json:"code"`
	Unit   string         `json:"unit,omitempty"` // empty for the base unit
	Factor stock.Quantity `json:"factor"`         // base units in one
}

// Text returns the code as it is typed: CODE, or CODE:UNIT:FACTOR for a package.
func (c Code) Text() string {
	if c.Unit == "" && c.Factor == stock.Unit {
		return c.Code
	}
	return c.Code + ":" + c.Unit + ":" + c.Factor.String()
}

// EditLink returns the address where the item is changed.
func (i Item) EditLink() string {
	return "/catalogue?" + url.Values{"item": {string(i.SKU)}}.Encode()
}

// Kind says what a change is. The words are keys of the catalogue under "change.".
type Kind string

// The kinds of change.
const (
	KindMovement Kind = "movement"
	KindCount    Kind = "count"
	KindEntry    Kind = "entry"
	KindUnknown  Kind = "unknown" // it can not be read by this version
)

// Place is where a batch stands in its node's chain.
type Place struct {
	Node  stock.NodeID `json:"node"`
	Epoch uint64       `json:"epoch"`
	Seq   uint64       `json:"sequence"`
}

// Link returns the address of the batch's page.
func (p Place) Link() string {
	return "/batch/" + url.PathEscape(string(p.Node)) + "/" + strconv.FormatUint(p.Epoch, 10) + "/" + strconv.FormatUint(p.Seq, 10)
}

// Change is one change of a batch. Which fields are set depends on Kind.
type Change struct {
	ID       string     `json:"id"`
	Kind     Kind       `json:"kind"`
	Time     time.Time  `json:"time"` // by the node's clock
	Day      stock.Date `json:"business_day,omitempty"`
	Actor    string     `json:"actor"`
	Session  string     `json:"session,omitempty"`
	Terminal string     `json:"terminal,omitempty"`

	SKU      stock.SKU      `json:"sku,omitempty"`
	Name     string         `json:"name,omitempty"`
	Unit     string         `json:"unit,omitempty"`
	Lot      stock.Lot      `json:"lot,omitempty"`
	Serial   stock.Serial   `json:"serial,omitempty"`
	Expiry   stock.Date     `json:"expiry,omitempty"`
	State    string         `json:"state,omitempty"`
	From     stock.Location `json:"from,omitempty"` // of a movement
	To       stock.Location `json:"to,omitempty"`   // of a movement
	At       stock.Location `json:"at,omitempty"`   // of a count
	Quantity stock.Quantity `json:"quantity"`       // moved or found
	Reverses string         `json:"reverses,omitempty"`
	Cause    string         `json:"cause,omitempty"`
	Override string         `json:"override,omitempty"` // why a rule was passed over

	Act     string            `json:"act,omitempty"` // of an entry
	Object  string            `json:"object,omitempty"`
	Outcome string            `json:"outcome,omitempty"`
	Detail  map[string]string `json:"detail,omitempty"`

	Parked  string `json:"parked,omitempty"`  // why it could not be posted; empty when it was
	Problem string `json:"problem,omitempty"` // why it can not be read

	Batch Place `json:"batch"`
	Leaf  int64 `json:"leaf"` // of the batch in the audit log
}

// Link returns the address of the page of the change's item, empty when it is about none.
func (c Change) Link() string {
	if c.SKU == "" {
		return ""
	}
	return itemLink(c.SKU)
}

// veil takes from an entry of the audit trail about people and their rights what only auditors read. That it is there, and when, stays.
func (c *Change) veil() {
	kind, _, _ := strings.Cut(c.Act, ".")
	switch kind {
	case "signin", "signout", "account", "factor", "session", "access", "grant":
		c.Actor, c.Session, c.Terminal, c.Object, c.Outcome, c.Detail = "", "", "", "", "", nil
	}
}

// MovementQuery asks for what was moved and counted of an item, the newest first.
type MovementQuery struct {
	SKU    stock.SKU
	In     access.Places // what the reader may see
	Limit  int
	Before string // Next of the page before
}

// MovementPage is a part of the answer; Next asks for the following one, empty at the end.
type MovementPage struct {
	Rows []Change `json:"movements"`
	Next string   `json:"next"`
}

// Batch is an accepted batch with its contents.
type Batch struct {
	Place
	Hash     string // of its signed header, hex
	Prev     string // hash that the header names as the one before; zeros for the first
	Leaf     int64
	LogSize  int64 // leaves under the last signed head
	Received time.Time
	First    uint64 // number of its first change
	Count    uint64
	Changes  []Change
	Problem  string // why the contents can not be read; empty when they can
}

// Held is a batch that waits for a person's decision.
type Held struct {
	Hash     string       `json:"hash"`
	Node     stock.NodeID `json:"node"`
	Epoch    uint64       `json:"epoch"`
	Sequence uint64       `json:"sequence"`
	Changes  uint64       `json:"changes"`
	Reason   string       `json:"reason"` // word of delivery.Reason
	Since    time.Time    `json:"since"`
}

// ReasonKey returns the key of the sentence about why it is held.
func (h Held) ReasonKey() string { return reasonKey(h.Reason) }

// Node is a node as the hub knows it.
type Node struct {
	ID           stock.NodeID    `json:"node"`
	Warehouse    stock.Warehouse `json:"warehouse"`
	Epoch        uint64          `json:"epoch"`
	Sequence     uint64          `json:"sequence"` // of the last acknowledged batch
	Hash         string          `json:"hash"`     // of its header, hex
	LastSeen     time.Time       `json:"last_seen"`
	Witnessed    int64           `json:"witnessed"`     // leaves of the log that it has co-signed
	WitnessedLog uint64          `json:"witnessed_log"` // epoch of that log
	Dispute      string          `json:"dispute"`       // word of delivery.Reason, empty for none
	Revoked      bool            `json:"revoked"`
	People       string          `json:"people"` // how it is told of people: "sealed", "clear" or, until it tells its key, "awaited"; empty for a revoked one
}

// Head returns the place of the node's last acknowledged batch.
func (n Node) Head() Place { return Place{n.ID, n.Epoch, n.Sequence} }

// DisputeKey returns the key of the sentence about the dispute.
func (n Node) DisputeKey() string { return reasonKey(n.Dispute) }

// alone reports whether the dispute is one that no held batch shows, so that it has to be
// ended by itself. held are all open ones.
func (n Node) alone(held []Held) bool {
	for _, h := range held {
		if h.Node == n.ID {
			return false
		}
	}
	return n.Dispute != ""
}

// reasonKey returns the key of a sentence for a delivery.Reason; unknown words have one too.
func reasonKey(reason string) string {
	switch reason {
	case "fork", "two_live", "revoked", "sealed", "undecided":
		return "held.reason_" + reason
	}
	return "held.reason_other"
}

// Nodes are all nodes and all open decisions about them.
type Nodes struct {
	Nodes []Node `json:"nodes"`
	Held  []Held `json:"held"`
}

// Case is what a person has to look at.
type Case struct {
	ID         int64          `json:"id"`
	Kind       string         `json:"kind"` // word of stock.ExceptionKind
	Subject    string         `json:"subject"`
	Node       stock.NodeID   `json:"node,omitempty"`
	Location   stock.Location `json:"location,omitempty"`
	SKU        stock.SKU      `json:"sku,omitempty"`
	Lot        stock.Lot      `json:"lot,omitempty"`
	Serial     stock.Serial   `json:"serial,omitempty"`
	Expiry     stock.Date     `json:"expiry,omitempty"`
	Detail     string         `json:"detail,omitempty"`
	Times      int64          `json:"times"` // how often it was reported while open
	OpenedAt   time.Time      `json:"opened_at"`
	OpenedLeaf int64          `json:"opened_leaf"` // of the batch that brought it, -1 for none
	ClosedAt   *time.Time     `json:"closed_at"`   // null while it is open
	Batch      *Place         `json:"batch,omitempty"`
}

// Link returns the address of the page of the item, empty when the case is about none.
func (c Case) Link() string {
	if c.SKU == "" {
		return ""
	}
	return itemLink(c.SKU)
}

// KindKey returns the key of the case's name; unknown words have one too.
func (c Case) KindKey() string {
	switch c.Kind {
	case "negative_stock", "serial_twice", "lot_expiry", "count_concurrent", "parked", "held", "unknown_item", "alarm", "large_adjustment":
		return "case." + c.Kind
	}
	return "case.other"
}

// CaseQuery asks for cases, the newest first.
type CaseQuery struct {
	All    bool // closed ones too
	In     access.Places
	Limit  int
	Before string // Next of the page before
}

// CasePage is a part of the answer; Next asks for the following one, empty at the end.
type CasePage struct {
	Rows []Case `json:"exceptions"`
	Next string `json:"next"`
}

// LogHead is the last signed head of the audit log.
type LogHead struct {
	Origin       string        `json:"origin"`
	Epoch        uint64        `json:"epoch"`
	OpenedAt     time.Time     `json:"opened_at"`
	Size         int64         `json:"size"`
	Root         string        `json:"root"`       // hash, base64 as in the note
	Checkpoint   string        `json:"checkpoint"` // signed note, C2SP tlog-checkpoint
	CutAt        time.Time     `json:"cut_at"`
	Leaves       int64         `json:"leaves"` // in the log now
	Cosignatures []Cosignature `json:"cosignatures"`
}

// Cosignature is the last word of a node about the log.
type Cosignature struct {
	Node  stock.NodeID `json:"node"`
	Epoch uint64       `json:"epoch"` // of the log
	Size  int64        `json:"size"`
	At    time.Time    `json:"at"` // by the node's clock
	Note  string       `json:"note"`
}

// CatalogueQuery asks for items and bins.
type CatalogueQuery struct {
	Search string        // in SKU, names, barcodes; in the bin's place and name
	In     access.Places // whose bins; items are the whole company's
	Limit  int           // of each
	See    Sight
	Items  string // NextItems of the page before
	Bins   string // NextBins of the page before
}

// Bin is a bin as master data has it.
type Bin struct {
	Location stock.Location
	Name     string
	Use      string // "storage" or "receiving"
	Active   bool
}

// CataloguePage is a part of both lists.
type CataloguePage struct {
	Items     []Item
	Bins      []Bin
	NextItems string
	NextBins  string
}

// ItemForm is an item as it is typed.
type ItemForm struct {
	SKU, Name, NameEN, Unit string
	Codes                   string // CODE or CODE:UNIT:FACTOR, separated by blanks
	Active                  bool
}

// BinForm is a bin as it is typed.
type BinForm struct {
	Warehouse, Bin, Name string
	Use                  string // "storage" or "receiving"
	Active               bool
}
