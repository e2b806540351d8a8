// Package dashboard is what people see of the headquarters: consolidated stock, where every
// figure comes from, nodes and the decisions about them, open cases, the audit log and the
// catalogue; and the same for programs under /api/v1.
//
// It keeps nothing and decides nothing. What it shows and does goes through Hub, which the
// program fulfils; package web brings sign-in, guards, layout and texts.
//
// # For programs
//
// All answers are JSON, errors are {"error":{"code","args","message","request"}}. Times are
// RFC 3339, quantities decimal text; "0001-01-01T00:00:00Z" is a time that never was.
//
//	GET /api/v1/stock?q=&warehouse=&sku=&limit=&after=     -> {"rows":[StockRow],"as_of":[AsOf],"next":""}
//	GET /api/v1/items/{sku}/movements?limit=&before=       -> {"movements":[Change],"next":""}; the newest first
//	GET /api/v1/items/{sku}/prices                         -> PriceBook, as far as the reader sees prices
//	POST /api/v1/items/{sku}/prices PriceForm              -> {"request":""}; the id of a request where the change waits for an approval
//	GET /api/v1/nodes                                      -> {"nodes":[Node],"held":[Held]}
//	GET /api/v1/exceptions?all=1&limit=&before=            -> {"exceptions":[Case],"next":""}; the newest first
//	GET /api/v1/audit/head                                 -> LogHead
//	GET /api/v1/labels                                     -> {"labels":[LabelRow]}
//	GET /api/v1/labels/{id}?version=                       -> LabelRow with "template"
//	POST /api/v1/labels {"id","template","base","new"}     -> {"id","version"}; base is the version that it was made of
//	GET /api/v1/customers?q=&field=&state=&limit=&after=   -> {"rows":[Partner],"next":"","searchable":[]}; the same for suppliers, by code
//	GET /api/v1/customers/{code}                           -> Partner; only fields that are not hidden, "masked" where masked
//	GET /api/v1/customers/{code}/history                   -> {"versions":[Partner]}; the newest first
//	POST /api/v1/customers {"code","fields":{},"active","other","keeper"}    -> 201 {"code"}; without a code the next number
//	POST /api/v1/customers/{code} {"version","fields":{},...}                -> {"code"}; what is not sent stays as it was
//	POST /api/v1/customers/{code}/unmask {"field","purpose","reason"}        -> {"field","value"}; recorded, asks for a fresh factor
//	GET /api/v1/unmaskings?account=&subject=&limit=&before=                  -> {"unmaskings":[Unmasked],"next":""}; the newest first
//	POST /api/v1/labels/preview {"template","values","printer":{"language","dpi"}} -> image/png, see warningsHeader
//
// What is wrong with a template is error 422: its code is the problem's key, args.element the number of the element
// that it is about. Changes are POSTs with the header X-CSRF-Token, see package web.
package dashboard

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"

	"stockade/internal/identity"
	"stockade/internal/label"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

//go:embed pages/*.html
var pages embed.FS

//go:embed assets all:assets/dist
var assets embed.FS

// Hub is what the pages read and do. What lies outside of the places that a reader may see (in) is left out, or does not exist. What does not exist gives web.NotFound; a refusal that
// the reader can do something about is a *web.Failure. Acts are recorded in the audit log as
// those of by, together with what they do.
type Hub interface {
	Stock(ctx context.Context, q StockQuery) (StockPage, error)
	// Warehouses returns the warehouses of in that any node works in.
	Warehouses(ctx context.Context, in access.Places) ([]stock.Warehouse, error)
	// Item returns what is known of an item that is in the catalogue or was ever in stock there.
	Item(ctx context.Context, sku stock.SKU, in access.Places) (Item, error)
	Movements(ctx context.Context, q MovementQuery) (MovementPage, error)
	Batch(ctx context.Context, at Place, in access.Places) (Batch, error)
	Nodes(ctx context.Context, in access.Places) (Nodes, error)
	Cases(ctx context.Context, q CaseQuery) (CasePage, error)
	LogHead(ctx context.Context) (LogHead, error)
	Catalogue(ctx context.Context, q CatalogueQuery) (CataloguePage, error)

	// HeldAt returns the warehouse of the node of a held batch, WarehouseOf that of a node.
	HeldAt(ctx context.Context, hash string) (stock.Warehouse, error)
	WarehouseOf(ctx context.Context, node stock.NodeID) (stock.Warehouse, error)
	// Decide carries out a decision about the held batch with that header hash, in hex.
	Decide(ctx context.Context, hash string, accept bool, reason string, by identity.Person) error
	// Settle ends the dispute over a node of which no batch is held.
	Settle(ctx context.Context, node stock.NodeID, reason string, by identity.Person) error
	PutItem(ctx context.Context, f ItemForm, by identity.Person) error
	PutBin(ctx context.Context, f BinForm, by identity.Person) error

	// Labels returns all label templates, those that were taken back too.
	Labels(ctx context.Context) ([]LabelRow, error)
	// Label returns a template: what counts, or the version with that number.
	Label(ctx context.Context, id string, version int64) (LabelDoc, error)
	// PutLabel stores a template and returns the number of its version. What is wrong with it is a *label.Problem.
	PutLabel(ctx context.Context, l LabelPut, by identity.Person) (int64, error)
	WithdrawLabel(ctx context.Context, id string, base int64, by identity.Person) error
	// Preview draws a label as PNG. A label that can not be printed gives a *label.Problem.
	Preview(ctx context.Context, t label.Template, v label.Values, p label.Printer) ([]byte, []*label.Problem, error)
	// LabelFont reports whether previews can show Chinese.
	LabelFont() bool

	Rights
	Approvals
	Rules
	Prices
	Exports
	Partners
	Files
	Lessons
	Leavers
}

type dashboard struct{ Hub }

// Site returns the pages and the API of a hub.
func Site(hub Hub) (web.Site, error) {
	d := &dashboard{hub}
	templates, err := fs.Sub(pages, "pages")
	if err != nil {
		return web.Site{}, err
	}
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		return web.Site{}, err
	}
	if _, err := fs.Stat(files, "dist/pdf.worker.js"); err != nil { // made by internal/web/assets/build.mjs
		return web.Site{}, fmt.Errorf("asset pdf.worker.js is missing: run \"make assets\" and build again: %w", err)
	}
	return web.Site{
		Routes:    d.routes(),
		Templates: templates,
		Assets:    files,
		Menu:      d.menu(),
		People:    []web.Link{{Path: "/leavers", Text: "leaver.title", Permission: web.PeopleRead}},
		Person:    []web.Link{{Path: "/leavers/person/", Text: "leaver.begin", Permission: web.PeopleWrite}},
	}, nil
}

func (d *dashboard) routes() []web.Route {
	return slices.Concat(d.pageRoutes(), d.labelRoutes(), d.rightsRoutes(), d.approvalRoutes(), d.rulesRoutes(), d.priceRoutes(), d.exportRoutes(), d.partnerRoutes(), d.fileRoutes(), d.lessonRoutes(), d.leaverRoutes(), d.apiRoutes())
}

// Groups of the menu.
const (
	groupStock    = "menu.group_stock"
	groupMaster   = "menu.group_master"
	groupPartners = "menu.group_partners"
	groupRequests = "menu.group_requests"
	groupPeople   = web.PeopleGroup
	groupSystem   = "menu.group_system"
)

func (d *dashboard) menu() []web.Link {
	return []web.Link{
		{Path: "/", Text: "menu.stock", Permission: "stock.read", Group: groupStock, Also: []string{"/item", "/batch"}},
		{Path: "/exceptions", Text: "menu.exceptions", Permission: "case.read", Group: groupStock},
		{Path: "/catalogue", Text: "menu.catalogue", Permission: "master.read", Group: groupMaster},
		{Path: "/labels", Text: "menu.labels", Permission: "label.read", Group: groupMaster},
		{Path: "/files", Text: "menu.files", Permission: filesRead, Group: groupMaster},
		{Path: "/customers", Text: "menu.customers", Permission: "customer.read", Group: groupPartners},
		{Path: "/suppliers", Text: "menu.suppliers", Permission: "supplier.read", Group: groupPartners},
		{Path: "/approvals", Text: "menu.approvals", Permission: web.Own, Count: d.waitCount, Group: groupRequests},
		{Path: "/exports", Text: "menu.exports", Permission: "export.create", Group: groupRequests},
		{Path: "/rights", Text: "menu.rights", Permission: RolesRead, Group: groupPeople},
		{Path: "/reviews", Text: "menu.reviews", Permission: ReviewAnswer, Count: d.reviewCount, Group: groupPeople},
		{Path: "/nodes", Text: "menu.nodes", Permission: "node.read", Group: groupSystem},
		{Path: "/audit", Text: "menu.audit", Permission: "audit.read", Group: groupSystem, Also: []string{"/unmaskings"}},
		{Path: "/lessons", Text: "menu.lessons", Permission: LessonTake, Count: d.lessonWaits, Group: groupPeople}, // the last: nobody is led here while there is work
	}
}

func (d *dashboard) pageRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/", Permission: "stock.read", Handler: d.getStock},
		{Method: "GET", Path: "/item/:sku", Permission: "stock.read", Handler: d.getItem},
		{Method: "GET", Path: "/batch/:node/:epoch/:seq", Permission: "movement.read", Handler: d.getBatch},
		{Method: "GET", Path: "/nodes", Permission: "node.read", Handler: d.getNodes},
		{Method: "POST", Path: "/held/:hash/accept", Permission: "held.decide", Handler: d.decide(true)},
		{Method: "POST", Path: "/held/:hash/reject", Permission: "held.decide", Handler: d.decide(false)},
		{Method: "POST", Path: "/node/:node/settle", Permission: "held.decide", Handler: d.settle},
		{Method: "GET", Path: "/exceptions", Permission: "case.read", Handler: d.getCases},
		{Method: "GET", Path: "/audit", Permission: "audit.read", Handler: d.getAudit},
		{Method: "GET", Path: "/catalogue", Permission: "master.read", Handler: d.getCatalogue},
		{Method: "POST", Path: "/catalogue/item", Permission: "master.write", Handler: d.putItem},
		{Method: "POST", Path: "/catalogue/bin", Permission: "master.write", Handler: d.putBin},
	}
}

func (d *dashboard) apiRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/api/v1/stock", Permission: "stock.read", Handler: d.apiStock},
		{Method: "GET", Path: "/api/v1/items/:sku/movements", Permission: "movement.read", Handler: d.apiMovements},
		{Method: "GET", Path: "/api/v1/nodes", Permission: "node.read", Handler: d.apiNodes},
		{Method: "GET", Path: "/api/v1/exceptions", Permission: "case.read", Handler: d.apiCases},
		{Method: "GET", Path: "/api/v1/audit/head", Permission: "audit.read", Handler: d.apiLogHead},
	}
}
