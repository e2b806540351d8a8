package main

import (
	"errors"

	"stockade/edge/station"
	"stockade/internal/label"
)

// template returns the template of a kind.
func (n *node) template(kind label.Kind) (label.Template, error) {
	for _, t := range label.Standard() {
		if t.Kind == kind {
			return t, nil
		}
	}
	return label.Template{}, errors.New("no label template of the kind " + string(kind))
}

// printerOf tells package label about a printer.
func (n *node) printerOf(deviceConfig) label.Printer {
	return label.Printer{Font: n.config.LabelFont}
}

// receiptLabel makes the label of a goods receipt in the printer's language. Where a lot can not stand in a barcode the
// label goes without one: the goods need a label more than the label a barcode.
func (n *node) receiptLabel(f station.Feedback, d deviceConfig) ([]byte, error) {
	kind := label.Item
	if f.Lot != "" || f.Expiry != "" {
		kind = label.Lot
	}
	t, err := n.template(kind)
	if err != nil {
		return nil, err
	}
	v := label.Values{"name": f.Item, "sku": string(f.SKU), "gtin": string(gtinOf(f)), "lot": string(f.Lot), "serial": string(f.Serial), "expiry": string(f.Expiry),
		"quantity": f.Quantity, "unit": f.Unit, "day": string(f.Day)}
	l, err := t.Layout(v, n.printerOf(d), n.typeface)
	var p *label.Problem
	if errors.As(err, &p) && v["gtin"] != "" {
		n.log.Warn("label has no barcode", "movement", f.Movement, "why", err)
		v["gtin"] = ""
		l, err = t.Layout(v, n.printerOf(d), n.typeface)
	}
	if err != nil {
		return nil, err
	}
	return l.Commands(), nil
}
