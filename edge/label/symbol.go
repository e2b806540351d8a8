package label

import "strings"

// code128 encodes a message in as few characters as possible and returns the field for ^BC in its plain
// mode with ^FH, and the width of the symbol in modules: 11 a character, 35 for start, check and stop,
// and the quiet zones. The mode that adds FNC1 by itself takes brackets and spaces out of lots.
//
// The characters are chosen here and not by the printer, so that the width is known: in subset C a
// character holds two digits, in B any one. From behind, need says how many characters the rest takes.
func code128(data string) (field string, modules int) {
	const b, c = 0, 1
	need := make([][2]int, len(data)+1)
	for i := len(data) - 1; i >= 0; i-- {
		stayB := 1 + need[i+1][b]
		stayC := len(data) * 4 // subset C can not
		switch {
		case data[i] == fnc1:
			stayC = 1 + need[i+1][c]
		case pair(data, i):
			stayC = 1 + need[i+2][c]
		}
		need[i] = [2]int{min(stayB, stayC+1), min(stayC, stayB+1)}
	}
	var z strings.Builder
	set := b
	if need[0][c] <= need[0][b] {
		set = c
	}
	z.WriteString([]string{">:", ">;"}[set])
	for i := 0; i < len(data); {
		step := 1
		if set == c && data[i] != fnc1 {
			step = 2
		}
		if able := set == b || data[i] == fnc1 || pair(data, i); !able || need[i][set] != 1+need[i+step][set] {
			z.WriteString([]string{">5", ">6"}[set])
			set = 1 - set
			continue
		}
		z.WriteString(invoke(data[i : i+step]))
		i += step
	}
	return z.String(), min(need[0][b], need[0][c])*11 + 35 + quietZones
}

func pair(s string, i int) bool { return i+1 < len(s) && digit(s[i]) && digit(s[i+1]) }

func digit(c byte) bool { return '0' <= c && c <= '9' }

// invoke writes characters as ^BC and ^FH want them.
func invoke(s string) string {
	switch s {
	case string(rune(fnc1)):
		return ">8"
	case ">":
		return ">0"
	}
	return escape(s)
}

// matrixSides are the square sizes of ECC 200, in modules, with the codewords that each holds
// (ISO/IEC 16022, table 7).
var matrixSides = [...]struct{ side, codewords int }{
	{10, 3}, {12, 5}, {14, 8}, {16, 12}, {18, 18}, {20, 22}, {22, 30}, {24, 36}, {26, 44}, {32, 62}, {36, 86}, {40, 114},
}

// matrixSide returns the side of the DataMatrix that holds data in ASCII encodation: a codeword for
// two digits or for any other character. A printer that knows better makes it smaller.
func matrixSide(data string) (int, bool) {
	codewords := 0
	for i := 0; i < len(data); i++ {
		if pair(data, i) {
			i++
		}
		codewords++
	}
	for _, s := range matrixSides {
		if codewords <= s.codewords {
			return s.side, true
		}
	}
	return 0, false
}

// matrixField writes a message for ^BX with "_" as its escape character: "_1" is FNC1. A message has
// neither ^ nor ~: see outsideSet82.
func matrixField(data string) string {
	return strings.NewReplacer(string(rune(fnc1)), "_1", "_", "__").Replace(data)
}
