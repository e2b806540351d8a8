package symbol

import (
	"fmt"
	"strings"
)

// widths are the bar and space widths of Code 128's characters by value (ISO/IEC 15417, table 1),
// in modules; 103 to 105 start, 106 stops.
var widths = strings.Fields(`
212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 123122 123221
223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 232121 111323 131123 131321
112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 313121 211331 231131 213113 213311 213131
311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 111422 121124 121421 141122 141221 112214 112412 122114
122411 142112 142211 241211 221114 413111 241112 134111 111242 121142 121241 114212 124112 124211 411212 421112 421211 212141
214121 412121 111143 111341 131141 114113 114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112`)

// Values of Code 128's characters that are no data.
const (
	CodeC  = 99 // change to subset C, in B
	CodeB  = 100
	Fnc1   = 102
	StartB = 104
	StartC = 105

	stop       = 106
	checkBase  = 103
	quiet128   = 10 // modules on either side (ISO/IEC 15417, clause 4.4)
	charWidth  = 11 // modules of a character
	stopWidth  = 13
	overhead   = 2*charWidth + stopWidth // start, check and stop
	maxCode128 = 200                     // characters: no label is that wide
)

// Values are the characters of a Code 128 symbol by their values, from the start to the last one of
// data: the check character and the stop are not among them.
type Values []int

// EncodeCode128 encodes a message of printable ASCII, and of FNC1 in a GS1-128, in as few characters as
// possible. The error wraps ErrMessage.
//
// In subset C a character holds two digits, in B any one. From behind, need says how many characters the
// rest takes.
func EncodeCode128(k Kind, message string) (Values, error) {
	for i := range len(message) {
		if c := message[i]; c > '~' || c < ' ' && !(c == FNC1 && k == GS1128) {
			return nil, fmt.Errorf("%w: %q has byte %#02x", ErrMessage, message, c)
		}
	}
	if message == "" || len(message) > maxCode128 {
		return nil, fmt.Errorf("%w: Code 128 of %d characters", ErrMessage, len(message))
	}
	if k == GS1128 {
		message = string(rune(FNC1)) + message
	}
	const b, c = 0, 1
	need := make([][2]int, len(message)+1)
	for i := len(message) - 1; i >= 0; i-- {
		stayB := 1 + need[i+1][b]
		stayC := len(message) * 4 // subset C can not
		switch {
		case message[i] == FNC1:
			stayC = 1 + need[i+1][c]
		case pair(message, i):
			stayC = 1 + need[i+2][c]
		}
		need[i] = [2]int{min(stayB, stayC+1), min(stayC, stayB+1)}
	}
	set := b
	if need[0][c] <= need[0][b] {
		set = c
	}
	v := Values{[]int{StartB, StartC}[set]}
	for i := 0; i < len(message); {
		step := 1
		if set == c && message[i] != FNC1 {
			step = 2
		}
		if able := set == b || message[i] == FNC1 || pair(message, i); !able || need[i][set] != 1+need[i+step][set] {
			v = append(v, []int{CodeC, CodeB}[set])
			set = 1 - set
			continue
		}
		switch {
		case message[i] == FNC1:
			v = append(v, Fnc1)
		case set == c:
			v = append(v, int(message[i]-'0')*10+int(message[i+1]-'0'))
		default:
			v = append(v, int(message[i]-' '))
		}
		i += step
	}
	return v, nil
}

func pair(s string, i int) bool { return i+1 < len(s) && digit(s[i]) && digit(s[i+1]) }

func digit(c byte) bool { return '0' <= c && c <= '9' }

// Width returns the width of the symbol in modules, without quiet zones.
func (v Values) Width() int { return (len(v)-1)*charWidth + overhead }

// check returns the value of the check character (ISO/IEC 15417, annex A).
func (v Values) check() int {
	sum := v[0]
	for i, c := range v[1:] {
		sum += (i + 1) * c
	}
	return sum % checkBase
}

// symbol draws the characters, the check character and the stop.
func (v Values) symbol(k Kind) Symbol {
	s := Symbol{Kind: k, Height: 1, Quiet: quiet128, dark: make([]bool, 0, v.Width())}
	for _, c := range append(append(Values{}, v...), v.check(), stop) {
		for i, w := range widths[c] {
			for range w - '0' {
				s.dark = append(s.dark, i%2 == 0)
			}
		}
	}
	s.Width = len(s.dark)
	return s
}
