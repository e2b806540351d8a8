// Package symbol makes barcodes of messages: Code 128, EAN-13, Data Matrix and QR, and the
// first and third with the FNC1 that makes GS1 symbols of them.
//
// A symbol is a grid of modules, dark or light, without its quiet zone. How large a module becomes, and
// with what it is drawn, is for others.
package symbol

import (
	"errors"
	"fmt"
	"image/color"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/datamatrix"
	"github.com/boombuler/barcode/ean"
	"github.com/boombuler/barcode/qr"
)

// Kind is a symbology. The words stand in label templates.
type Kind string

// The kinds. In the message of a GS1 symbol FNC1 stands for the function character.
const (
	Code128       Kind = "code128"
	GS1128        Kind = "gs1-128"
	EAN13         Kind = "ean13"
	DataMatrix    Kind = "datamatrix"
	GS1DataMatrix Kind = "gs1-datamatrix"
	QR            Kind = "qr"
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Code128, GS1128, EAN13, DataMatrix, GS1DataMatrix, QR} }

// GS1 reports whether messages of the kind are element strings.
func (k Kind) GS1() bool { return k == GS1128 || k == GS1DataMatrix }

// Linear reports whether symbols of the kind have bars rather than a matrix.
func (k Kind) Linear() bool { return k == Code128 || k == GS1128 || k == EAN13 }

// FNC1 stands for the function character in a message: it ends an element whose length is not
// fixed. Scanners send it as this character, GS. The one that a GS1 symbol begins with is not written.
const FNC1 = '\x1d'

// ErrMessage is wrapped by errors about messages that a symbol can not hold.
var ErrMessage = errors.New("message can not stand in this barcode")

// Symbol is a grid of modules.
type Symbol struct {
	Kind   Kind
	Width  int
	Height int // 1 for linear symbols: bars have the height that one gives them
	Quiet  int // modules that must stay light at the left and right, and around a matrix
	dark   []bool
}

// Dark reports whether the module at column x of row y is dark. Outside the symbol all is light.
func (s Symbol) Dark(x, y int) bool {
	return x >= 0 && x < s.Width && y >= 0 && y < s.Height && s.dark[y*s.Width+x]
}

// Runs calls draw for each run of dark modules: from column x of row y, n modules wide.
func (s Symbol) Runs(draw func(x, y, n int)) {
	for y := range s.Height {
		for x := 0; x < s.Width; x++ {
			n := 0
			for s.Dark(x+n, y) {
				n++
			}
			if n > 0 {
				draw(x, y, n)
				x += n
			}
		}
	}
}

// Make encodes a message. The error wraps ErrMessage.
func Make(k Kind, message string) (Symbol, error) {
	switch k {
	case Code128, GS1128:
		c, err := EncodeCode128(k, message)
		if err != nil {
			return Symbol{}, err
		}
		return c.symbol(k), nil
	case EAN13:
		if len(message) != 13 {
			return Symbol{}, fmt.Errorf("%w: %q has not 13 digits", ErrMessage, message)
		}
		c, err := ean.Encode(message)
		return grid(k, c, err, message)
	case DataMatrix:
		for i := range len(message) {
			if message[i] >= 0x80 {
				return Symbol{}, fmt.Errorf("%w: %q is not ASCII", ErrMessage, message)
			}
		}
		c, err := datamatrix.Encode(message)
		return grid(k, c, err, message)
	case GS1DataMatrix:
		b := []byte{datamatrix.FNC1}
		for i := range len(message) {
			switch c := message[i]; {
			case c == FNC1:
				b = append(b, datamatrix.FNC1)
			case c < ' ' || c > '~':
				return Symbol{}, fmt.Errorf("%w: %q has byte %#02x", ErrMessage, message, c)
			default:
				b = append(b, c)
			}
		}
		c, err := datamatrix.Encode(string(b))
		return grid(k, c, err, message)
	case QR:
		c, err := qr.Encode(message, qr.M, qr.Auto)
		if err != nil { // auto knows digits, capitals and Latin-1 only by its own rules
			c, err = qr.Encode(message, qr.M, qr.Unicode)
		}
		return grid(k, c, err, message)
	}
	return Symbol{}, fmt.Errorf("barcode of the unknown kind %q", string(k))
}

// Quiet zones in modules: ISO/IEC 15420 (11 at the left of EAN-13), ISO/IEC 16022, ISO/IEC 18004.
const (
	quietEAN    = 11
	quietMatrix = 1
	quietQR     = 4
)

// grid takes over what the library drew, one pixel a module.
func grid(k Kind, c barcode.Barcode, err error, message string) (Symbol, error) {
	if err != nil {
		return Symbol{}, fmt.Errorf("%w: %q: %w", ErrMessage, message, err)
	}
	r := c.Bounds()
	s := Symbol{Kind: k, Width: r.Dx(), Height: r.Dy()}
	switch k {
	case EAN13:
		s.Quiet, s.Height = quietEAN, 1
	case QR:
		s.Quiet = quietQR
	default:
		s.Quiet = quietMatrix
	}
	s.dark = make([]bool, 0, s.Width*s.Height)
	for y := range s.Height {
		for x := range s.Width {
			s.dark = append(s.dark, isDark(c.At(r.Min.X+x, r.Min.Y+y)))
		}
	}
	return s, nil
}

func isDark(c color.Color) bool { return color.Gray16Model.Convert(c).(color.Gray16).Y < 0x8000 }
