package dashboard

import (
	"context"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/stock"
)

// Permissions about what items are sold for and cost.
const (
	PriceRead  = "price.read"
	PriceWrite = "price.write"
	ValueRead  = "valuation.read"
)

// Sight says how far a reader sees what items are sold for and cost. What is hidden is not even read for them.
type Sight struct{ Price, Cost access.FieldAccess }

// Of returns how far a class, "price" or "cost", is open.
func (s Sight) Of(class string) access.FieldAccess {
	if class == "cost" {
		return s.Cost
	}
	return s.Price
}

// Show returns an amount of a class as far as it is open.
func (s Sight) Show(class, amount string) string {
	var f access.Fields
	f[access.Price], f[access.Cost] = s.Price, s.Cost
	if class == "cost" {
		return f.Show(access.Cost, amount)
	}
	return f.Show(access.Price, amount)
}

// Any reports whether anything is to be seen, masked or not.
func (s Sight) Any() bool { return s.Price > access.Hidden || s.Cost > access.Hidden }

// PriceBook is what an item is sold for and costs, as far as the reader sees it. Amounts are decimal text, "***" where they are masked.
type PriceBook struct {
	Currency string      `json:"currency"`
	Today    stock.Date  `json:"today"` // business day of the headquarters
	Price    string      `json:"price,omitempty"`
	Cost     string      `json:"cost,omitempty"`
	History  []PriceLine `json:"history"` // the newest first; those of days to come too
}

// PriceLine is one amount with its day.
type PriceLine struct {
	Class    string     `json:"class"` // "price" or "cost"
	Amount   string     `json:"amount"`
	From     stock.Date `json:"from"`
	Coming   bool       `json:"coming,omitempty"` // its day is yet to come
	By       string     `json:"by"`
	Approver string     `json:"approver,omitempty"`
	Request  string     `json:"request,omitempty"`
	At       time.Time  `json:"at"`
	Note     string     `json:"note"`
}

// PriceForm is a change as it is typed.
type PriceForm struct {
	Class  string `json:"class"`
	Amount string `json:"amount"`
	From   string `json:"from"` // YYYY-MM-DD; empty for today
	Reason string `json:"reason"`
}

// PriceAsk is the content of a request for a price. Amounts are empty for who may not see them.
type PriceAsk struct {
	SKU      stock.SKU
	Name     string
	Class    string
	Currency string
	Known    bool // there is an amount before
	Old, New string
	Percent  string
	From     stock.Date
}

// Prices is what the pages need of prices.
type Prices interface {
	Prices(ctx context.Context, sku stock.SKU, see Sight) (PriceBook, error)
	// ChangePrice changes a price, or asks for it: it returns the id of the request, empty when it counts already. With an id it changes that request.
	ChangePrice(ctx context.Context, who identity.Person, id string, sku stock.SKU, f PriceForm) (string, error)
}

func (d *dashboard) priceRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/item/:sku/prices", Permission: PriceRead, Handler: d.getPrices},
		{Method: "POST", Path: "/item/:sku/prices", Permission: PriceWrite, Handler: d.postPrice, Fresh: true},
		{Method: "GET", Path: "/api/v1/items/:sku/prices", Permission: PriceRead, Handler: d.apiPrices},
		{Method: "POST", Path: "/api/v1/items/:sku/prices", Permission: PriceWrite, Handler: d.apiPostPrice, Fresh: true},
	}
}

// sight returns how far the reader sees prices. Items are the whole company's, so only grants that reach everywhere count.
func sight(v *web.Visit) Sight {
	d := v.Decide(PriceRead, access.Resource{})
	if !d.Allowed {
		return Sight{}
	}
	return Sight{Price: d.Fields.Of(access.Price), Cost: d.Fields.Of(access.Cost)}
}

// mayPrice reports whether the reader may change a class: the field has to be open for writing too.
func mayPrice(v *web.Visit, class string) bool {
	d := v.Decide(PriceWrite, access.Resource{})
	switch {
	case d.Reason == access.StepUpNeeded:
		return true // asked again with the factor
	case class == "cost":
		return d.Allowed && d.Fields.Of(access.Cost) >= access.Write
	}
	return d.Allowed && d.Fields.Of(access.Price) >= access.Write
}

// value says where the reader sees what stock is worth.
type value struct {
	In     access.Places
	Masked bool
}

func valueOf(v *web.Visit) value {
	l := v.List(ValueRead)
	if l.Fields.Of(access.Cost) == access.Hidden {
		return value{}
	}
	return value{In: l.Rows.Any, Masked: l.Fields.Of(access.Cost) == access.Masked}
}

// Any reports whether there is anything to be seen.
func (w value) Any() bool { return w.In.All || len(w.In.Warehouses) > 0 }

type pricesPage struct {
	Item    Item
	Book    PriceBook
	Sight   Sight
	Form    PriceForm
	Request string // that is changed
	Classes []option
	Problem string
	Done    bool
}

func (d *dashboard) getPrices(v *web.Visit) error {
	page := pricesPage{Done: v.Query("saved") == "1"}
	if id := v.Query("request"); id != "" {
		doc, err := d.Request(v.UserContext(), v.Person, id, false)
		if err != nil {
			return err
		}
		if !doc.Own || doc.Kind != approval.Price || doc.State != approval.Waiting {
			return web.NotFound()
		}
		page.Request, page.Form = id, PriceForm{Class: doc.Price.Class, Amount: doc.Price.New, From: string(doc.Price.From), Reason: doc.Reason}
	}
	return d.showPrices(v, page)
}

func (d *dashboard) showPrices(v *web.Visit, page pricesPage) error {
	sku, err := skuOf(v)
	if err != nil {
		return err
	}
	if page.Item, err = d.Item(v.UserContext(), sku, v.Rows("stock.read").Any); err != nil {
		return err
	}
	page.Sight = sight(v)
	if page.Book, err = d.Prices(v.UserContext(), sku, page.Sight); err != nil {
		return err
	}
	if page.Form.From == "" {
		page.Form.From = string(page.Book.Today)
	}
	for _, c := range []string{"price", "cost"} {
		if mayPrice(v, c) && page.Item.Known && (page.Request == "" || c == page.Form.Class) {
			page.Classes = append(page.Classes, option{c, v.T("price."+c, nil), c == page.Form.Class})
		}
	}
	return v.Page("prices", page)
}

func (d *dashboard) postPrice(v *web.Visit) error {
	sku, err := skuOf(v)
	if err != nil {
		return err
	}
	id := v.Form("request")
	f := PriceForm{Class: v.Form("class"), Amount: v.Form("amount"), From: v.Form("from"), Reason: v.Form("reason")}
	if !mayPrice(v, f.Class) {
		return web.Fail(fiber.StatusForbidden, "error.forbidden")
	}
	waiting, err := d.ChangePrice(v.UserContext(), v.Person, id, sku, f)
	if err != nil {
		problem, err := problemOf(v, err)
		if err != nil {
			return err
		}
		return d.showPrices(v, pricesPage{Form: f, Request: id, Problem: problem})
	}
	if waiting != "" {
		return v.See(RequestRow{ID: waiting}.Link())
	}
	return v.See(itemLink(sku) + "/prices?saved=1")
}

func (d *dashboard) apiPrices(v *web.Visit) error {
	sku, err := skuOf(v)
	if err != nil {
		return err
	}
	book, err := d.Prices(v.UserContext(), sku, sight(v))
	if err != nil {
		return err
	}
	book.History = list(book.History)
	return v.JSON(book)
}

func (d *dashboard) apiPostPrice(v *web.Visit) error {
	sku, err := skuOf(v)
	if err != nil {
		return err
	}
	var f PriceForm
	if err := v.ReadJSON(&f); err != nil {
		return err
	}
	if !mayPrice(v, f.Class) {
		return web.Fail(fiber.StatusForbidden, "error.forbidden")
	}
	id, err := d.ChangePrice(v.UserContext(), v.Person, "", sku, f)
	if err != nil {
		return err
	}
	return v.JSON(map[string]string{"request": id})
}

// PricesLink returns the address of the page with the item's prices.
func (i Item) PricesLink() string { return itemLink(i.SKU) + "/prices" }

// EditLink returns where a request for a price is changed.
func (p PriceAsk) EditLink(id string) string {
	return itemLink(p.SKU) + "/prices?" + url.Values{"request": {id}}.Encode()
}
