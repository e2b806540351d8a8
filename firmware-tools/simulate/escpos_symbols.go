package simulate

import (
	"bytes"
	"errors"
	"fmt"

	"stockade/internal/symbol"
)

// raster is GS v 0 m xL xH yL yH data.
func (e *escpos) raster(c []byte, to sink) {
	stride, height := int(c[4])+int(c[5])*256, int(c[6])+int(c[7])*256
	if c[2] != '0' || c[3]%48 > 3 || stride == 0 || height == 0 {
		to.warn(warned(wrongValue, "GS v %X", c[2:8]))
		return
	}
	p := newPicture(stride, height, c[8:], false)
	p.wide, p.high = 1+int(c[3]&1), 1+int(c[3]>>1&1)
	e.block(p, p.Width*p.wide, p.Height*p.high, "GS v 0", to)
}

// barcode is GS k m data NUL, or from m = 65 on GS k m n data.
func (e *escpos) barcode(c []byte, to sink) {
	kind, data := c[2], c[3:]
	if kind >= 65 {
		data = c[4:]
	} else {
		data = bytes.TrimSuffix(data, []byte{0})
	}
	d := bars{module: e.set.module, height: e.set.barHeight, size: 24}
	says := string(data)
	var err error
	switch kind {
	case 2, 67:
		says, err = ean13(says)
		message := says
		d.symbol = func() (symbol.Symbol, error) { return symbol.Make(symbol.EAN13, message) }
	case 73:
		var values symbol.Values
		values, says, err = posCode128(data)
		d.symbol = func() (symbol.Symbol, error) { return values.Symbol(symbol.Code128) }
	default:
		to.warn(warned(unknownCommand, "GS k %d", kind))
		return
	}
	if err != nil {
		to.warn(warned(wrongValue, "GS k %d: %v", kind, err))
		return // ESC/POS prints nothing then
	}
	if e.set.human > 0 {
		d.says, d.above = says, e.set.human == 1
	}
	e.blockOf(d, "GS k", to)
}

// blockOf prints a symbol, whose size is known once it is drawn.
func (e *escpos) blockOf(d drawing, named string, to sink) {
	dots, _, err := d.draw(nil)
	if err != nil {
		to.warn(warned(wrongValue, "%s: %v", named, err))
		return
	}
	if dots.Width > e.area() { // Epson: a symbol that is too wide is not printed
		to.warn(warned(outsideLabel, "%s: %d > %d", named, dots.Width, e.area()))
		return
	}
	e.block(d, dots.Width, dots.Height, named, to)
}

// posCode128 reads { and a letter as codes: A, B and C choose a subset, S is shift, 1 to 4 are FNC1 to FNC4, { is
// itself. In C a byte is a value. It has to begin with a subset.
func posCode128(data []byte) (symbol.Values, string, error) {
	if len(data) < 2 || data[0] != '{' || data[1] < 'A' || data[1] > 'C' {
		return nil, "", errors.New("必须以 {A、{B 或 {C 开头 / has to begin with {A, {B or {C")
	}
	var c code128
	c.start(subset(data[1]))
	for i := 2; i < len(data); i++ {
		b := data[i]
		if b == '{' {
			if i++; i >= len(data) {
				return nil, "", errors.New("{ 之后没有内容 / nothing after {")
			}
			switch b = data[i]; {
			case b >= 'A' && b <= 'C':
				c.change(subset(b))
			case b == '{' && c.set != 'C':
				c.add(b)
			case b == 'S' && c.set != 'C':
				c.values = append(c.values, code128Shift)
			case b == '1':
				c.values = append(c.values, symbol.Fnc1)
			case b == '2' && c.set != 'C':
				c.values = append(c.values, 97)
			case b == '3' && c.set != 'C':
				c.values = append(c.values, 96)
			case b == '4' && c.set != 'C':
				c.values = append(c.values, map[subset]int{'A': code128A, 'B': symbol.CodeB}[c.set])
			default:
				return nil, "", fmt.Errorf("{%c", b)
			}
			continue
		}
		switch {
		case c.set != 'C':
			c.add(b)
		case b > 99:
			return nil, "", fmt.Errorf("子集 C 的字节只能是 0...99 / a byte of subset C is 0 to 99, not %d", b)
		default:
			c.pair('0'+b/10, '0'+b%10)
		}
	}
	return c.values, c.says.String(), c.fault()
}

// twoD is GS ( k pL pH cn fn parameters: cn 49 is QR, 54 Data Matrix.
func (e *escpos) twoD(c []byte, to sink) {
	if len(c) < 7 {
		to.warn(warned(wrongValue, "GS ( k %X", c[3:]))
		return
	}
	kind, function, p := c[5], c[6], c[7:]
	keep := map[byte]*pos2D{49: &e.qr, 54: &e.dm}[kind]
	if keep == nil {
		to.warn(warned(unknownCommand, "GS ( k cn=%d", kind))
		return
	}
	switch {
	case function == 65: // model, or shape
	case function == 67 && len(p) >= 1 && p[0] >= 1 && p[0] <= 16:
		keep.module = int(p[0])
	case function == 69 && len(p) >= 1 && p[0] >= 48 && p[0] <= 51 && kind == 49:
		if keep.level = "LMQH"[p[0]-48]; keep.level != 'M' {
			to.warn(warned(notExact, "QR: 纠错级别 %c 按 M 打印 / level %c is drawn as M", keep.level, keep.level))
		}
	case function == 80 && len(p) >= 1 && p[0] == 48:
		keep.data = bytes.Clone(p[1:])
	case function == 81:
		k, message := map[byte]symbol.Kind{49: symbol.QR, 54: symbol.DataMatrix}[kind], string(keep.data)
		e.blockOf(matrix{func() (symbol.Symbol, error) { return symbol.Make(k, message) }, keep.module, 0}, "GS ( k "+string(k), to)
	default:
		to.warn(warned(wrongValue, "GS ( k cn=%d fn=%d", kind, function))
	}
}
