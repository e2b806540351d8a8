package dashboard

import (
	"fmt"
	"html/template"
	"strings"
)

// widths are the bar and space widths of Code 128's symbols by value (ISO/IEC 15417,
// table 1), in modules; 103 to 105 start, 106 stops.
var widths = strings.Fields(`
212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 123122 123221
223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 232121 111323 131123 131321
112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 313121 211331 231131 213113 213311 213131
311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 111422 121124 121421 141122 141221 112214 112412 122114
122411 142112 142211 241211 221114 413111 241112 134111 111242 121142 121241 114212 124112 124211 411212 421112 421211 212141
214121 412121 111143 111341 131141 114113 114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112`)

const (
	startB    = 104
	stop      = 106
	quietZone = 10 // modules on either side
)

// code128 returns the symbol values of text in code set B: start, data, check, stop.
func code128(text string) ([]int, error) {
	values, sum := []int{startB}, startB
	for i, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return nil, fmt.Errorf("barcode %q: byte %#02x is not printable ASCII", text, c)
		}
		values = append(values, int(c-' '))
		sum += (i + 1) * int(c-' ')
	}
	if len(values) == 1 {
		return nil, fmt.Errorf("barcode: nothing to encode")
	}
	return append(values, sum%103, stop), nil
}

// code128Picture draws text as Code 128: a path in a picture one unit per module wide.
func code128Picture(text string) (template.HTML, error) {
	values, err := code128(text)
	if err != nil {
		return "", err
	}
	var bars strings.Builder
	x := quietZone
	for _, v := range values {
		for i, w := range widths[v] {
			n := int(w - '0')
			if i%2 == 0 {
				fmt.Fprintf(&bars, "M%d 0h%dv40h-%dz", x, n, n)
			}
			x += n
		}
	}
	svg := fmt.Sprintf(`<svg class="barcode" viewBox="0 0 %d 40" preserveAspectRatio="none" aria-hidden="true" shape-rendering="crispEdges"><path d="%s"/></svg>`, x+quietZone, bars.String())
	return template.HTML(svg), nil // #nosec G203 -- numbers and a fixed frame, nothing of text
}
