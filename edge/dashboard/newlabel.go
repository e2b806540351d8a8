package dashboard

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
	"stockade/internal/web"
)

// Labels are the labels that a person may have printed beside those of goods receipts. A refusal that the reader can
// do something about is a *web.Failure with status 422; a template that does not exist is web.NotFound.
type Labels interface {
	LabelTemplates(ctx context.Context) ([]LabelTemplate, error)
	// FillLabel returns the values that follow from what is already known: of an item, a lot, a bin.
	FillLabel(ctx context.Context, template string, known map[string]string) (map[string]string, error)
	// PreviewLabel returns the label as PNG, or as PDF, as that printer will print it, with sentences about what may go wrong.
	PreviewLabel(ctx context.Context, o LabelOrder, pdf bool) (file []byte, warnings []Sentence, err error)
	// PrintLabels queues the labels and returns how many.
	PrintLabels(ctx context.Context, o LabelOrder, by identity.Person) (int, error)
}

// LabelTemplate is a template that a person can choose.
type LabelTemplate struct {
	ID            string
	Kind          string // a key under "label.kind_"
	Name, NameEN  string
	Width, Height float64 // mm
	Fields        []LabelField
	Numbers       string // field that the node can number by itself: "sscc" or "serial"; empty for none
}

// Title returns the name in a language.
func (t LabelTemplate) Title(lang web.Lang) string {
	if lang == web.English && t.NameEN != "" {
		return t.NameEN
	}
	return t.Name
}

// Goods reports whether the label tells of an item.
func (t LabelTemplate) Goods() bool {
	return slices.ContainsFunc(t.Fields, func(f LabelField) bool { return f.Name == "sku" })
}

// LabelField is a value that a person fills in.
type LabelField struct {
	Name     string // a key under "label.field_"
	Required bool
	Numbered bool // always filled in by the node
}

// LabelOrder is what a person wants to have printed.
type LabelOrder struct {
	Template string            `json:"template"`
	Printer  string            `json:"printer"`
	Values   map[string]string `json:"values"`
	Units    int               `json:"units"`  // things that each get a number of their own; 1 when nothing is numbered
	Copies   int               `json:"copies"` // labels of each
	Number   bool              `json:"number"` // serial numbers are given by the node
	// Once names this wish, so that one that comes again, from a button pressed twice or a caller that tries again, is done once. Empty
	// is a wish of its own each time.
	Once string `json:"once"`
}

// Sentence is a text with what it tells.
type Sentence struct {
	Key  string
	Args map[string]string
}

// Limits of an order.
const (
	maxUnits  = 200
	maxCopies = 20
	maxLabels = 500
	maxValue  = 500 // bytes of a field; a list of bins may be longer
	maxList   = 8 << 10
	maxOnce   = 64 // bytes
)

// LabelLink returns the address of the form that has the row's goods filled in.
func (r StockRow) LabelLink() string {
	template, q := "item", url.Values{"sku": {string(r.SKU)}}
	for name, value := range map[string]string{"lot": string(r.Lot), "expiry": string(r.Expiry), "serial": string(r.Serial)} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if r.Lot != "" || r.Expiry != "" {
		template = "lot"
	}
	return "/labels/" + template + "?" + q.Encode()
}

func (d *dashboard) labelRoutes() []web.Route {
	route := func(method, path, permission string, h web.Handler) web.Route {
		return web.Route{Method: method, Path: path, Permission: permission, Handler: h}
	}
	return []web.Route{
		route("GET", "/labels", "print.create", d.getLabels),
		route("GET", "/labels/:template", "print.create", d.getLabel),
		route("POST", "/labels/:template", "print.create", d.postLabel),
		route("POST", "/labels/:template/pdf", "print.create", d.postLabelPDF),
		route("POST", "/api/v1/labels/preview", "print.create", d.apiLabelPreview),
		route("POST", "/api/v1/labels/print", "print.create", d.apiLabelPrint),
	}
}

func (d *dashboard) getLabels(v *web.Visit) error {
	templates, err := d.Labels.LabelTemplates(v.UserContext())
	if err != nil {
		return err
	}
	return v.Page("labels", map[string]any{"Templates": templates, "Lang": v.Lang})
}

type labelPage struct {
	Template LabelTemplate
	Lang     web.Lang
	Printers []Device
	Order    LabelOrder
	Asked    string // item that was looked for
	Unknown  bool   // and not found
	Problem  string
	Texts    map[string]string // for the script
}

func (d *dashboard) labelTemplate(v *web.Visit) (LabelTemplate, error) {
	templates, err := d.Labels.LabelTemplates(v.UserContext())
	if err != nil {
		return LabelTemplate{}, err
	}
	n := slices.IndexFunc(templates, func(t LabelTemplate) bool { return t.ID == v.Params("template") })
	if n < 0 {
		return LabelTemplate{}, web.NotFound()
	}
	return templates[n], nil
}

// getLabel shows the form. What is known (an item, a lot, a bin) may stand in the address; nothing else may.
func (d *dashboard) getLabel(v *web.Visit) error {
	t, err := d.labelTemplate(v)
	if err != nil {
		return err
	}
	known := map[string]string{}
	for _, name := range []string{"sku", "lot", "serial", "expiry", "quantity", "bin"} {
		if s := v.Query(name); s != "" && len(s) <= maxValue {
			known[name] = s
		}
	}
	values, err := d.Labels.FillLabel(v.UserContext(), t.ID, known)
	if err != nil {
		return err
	}
	return d.showLabel(v, labelPage{Template: t, Asked: known["sku"], Unknown: known["sku"] != "" && values["name"] == "",
		Order: LabelOrder{Template: t.ID, Printer: v.Query("printer"), Values: values, Units: 1, Copies: 1}})
}

func (d *dashboard) showLabel(v *web.Visit, page labelPage) error {
	var err error
	if page.Printers, err = d.printers(v); err != nil {
		return err
	}
	texts := map[string]string{}
	for _, key := range []string{"newlabel.preview_wait", "newlabel.preview_lost"} {
		texts[key] = v.T(key, nil)
	}
	page.Lang, page.Texts = v.Lang, texts
	page.Order.Once = rand.Text()
	return v.Page("label", page)
}

// order reads the form.
func (d *dashboard) order(v *web.Visit, t LabelTemplate) LabelOrder {
	o := LabelOrder{Template: t.ID, Printer: v.Form("printer"), Values: map[string]string{}, Units: count(v.Form("units")), Copies: count(v.Form("copies")), Number: v.Form("number") == "1",
		Once: v.Form("once")}
	for _, f := range t.Fields {
		if s := v.Form("f_" + f.Name); s != "" {
			o.Values[f.Name] = s
		}
	}
	return o
}

// count reads how many; what is no number is none, which checkOrder refuses.
func count(s string) int {
	if s == "" {
		return 1
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func checkOrder(o LabelOrder) error {
	if o.Units < 1 || o.Units > maxUnits || o.Copies < 1 || o.Copies > maxCopies || o.Units*o.Copies > maxLabels {
		return web.Fail(fiber.StatusUnprocessableEntity, "newlabel.bad_count", "units", strconv.Itoa(maxUnits), "copies", strconv.Itoa(maxCopies), "labels", strconv.Itoa(maxLabels))
	}
	if len(o.Once) > maxOnce {
		return web.Fail(fiber.StatusUnprocessableEntity, "newlabel.bad_once", "most", strconv.Itoa(maxOnce))
	}
	for name, s := range o.Values {
		if len(s) > maxValue && (name != "bin" || len(s) > maxList) {
			return web.Fail(fiber.StatusUnprocessableEntity, "newlabel.too_long", "field", "text:label.field_"+name)
		}
	}
	return nil
}

func (d *dashboard) postLabel(v *web.Visit) error {
	t, err := d.labelTemplate(v)
	if err != nil {
		return err
	}
	o := d.order(v, t)
	err = checkOrder(o)
	if err == nil {
		_, err = d.Labels.PrintLabels(v.UserContext(), o, v.Person)
	}
	if err != nil {
		return d.labelAgain(v, labelPage{Template: t, Order: o}, err)
	}
	return v.See("/printing")
}

// labelAgain shows what was typed together with what is wrong with it.
func (d *dashboard) labelAgain(v *web.Visit, page labelPage, err error) error {
	var f *web.Failure
	if !errors.As(err, &f) || f.Status >= fiber.StatusInternalServerError {
		return err
	}
	v.Status(f.Status)
	page.Problem = v.Sentence(f.Key, f.Args)
	return d.showLabel(v, page)
}

func (d *dashboard) postLabelPDF(v *web.Visit) error {
	t, err := d.labelTemplate(v)
	if err != nil {
		return err
	}
	o := d.order(v, t)
	var file []byte
	if err = checkOrder(o); err == nil {
		file, _, err = d.Labels.PreviewLabel(v.UserContext(), o, true)
	}
	if err != nil {
		return d.labelAgain(v, labelPage{Template: t, Order: o}, err)
	}
	v.Set(fiber.HeaderContentType, "application/pdf")
	v.Attachment("label-" + t.ID + ".pdf")
	return v.Send(file)
}

func (d *dashboard) apiLabelPreview(v *web.Visit) error {
	var o LabelOrder
	if err := v.ReadJSON(&o); err != nil {
		return err
	}
	o.Units, o.Copies = max(1, o.Units), max(1, o.Copies)
	if err := checkOrder(o); err != nil {
		return spoken(v, err)
	}
	png, warnings, err := d.Labels.PreviewLabel(v.UserContext(), o, false)
	if err != nil {
		return spoken(v, err)
	}
	if len(warnings) > 0 {
		var said []string
		for _, w := range warnings {
			said = append(said, v.Sentence(w.Key, w.Args))
		}
		b, err := json.Marshal(strings.Join(said, " "))
		if err != nil {
			return err
		}
		v.Set("X-Warnings", asciiJSON(b))
	}
	v.Set(fiber.HeaderContentType, "image/png")
	return v.Send(png)
}

// asciiJSON writes a JSON text in ASCII, as headers want it.
func asciiJSON(b []byte) string {
	var s strings.Builder
	for _, r := range string(b) {
		switch {
		case r < 0x7f:
			s.WriteRune(r)
		case r > 0xffff:
			s.WriteByte('?')
		default:
			s.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				s.WriteByte("0123456789abcdef"[r>>shift&0xf])
			}
		}
	}
	return s.String()
}

// spoken fills texts into the arguments of a failure: an API answers with whole sentences too.
func spoken(v *web.Visit, err error) error {
	var f *web.Failure
	if errors.As(err, &f) {
		for k, a := range f.Args {
			f.Args[k] = v.Word(a)
		}
	}
	return err
}

func (d *dashboard) apiLabelPrint(v *web.Visit) error {
	var o LabelOrder
	if err := v.ReadJSON(&o); err != nil {
		return err
	}
	if err := checkOrder(o); err != nil {
		return spoken(v, err)
	}
	n, err := d.Labels.PrintLabels(v.UserContext(), o, v.Person)
	if err != nil {
		return spoken(v, err)
	}
	return v.JSON(map[string]int{"labels": n})
}
