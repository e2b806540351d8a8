package attachments

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"io"
	"strings"
)

// Bounds of what is unpacked of a PDF.
const (
	mostObjects = 16 << 20 // bytes of one object stream
	mostInside  = 64 << 20 // bytes of all
)

// forbidden are names of a PDF that let it do something by itself: scripts, programs, players, forms with scripts of their own (ISO 32000-2, 12.6.4,
// 12.7.8, 13.7).
var forbidden = map[string]bool{"JavaScript": true, "JS": true, "Launch": true, "RichMedia": true, "XFA": true}

// checkPDF looks for such names in all objects, those in compressed object streams too. It reads a PDF as it lies there, not as a program
// would follow it, so a file that was made to deceive may get by; what shows it runs nothing.
// Attached files are let pass: electronic invoices carry their data so.
func checkPDF(r io.ReaderAt, size int64) error {
	tail := make([]byte, min(size, 2<<10))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	head := make([]byte, min(size, 5))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(head) != "%PDF-" || !bytes.Contains(tail, []byte("%%EOF")) {
		return refuse(Broken, "no PDF from its first byte to its last")
	}
	s := &pdfScan{file: r, size: size, left: mostInside}
	return s.scan(bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 64<<10), true)
}

type pdfScan struct {
	file io.ReaderAt
	size int64
	left int64 // that may still be unpacked
}

// counted knows how far it has read.
type counted struct {
	*bufio.Reader
	at int64
}

func (c *counted) next() (byte, error) {
	b, err := c.ReadByte()
	if err == nil {
		c.at++
	}
	return b, err
}

// scan reads objects. At the top it leaves out the contents of streams, except those that hold objects.
func (s *pdfScan) scan(in *bufio.Reader, top bool) error {
	r := &counted{Reader: in}
	var last [6]byte       // letters read last, without gaps
	var dict, objects bool // the last thing before them was the end of a dictionary; it is that of an object stream
	var before byte
	for {
		b, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case b == '/':
			name, err := readName(r)
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if forbidden[name] {
				return refuse(Active, "/%s", name)
			}
			objects = objects || name == "ObjStm"
			dict, last = false, [6]byte{}
		case b >= 'a' && b <= 'z':
			copy(last[:], last[1:])
			last[5] = b
			if top && dict && string(last[:]) == "stream" {
				if err := s.stream(r, objects); err != nil {
					return err
				}
				dict, objects, last = false, false, [6]byte{}
			}
		case isBlank(b):
			dict = dict && last == [6]byte{} // nothing but blanks stands between a dictionary and its stream
			last = [6]byte{}
		default:
			dict, last = b == '>' && before == '>', [6]byte{}
		}
		before = b
	}
}

// readName reads a name behind its slash, with #xx as what it stands for (7.3.5).
func readName(r *counted) (string, error) {
	var b strings.Builder
	for b.Len() < 64 {
		next, err := r.Peek(1)
		if err != nil {
			return b.String(), err
		}
		c := next[0]
		if isBlank(c) || strings.IndexByte("()<>[]{}/%", c) >= 0 {
			break
		}
		_, _ = r.next() // it was looked at
		if c == '#' {
			if hex, err := r.Peek(2); err == nil {
				hi, lo := fromHex(hex[0]), fromHex(hex[1])
				if hi >= 0 && lo >= 0 {
					_, _ = r.next()
					_, _ = r.next()
					c = byte(hi<<4 | lo) // #nosec G115 -- two digits
				}
			}
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

func isBlank(b byte) bool {
	return b == 0 || b == '\t' || b == '\n' || b == '\f' || b == '\r' || b == ' '
}

func fromHex(b byte) int {
	if b >= 'A' && b <= 'F' {
		b += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", b)
}

// stream passes over a stream's contents. Those of an object stream are unpacked and read first.
func (s *pdfScan) stream(r *counted, objects bool) error {
	for range 2 {
		if b, err := r.Peek(1); err == nil && (b[0] == '\r' || b[0] == '\n') {
			_, _ = r.next()
		}
	}
	if objects {
		if err := s.unpack(r.at); err != nil {
			return err
		}
	}
	var last [9]byte
	for {
		b, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		copy(last[:], last[1:])
		last[8] = b
		if string(last[:]) == "endstream" {
			return nil
		}
	}
}

func (s *pdfScan) unpack(at int64) error {
	z, err := zlib.NewReader(bufio.NewReader(io.NewSectionReader(s.file, at, s.size-at)))
	if err != nil {
		return nil //nolint:nilerr // packed in another way, or encrypted
	}
	limited := &io.LimitedReader{R: z, N: min(mostObjects, s.left) + 1}
	had := limited.N
	err = s.scan(bufio.NewReaderSize(limited, 64<<10), false)
	s.left -= had - limited.N
	var refused *Refused
	switch {
	case errors.As(err, &refused):
		return err
	case limited.N <= 0:
		return refuse(Bomb, "an object stream of more than %d bytes", had-1)
	}
	return nil // a damaged stream is read as far as it goes
}
