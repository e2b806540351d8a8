package barcode

import (
	"fmt"
	"strconv"
	"strings"
)

// A GS1 Company Prefix has 4 to 12 digits.
const minPrefix, maxPrefix = 4, 12

// ValidPrefix reports whether s is a GS1 Company Prefix by its form.
func ValidPrefix(s string) bool { return len(s) >= minPrefix && len(s) <= maxPrefix && digits(s) }

// SSCCs returns how many SSCCs there are under a company prefix: the extension digit and the serial
// reference number them (GS1 General Specifications, section 2.2.1).
func SSCCs(prefix string) uint64 {
	n := uint64(1)
	for range 17 - len(prefix) {
		n *= 10
	}
	return n
}

// SSCC returns the SSCC of 18 digits with that number, from 0 to before SSCCs(prefix).
func SSCC(prefix string, number uint64) (string, error) {
	if !ValidPrefix(prefix) || number >= SSCCs(prefix) {
		return "", fmt.Errorf("there is no SSCC %d under the company prefix %q", number, prefix)
	}
	own := strconv.FormatUint(number, 10)
	own = strings.Repeat("0", 17-len(prefix)-len(own)) + own
	body := own[:1] + prefix + own[1:]
	return body + string(CheckDigit(body)), nil
}
