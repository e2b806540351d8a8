package attachments_test

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io/fs"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"stockade/hub/attachments"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func picture() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 40, 30))
	for i := range 40 {
		m.Set(i, i*3/4, color.RGBA{200, byte(i * 6), 10, 255})
	}
	return m
}

func pngFile() []byte {
	var b bytes.Buffer
	must(0, png.Encode(&b, picture()))
	return b.Bytes()
}

// hugePNG is a few bytes that say they are a million dots wide and high.
func hugePNG() []byte {
	b := pngFile()
	binary.BigEndian.PutUint32(b[16:], 1_000_000)
	binary.BigEndian.PutUint32(b[20:], 1_000_000)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func jpegFile() []byte {
	var b bytes.Buffer
	must(0, jpeg.Encode(&b, picture(), nil))
	return b.Bytes()
}

// pdfFile is a PDF whose catalogue holds what is given.
func pdfFile(catalogue string) []byte {
	return fmt.Appendf(nil, "%%PDF-1.7\n%%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R %s >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\ntrailer\n<< /Root 1 0 R /Size 3 >>\nstartxref\n9\n%%%%EOF\n", catalogue)
}

// packedPDF has an object in a compressed object stream, and another stream that may hold anything.
func packedPDF(object, stream string) []byte {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	must(w.Write([]byte("5 0 " + object)))
	must(0, w.Close())
	return fmt.Appendf(nil, "%%PDF-1.7\n4 0 obj\n<</Length %d /Filter/FlateDecode/Type/ObjStm/N 1/First 4>>\nstream\r\n%s\nendstream\nendobj\n6 0 obj\n<</Length 9>>stream\n%s\nendstream\nendobj\nstartxref\n9\n%%%%EOF", z.Len(), z.Bytes(), stream)
}

type part struct{ name, text string }

func zipFile(parts ...part) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, p := range parts {
		f := must(w.Create(p.name))
		must(f.Write([]byte(p.text)))
	}
	must(0, w.Close())
	return b.Bytes()
}

const (
	main     = `application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml`
	contents = `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="%s"/>%s</Types>`
	relation = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/%s" Target="x" TargetMode="External"/></Relationships>`
)

func docx(more ...part) []byte {
	return zipFile(append([]part{{"[Content_Types].xml", fmt.Sprintf(contents, main, "")}, {"word/document.xml", "<w/>"}, {"_rels/.rels", fmt.Sprintf(relation, "hyperlink")}}, more...)...)
}

// locked sets the flag of encryption on every entry.
func locked(b []byte) []byte {
	for _, sign := range []string{"PK\x03\x04", "PK\x01\x02"} {
		for i := 0; ; {
			n := bytes.Index(b[i:], []byte(sign))
			if n < 0 {
				break
			}
			i += n + 4
			b[i+map[string]int{"PK\x03\x04": 2, "PK\x01\x02": 4}[sign]] |= 1
		}
	}
	return b
}

func link() []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "word/document.xml"}
	h.SetMode(fs.ModeSymlink | 0o777)
	must(must(w.CreateHeader(h)).Write([]byte("/etc/passwd")))
	must(0, w.Close())
	return b.Bytes()
}

// lying promises far more than it holds.
func lying() []byte {
	b := zipFile(part{"[Content_Types].xml", "<Types/>"}, part{"word/media/a", strings.Repeat("0", 1000)})
	n := bytes.LastIndex(b, []byte("PK\x01\x02"))
	copy(b[n+24:], []byte{0xff, 0xff, 0xff, 0xef}) // uncompressed size
	return b
}

func xlsx() []byte {
	f := excelize.NewFile()
	must(0, f.SetCellValue("Sheet1", "A1", "合同"))
	return must(f.WriteToBuffer()).Bytes()
}

var webp = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00")

func TestTypes(t *testing.T) {
	gb := must(simplifiedchinese.GB18030.NewEncoder().Bytes([]byte("品名,数量\r\n牛奶,12\r\n")))
	for _, c := range []struct {
		what, name string
		bytes      []byte
		mime       string
		why        attachments.Why
	}{
		{"a PDF", "合同.PDF", pdfFile(""), "application/pdf", ""},
		{"an invoice with its data attached", "invoice.pdf", pdfFile("/Names << /EmbeddedFiles 4 0 R >>"), "application/pdf", ""},
		{"objects that are packed", "a.pdf", packedPDF("<</Type/Font>>", "1 2 3"), "application/pdf", ""},
		{"a stream that looks like a script", "a.pdf", packedPDF("<</Type/Font>>", "/JS (x) /JavaScript"), "application/pdf", ""},
		{"a script", "a.pdf", pdfFile("/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"), "", attachments.Active},
		{"a script, written otherwise", "a.pdf", pdfFile("/OpenAction<</S/J#61vaScr#69pt>>"), "", attachments.Active},
		{"a script that is packed", "a.pdf", packedPDF("<</S/JavaScript/JS(x)>>", ""), "", attachments.Active},
		{"a program", "a.pdf", pdfFile("/OpenAction << /S /Launch /F (cmd.exe) >>"), "", attachments.Active},
		{"half a PDF", "a.pdf", pdfFile("")[:60], "", attachments.Broken},
		{"a PNG", "a.png", pngFile(), "image/png", ""},
		{"a JPEG", "IMG_0001.JPG", jpegFile(), "image/jpeg", ""},
		{"a WebP", "a.webp", webp, "image/webp", ""},
		{"a HEIC", "a.heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic\x00\x00\x00\x08free"), "image/heic", ""},
		{"a picture named as another", "a.pdf", pngFile(), "", attachments.WrongEnding},
		{"a picture without an ending", "a", pngFile(), "", attachments.WrongEnding},
		{"a cut picture", "a.png", pngFile()[:20], "", attachments.Broken},
		{"a picture of a million by a million", "a.png", hugePNG(), "", attachments.Bomb},
		{"UTF-8", "a.txt", []byte("验收合格\n"), "text/plain", ""},
		{"GB18030", "清单.csv", gb, "text/csv", ""},
		{"bytes", "a.txt", []byte("abc\x00\x01\x02\xff\xfe\x99def"), "", attachments.WrongType},
		{"a control character", "a.txt", []byte("plain text \x1b[31m and more plain text"), "", attachments.NotText},
		{"a page", "a.txt", []byte("<!DOCTYPE html><html><script>alert(1)</script></html>"), "", attachments.Unsafe},
		{"a page by its own name", "a.html", []byte("<html><body>x</body></html>"), "", attachments.Unsafe},
		{"a drawing with scripts", "a.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "", attachments.Unsafe},
		{"a program for a shell", "a.txt", []byte("#!/bin/sh\nrm -rf /\n"), "", attachments.Unsafe},
		{"a program", "a.pdf", []byte("MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff"), "", attachments.WrongType},
		{"a workbook", "a.xlsx", xlsx(), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ""},
		{"a letter", "a.docx", docx(), "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ""},
		{"an electronic invoice", "a.ofd", zipFile(part{"OFD.xml", "<ofd/>"}), "application/ofd", ""},
		{"a workbook named as a letter", "a.docx", xlsx(), "", attachments.WrongEnding},
		{"any archive", "a.zip", zipFile(part{"a.txt", "x"}), "", attachments.WrongType},
		{"macros", "a.docx", docx(part{"word/vbaProject.bin", "x"}), "", attachments.Macros},
		{"macros under another name", "a.docx", zipFile(part{"[Content_Types].xml", fmt.Sprintf(contents, main, `<Override PartName="/word/x" ContentType="application/vnd.ms-office.vb&#97;Project"/>`)}), "", attachments.Macros},
		{"a letter for macros", "a.docm", zipFile(part{"[Content_Types].xml", fmt.Sprintf(contents, "application/vnd.ms-word.document.macroEnabled.main+xml", "")}), "", attachments.Macros},
		{"a template from elsewhere", "a.docx", docx(part{"word/_rels/settings.xml.rels", fmt.Sprintf(relation, "attachedTemplate")}), "", attachments.Macros},
		{"an old macro sheet", "a.xlsx", docx(part{"xl/macrosheets/sheet1.xml", "x"}), "", attachments.Macros},
		{"a control", "a.docx", docx(part{"word/activeX/activeX1.bin", "x"}), "", attachments.Macros},
		{"an archive with a password", "a.docx", locked(docx()), "", attachments.Locked},
		{"a workbook with a password", "a.xlsx", append([]byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), make([]byte, 600)...), "", attachments.Locked},
		{"a way out", "a.docx", docx(part{"../../etc/cron.d/x", "x"}), "", attachments.Broken},
		{"a link", "a.docx", link(), "", attachments.Broken},
		{"a name twice", "a.docx", docx(part{"WORD/document.xml", "x"}), "", attachments.Broken},
		{"a bomb by its directory", "a.docx", lying(), "", attachments.Bomb},
		{"a table of contents without end", "a.docx", zipFile(part{"[Content_Types].xml", "<Types>" + strings.Repeat("<Default/>", 200_000) + "</Types>"}), "", attachments.Bomb},
		{"an archive behind a picture", "a.docx", append(pngFile(), docx()...), "", attachments.WrongEnding},
	} {
		got, err := attachments.Check(c.name, bytes.NewReader(c.bytes), int64(len(c.bytes)))
		var refused *attachments.Refused
		switch {
		case c.why == "" && (err != nil || got.MIME != c.mime):
			t.Errorf("%s (%s): %v %v, want %s", c.what, c.name, got.MIME, err, c.mime)
		case c.why != "" && (!errors.As(err, &refused) || refused.Why != c.why):
			t.Errorf("%s (%s): %q %v, want it refused: %s", c.what, c.name, got.MIME, err, c.why)
		}
	}
}

// FuzzCheck: whatever the bytes are, they are judged within bounds, and what passes is of a type that is taken.
func FuzzCheck(f *testing.F) {
	for _, seed := range [][]byte{pdfFile("/JS (x)"), packedPDF("<</A/B>>", "x"), pngFile(), jpegFile(), webp, docx(), xlsx(), locked(docx()), lying(), []byte("品名,数量\n"), []byte("<html>")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, ending := range attachments.Endings() {
			got, err := attachments.Check("x"+ending, bytes.NewReader(b), int64(len(b)))
			var refused *attachments.Refused
			if err != nil && !errors.As(err, &refused) {
				t.Fatalf("%s: %v", ending, err)
			}
			if err == nil && (got.MIME == "" || strings.Contains(got.MIME, "html") || strings.Contains(got.MIME, "svg")) {
				t.Fatalf("%s passes as %q", ending, got.MIME)
			}
		}
	})
}
