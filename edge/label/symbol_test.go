package label

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"stockade/protocol/barcode"
	"stockade/protocol/stock"
)

// readField reads a field of ^BC in plain mode as a printer does, and counts the characters of the
// symbol (ZPL II Programming Guide, "Code 128 Invocation Characters").
func readField(t *testing.T, field string) (data string, characters int) {
	t.Helper()
	field = regexp.MustCompile(`_([0-9A-F]{2})`).ReplaceAllStringFunc(field, func(s string) string {
		n, err := strconv.ParseUint(s[1:], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		return string(rune(n))
	})
	set := byte('B')
	for i := 0; i < len(field); {
		if field[i] == '>' {
			code := field[i : i+2]
			i += 2
			switch {
			case code == ">:" && i == 2:
				continue // the start character is not counted
			case code == ">;" && i == 2:
				set = 'C'
				continue
			case code == ">5" && set == 'B':
				set = 'C'
			case code == ">6" && set == 'C':
				set = 'B'
			case code == ">8":
				data += "\x1d"
			case code == ">0" && set == 'B':
				data += ">"
			default:
				t.Fatalf("%q: %s in subset %c", field, code, set)
			}
			characters++
			continue
		}
		n := 1
		if set == 'C' {
			if n = 2; !pair(field, i) {
				t.Fatalf("%q: %q in subset C", field, field[i:])
			}
		}
		data += field[i : i+n]
		characters++
		i += n
	}
	return data, characters
}

func TestCode128(t *testing.T) {
	for _, tt := range []struct {
		data, field string
		characters  int
	}{
		{"\x1d0106901234567892", ">;>80106901234567892", 9},
		{"\x1d010690123456789210A", ">;>8010690123456789210>6A", 12},
		{"\x1d010690123456789210A1", ">;>8010690123456789210>6A1", 13},
		{"\x1d010690123456789210123", ">;>801069012345678921012>63", 13},
		{"\x1d10A12B", ">;>810>6A12B", 7},              // two digits are not worth two changes
		{"\x1d10A123456B", ">;>810>6A>5123456>6B", 10}, // six are
		{"\x1d10a>b_c", ">;>810>6a>0b_5Fc", 8},
		{"\x1d10L7\x1d2145", ">;>810>6L7>8>52145", 9},
	} {
		field, modules := code128(tt.data)
		if want := tt.characters*11 + 35 + quietZones; field != tt.field || modules != want {
			t.Errorf("code128(%q) = %q, %d, want %q, %d", tt.data, field, modules, tt.field, want)
		}
	}
}

// What a scanner reads from the label is what the label is about.
func FuzzSymbol(f *testing.F) {
	f.Add("L7", "45", true)
	f.Add("A>8B", "(21)9", true)
	f.Add("a_5Eb", "", false)
	f.Add("12345678901234567890", "ABCDEFGHIJ1234567890", true)
	f.Add("", "1>", false)
	f.Fuzz(func(t *testing.T, lot, serial string, expires bool) {
		i := Item{GTIN: "06901234567892", Lot: stock.Lot(lot), Serial: stock.Serial(serial)}
		if expires {
			i.Expiry = "2027-05-31"
		}
		z, err := i.Render()
		if err != nil {
			return // FuzzRender looks at refusals
		}
		var data, aim string
		if m := regexp.MustCompile(`\^FO(\d+),96\^BY(\d)\^BCN,96,N,N,N,N\^FH\^FD([^^]*)\^FS`).FindStringSubmatch(string(z)); m != nil {
			left, _ := strconv.Atoi(m[1])
			dots, _ := strconv.Atoi(m[2])
			read, characters := readField(t, m[3])
			data, aim = read, "]C1"
			if modules := characters*11 + 35; left < 10*dots || left+(modules+10)*dots > Width*dotsPerMM {
				t.Fatalf("%d modules of %d dots at %d do not fit", modules, dots, left)
			}
		} else if m := regexp.MustCompile(`\^BXN,\d+,200,,,,_\^FD([^^]*)\^FS`).FindStringSubmatch(string(z)); m != nil {
			data, aim = strings.NewReplacer("__", "_", "_1", "\x1d").Replace(m[1]), "]d2"
		} else {
			t.Fatalf("%s has no symbol", z)
		}
		data, ok := strings.CutPrefix(data, "\x1d")
		if !ok {
			t.Fatalf("%q does not begin with FNC1", data)
		}
		scans := barcode.Decode(barcode.Profile{}, []byte(aim+data), time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC))
		if len(scans) != 1 || scans[0].GTIN != string(i.GTIN) || scans[0].Lot != lot || scans[0].Serial != serial || scans[0].Expiry != string(i.Expiry) {
			t.Fatalf("%+v reads as %+v", i, scans)
		}
	})
}
