package simulate

import "bytes"

// maxFormat is the most bytes of one format that are kept; a longer one is dropped.
const maxFormat = 1 << 20

// zplReader finds formats and the commands that take effect at once in what a host sends. It knows
// no command inside a format; bytes outside formats are passed over and take no room.
type zplReader struct {
	window [3]byte // the last bytes, none of them before the last command
	format []byte  // the format under way; nil between formats
}

// zplEvent is what a byte completed.
type zplEvent int

const (
	zplNothing zplEvent = iota
	zplFormat           // a format, ^XA to ^XZ
	zplStatus           // ~HS
	zplCancel           // ~JA
)

// next takes one byte. The format it returns belongs to the caller.
func (z *zplReader) next(b byte) (zplEvent, []byte) {
	z.window = [3]byte{z.window[1], z.window[2], b}
	switch string(bytes.ToUpper(z.window[:])) {
	case "~HS":
		z.takeBack()
		return zplStatus, nil
	case "~JA":
		z.reset()
		return zplCancel, nil
	case "^XA":
		if z.format == nil {
			z.format = bytes.Clone(z.window[:])
			return zplNothing, nil
		}
	case "^XZ":
		if format := z.format; format != nil {
			z.reset()
			return zplFormat, append(format, b)
		}
	}
	if z.format != nil {
		if z.format = append(z.format, b); len(z.format) > maxFormat {
			z.reset()
		}
	}
	return zplNothing, nil
}

// takeBack takes the two bytes of a command before its last one out of the format: the command is
// no part of the label it came in between.
func (z *zplReader) takeBack() {
	z.window = [3]byte{}
	if z.format != nil {
		z.format = z.format[:len(z.format)-2]
	}
}

func (z *zplReader) reset() { *z = zplReader{} }
