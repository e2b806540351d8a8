package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/label"
	"stockade/internal/symbol"
	"stockade/internal/web"
	"stockade/protocol/access"
)

// LabelRow is a label template in the list.
type LabelRow struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	NameEN  string     `json:"name_en"`
	Kind    label.Kind `json:"kind"`
	Width   float64    `json:"width"`  // mm
	Height  float64    `json:"height"` // mm
	State   string     `json:"state"`  // word of master.LabelState
	Version int64      `json:"version"`
	By      string     `json:"by,omitempty"`
	At      time.Time  `json:"at"`
}

// Title returns the name in a language.
func (r LabelRow) Title(lang web.Lang) string {
	return label.Template{Name: r.Name, NameEN: r.NameEN}.Title(string(lang))
}

// Size returns the size as people write it.
func (r LabelRow) Size() string { return fmt.Sprintf("%g × %g mm", r.Width, r.Height) }

// Link returns the address of the editor, CopyLink that of one with a copy.
func (r LabelRow) Link() string     { return "/labels/" + r.ID }
func (r LabelRow) CopyLink() string { return "/labels/-/new?" + url.Values{"from": {r.ID}}.Encode() }

// LabelDoc is a label template with where it comes from.
type LabelDoc struct {
	LabelRow
	Template label.Template // the version that was asked for
	Shown    int64          // number of that version; 0 for what counts
	Versions []LabelVersion // the newest first
	More     bool           // there are older ones
}

// LabelVersion is one act upon a template.
type LabelVersion struct {
	Version int64
	Active  bool // it was written; else taken back
	By      string
	At      time.Time
}

// LabelPut is a template to be stored.
type LabelPut struct {
	ID   string
	Body []byte // JSON
	Base int64  // the version that it was made of
	New  bool   // there must be none of that id
}

func (d *dashboard) labelRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/labels", Permission: "label.read", Handler: d.getLabels},
		{Method: "GET", Path: "/labels/-/new", Permission: "label.write", Handler: d.newLabel},
		{Method: "GET", Path: "/labels/:id", Permission: "label.read", Handler: d.getLabel},
		{Method: "GET", Path: "/labels/:id/file", Permission: "label.read", Handler: d.getLabelFile},
		{Method: "GET", Path: "/labels/:id/picture", Permission: "label.read", Handler: d.getLabelPicture},
		{Method: "POST", Path: "/labels/:id/withdraw", Permission: "label.write", Handler: d.withdrawLabel},
		{Method: "GET", Path: "/api/v1/labels", Permission: "label.read", Handler: d.apiLabels},
		{Method: "GET", Path: "/api/v1/labels/:id", Permission: "label.read", Handler: d.apiLabel},
		{Method: "POST", Path: "/api/v1/labels", Permission: "label.write", Handler: d.apiPutLabel},
		{Method: "POST", Path: "/api/v1/labels/preview", Permission: "label.read", Handler: d.apiPreview},
	}
}

type labelsView struct {
	Offered   labelRows
	Withdrawn labelRows
	Kinds     []label.Kind
	Chinese   bool
}

type labelRows struct {
	Lang  web.Lang
	Write bool // whether the reader may write templates
	Rows  []LabelRow
}

func (d *dashboard) getLabels(v *web.Visit) error {
	all, err := d.Labels(v.UserContext())
	if err != nil {
		return err
	}
	view := labelsView{Offered: labelRows{Lang: v.Lang, Write: v.May("label.write")}, Withdrawn: labelRows{Lang: v.Lang, Write: v.May("label.write")}, Kinds: label.Kinds(), Chinese: d.LabelFont()}
	for _, r := range all {
		if r.State == "withdrawn" {
			view.Withdrawn.Rows = append(view.Withdrawn.Rows, r)
		} else {
			view.Offered.Rows = append(view.Offered.Rows, r)
		}
	}
	return v.Page("labels", view)
}

// labelView is the page of the editor.
type labelView struct {
	Doc     LabelDoc
	New     bool
	Saved   bool // it was just stored
	Chinese bool
	Data    editorData
}

// editorData is what the editor's script is given.
type editorData struct {
	Template label.Template              `json:"template"`
	New      bool                        `json:"new"`
	Base     int64                       `json:"base"`
	Older    bool                        `json:"older"` // an older version is shown: it may be stored as it is
	Fields   map[label.Kind][]string     `json:"fields"`
	Samples  map[label.Kind]label.Values `json:"samples"`
	AIs      map[label.Kind][]labelAI    `json:"ais"`
	Symbols  []editorSymbol              `json:"symbols"`
	Texts    map[string]string           `json:"texts"`
}

type editorSymbol struct {
	Kind symbol.Kind `json:"kind"`
	Name string      `json:"name"`
	GS1  bool        `json:"gs1"`
}

// labelAI is a GS1 application identifier with the field that stands in it.
type labelAI struct {
	AI    string `json:"ai"`
	Field string `json:"field"`
}

// gs1Fields are the identifiers under which each field stands (GS1 General Specifications, section 3). On pallets
// the GTIN is that of the contents (02) and comes with their count (37).
func gs1Fields(k label.Kind) []labelAI {
	all := []labelAI{{"01", "gtin"}, {"17", "expiry"}, {"30", "quantity"}, {"10", "lot"}, {"21", "serial"}}
	if k == label.Pallet {
		all = []labelAI{{"00", "sscc"}, {"02", "gtin"}, {"17", "expiry"}, {"37", "quantity"}, {"10", "lot"}}
	}
	if k == label.Shipping {
		all = []labelAI{{"00", "sscc"}}
	}
	out := []labelAI{}
	for _, a := range all {
		for _, f := range k.Fields() {
			if f == a.Field {
				out = append(out, a)
			}
		}
	}
	return out
}

// editorTexts are the texts that the script needs.
var editorTexts = []string{"text", "code", "line", "box", "up", "down", "copy", "remove", "content", "insert", "x", "y", "width", "height", "size", "caption", "lines", "align", "left", "center", "right",
	"symbol_1", "symbol_2", "symbol_3", "none", "module", "stroke", "saved", "unsaved", "fix_first", "offline", "session", "leave", "element", "no_elements", "gs1_hint", "text_hint", "not_json"}

func (d *dashboard) editor(v *web.Visit, view labelView) error {
	view.Chinese = d.LabelFont()
	e := &view.Data
	e.Template, e.New, e.Base, e.Older = view.Doc.Template, view.New, view.Doc.Version, view.Doc.Shown != 0
	e.Fields, e.Samples, e.AIs, e.Texts = map[label.Kind][]string{}, map[label.Kind]label.Values{}, map[label.Kind][]labelAI{}, map[string]string{}
	for _, k := range label.Kinds() {
		e.Fields[k], e.AIs[k] = k.Fields(), gs1Fields(k)
		sample := k.Sample()
		e.Samples[k] = label.Values{}
		for _, f := range k.Fields() {
			e.Samples[k][f] = sample[f]
			e.Texts["field_"+f] = v.T("label.field_"+f, nil)
		}
	}
	for _, s := range symbol.Kinds() {
		e.Symbols = append(e.Symbols, editorSymbol{s, v.T("label.symbol_"+string(s), nil), s.GS1()})
	}
	for _, key := range editorTexts {
		e.Texts[key] = v.T("labels."+key, nil)
	}
	return v.Page("label", view)
}

func (d *dashboard) getLabel(v *web.Visit) error {
	doc, err := d.Label(v.UserContext(), v.Params("id"), versionOf(v))
	if err != nil {
		return err
	}
	return d.editor(v, labelView{Doc: doc, Saved: v.Query("saved") != "" && v.Query("saved") == strconv.FormatInt(doc.Version, 10)})
}

// versionOf returns the version that is asked for; a made-up one is the newest.
func versionOf(v *web.Visit) int64 {
	n, err := strconv.ParseInt(v.Query("version"), 10, 63)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// newLabel opens the editor with a copy of a template, or with the standard one of a kind. Nothing is stored yet.
func (d *dashboard) newLabel(v *web.Visit) error {
	all, err := d.Labels(v.UserContext())
	if err != nil {
		return err
	}
	from := v.Query("from")
	if from == "" {
		for _, t := range label.Standard() {
			if string(t.Kind) == v.Query("kind") {
				from = t.ID
			}
		}
	}
	if from == "" {
		from = label.Standard()[0].ID
	}
	doc, err := d.Label(v.UserContext(), from, 0)
	if err != nil {
		return err
	}
	doc.Template.ID = freeID(doc.Template.ID, all)
	doc.LabelRow = LabelRow{ID: doc.Template.ID}
	doc.Versions = nil
	return d.editor(v, labelView{Doc: doc, New: true})
}

// freeID returns an id beside one that there is.
func freeID(id string, all []LabelRow) string {
	taken := map[string]bool{}
	for _, r := range all {
		taken[r.ID] = true
	}
	id = id[:min(len(id), 35)]
	for n := 2; ; n++ {
		if next := fmt.Sprintf("%s-%d", id, n); !taken[next] {
			return next
		}
	}
}

func (d *dashboard) getLabelFile(v *web.Visit) error {
	doc, err := d.Label(v.UserContext(), v.Params("id"), versionOf(v))
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(doc.Template, "", "  ")
	if err != nil {
		return err
	}
	v.Set(fiber.HeaderContentDisposition, fmt.Sprintf("attachment; filename=\"label-%s.json\"", doc.Template.ID))
	v.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return v.Send(append(b, '\n'))
}

func (d *dashboard) getLabelPicture(v *web.Visit) error {
	doc, err := d.Label(v.UserContext(), v.Params("id"), versionOf(v))
	if err != nil {
		return err
	}
	png, _, err := d.Preview(v.UserContext(), doc.Template, doc.Template.Kind.Sample(), label.Printer{})
	return sendPicture(v, png, nil, err)
}

func (d *dashboard) withdrawLabel(v *web.Visit) error {
	if err := v.Check("label.write", access.Resource{}); err != nil { // templates are the whole company's
		return err
	}
	base, err := strconv.ParseInt(v.Form("base"), 10, 63)
	if err != nil || base < 1 {
		return web.Fail(fiber.StatusBadRequest, "error.bad_request")
	}
	if err := d.WithdrawLabel(v.UserContext(), v.Params("id"), base, v.Person); err != nil {
		return told(v, err)
	}
	return v.See("/labels")
}

func (d *dashboard) apiLabels(v *web.Visit) error {
	all, err := d.Labels(v.UserContext())
	if err != nil {
		return err
	}
	return v.JSON(struct {
		Labels []LabelRow `json:"labels"`
	}{list(all)})
}

func (d *dashboard) apiLabel(v *web.Visit) error {
	doc, err := d.Label(v.UserContext(), v.Params("id"), versionOf(v))
	if err != nil {
		return err
	}
	return v.JSON(struct {
		LabelRow
		Template label.Template `json:"template"`
	}{doc.LabelRow, doc.Template})
}

func (d *dashboard) apiPutLabel(v *web.Visit) error {
	if err := v.Check("label.write", access.Resource{}); err != nil { // templates are the whole company's
		return err
	}
	var order struct {
		ID       string          `json:"id"`
		Template json.RawMessage `json:"template"`
		Base     int64           `json:"base"`
		New      bool            `json:"new"`
	}
	if err := v.ReadJSON(&order); err != nil {
		return err
	}
	if order.Base < 0 {
		return web.Fail(fiber.StatusBadRequest, "error.bad_request")
	}
	version, err := d.PutLabel(v.UserContext(), LabelPut{ID: order.ID, Body: order.Template, Base: order.Base, New: order.New}, v.Person)
	if err != nil {
		return told(v, err)
	}
	return v.JSON(struct {
		ID      string `json:"id"`
		Version int64  `json:"version"`
	}{order.ID, version})
}

func (d *dashboard) apiPreview(v *web.Visit) error {
	var order struct {
		Template json.RawMessage `json:"template"`
		Values   label.Values    `json:"values"`
		Printer  struct {
			Language label.Language `json:"language"`
			DPI      int            `json:"dpi"`
		} `json:"printer"`
	}
	if err := v.ReadJSON(&order); err != nil {
		return err
	}
	t, err := label.ParseTemplate(order.Template)
	if err != nil {
		return told(v, err)
	}
	if order.Values == nil {
		order.Values = t.Kind.Sample()
	}
	png, warnings, err := d.Preview(v.UserContext(), t, order.Values, label.Printer{Language: order.Printer.Language, DPI: order.Printer.DPI})
	return sendPicture(v, png, warnings, err)
}

// warningsHeader carries what may go wrong at the printer, as JSON in the form of an address: [{"element","message"}].
const warningsHeader = "Stockade-Warnings"

// mostWarnings keeps the header small; one more would say the same.
const mostWarnings = 3

func sendPicture(v *web.Visit, png []byte, warnings []*label.Problem, err error) error {
	if err != nil {
		return told(v, err)
	}
	type warning struct {
		Element string `json:"element"`
		Message string `json:"message"`
	}
	said := []warning{}
	for _, w := range warnings[:min(len(warnings), mostWarnings)] {
		said = append(said, warning{w.Args["element"], v.Sentence(w.Key, w.Args)})
	}
	b, err := json.Marshal(said)
	if err != nil {
		return err
	}
	v.Set(warningsHeader, url.PathEscape(string(b)))
	v.Set(fiber.HeaderContentType, "image/png")
	return v.Send(png)
}

// told turns a problem with a template into what the reader is told.
func told(v *web.Visit, err error) error {
	var p *label.Problem
	if !errors.As(err, &p) {
		return err
	}
	f := web.Fail(fiber.StatusUnprocessableEntity, p.Key)
	for name, value := range p.Args {
		f.Args[name] = v.Word(value)
	}
	return f
}
