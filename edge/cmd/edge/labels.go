package main

import (
	"errors"
	"io/fs"
	"log/slog"

	"stockade/edge/device"
	"stockade/edge/station"
	"stockade/internal/raster"
	"stockade/protocol/stock"
)

// openTypeface opens the font that draws Chinese on labels. Where none was named and Debian's is not
// there, names in Chinese are left to the printers' own fonts.
func openTypeface(c config, log *slog.Logger) (*raster.Typeface, error) {
	if c.Typeface != "" {
		return raster.OpenTypeface(c.Typeface)
	}
	face, err := raster.OpenTypeface(defaultTypeface)
	if errors.Is(err, fs.ErrNotExist) {
		if c.LabelFont == "" && c.printers() {
			log.Warn("no font for Chinese on labels: install fonts-noto-cjk, or set typeface or label_font")
		}
		return nil, nil
	}
	return face, err
}

// defaultTypeface is where Debian's fonts-noto-cjk puts its font.
const defaultTypeface = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"

func (c config) printers() bool {
	for _, d := range c.Devices {
		if d.Kind == string(device.KindPrinter) {
			return true
		}
	}
	return false
}

// print queues the label of a goods receipt. What becomes of it is logged; it never holds up a scan.
func (n *node) print(st *station.Station, printer *device.Printer, f station.Feedback) {
	if printer == nil || f.Code != station.Received {
		return
	}
	data, err := n.receiptLabel(f, deviceConfig{})
	if err == nil {
		err = printer.Print(device.Job{ID: f.Movement, Data: data, Done: func(r device.Result, err error) {
			if r != device.Confirmed {
				n.log.Warn("label was not confirmed", "movement", f.Movement, "result", string(r), "error", err)
			}
		}})
	}
	if err != nil {
		n.log.Warn("no label", "station", st.Config().Name, "movement", f.Movement, "error", err)
	}
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
