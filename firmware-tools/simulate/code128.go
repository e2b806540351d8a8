package simulate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"stockade/internal/symbol"
)

// Values of Code 128 that package symbol does not name (ISO/IEC 15417, table 1).
const (
	code128Shift = 98
	code128A     = 101 // change to subset A
	code128Start = 103 // 103 to 105 start in A, B and C
)

// subset is the table that characters of Code 128 are read with.
type subset byte

// code128 collects the characters of a symbol.
type code128 struct {
	values symbol.Values
	set    subset
	says   strings.Builder
	lost   strings.Builder
}

func (c *code128) start(set subset) {
	c.values, c.set = symbol.Values{code128Start + int(set-'A')}, set
}

func (c *code128) change(set subset) {
	if set != c.set {
		c.values = append(c.values, map[subset]int{'A': code128A, 'B': symbol.CodeB, 'C': symbol.CodeC}[set])
		c.set = set
	}
}

// add adds a character of the present subset A or B.
func (c *code128) add(b byte) {
	switch {
	case c.set == 'A' && b < ' ':
		c.values = append(c.values, int(b)+64)
	case b >= ' ' && (c.set == 'A' && b < '`' || c.set == 'B' && b < 0x80):
		c.values = append(c.values, int(b-' '))
		c.says.WriteByte(b)
	default:
		c.lost.WriteByte(b)
	}
}

func (c *code128) pair(tens, ones byte) {
	c.values = append(c.values, int(tens-'0')*10+int(ones-'0'))
	c.says.Write([]byte{tens, ones})
}

func (c *code128) fault() error {
	if c.lost.Len() > 0 {
		return fmt.Errorf("子集 %c 不能表示 / subset %c has no %q", c.set, c.set, c.lost.String())
	}
	return nil
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

// zplCode128 reads the data of a ^BC field in its mode: N takes what the data says, with > and a character as
// codes; A chooses subsets by itself; D is for GS1 element strings; U for an SSCC.
func zplCode128(data string, mode byte) (symbol.Values, string, error) {
	switch mode {
	case 'U': // 19 digits, to which FNC1 and the check digit are added
		if len(data) > 19 {
			data = data[:19]
		}
		data = strings.Repeat("0", 19-len(data)) + data
		if strings.ContainsFunc(data, func(r rune) bool { return r < '0' || r > '9' }) {
			return nil, "", fmt.Errorf("^BC U: 需要数字 / wants digits: %q", data)
		}
		data += string(checkDigit(data))
		values, err := symbol.EncodeCode128(symbol.GS1128, data)
		return values, data, err
	case 'D':
		says := strings.ReplaceAll(data, ">8", "")
		message := strings.NewReplacer(">8", "\x1d", "(", "", ")", "", " ", "").Replace(data)
		values, err := symbol.EncodeCode128(symbol.GS1128, message)
		return values, says, err
	case 'A':
		values, err := symbol.EncodeCode128(symbol.Code128, data)
		return values, data, err
	}
	return zplPlain(data)
}

// zplPlain reads data with invocation codes (ZPL II Programming Guide, "^BC", "Code 128 invocation
// characters"). In subset C, and so in A, a pair that is none is left out, as printers do without a word.
func zplPlain(data string) (symbol.Values, string, error) {
	var c code128
	c.start('B')
	if len(data) >= 2 && data[0] == '>' {
		if i := strings.IndexByte("9:;", data[1]); i >= 0 {
			c.start(subset("ABC"[i]))
			data = data[2:]
		}
	}
	for i := 0; i < len(data); i++ {
		b := data[i]
		if b == '>' && i+1 < len(data) {
			i++
			c.invoke(data[i])
			continue
		}
		switch c.set {
		case 'B':
			c.add(b)
		default: // pairs of digits: the value in A, two digits in C
			if !digit(b) || i+1 >= len(data) || !digit(data[i+1]) {
				c.lost.WriteByte(b)
				if digit(b) && i+1 < len(data) && data[i+1] != '>' { // the pair is invalid as a whole
					i++
					c.lost.WriteByte(data[i])
				}
				continue
			}
			c.pair(b, data[i+1])
			i++
		}
	}
	return c.values, c.says.String(), c.fault()
}

func (c *code128) invoke(b byte) {
	switch b {
	case '<':
		c.special(62, "^")
	case '0':
		c.special(30, ">")
	case '=':
		c.special(94, "~")
	case '1':
		c.special(95, "")
	case '2':
		c.special(96, "")
	case '3':
		c.special(97, "")
	case '4':
		c.special(code128Shift, "")
	case '5':
		c.change('C')
	case '6':
		c.change('B')
	case '7':
		c.change('A')
	case '8':
		c.values = append(c.values, symbol.Fnc1)
	default:
		c.lost.Write([]byte{'>', b})
	}
}

func (c *code128) special(value int, says string) {
	c.values = append(c.values, value)
	c.says.WriteString(says)
}

// checkDigit is that of GS1 (General Specifications, section 7.9.1).
func checkDigit(digits string) byte {
	sum := 0
	for i := range len(digits) {
		weight := 1
		if (len(digits)-i)%2 == 1 {
			weight = 3
		}
		sum += weight * int(digits[i]-'0')
	}
	return '0' + byte((10-sum%10)%10) // #nosec G115 -- a digit
}

// ean13 makes 13 digits of what a printer was given, and insists on a right check digit.
func ean13(s string) (string, error) {
	for i := range len(s) {
		if !digit(s[i]) {
			return "", fmt.Errorf("EAN-13: %q", s)
		}
	}
	switch {
	case len(s) == 12:
		return s + string(checkDigit(s)), nil
	case len(s) == 13 && checkDigit(s[:12]) == s[12]:
		return s, nil
	}
	return "", fmt.Errorf("EAN-13 需要 12 或 13 位且校验码正确 / wants 12 digits, or 13 with the right check digit: %q", s)
}

// zplMatrix reads the data of a ^BX field: the escape character with 1 is FNC1, with d and three digits a byte,
// with a capital letter or @ to _ a control character, and doubled itself.
func zplMatrix(data string, escape byte) (symbol.Kind, string, error) {
	kind := symbol.DataMatrix
	var m strings.Builder
	for i := 0; i < len(data); i++ {
		if data[i] != escape {
			m.WriteByte(data[i])
			continue
		}
		i++
		switch {
		case i >= len(data):
			return "", "", errors.New("^BX: 转义字符之后没有内容 / nothing after the escape character")
		case data[i] == escape:
			m.WriteByte(escape)
		case data[i] == '1':
			if m.Len() == 0 && kind == symbol.DataMatrix {
				kind = symbol.GS1DataMatrix
			} else {
				m.WriteByte(symbol.FNC1)
			}
		case data[i] == 'd' && i+3 < len(data):
			n, err := strconv.Atoi(data[i+1 : i+4])
			if err != nil || n > 255 {
				return "", "", fmt.Errorf("^BX: %q", data[i-1:i+4])
			}
			m.WriteByte(byte(n)) // #nosec G115 -- looked at
			i += 3
		case '@' <= data[i] && data[i] <= '_':
			m.WriteByte(data[i] - '@')
		default:
			return "", "", fmt.Errorf("^BX: %q", data[i-1:i+1])
		}
	}
	return kind, m.String(), nil
}

// zplQR reads the data of a ^BQ field: level, input mode, comma, message. In manual mode a letter says what
// follows; B is followed by the number of bytes.
func zplQR(data string) (message string, level byte, err error) {
	head, message, ok := strings.Cut(data, ",")
	if !ok || len(head) < 2 || !strings.ContainsRune("HQML", rune(head[0])) {
		return "", 0, fmt.Errorf("^BQ: 需要如 MA,内容 / wants something like MA,data: %.30q", data)
	}
	level = head[0]
	switch head[1] {
	case 'A':
		return message, level, nil
	case 'M':
		if len(message) >= 5 && message[0] == 'B' {
			if n, err := strconv.Atoi(message[1:5]); err == nil && n >= 0 && 5+n <= len(message) {
				return message[5 : 5+n], level, nil
			}
		}
		if len(message) >= 1 && (message[0] == 'N' || message[0] == 'A') {
			return message[1:], level, nil
		}
	}
	return "", 0, fmt.Errorf("^BQ: %.30q", data)
}
