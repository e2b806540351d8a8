package attachments

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

// Bounds of packed files. What a directory promises is added up before anything is unpacked, and only small parts are unpacked.
const (
	mostEntries  = 5_000
	mostUnpacked = 256 << 20 // bytes of all entries
	mostPart     = 1 << 20   // bytes of a part that is read
	mostParts    = 16 << 20  // bytes of all that are read
)

func isZip(head []byte) bool { return bytes.HasPrefix(head, []byte("PK\x03\x04")) }

// active are types of parts and relations that make an office file do something by itself (ECMA-376, [MS-OFFMACRO]).
var active = []string{"macroenabled", "vbaproject", "macrosheet", "activex", "attachedtemplate", "oleobject", "customui", "dialogsheet", "keymapcustomizations"}

// checkZip tells office files and OFD apart by what they hold and refuses those with macros, locked parts and what would unpack to too much.
func checkZip(r io.ReaderAt, size int64) (string, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return "", refuse(Broken, "%v", err)
	}
	if len(z.File) > mostEntries {
		return "", refuse(Bomb, "%d entries", len(z.File))
	}
	var packed, unpacked uint64
	seen := map[string]*zip.File{}
	for _, f := range z.File {
		if err := checkEntry(f); err != nil {
			return "", err
		}
		packed, unpacked = packed+f.CompressedSize64, unpacked+f.UncompressedSize64
		if f.UncompressedSize64 > mostUnpacked || unpacked > mostUnpacked || packed > uint64(size) { // #nosec G115 -- a length
			return "", refuse(Bomb, "%d bytes in %d", unpacked, packed)
		}
		name := strings.ToLower(f.Name)
		if seen[name] != nil {
			return "", refuse(Broken, "%q twice", f.Name)
		}
		seen[name] = f
	}
	if seen["ofd.xml"] != nil {
		return mimeOFD, nil
	}
	if seen["[content_types].xml"] == nil {
		return "application/zip", nil
	}
	return checkOffice(z, seen["[content_types].xml"])
}

func checkEntry(f *zip.File) error {
	name := strings.ToLower(f.Name)
	switch {
	case f.Flags&1 != 0:
		return refuse(Locked, "%q", f.Name)
	case !filepath.IsLocal(f.Name) || strings.ContainsAny(f.Name, "\\\x00"), f.Mode()&fs.ModeSymlink != 0:
		return refuse(Broken, "name %q", f.Name)
	case path.Base(name) == "vbaproject.bin", strings.Contains(name, "/macrosheets/"), strings.Contains(name, "/activex/"), strings.HasPrefix(name, "customui/"), strings.Contains(name, "oleobject"):
		return refuse(Macros, "%q", f.Name)
	}
	return nil
}

// checkOffice reads the table of contents of an office file and how its parts hang together.
func checkOffice(z *zip.Reader, contents *zip.File) (mime string, err error) {
	left := int64(mostParts)
	err = eachElement(contents, &left, func(e xml.StartElement) error {
		kind := attribute(e, "ContentType")
		switch kind {
		case mimeXLSX + ".main+xml":
			mime = mimeXLSX
		case mimeDOCX + ".main+xml":
			mime = mimeDOCX
		}
		return inert(kind)
	})
	if err != nil {
		return "", err
	}
	for _, f := range z.File {
		if !strings.HasSuffix(strings.ToLower(f.Name), ".rels") {
			continue
		}
		if err := eachElement(f, &left, func(e xml.StartElement) error { return inert(attribute(e, "Type")) }); err != nil {
			return "", err
		}
	}
	if mime == "" {
		mime = "application/zip"
	}
	return mime, nil
}

func inert(kind string) error {
	kind = strings.ToLower(kind)
	for _, a := range active {
		if strings.Contains(kind, a) {
			return refuse(Macros, "%s", kind)
		}
	}
	return nil
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// eachElement calls f for each element of an XML part. encoding/xml fetches nothing and knows no entities but XML's own five.
func eachElement(f *zip.File, left *int64, fn func(xml.StartElement) error) error {
	in, err := f.Open()
	if err != nil {
		return refuse(Broken, "%q: %v", f.Name, err)
	}
	defer in.Close()
	limited := &io.LimitedReader{R: in, N: min(mostPart, *left) + 1}
	had := limited.N
	d := xml.NewDecoder(limited)
	for {
		t, err := d.Token()
		if limited.N <= 0 {
			return refuse(Bomb, "%q", f.Name)
		}
		if errors.Is(err, io.EOF) {
			*left -= had - limited.N
			return nil
		}
		if err != nil {
			return refuse(Broken, "%q: %v", f.Name, err)
		}
		if e, ok := t.(xml.StartElement); ok {
			if err := fn(e); err != nil {
				return err
			}
		}
	}
}
