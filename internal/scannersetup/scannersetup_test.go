package scannersetup

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"stockade/protocol/barcode"
)

// Every finding that package barcode can make has its sentence, in both languages, with no gap left open.
func TestEveryFindingIsSaid(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "../../protocol/barcode/propose.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	args := map[string]string{"framing": "cr", "parity": "even", "with": "1", "of": "2", "vendor": "zebra", "fits": "1", "substitute": "|", "scans": "3", "longest": "9ms", "gap": "50ms",
		"prefix": "x", "bytes": "4", "count": "5", "good": "6"}
	seen := 0
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Found") {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		seen++
		said := Say(barcode.Finding{Code: code, Args: args})
		for _, s := range []string{said.In("zh"), said.In("en")} {
			if s == code || s == "" || strings.ContainsAny(s, "{}") {
				t.Errorf("%s: %q", code, s)
			}
		}
		return true
	})
	if seen < 15 {
		t.Errorf("%d findings", seen)
	}
}

// The bytes of the commands, as the vendors' manuals frame them.
func TestCommands(t *testing.T) {
	want := map[string]string{
		"honeywell:aim-id": "\x16M\rPREBK2995C81.",
		"honeywell:cr":     "\x16M\rVSUFCR.",
		"newland:aim-id":   "~\x010000@AIDENA1;\x03",
		"newland:cr":       "~\x010000@TSUENA1;\x03~\x010000@TSUSET0D;\x03",
		"zebra:aim-id":     "\x07\xc6\x04\x08\xff\x2d\x01\xfd\xfa",
	}
	for _, c := range Commands() {
		if got := string(c.Bytes); got != want[c.ID] || c.Text.ZH == "" || c.Text.EN == "" {
			t.Errorf("%s: %q, want %q", c.ID, got, want[c.ID])
		}
		if f, ok := Find(c.ID); !ok || f.ID != c.ID {
			t.Errorf("%s is not found", c.ID)
		}
		for _, b := range c.Barcodes() {
			if !strings.HasPrefix(b.Content, "@") || b.Text.ZH == "" {
				t.Errorf("%s: %+v", c.ID, b)
			}
		}
	}
	if len(Commands()) != len(want) {
		t.Errorf("%d commands, want %d", len(Commands()), len(want))
	}
	if _, ok := Find("zebra:everything"); ok {
		t.Error("a command was invented")
	}
}
