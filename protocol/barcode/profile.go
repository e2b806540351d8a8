package barcode

import (
	"maps"
	"slices"
	"strings"
)

// Profile says how a scanner was set up. The zero profile is a plain one.
type Profile struct {
	SSI    bool   // Zebra SSI packets instead of plain frames (F4)
	CodeID string // vendor whose Code IDs precede the data: "zebra" or "datalogic"
	GS     string // what the scanner sends in place of GS 0x1D
}

// ParseProfile reads the space separated tags frame=ssi, codeid=NAME and gs=SUBSTITUTE. Other tags are ignored.
func ParseProfile(tags string) Profile {
	var p Profile
	for tag := range strings.FieldsSeq(tags) {
		name, value, _ := strings.Cut(tag, "=")
		switch name {
		case "frame":
			p.SSI = value == "ssi"
		case "codeid":
			p.CodeID = value
		case "gs":
			p.GS = value
		}
	}
	return p
}

// family says which content rules a symbology follows.
type family uint8

const (
	textual   family = iota // C5
	eanFamily               // C1
	ean8Only                // C1, 8 digits
	upcEOnly                // C1, 8 digits
	eanOrUPCE               // C1, 8 digits being EAN-8 first, then UPC-E
	itfFamily               // C2
	gs1Family               // C3
)

// id is what announces a symbology.
type id struct {
	name   string
	family family
	eci    bool // C6
	addOn  bool // ]E3: the add-on follows without an identifier of its own
}

// aimID reads an AIM identifier (ISO/IEC 15424) at the beginning of b.
func aimID(b []byte) (id, []byte, bool) {
	if len(b) < 3 || b[0] != ']' || !alphanumeric(b[2]) {
		return id{}, nil, false
	}
	m, rest := b[2], b[3:]
	switch b[1] {
	case 'A':
		return id{name: "Code 39"}, rest, true
	case 'C':
		if m == '1' {
			return id{name: "GS1-128", family: gs1Family}, rest, true
		}
		return id{name: "Code 128"}, rest, true
	case 'E':
		if m == '4' {
			return id{name: "EAN-8", family: ean8Only}, rest, true
		}
		return id{name: "EAN/UPC", family: eanFamily, addOn: m == '3'}, rest, true
	case 'e':
		f := textual // C3 names e0 only
		if m == '0' {
			f = gs1Family
		}
		return id{name: "GS1 DataBar", family: f}, rest, true
	case 'I':
		return id{name: "ITF", family: itfFamily}, rest, true
	case 'Q':
		if m == '3' || m == '4' {
			return id{name: "GS1 QR Code", family: gs1Family, eci: m == '4'}, rest, true
		}
		return id{name: "QR Code", eci: m == '2'}, rest, true
	case 'd':
		if m == '2' || m == '5' {
			return id{name: "GS1 DataMatrix", family: gs1Family, eci: m == '5'}, rest, true
		}
		return id{name: "Data Matrix", eci: m == '4'}, rest, true
	case 'J':
		if m == '1' {
			return id{name: "GS1 DotCode", family: gs1Family}, rest, true
		}
		return id{name: "DotCode"}, rest, true
	}
	if name, ok := plainAIM[b[1]]; ok {
		return id{name: name}, rest, true
	}
	return id{}, nil, false
}

var plainAIM = map[byte]string{'F': "Codabar", 'G': "Code 93", 'H': "Code 11", 'L': "PDF417", 'M': "MSI", 'z': "Aztec",
	'h': "Han Xin", 'S': "Discrete 2 of 5", 'X': "Other"}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// vendorIDs are the Code IDs of a vendor. Longer ones come first where one begins another.
var vendorIDs = map[string][]struct {
	code string
	id   id
}{
	"zebra": {
		{"P0G", id{name: "GS1 DataMatrix", family: gs1Family}},
		{"P0Q", id{name: "GS1 QR Code", family: gs1Family}},
		{"P00", id{name: "Data Matrix"}},
		{"P01", id{name: "QR Code"}},
		{"A", id{name: "EAN/UPC", family: eanOrUPCE}},
		{"B", id{name: "Code 39"}},
		{"D", id{name: "Code 128"}},
		{"F", id{name: "ITF", family: itfFamily}},
		{"K", id{name: "GS1-128", family: gs1Family}},
		{"R", id{name: "GS1 DataBar", family: gs1Family}},
	},
	"datalogic": {
		{"A", id{name: "EAN-8", family: ean8Only}},
		{"B", id{name: "EAN/UPC", family: eanFamily}},
		{"C", id{name: "EAN/UPC", family: eanFamily}},
		{"D", id{name: "EAN/UPC", family: upcEOnly}},
		{"V", id{name: "Code 39"}},
		{"N", id{name: "ITF", family: itfFamily}},
		{"T", id{name: "Code 128"}},
		{"k", id{name: "GS1-128", family: gs1Family}},
	},
}

func (p Profile) codeID(b []byte) (id, []byte, bool) {
	for _, v := range vendorIDs[p.CodeID] {
		if rest, ok := strings.CutPrefix(string(b), v.code); ok {
			return v.id, []byte(rest), true
		}
	}
	return id{}, nil, false
}

// ssiTypes are the code types of Zebra SSI's DECODE_DATA that announce a symbology.
var ssiTypes = map[byte]id{
	0x01: {name: "Code 39"}, 0x03: {name: "Code 128"}, 0x06: {name: "ITF", family: itfFamily}, 0x08: {name: "EAN/UPC", family: eanFamily},
	0x09: {name: "EAN/UPC", family: upcEOnly}, 0x0A: {name: "EAN-8", family: ean8Only}, 0x0B: {name: "EAN/UPC", family: eanFamily},
	0x0F: {name: "GS1-128", family: gs1Family},
}

// Vendors returns the names that codeid= may have.
func Vendors() []string { return slices.Sorted(maps.Keys(vendorIDs)) }
