package barcode

import (
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// decodeText reads text that does not name its encoding: UTF-8 when valid, else GB18030
// when valid (C7). The other order would damage UTF-8.
func decodeText(b []byte) (string, Class) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	return decodeWith(simplifiedchinese.GB18030, b)
}

func decodeWith(e encoding.Encoding, b []byte) (string, Class) {
	out, err := e.NewDecoder().Bytes(b)
	if err != nil {
		return "", ErrEncoding
	}
	// The decoder writes U+FFFD for what it can not read; text that holds one says so in four bytes.
	for _, r := range string(out) {
		if r == utf8.RuneError && e != encoding.Replacement {
			return "", ErrEncoding
		}
	}
	return string(out), ""
}

// eciEncodings are the character sets that "\NNNNNN" may select (AIM ECI assignments). GB2312 is
// read by the set that contains it.
var eciEncodings = map[string]encoding.Encoding{
	"000003": charmap.ISO8859_1,
	"000026": encoding.Nop,
	"000029": simplifiedchinese.GBK,
	"000032": simplifiedchinese.GB18030,
}

// decodeECI reads data of the ids that transmit ECI escapes (C6).
func decodeECI(data []byte) (string, Class) {
	var current encoding.Encoding
	var part []byte
	out := ""
	flush := func() Class {
		if len(part) == 0 {
			return ""
		}
		var text string
		var class Class
		switch current {
		case nil:
			text, class = decodeText(part)
		case encoding.Nop:
			if text = string(part); !utf8.Valid(part) {
				class = ErrEncoding
			}
		default:
			text, class = decodeWith(current, part)
		}
		out, part = out+text, nil
		return class
	}
	for i := 0; i < len(data); i++ {
		switch {
		case data[i] != '\\':
			part = append(part, data[i])
		case i+1 < len(data) && data[i+1] == '\\':
			part = append(part, '\\')
			i++
		case i+6 < len(data) && digits(string(data[i+1:i+7])):
			if class := flush(); class != "" {
				return "", class
			}
			e, ok := eciEncodings[string(data[i+1:i+7])]
			if !ok {
				return "", ErrEncoding
			}
			current = e
			i += 6
		default:
			part = append(part, '\\')
		}
	}
	class := flush()
	return out, class
}
