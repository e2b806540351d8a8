package barcode

import "strings"

// CheckDigit returns the GS1 check digit of a key without it: from the right with weights
// 3, 1, 3, … (GS1 General Specifications, section 7.9).
func CheckDigit(body string) byte {
	sum := 0
	for i := range len(body) {
		v := int(body[len(body)-1-i] - '0')
		if i%2 == 0 {
			v *= 3
		}
		sum += v
	}
	return byte('0' + (10-sum%10)%10) // #nosec G115 -- a digit
}

// ValidGTIN reports whether s is 8, 12, 13 or 14 digits with a right check digit.
func ValidGTIN(s string) bool {
	switch len(s) {
	case 8, 12, 13, 14:
		return digits(s) && checkDigitRight(s)
	}
	return false
}

// checkDigitRight looks at the last digit of a string of digits.
func checkDigitRight(s string) bool {
	return len(s) > 1 && s[len(s)-1] == CheckDigit(s[:len(s)-1])
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func pad14(s string) string { return strings.Repeat("0", max(0, 14-len(s))) + s }
