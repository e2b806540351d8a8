package dashboard

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Exports is what the pages need of rows that leave the house.
type Exports interface {
	// Exports returns what somebody has exported, or everybody, the newest first, and what is left for the day.
	Exports(ctx context.Context, who identity.Person, all bool) (ExportPage, error)
	// Export reads the rows that who may see and keeps them: at once, or until somebody has approved.
	Export(ctx context.Context, who identity.Person, f ExportForm) (ExportRow, error)
	// ExportFile makes the file of an export of one's own. say finds texts in the reader's language.
	ExportFile(ctx context.Context, who identity.Person, id, format, password string, say func(string, map[string]string) string) (ExportFile, error)
}

// ExportRow is an export in a list.
type ExportRow struct {
	ID      string
	Account access.Account
	Kind    string
	SKU     stock.SKU
	Where   stock.Warehouse
	Rows    int64
	Hash    string
	State   string // waiting, ready, refused, ended
	MadeAt  time.Time
	Until   time.Time
	Fetched int64
}

// Link returns the address of the request for an approval.
func (r ExportRow) Link() string { return "/approvals/request/" + url.PathEscape(r.ID) }

// FileLink returns the address that makes the file.
func (r ExportRow) FileLink() string { return "/exports/file/" + url.PathEscape(r.ID) }

// ExportPage is a list of exports.
type ExportPage struct {
	Rows              []ExportRow
	Left, Quota, Free int64 // rows
}

// ExportForm is what somebody chooses.
type ExportForm struct {
	Kind, Warehouse, SKU, Reason string
	All                          bool
}

// ExportFile is a file to be kept.
type ExportFile struct {
	Name, Type string
	Body       []byte
}

func (d *dashboard) exportRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/exports", Permission: "export.create", Handler: d.getExports},
		{Method: "GET", Path: "/exports/all", Permission: "export.read", Handler: d.getAllExports},
		{Method: "POST", Path: "/exports/new", Permission: "export.create", Handler: d.postExport, Fresh: true},
		{Method: "POST", Path: "/exports/file/:id", Permission: "export.create", Handler: d.postExportFile},
	}
}

type exportsView struct {
	ExportPage
	Everybody  bool
	MaySee     bool
	Form       ExportForm
	Warehouses []stock.Warehouse
	Problem    string
}

func (d *dashboard) getExports(v *web.Visit) error {
	return d.showExports(v, exportsView{Form: ExportForm{Kind: v.Query("kind"), SKU: v.Query("sku"), Warehouse: v.Query("warehouse")}})
}

func (d *dashboard) getAllExports(v *web.Visit) error {
	return d.showExports(v, exportsView{Everybody: true})
}

func (d *dashboard) showExports(v *web.Visit, view exportsView) (err error) {
	if view.ExportPage, err = d.Exports(v.UserContext(), v.Person, view.Everybody); err != nil {
		return err
	}
	if view.Warehouses, err = d.Warehouses(v.UserContext(), v.Rows("export.create").Any); err != nil {
		return err
	}
	view.MaySee = v.May("export.read")
	return v.Page("exports", view)
}

func (d *dashboard) postExport(v *web.Visit) error {
	f := ExportForm{Kind: v.Form("kind"), Warehouse: v.Form("warehouse"), SKU: v.Form("sku"), Reason: v.Form("reason"), All: v.Form("all") == "1"}
	if _, err := d.Export(v.UserContext(), v.Person, f); err != nil {
		return d.exportProblem(v, err, f)
	}
	return v.See("/exports")
}

func (d *dashboard) exportProblem(v *web.Visit, err error, f ExportForm) error {
	problem, err := problemOf(v, err)
	if err != nil {
		return err
	}
	return d.showExports(v, exportsView{Form: f, Problem: problem})
}

func (d *dashboard) postExportFile(v *web.Visit) error {
	f, err := d.ExportFile(v.UserContext(), v.Person, v.Params("id"), v.Form("format"), v.Posted("password"), v.Speaker())
	if err != nil {
		return d.exportProblem(v, err, ExportForm{})
	}
	return v.Download(f.Name, f.Type, f.Body)
}

// problemOf returns the sentence about what was typed, or the error when it is about something else.
func problemOf(v *web.Visit, err error) (string, error) {
	var f *web.Failure
	if !errors.As(err, &f) || f.Status >= fiber.StatusInternalServerError || f.Status == fiber.StatusNotFound {
		return "", err
	}
	v.Status(f.Status)
	return v.T(f.Key, f.Args), nil
}
