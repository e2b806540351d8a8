package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"stockade/edge/device"
	"stockade/edge/station"
	"stockade/edge/store"
	"stockade/internal/label"
	"stockade/internal/raster"
	"stockade/protocol/stock"
)

// openTypeface opens the font that draws Chinese on labels. Where none was named and Debian's is not
// there, names in Chinese are left to the printers' own fonts.
func openTypeface(c config, log *slog.Logger) (*raster.Typeface, error) {
	face, err := raster.SystemTypeface(c.Typeface)
	if face == nil && err == nil && c.LabelFont == "" && c.printers() {
		log.Warn("no font for Chinese on labels: install fonts-noto-cjk, or set typeface or label_font")
	}
	return face, err
}

func (c config) printers() bool {
	for _, d := range c.Devices {
		if d.Kind == string(device.KindPrinter) {
			return true
		}
	}
	return false
}

// receiptLabel is the label of a goods receipt: its template, its values, and what people call it.
func receiptLabel(f station.Feedback) (template, title string, v label.Values) {
	v = label.Values{"name": f.Item, "sku": string(f.SKU), "gtin": string(gtinOf(f)), "lot": string(f.Lot), "serial": string(f.Serial), "expiry": string(f.Expiry),
		"quantity": f.Quantity, "unit": f.Unit, "day": string(f.Day)}
	title = fmt.Sprintf("%s · %s %s", f.Item, f.Quantity, f.Unit)
	if f.Lot != "" {
		title += " · " + string(f.Lot)
	}
	if f.Serial != "" {
		title += " · " + string(f.Serial)
	}
	if f.Lot == "" && f.Expiry == "" {
		return "item", title, v
	}
	return "lot", title, v
}

// queueLabel queues the label of a goods receipt in the transaction that books it. A queue that is full does not
// hold up the goods: the label is kept for a person to print when there is room.
func (n *node) queueLabel(tx *store.Tx, printer string, f station.Feedback, w station.Worker) error {
	template, title, values := receiptLabel(f)
	content, err := json.Marshal(values)
	if err != nil {
		return err
	}
	movement, err := stock.ParseID(f.Movement)
	if err != nil {
		return err
	}
	actor := w.Actor
	if actor == "" {
		actor = "station/" + f.Station
	}
	job := store.NewPrint{Printer: printer, Station: f.Station, Template: template, Title: title, Movement: movement, Actor: actor, Content: content}
	_, err = tx.QueuePrint(job, n.clock.Wall())
	if errors.Is(err, store.ErrPrintQueueFull) {
		_, err = tx.DropPrint(job, n.clock.Wall(), "printing.full", nil)
	}
	return err
}

// renderLabel makes a label of a template and its values, JSON: what is sent to the printer, and a picture of it as PNG.
func (n *node) renderLabel(ctx context.Context, d deviceConfig, template string, content []byte) (data, picture []byte, err error) {
	var values label.Values
	if err := json.Unmarshal(content, &values); err != nil {
		return nil, nil, fmt.Errorf("read the values of a label: %w", err)
	}
	t, err := n.templateOf(ctx, template)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, &label.Problem{Key: "newlabel.no_template", Args: map[string]string{"template": template}}
	}
	if err != nil {
		return nil, nil, err
	}
	l, err := t.Layout(values, n.labelPrinter(d), n.typeface)
	var p *label.Problem
	if errors.As(err, &p) && p.Key == "label.bad_value" && values["gtin"] != "" {
		// A lot that can not stand in a barcode: the goods need a label more than the label needs a barcode.
		values["gtin"] = ""
		l, err = t.Layout(values, n.labelPrinter(d), n.typeface)
	}
	if err != nil {
		return nil, nil, err
	}
	picture, err = l.Picture().PNG()
	return l.Commands(), picture, err
}

// templates returns the templates that labels can be printed with, templateOf one of them or store.ErrNotFound.
func (n *node) templates(ctx context.Context) (out []label.Template, err error) {
	err = n.store.View(ctx, func(tx *store.Tx) (err error) { out, err = tx.LabelTemplates(); return err })
	return out, err
}

func (n *node) templateOf(ctx context.Context, id string) (t label.Template, err error) {
	err = n.store.View(ctx, func(tx *store.Tx) (err error) { t, err = tx.LabelTemplate(id); return err })
	return t, err
}

// labelPrinter is what labels are laid out for.
func (n *node) labelPrinter(d deviceConfig) label.Printer {
	p := label.Printer{Language: label.Language(d.language()), DPI: d.DPI, Font: d.Chinese, Invert: d.Invert}
	if p.Font == "" && d.language() == device.ZPL {
		p.Font = n.config.LabelFont
	}
	return p
}

// labelProblem says in a text why a label can not be made.
func labelProblem(err error) (key string, args map[string]string) {
	var p *label.Problem
	if errors.As(err, &p) {
		return p.Key, p.Args
	}
	return "printing.no_label", map[string]string{"error": strings.ToValidUTF8(err.Error(), "\uFFFD")}
}

// gtinOf returns the GTIN that was scanned.
func gtinOf(f station.Feedback) stock.GTIN {
	switch {
	case f.Scan == nil:
		return ""
	case f.Scan.GTIN != "":
		return stock.GTIN(f.Scan.GTIN)
	}
	return stock.GTIN(f.Scan.Content)
}
