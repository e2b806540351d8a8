package main

import (
	"fmt"
	"slices"

	"stockade/edge/device"
	"stockade/internal/label"
)

// printerConfig is the part of a device's configuration that only printers have.
type printerConfig struct {
	// Language is "zpl" (default), "tspl" or "escpos".
	Language string `toml:"language"`
	// DPI is the print head's: 203 (default), 300 or 600.
	DPI int `toml:"dpi"`
	// Chinese is a Chinese font of the printer's own, such as "E:SIMSUN.TTF" (ZPL), "TSS24.BF2" (TSPL) or "gb18030" (ESC/POS);
	// without one, Chinese is printed as a picture.
	Chinese string `toml:"chinese"`
	// Invert is for TSPL printers whose BITMAP takes ones for black.
	Invert bool `toml:"invert"`
}

func (p printerConfig) language() device.Language {
	if p.Language == "" {
		return device.ZPL
	}
	return device.Language(p.Language)
}

// check says what is wrong with the settings of a printer, or with printer settings of a device that is none.
func (p printerConfig) check(kind, flow string) error {
	if kind != string(device.KindPrinter) {
		if p != (printerConfig{}) {
			return fmt.Errorf("language, dpi, chinese and invert are settings of printers, not of a %s", kind)
		}
		return nil
	}
	if !slices.Contains(device.Languages(), p.language()) {
		return fmt.Errorf("language %q: want zpl, tspl or escpos", p.Language)
	}
	if !slices.Contains([]int{0, 203, 300, 600}, p.DPI) {
		return fmt.Errorf("dpi %d: want 203, 300 or 600", p.DPI)
	}
	if p.Invert && p.language() != device.TSPL {
		return fmt.Errorf("invert is a setting of TSPL printers, not of %s", p.language())
	}
	if flow == "xonxoff" && p.language() != device.ZPL {
		return fmt.Errorf("flow \"xonxoff\" does not go with %s, whose pictures may hold the bytes 0x11 and 0x13: use \"rtscts\", or \"none\" at a low speed", p.language())
	}
	if err := (label.Printer{Language: label.Language(p.language()), DPI: p.DPI, Font: p.Chinese}).Check(); err != nil {
		return fmt.Errorf("chinese %q is no font of a %s printer: want such as \"E:SIMSUN.TTF\" (zpl), \"TSS24.BF2\" (tspl), \"gb18030\" (escpos)", p.Chinese, p.language())
	}
	return nil
}
