package attachments

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // sizes of pictures
	_ "image/png"  // sizes of pictures
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"
	_ "golang.org/x/image/webp" // sizes of pictures
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Look says how a file is shown on the screen.
type Look string

// The looks.
const (
	Picture  Look = "picture"
	Document Look = "document" // PDF
	Text     Look = "text"
	Nothing  Look = "" // only to be downloaded
)

// Type is a type of file that is taken.
type Type struct {
	MIME    string
	Endings []string // of names, in small letters
	Look    Look
}

// types are all that are taken. What is not here is refused, whatever its name says.
var types = []Type{
	{"application/pdf", []string{".pdf"}, Document},
	{"image/jpeg", []string{".jpg", ".jpeg"}, Picture},
	{"image/png", []string{".png"}, Picture},
	{"image/webp", []string{".webp"}, Picture},
	{"image/heic", []string{".heic", ".heif"}, Nothing}, // no browser but Safari shows it
	{mimeText, []string{".txt"}, Text},
	{"text/csv", []string{".csv"}, Text},
	{mimeXLSX, []string{".xlsx"}, Nothing},
	{mimeDOCX, []string{".docx"}, Nothing},
	{mimeOFD, []string{".ofd"}, Nothing}, // GB/T 33190, the format of Chinese electronic invoices
}

const (
	mimeText = "text/plain"
	mimeXLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	mimeDOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	mimeOFD  = "application/ofd"
)

// Endings returns the endings of names that are taken, as an input's accept wants them.
func Endings() (out []string) {
	for _, t := range types {
		out = append(out, t.Endings...)
	}
	return out
}

// LookOf returns how a file of a media type is shown.
func LookOf(mime string) Look {
	if n := slices.IndexFunc(types, func(t Type) bool { return t.MIME == mime }); n >= 0 {
		return types[n].Look
	}
	return Nothing
}

// Refused says why a file is not taken.
type Refused struct {
	Why    Why
	Detail string // a name from the file's inside, for the log
}

func (r *Refused) Error() string {
	return strings.TrimSuffix("file refused: "+string(r.Why)+": "+r.Detail, ": ")
}

// Why is a reason; the words are keys of the texts under "file.refused_".
type Why string

// The reasons.
const (
	WrongType   Why = "type"      // not among types
	WrongEnding Why = "ending"    // its name says something else than its contents
	Macros      Why = "macros"    // it holds macros, controls or a template from elsewhere
	Locked      Why = "locked"    // it is protected with a password
	Active      Why = "active"    // a PDF with scripts or programs
	Broken      Why = "broken"    // it ends early or can not be read
	Bomb        Why = "bomb"      // it unpacks to too much
	NotText     Why = "not_text"  // neither UTF-8 nor GB18030, or with control characters
	Unsafe      Why = "dangerous" // something that a browser or a system would run
)

func refuse(why Why, detail string, args ...any) error {
	return &Refused{Why: why, Detail: fmt.Sprintf(detail, args...)}
}

// mostDots is how many dots a picture may have, so that no browser has to unpack more than 400 MB.
const mostDots = 100_000_000

// Check looks at the contents of a file with that name and returns its type, or a *Refused. The name decides nothing; it has to agree.
func Check(name string, r io.ReaderAt, size int64) (Type, error) {
	mime, err := typeOf(r, size)
	if err != nil {
		return Type{}, err
	}
	ending := strings.ToLower(filepath.Ext(name))
	if mime == mimeText && ending == ".csv" {
		mime = "text/csv" // the contents do not tell these two apart
	}
	n := slices.IndexFunc(types, func(t Type) bool { return t.MIME == mime })
	if n < 0 {
		return Type{}, refuse(WrongType, "%s", mime)
	}
	if !slices.Contains(types[n].Endings, ending) {
		return Type{}, refuse(WrongEnding, "%s is %s", ending, mime)
	}
	return types[n], nil
}

// typeOf finds the type by the contents and checks what can be checked of it.
func typeOf(r io.ReaderAt, size int64) (string, error) {
	head := make([]byte, min(size, 8<<10))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	found := mimetype.Detect(head)
	mime, _, _ := strings.Cut(found.String(), ";")
	switch {
	case mime == "application/pdf":
		return mime, checkPDF(r, size)
	case mime == "image/jpeg", mime == "image/png", mime == "image/webp":
		return mime, checkPicture(r, size)
	case mime == "image/heic", mime == "image/heif":
		return "image/heic", nil
	case isZip(head):
		return checkZip(r, size)
	case mime == "application/x-ole-storage" || found.Is("application/msword") || strings.HasPrefix(mime, "application/vnd.ms-"):
		return "", refuse(Locked, "%s", mime) // the frame of protected workbooks, and of the formats before 2007
	case slices.Contains([]string{mimeText, "text/csv", "text/tab-separated-values"}, mime):
		return mimeText, checkText(r, size)
	case isText(found):
		return "", refuse(Unsafe, "%s", mime) // a page, a picture with scripts, a program
	}
	return "", refuse(WrongType, "%s", mime)
}

// isText reports whether a type is one of text with a meaning for programs.
func isText(m *mimetype.MIME) bool {
	for p := m.Parent(); p != nil; p = p.Parent() {
		if p.Is(mimeText) {
			return true
		}
	}
	return false
}

func checkPicture(r io.ReaderAt, size int64) error {
	c, _, err := image.DecodeConfig(bufio.NewReader(io.NewSectionReader(r, 0, size)))
	if err != nil {
		return refuse(Broken, "%v", err)
	}
	if c.Width < 1 || c.Height < 1 || int64(c.Width)*int64(c.Height) > mostDots {
		return refuse(Bomb, "%d x %d dots", c.Width, c.Height)
	}
	return nil
}

// checkText wants readable text in one of the two encodings that Chinese offices use.
func checkText(r io.ReaderAt, size int64) error {
	whole := func() io.Reader { return io.NewSectionReader(r, 0, size) }
	unreadable := func(c rune) bool { return c < ' ' && !strings.ContainsRune("\t\r\n\f", c) || c == 0x7f }
	utf, err := eachRune(whole(), unreadable)
	if err != nil || utf {
		return err
	}
	gb, err := eachRune(simplifiedchinese.GB18030.NewDecoder().Reader(whole()), unreadable)
	if err == nil && !gb {
		err = refuse(NotText, "")
	}
	return err
}

// eachRune reports whether everything is text without characters that bad finds.
func eachRune(r io.Reader, bad func(rune) bool) (bool, error) {
	b := bufio.NewReader(r)
	for {
		c, n, err := b.ReadRune()
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, err
		case c == utf8.RuneError && n <= 3 || bad(c): // GB18030 has no way to write U+FFFD but by mistake
			return false, nil
		}
	}
}

// ReadText reads the beginning of a text, of at most so many bytes, and says whether there is more.
func ReadText(r io.Reader, most int64) (text string, more bool, err error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return "", false, err
	}
	if more = int64(len(b)) > most; more {
		if n := bytes.LastIndexByte(b, '\n'); n > 0 { // between two lines no letter is cut
			b = b[:n]
		}
	}
	if !utf8.Valid(b) {
		if b, err = simplifiedchinese.GB18030.NewDecoder().Bytes(b); err != nil {
			return "", false, err
		}
	}
	return strings.TrimPrefix(strings.ToValidUTF8(string(b), "�"), "\ufeff"), more, nil
}
