package station_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"stockade/edge/station"
	"stockade/internal/web"
	"stockade/protocol/barcode"
)

// TestEveryCodeHasItsSentence: what a worker is told exists in both languages.
func TestEveryCodeHasItsSentence(t *testing.T) {
	texts, err := web.LoadTexts()
	if err != nil {
		t.Fatal(err)
	}
	codes := codesInSource(t)
	answers := []string{station.Received, station.Picked, station.Transferred, station.Counted, station.CountDone, station.Undone, station.LookedUp, station.BinLookedUp,
		station.BinChosen, station.TargetChosen, station.ModeChosen, station.RepeatIgnored, station.Cancelled, station.QuantitySet,
		station.BadgeRead, station.BadgeIn, station.BadgeLeft, station.BadgeIdle, station.BadgeVoid}
	for _, c := range []barcode.Class{barcode.ErrEmpty, barcode.ErrAIM, barcode.ErrCheckDigit, barcode.ErrLength, barcode.ErrCharset, barcode.ErrDate, barcode.ErrUnknownAI,
		barcode.ErrAIPair, barcode.ErrAIRepeat, barcode.ErrValue, barcode.ErrEncoding, barcode.ErrTruncated, barcode.ErrChecksum, barcode.ErrNoise} {
		codes = append(codes, station.Unreadable(c))
	}
	for _, c := range codes { // a refusal also has a name in the audit trail
		if key := "outcome." + strings.ReplaceAll(c, ".", "_"); !slices.Contains(answers, c) && !texts.Has(key) {
			t.Errorf("refusal %q has no name %q in the catalogue", c, key)
		}
	}
	for _, m := range station.Modes() {
		codes = append(codes, "mode."+string(m))
	}
	for _, c := range station.Commands() {
		key, _ := station.CommandText(c)
		codes = append(codes, key, station.CommandGroup(c))
	}
	for _, c := range codes {
		if !texts.Has(c) {
			t.Errorf("code %q has no sentence in the catalogue", c)
		}
	}
}

// codesInSource returns the constants of codes.go that are codes of sentences.
func codesInSource(t *testing.T) (codes []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			for _, value := range v.Values {
				if lit, ok := value.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if s, err := strconv.Unquote(lit.Value); err == nil && strings.HasPrefix(s, "scan.") {
						codes = append(codes, s)
					}
				}
			}
		}
		return true
	})
	if len(codes) < 20 {
		t.Fatalf("%d codes found in codes.go, want all", len(codes))
	}
	return codes
}
