package main

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/edge/dashboard"
	"stockade/edge/device"
	"stockade/edge/store"
	"stockade/internal/identity"
	"stockade/internal/label"
	"stockade/internal/preview"
	"stockade/internal/web"
	"stockade/protocol/barcode"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// labels adapts what people may have printed.
type labels struct{ *node }

func (n labels) LabelTemplates(ctx context.Context) ([]dashboard.LabelTemplate, error) {
	templates, err := n.templates(ctx)
	var out []dashboard.LabelTemplate
	for _, t := range templates {
		d := dashboard.LabelTemplate{ID: t.ID, Kind: string(t.Kind), Name: t.Name, NameEN: t.NameEN, Width: t.Width, Height: t.Height}
		for _, name := range t.Fields() {
			f := dashboard.LabelField{Name: name, Required: t.Requires(name), Numbered: name == "sscc"}
			if f.Numbered || name == "serial" {
				d.Numbers = name
			}
			d.Fields = append(d.Fields, f)
		}
		out = append(out, d)
	}
	return out, err
}

func (n labels) find(ctx context.Context, id string) (label.Template, error) {
	t, err := n.templateOf(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		err = web.NotFound()
	}
	return t, err
}

// maxBins is how many bins one order may name.
const maxBins = 200

func (n labels) FillLabel(ctx context.Context, id string, known map[string]string) (map[string]string, error) {
	t, err := n.find(ctx, id)
	if err != nil {
		return nil, err
	}
	v := maps.Clone(known)
	fields := t.Kind.Fields()
	set := func(name, value string) {
		if slices.Contains(fields, name) && v[name] == "" {
			v[name] = value
		}
	}
	set("warehouse", string(n.enrolment.Trust.Warehouse))
	set("day", n.clock.Wall().In(n.config.zone()).Format("2006-01-02"))
	if sku := known["sku"]; sku != "" {
		err := n.store.View(ctx, func(tx *store.Tx) error {
			item, err := tx.Item(stock.SKU(sku))
			if errors.Is(err, store.ErrNotFound) { // a barcode, as people scan it into the field
				code := sku
				if scans := barcode.Decode(barcode.Profile{}, []byte(sku), n.clock.Wall()); len(scans) == 1 && scans[0].GTIN != "" {
					code = scans[0].GTIN
				}
				item, err = tx.ItemByCode(code)
			}
			if errors.Is(err, store.ErrNotFound) {
				delete(v, "sku")
				return nil
			}
			if err != nil {
				return err
			}
			v["sku"] = string(item.SKU)
			set("name", item.Name)
			set("name_en", item.NameEN)
			set("unit", item.Unit)
			if gtin := string(item.Code.GTIN); barcode.ValidGTIN(gtin) && len(gtin) == 14 {
				set("gtin", gtin)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

// printer returns the configuration of a printer.
func (n *node) printer(name string) (deviceConfig, error) {
	for _, d := range n.config.Devices {
		if d.Name == name && d.Kind == string(device.KindPrinter) {
			return d, nil
		}
	}
	return deviceConfig{}, web.Fail(fiber.StatusUnprocessableEntity, "newlabel.which_printer")
}

// expand makes of an order the values of each label. A bin label may name many bins. With numbers, number is asked for
// as many as there are units.
func (n labels) expand(t label.Template, o dashboard.LabelOrder, number func(field string, units int) ([]string, error)) ([]label.Values, error) {
	base := label.Values{}
	for name, s := range o.Values {
		if slices.Contains(t.Kind.Fields(), name) {
			base[name] = s
		}
	}
	each := []label.Values{base}
	field := numbered(t, o)
	switch {
	case field != "":
		numbers, err := number(field, o.Units)
		if err != nil {
			return nil, err
		}
		each = nil
		for _, s := range numbers {
			v := maps.Clone(base)
			v[field] = s
			each = append(each, v)
		}
	case t.Kind == label.Bin:
		bins := strings.FieldsFunc(base["bin"], func(r rune) bool {
			return r == ' ' || r == '\n' || r == '\r' || r == '\t' || r == ',' || r == '，' || r == '、'
		})
		if len(bins) > maxBins {
			return nil, web.Fail(fiber.StatusUnprocessableEntity, "newlabel.too_many_bins", "most", strconv.Itoa(maxBins))
		}
		each = nil
		for _, b := range bins {
			v := maps.Clone(base)
			v["bin"] = b
			each = append(each, v)
		}
		if len(each) == 0 {
			each = []label.Values{base} // the layout says what is missing
		}
	}
	return each, nil
}

// numbered returns the field that the node gives a number to; empty for none.
func numbered(t label.Template, o dashboard.LabelOrder) string {
	switch fields := t.Fields(); {
	case slices.Contains(fields, "sscc"):
		return "sscc"
	case o.Number && slices.Contains(fields, "serial"):
		return "serial"
	}
	return ""
}

// sampleSerial stands for a serial number: a prefix of seven digits and a number in the millions, about as long as they get.
const sampleSerial = "6910420S10000000"

// sampleNumbers stand for numbers that are given when the label is printed.
func sampleNumbers(field string, _ int) ([]string, error) {
	if field == "serial" {
		return []string{sampleSerial}, nil
	}
	return []string{label.Pallet.Sample()[field]}, nil
}

func (n labels) PreviewLabel(ctx context.Context, o dashboard.LabelOrder, pdf bool) ([]byte, []dashboard.Sentence, error) {
	t, err := n.find(ctx, o.Template)
	if err != nil {
		return nil, nil, err
	}
	d := deviceConfig{}
	if o.Printer != "" {
		if d, err = n.printer(o.Printer); err != nil {
			return nil, nil, err
		}
	}
	each, err := n.expand(t, o, sampleNumbers)
	if err != nil {
		return nil, nil, err
	}
	if !pdf {
		each = each[:1]
	}
	p := n.labelPrinter(d)
	var file []byte
	var problems []*label.Problem
	if pdf {
		err = n.previews.Turn(ctx, func() (err error) { file, problems, err = n.labelPDF(t, each, p, numbered(t, o)); return err })
	} else {
		file, problems, err = n.previews.Draw(ctx, t, each[0], p)
	}
	if errors.Is(err, preview.ErrBusy) {
		return nil, nil, web.Fail(fiber.StatusServiceUnavailable, "error.busy").Because(err)
	}
	if err != nil {
		return nil, nil, labelFailure(err)
	}
	var warnings []dashboard.Sentence
	for _, w := range problems {
		warnings = append(warnings, dashboard.Sentence{Key: w.Key, Args: w.Args})
	}
	return file, warnings, nil
}

// labelPDF draws labels on pages. A number that is given when the label is printed is left blank: nobody took it.
func (n labels) labelPDF(t label.Template, each []label.Values, p label.Printer, number string) (file []byte, problems []*label.Problem, err error) {
	var layouts []*label.Layout
	for _, v := range each {
		l, err := t.Layout(v, p, n.typeface)
		if err != nil {
			return nil, nil, err
		}
		problems = append(problems, l.Warnings...)
		if number != "" {
			l.Blank(v[number])
		}
		layouts = append(layouts, l)
	}
	file, err = label.PDF(t.Name, layouts)
	return file, problems, err
}

// labelFailure tells the reader why a label can not be made.
func labelFailure(err error) error {
	var p *label.Problem
	if !errors.As(err, &p) {
		return err
	}
	f := web.Fail(fiber.StatusUnprocessableEntity, p.Key)
	f.Args = p.Args
	return f
}

// PrintLabels takes the numbers, queues the labels and says so in the audit trail, all in one transaction: a number is on no
// label that was not queued, and no label is queued twice.
func (n labels) PrintLabels(ctx context.Context, o dashboard.LabelOrder, by identity.Person) (int, error) {
	t, err := n.find(ctx, o.Template)
	if err != nil {
		return 0, err
	}
	d, err := n.printer(o.Printer)
	if err != nil {
		return 0, err
	}
	// Whatever can be wrong with a label is found out before a number is taken.
	each, err := n.expand(t, o, sampleNumbers)
	if err != nil {
		return 0, err
	}
	for _, v := range each {
		if _, err := t.Layout(v, n.labelPrinter(d), n.typeface); err != nil {
			return 0, labelFailure(err)
		}
	}
	once, err := orderMark(o, by)
	if err != nil {
		return 0, err
	}
	queued := 0
	err = n.store.Update(ctx, func(tx *store.Tx) error {
		queued = 0
		if once != "" {
			known, err := tx.MarkedPrint(once, n.clock.Wall().Add(-onceFor))
			if err != nil {
				return err
			}
			if known {
				if queued = len(each) * o.Copies; numbered(t, o) != "" {
					queued = o.Units * o.Copies
				}
				return nil
			}
		}
		made := n.made(by)
		each, err := n.expand(t, o, func(field string, units int) ([]string, error) {
			if field == "sscc" {
				return tx.TakeSSCCs(units, made)
			}
			return tx.TakeSerials(units, made)
		})
		if err != nil {
			return err
		}
		for _, v := range each {
			content, err := json.Marshal(v)
			if err != nil {
				return err
			}
			for range o.Copies {
				job := store.NewPrint{Printer: o.Printer, Template: t.ID, Title: labelTitle(t, v), Actor: by.Actor(), Content: content}
				if queued == 0 {
					job.Mark = once
				}
				if _, err := tx.QueuePrint(job, n.clock.Wall()); err != nil {
					return err
				}
				queued++
			}
		}
		return n.record(tx.Vault(), change.Entry{Act: "label.printed", Object: t.ID, Outcome: "ok",
			Detail: map[string]string{"printer": o.Printer, "labels": strconv.Itoa(queued), "label": labelTitle(t, each[0])}}, by)
	})
	switch {
	case errors.Is(err, store.ErrNoNumbers):
		return 0, web.Fail(fiber.StatusUnprocessableEntity, "newlabel.no_numbers").Because(err)
	case err != nil:
		return 0, printFailure(err)
	}
	n.look(o.Printer)
	return queued, nil
}

// onceFor is how long the same wish, under the same name, is not done again.
const onceFor = 15 * time.Minute

// orderMark is the mark of the first job of an order that has a name, and empty for one without. It tells of the whole order: a
// name that comes with other labels is another wish.
func orderMark(o dashboard.LabelOrder, by identity.Person) (string, error) {
	if o.Once == "" {
		return "", nil
	}
	b, err := json.Marshal([]any{by.Actor(), o})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:10]), nil
}

// labelTitle is what people call a label in the queue.
func labelTitle(t label.Template, v label.Values) string {
	var parts []string
	for _, name := range []string{"bin", "name", "lot", "serial", "sscc", "order", "recipient", "person"} {
		if v[name] != "" && slices.Contains(t.Fields(), name) {
			parts = append(parts, v[name])
		}
	}
	title := t.Name
	if len(parts) > 0 {
		title = fmt.Sprintf("%s · %s", t.Name, strings.Join(parts[:min(3, len(parts))], " · "))
	}
	return string([]rune(title)[:min(120, len([]rune(title)))])
}
