package simulate

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// record is a sink that writes down what a parser says.
type record struct {
	jobs      []job
	warnings  []string
	asked     []func(s status) []byte
	cancelled int
	paused    []bool
}

func (r *record) print(j job)                            { r.jobs = append(r.jobs, j) }
func (r *record) ask(answer func(s status) []byte)       { r.asked = append(r.asked, answer) }
func (r *record) askInTurn(answer func(s status) []byte) { r.ask(answer) }
func (r *record) cancel()                                { r.cancelled++ }
func (r *record) pause(on bool)                          { r.paused = append(r.paused, on) }
func (r *record) warn(text string)                       { r.warnings = append(r.warnings, text) }

func parserOf(l Language) parser {
	p, err := newParser(PrinterOptions{Language: l})
	if err != nil {
		panic(err)
	}
	return p
}

func parse(l Language, in string) *record {
	p, r := parserOf(l), &record{}
	for i := range len(in) {
		p.take(in[i], r)
	}
	return r
}

func TestRead(t *testing.T) {
	labels, warnings, err := Read(PrinterOptions{Language: TSPL}, []byte("SIZE 10 mm,5 mm\r\nCLS\r\nDANCE\r\nBAR 70,1,20,5\r\nPRINT 1,2\r\n\x1b!?"))
	if err != nil || len(labels) != 2 || labels[1].Number != 2 || len(warnings) != 2 {
		t.Fatalf("labels %v, warnings %q, %v", labels, warnings, err)
	}
	if !strings.Contains(warnings[0], "DANCE") || !strings.HasPrefix(warnings[1], string(outsideLabel)) {
		t.Errorf("warnings %q", warnings)
	}
	if dots, _ := labels[0].Picture(); dots.Width != 80 || dots.Height != 40 || !dots.Dark(79, 5) {
		t.Errorf("picture %d x %d", dots.Width, dots.Height)
	}
	if _, warnings, err := Read(PrinterOptions{}, []byte("^XA^FO1,1")); err != nil || len(warnings) != 1 || !strings.HasPrefix(warnings[0], string(halfJob)) {
		t.Errorf("half a format: %q, %v", warnings, err)
	}
	if _, _, err := Read(PrinterOptions{Language: "epl"}, nil); err == nil {
		t.Error("read a language that there is not")
	}
}

// one is the only label of a job without warnings.
func one(t *testing.T, l Language, in string) page {
	t.Helper()
	r := parse(l, in)
	if len(r.jobs) != 1 || len(r.warnings) > 0 {
		t.Fatalf("%s %q: %d jobs, warnings %q", l, in, len(r.jobs), r.warnings)
	}
	return r.jobs[0].page
}

// Whatever comes: nothing panics, what is kept is not more than what came, and drawing stays within bounds.
func fuzzParser(f *testing.F, l Language, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		p, r := parserOf(l), &record{}
		for _, b := range in {
			p.take(b, r)
		}
		kept := p.partial()
		for _, j := range r.jobs {
			kept += len(j.data)
			if j.copies < 1 || j.copies > maxCopies {
				t.Fatalf("%d copies", j.copies)
			}
			if j.page.width <= 2000 && j.page.height <= 2000 && len(j.page.fields) < 20 { // larger ones only take long
				j.page.render(&fonts{})
			}
		}
		if kept > len(in) {
			t.Fatalf("kept %d bytes of %d", kept, len(in))
		}
		for _, answer := range r.asked {
			answer(status{})
		}
	})
}

func FuzzZPL(f *testing.F) {
	fuzzParser(f, ZPL, "^XA^XZ", "~HS", "^XA~HS^XZ", "^X^XA^XA^XZ^XZ", "~~HHS~HS", "^XA~JA^XZ", "^xa~hs~^xz", "^XA^X~HSZ", "~HQES~HI~PP~PS",
		"^XA^CI28^PW480^LL320^FO16,16^A0N,40,40^FH^FD_e4_bd_a0^FS^FO1,1^BY2^BCN,50,Y,N,N^FD>;>80106>6A>51234^FS^XZ",
		"^XA^FO1,1^BXN,6,200,,,,_^FD_10106901234567892_1x^FS^FO9,9^GFA,8,8,2,F0,FF!:^FS^FT5,5^BQN,2,5^FDMA,abc^FS^FB99,3,1,C^FDa b\\&c^FS^PQ2^XZ",
		"^XA^BEN,50^FD690123456789^FS^GB10,10,10,W^FS^A@R,20,20,E:X.TTF^FDx^FS^BCB,9,N,N,N,U^FD1^FS^BCI,9,,,,D^FD(01)x^FS^XZ")
}

func FuzzTSPL(f *testing.F) {
	fuzzParser(f, TSPL, "SIZE 60 mm,40 mm\r\nCLS\r\nTEXT 1,2,\"TSS24.BF2\",0,1,1,\"\xc4\xe3\\[\"]\"\r\nPRINT 1,2\r\n", "\x1b!?\x1b!S\x1b!.\x1b!Px\x1b",
		"BITMAP 0,0,2,2,0,\x00\xff\x0d\x0a\r\nPRINT 1\r\n", "BARCODE 1,1,\"128M\",50,1,0,2,2,\"!105!10201!100A\"\r\nBARCODE 1,1,\"EAN13\",9,2,90,1,1,\"690123456789\"\r\nPRINT 1\r\n",
		"QRCODE 1,1,M,6,A,0,\"x\"\r\nDMATRIX 1,1,9,9,c126,x3,r90,\"~101069\"\r\nBAR 1,1,5,5\nBOX 1,1,9,9,2\nREVERSE 0,0,5,5\nERASE 0,0,2,2\nPRINT 1\n", "TEXT 1,1,\"3\",270,2,2,3,\"a,b\"\rPRINT 1\r\n~!T\r\n")
}

func FuzzESCPOS(f *testing.F) {
	fuzzParser(f, ESCPOS, "\x1b@hello\n\x1dV\x00", "\x1c&\xc4\xe3\x84\x31\x95\x33\n\x0c", "\x1dv0\x00\x01\x00\x03\x00\x10\x04\x01\x0c", "\x10\x04\x02\x10\x05\x02\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08",
		"\x1dw\x02\x1dh\x50\x1dH\x02\x1dkI\x0a{B{1ab{C\x01\x02\x1dk\x02690123456789\x00\n\x1di", "\x1d(k\x04\x001A2\x00\x1d(k\x03\x001C\x05\x1d(k\x06\x001P0abc\x1d(k\x03\x001Q0\x1dVA\x10",
		"\x1ba\x01\x1d!\x11x\x1b$\x10\x00y\x1bJ\x20\x1bd\x03\x1b3\x10\x1b!\x38z\x1dB\x01w\n\x1dV\x01", "\x1dr\x01\x1dI\x43\x1b*\x21\x02\x00abcdef\x1bD\x08\x10\x00\t\x1bp\x00\x01\x02")
}

func TestBytesOutsideLabelsAreReported(t *testing.T) {
	for _, c := range []struct {
		language Language
		in, says string
	}{
		{ZPL, "12^FS^XZ\r\n^XA^XZ", "12^FS^XZ"},
		{ZPL, "^XA^FO1,1^XA^XZ", "^FO1,1"},
		{ZPL, "^XA^QQ1^XZ", "^QQ1"},
		{ZPL, "^XA^B3N,1^FDx^FS^XZ", "^B3N"},
		{ZPL, "^XA^FDtext that stands^FSnowhere^XZ", "nowhere"},
		{ZPL, "^XA~DGR:X^XZ", "~DGR"},
		{ZPL, "^XA^FO1,1^GFA,9,9,2,FF^FS^XZ", "^GF"},
		{ZPL, "^XA^FO1,1^GFA,2,2,1,F^FS^XZ", "^GF"},
		{ZPL, "^XA^FO1,1^GFA,2,2,1,FFFFF^FS^XZ", "^GF"},
		{ZPL, "^XA^FO1,1^BCN,50^FD>;12AB^FS^XZ", `"AB"`},
		{ZPL, "^XA^FO1,1^BEN,50^FD6901234567890^FS^XZ", "EAN-13"},
		{ZPL, "^XA^FO1,1^A0N,20,20^FD\xe4\xbd\xa0^FS^XZ", "^CI28"},
		{ZPL, "^XA^PQ0^XZ", "^PQ0"},
		{TSPL, "DANCE\r\n", "DANCE"},
		{TSPL, "SIZE big\r\n", "SIZE big"},
		{TSPL, "TEXT 1,1,\"9\",0,1,1,\"x\"\r\n", `font "9"`},
		{TSPL, "TEXT 1,1,\"1\",0,1,1,\"x\"junk\r\n", "junk"},
		{TSPL, "TEXT 1,1,\"1\",0,1,1,\"never closed\r\n", "never closed"},
		{TSPL, "TEXT 1,1,\"TSS24.BF2\",0,1,1,\"\xff\xff\"\r\n", "GB18030"},
		{TSPL, "BARCODE 1,1,\"CODA\",9,0,0,1,1,\"1\"\r\n", "CODA"},
		{TSPL, "BITMAP 0,0,0,0,0,\r\n", "BITMAP"},
		{TSPL, "\x1bX", `\x1bX`},
		{TSPL, "\x1b!~", "ESC !~"},
		{TSPL, "PRINT 0\r\n", "PRINT 0"},
		{ESCPOS, "\x1bZ", `\x1bZ`},
		{ESCPOS, "\xc4\xe3\n", "FS &"},
		{ESCPOS, "\x1c&\xff\xff\n", "GB18030"},
		{ESCPOS, "\x1dkI\x03abc", "GS k 73"},
		{ESCPOS, "\x1dk\x04abc\x00", "GS k 4"},
		{ESCPOS, "\x1dv0\x00\x01\x00\x03\x00\x10\x04\x01", "100401"},
		{ESCPOS, "\x07", "0x07"},
	} {
		r := parse(c.language, c.in)
		if !slices.ContainsFunc(r.warnings, func(w string) bool { return strings.Contains(w, c.says) }) {
			t.Errorf("%s %q: warnings %q lack %q", c.language, c.in, r.warnings, c.says)
		}
	}
}

func TestJobsAreCutApart(t *testing.T) {
	for _, c := range []struct {
		language Language
		in       string
		want     []string
		left     int
	}{
		{ZPL, "\r\n^XA~HS1^X~HQESZ^XZ^xa2^xz^XA3", []string{"^XA1^XZ^XZ", "^xa2^xz"}, 4},
		{TSPL, "CLS\r\nPRI\x1b!?NT 1\r\n\r\nBITMAP 0,0,3,1,1,\n\x1b!\r\nPRINT 1,1\nCLS", []string{"CLS\r\nPRINT 1\r\n", "BITMAP 0,0,3,1,1,\n\x1b!\r\nPRINT 1,1\n"}, 3},
		{ESCPOS, "\x1b@a\x10\x04\x01b\n\x1dV\x00\x1dv0\x00\x01\x00\x03\x00\x10\x04\x01\x0cz", []string{"\x1b@ab\n\x1dV\x00", "\x1dv0\x00\x01\x00\x03\x00\x10\x04\x01\x0c"}, 1},
	} {
		p, r := parserOf(c.language), &record{}
		for i := range len(c.in) {
			p.take(c.in[i], r)
		}
		var got []string
		for _, j := range r.jobs {
			got = append(got, string(j.data))
		}
		if !slices.Equal(got, c.want) || p.partial() != c.left {
			t.Errorf("%s: jobs %q and %d bytes, want %q and %d", c.language, got, p.partial(), c.want, c.left)
		}
		p.reset()
		if p.partial() != 0 {
			t.Errorf("%s: %d bytes left", c.language, p.partial())
		}
	}
}

func TestTSPLStaysDrawnUntilCleared(t *testing.T) {
	r := parse(TSPL, "BAR 0,0,5,5\r\nPRINT 1\r\nPRINT 2,3\r\nBAR 9,9,5,5\r\nPRINT 1\r\nCLS\r\nPRINT 1\r\n")
	var drawn, copies []int
	for _, j := range r.jobs {
		drawn, copies = append(drawn, len(j.page.fields)), append(copies, j.copies)
	}
	if !slices.Equal(drawn, []int{1, 1, 2, 0}) || !slices.Equal(copies, []int{1, 6, 1, 1}) {
		t.Errorf("drawn %v, copies %v, warnings %q", drawn, copies, r.warnings)
	}
}

// The facts of each status language, bit by bit.
func TestStatusAnswers(t *testing.T) {
	for _, c := range []struct {
		name    string
		s       status
		zpl     string // the fields of ~HS that tell something; empty for no answer
		errors  string // of ~HQES
		tspl    byte
		tspl4   string
		pos     [4]byte
		answers bool
	}{
		{name: "ready", zpl: "0,0,0000,000,0,0,0|0|0,0|00000000", errors: "0 00000000 00000000", tspl: 0x00, tspl4: "@@@@", pos: [4]byte{0x12, 0x12, 0x12, 0x12}},
		{name: "printing", s: status{waiting: 2, labelsLeft: 3, partial: true, length: 320}, zpl: "0,0,0320,002,0,0,1|0|0,0|00000003", errors: "0 00000000 00000000",
			tspl: 0x20, tspl4: "P@@@", pos: [4]byte{0x12, 0x12, 0x12, 0x12}},
		{name: "full", s: status{waiting: 999, full: true}, zpl: "0,0,0000,999,1,0,0|0|0,0|00000000", errors: "0 00000000 00000000", tspl: 0x20, tspl4: "PH@@", pos: [4]byte{0x12, 0x12, 0x12, 0x12}},
		{name: "paused", s: status{printerState: printerState{paused: true}, waiting: 1}, zpl: "0,1,0000,001,0,0,0|0|0,0|00000000", errors: "1 00000000 00010000",
			tspl: 0x10, tspl4: "`@@@", pos: [4]byte{0x1A, 0x12, 0x12, 0x12}},
		{name: "paper out", s: status{printerState: printerState{paperOut: true}, waiting: 1}, errors: "1 00000000 00000001", tspl: 0x04, tspl4: "E@@A", pos: [4]byte{0x1A, 0x32, 0x12, 0x7E}},
		{name: "paper low", s: status{printerState: printerState{paperLow: true}}, zpl: "0,0,0000,000,0,0,0|0|0,0|00000000", errors: "0 00000000 00000000", tspl4: "@@@@",
			pos: [4]byte{0x12, 0x12, 0x12, 0x1E}},
		{name: "ribbon out", s: status{printerState: printerState{ribbonOut: true}}, errors: "1 00000000 00000002", tspl: 0x08, tspl4: "E@@D", pos: [4]byte{0x1A, 0x12, 0x12, 0x12}},
		{name: "head open", s: status{printerState: printerState{headOpen: true}}, errors: "1 00000000 00000004", tspl: 0x01, tspl4: "E@@@", pos: [4]byte{0x1A, 0x16, 0x12, 0x12}},
		{name: "jam", s: status{printerState: printerState{jammed: true}}, zpl: "0,1,0000,000,0,0,0|0|0,0|00000000", errors: "1 00000000 00000008", tspl: 0x02, tspl4: "E@@B", pos: [4]byte{0x1A, 0x52, 0x1A, 0x12}},
		{name: "hot", s: status{printerState: printerState{hot: true}}, errors: "1 00000000 00000010", tspl: 0x80, tspl4: "E@A@", pos: [4]byte{0x1A, 0x52, 0x52, 0x12}},
		{name: "all but pause, answering", s: status{printerState: printerState{paperOut: true, ribbonOut: true, headOpen: true, jammed: true, hot: true}, answersInError: true},
			zpl: "1,1,0000,000,0,0,0|1|1,1|00000000", errors: "1 00000000 0000001F", tspl: 0x8F, tspl4: "E@AG", pos: [4]byte{0x1A, 0x76, 0x5A, 0x7E}},
	} {
		zpl := string(zplStatus(c.s))
		var want string
		if c.zpl != "" {
			f := strings.Split(c.zpl, "|")
			want = "\x02030," + f[0] + ",000,0,0," + f[1] + "\x03\r\n\x02000,0," + f[2] + ",0,2,0,0," + f[3] + ",1,000\x03\r\n\x021234,0\x03\r\n"
		}
		if zpl != want {
			t.Errorf("%s: ~HS %q, want %q", c.name, zpl, want)
		}
		if got := string(zplErrors(c.s)); !strings.HasPrefix(got, "\x02\r\n  PRINTER STATUS\r\n") || !strings.Contains(got, "ERRORS:         "+c.errors+"\r\n") || !strings.HasSuffix(got, "\x03\r\n") {
			t.Errorf("%s: ~HQES %q, want %q", c.name, got, c.errors)
		}
		if got := tsplStatus(c.s); !bytes.Equal(got, []byte{c.tspl}) {
			t.Errorf("%s: ESC !? %X, want %02X", c.name, got, c.tspl)
		}
		if got := string(tsplLongStatus(c.s)); got != "\x02"+c.tspl4+"\x03\r\n" {
			t.Errorf("%s: ESC !S %q, want %q", c.name, got, c.tspl4)
		}
		for n, want := range c.pos {
			if got := posStatus(byte(n+1), c.s); !bytes.Equal(got, []byte{want}) {
				t.Errorf("%s: DLE EOT %d %X, want %02X", c.name, n+1, got, want)
			}
		}
	}
}

func TestCommandsThatActAtOnce(t *testing.T) {
	for _, c := range []struct {
		language                 Language
		in                       string
		asked, cancelled, paused int
	}{
		{ZPL, "~HS^XA^FD~HQES^FS~hi^XZ~PP~PS~JA", 3, 1, 2},
		{TSPL, "TEXT 1,1,\x1b!?\"1\"\x1b!S\x1b!P\x1b!O\x1b!.", 2, 1, 2},
		{TSPL, "BITMAP 0,0,3,1,0,\x1b!?\r\n", 0, 0, 0},
		{TSPL, "~!T\r\n", 1, 0, 0},
		{ESCPOS, "\x1dr\x01\x1dIC\x10\x04\x01", 3, 0, 0},
		{ESCPOS, "abc\x10\x04\x01\x1dv0\x00\x03\x00\x01\x00\x10\x04\x02", 2, 0, 0},
		{ESCPOS, "\x10\x04\x09\x10\x10\x04\x03", 1, 0, 0},
		{ESCPOS, "\x10\x05\x01\x10\x05\x02", 0, 1, 0},
		{ESCPOS, "\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08\x10\x14\x08\x01\x03\x14\x01\x06\x02\x07\x10\x14\x01\x00\x05", 0, 1, 0},
	} {
		r := parse(c.language, c.in)
		if len(r.asked) != c.asked || r.cancelled != c.cancelled || len(r.paused) != c.paused {
			t.Errorf("%s %q: asked %d, cancelled %d, paused %v", c.language, c.in, len(r.asked), r.cancelled, r.paused)
		}
	}
}
