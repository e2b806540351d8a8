package dashboard

import (
	"errors"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

type catalogueView struct {
	Query     CatalogueQuery
	Page      CataloguePage
	MoreItems string
	MoreBins  string
	Problem   string // sentence about what was typed, empty for none
	Item      ItemForm
	Bin       BinForm
	ItemOpen  bool // the problem is with the item
	BinOpen   bool
}

func (d *dashboard) getCatalogue(v *web.Visit) error {
	view := catalogueView{Item: ItemForm{Active: true}, Bin: BinForm{Active: true}}
	if sku := v.Query("item"); sku != "" {
		i, err := d.Item(v.UserContext(), stock.SKU(sku), v.Rows("stock.read").Any)
		if err != nil {
			return err
		}
		view.Item, view.ItemOpen = formOf(i), true
	}
	return d.showCatalogue(v, view)
}

// formOf returns an item as it would be typed.
func formOf(i Item) ItemForm {
	f := ItemForm{SKU: string(i.SKU), Name: i.Name, NameEN: i.NameEN, Unit: i.Unit, Active: i.Active || !i.Known}
	for _, c := range i.Codes {
		f.Codes = strings.TrimPrefix(f.Codes+" "+c.Text(), " ")
	}
	return f
}

func (d *dashboard) showCatalogue(v *web.Visit, view catalogueView) (err error) {
	q := CatalogueQuery{Search: v.Query("q"), In: v.Rows("master.read").Any, See: sight(v), Limit: pageRows, Items: v.Query("items"), Bins: v.Query("bins")}
	if view.Page, err = d.Catalogue(v.UserContext(), q); err != nil {
		return err
	}
	view.Query = q
	if view.Page.NextItems != "" {
		view.MoreItems = "/catalogue?" + url.Values{"q": {q.Search}, "items": {view.Page.NextItems}, "bins": {q.Bins}}.Encode() + "#items"
	}
	if view.Page.NextBins != "" {
		view.MoreBins = "/catalogue?" + url.Values{"q": {q.Search}, "items": {q.Items}, "bins": {view.Page.NextBins}}.Encode() + "#bins"
	}
	return v.Page("catalogue", view)
}

func (d *dashboard) putItem(v *web.Visit) error {
	f := ItemForm{SKU: v.Form("sku"), Name: v.Form("name"), NameEN: v.Form("name_en"), Unit: v.Form("unit"), Codes: v.Form("codes"), Active: v.Form("active") != "0"}
	if err := v.Check("master.write", access.Resource{}); err != nil { // items are the whole company's
		return err
	}
	if err := d.PutItem(v.UserContext(), f, v.Person); err != nil {
		return d.showAgain(v, err, catalogueView{Item: f, ItemOpen: true, Bin: BinForm{Active: true}})
	}
	return v.See(itemLink(stock.SKU(f.SKU)))
}

func (d *dashboard) putBin(v *web.Visit) error {
	f := BinForm{Warehouse: v.Form("warehouse"), Bin: v.Form("bin"), Name: v.Form("name"), Use: v.Form("use"), Active: v.Form("active") != "0"}
	if err := v.Check("master.write", access.Resource{Warehouse: stock.Warehouse(f.Warehouse)}); err != nil {
		return err
	}
	if err := d.PutBin(v.UserContext(), f, v.Person); err != nil {
		return d.showAgain(v, err, catalogueView{Bin: f, BinOpen: true, Item: ItemForm{Active: true}})
	}
	return v.See("/catalogue?" + url.Values{"q": {f.Bin}}.Encode() + "#bins")
}

// showAgain shows what was typed together with what is wrong with it, so that it is not lost.
func (d *dashboard) showAgain(v *web.Visit, err error, view catalogueView) error {
	var f *web.Failure
	if !errors.As(err, &f) || f.Status >= fiber.StatusInternalServerError {
		return err
	}
	view.Problem = v.T(f.Key, f.Args)
	v.Status(f.Status)
	return d.showCatalogue(v, view)
}
