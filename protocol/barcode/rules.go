package barcode

import (
	"strconv"
	"strings"
	"time"
)

// rule checks the content of one component: the "linters" of the GS1 Barcode Syntax Dictionary.
type rule func(value string, now time.Time) Class

var ruleNames = map[string]rule{
	"csum":           checked(func(v string) bool { return digits(v) && checkDigitRight(v) }, ErrCheckDigit),
	"csumalpha":      checked(validCheckPair, ErrCheckDigit),
	"gcppos1":        checked(startsWithPrefix, ErrValue),
	"gcppos2":        checked(func(v string) bool { return len(v) > 1 && startsWithPrefix(v[1:]) }, ErrValue),
	"yymmd0":         func(v string, now time.Time) Class { return dateClass(v, now, true) },
	"yymmdd":         func(v string, now time.Time) Class { return dateClass(v, now, false) },
	"yyyymmdd":       checked(validFullDate, ErrDate),
	"hh":             checked(upTo(23), ErrDate),
	"mi":             checked(upTo(59), ErrDate),
	"ss":             checked(upTo(59), ErrDate),
	"hhmi":           checked(func(v string) bool { return len(v) == 4 && upTo(23)(v[:2]) && upTo(59)(v[2:]) }, ErrDate),
	"iso3166":        checked(func(v string) bool { return listed(countryNumbers, v) }, ErrValue),
	"iso3166999":     checked(func(v string) bool { return v == "999" || listed(countryNumbers, v) }, ErrValue),
	"iso3166alpha2":  checked(func(v string) bool { return listed(countryLetters, v) }, ErrValue),
	"iso4217":        checked(func(v string) bool { return listed(currencyNumbers, v) }, ErrValue),
	"iso5218":        checked(oneOf("0129"), ErrValue),
	"yesno":          checked(oneOf("01"), ErrValue),
	"winding":        checked(oneOf("019"), ErrValue),
	"importeridx":    checked(oneOf(set64), ErrValue),
	"hyphen":         checked(func(v string) bool { return v != "" && strings.Trim(v, "-") == "" }, ErrValue),
	"zero":           checked(func(v string) bool { return v != "" && strings.Trim(v, "0") == "" }, ErrValue),
	"nonzero":        checked(func(v string) bool { return strings.Trim(v, "0") != "" }, ErrValue),
	"nozeroprefix":   checked(func(v string) bool { return !strings.HasPrefix(v, "0") }, ErrValue),
	"hasnondigit":    checked(func(v string) bool { return v != "" && !digits(v) }, ErrValue),
	"packagetype":    checked(func(v string) bool { return listed(packageTypes, v) }, ErrValue),
	"mediatype":      checked(func(v string) bool { return ("01" <= v && v <= "10") || ("80" <= v && v <= "99") }, ErrValue),
	"latitude":       checked(atMost(1_800_000_000), ErrValue),
	"longitude":      checked(atMost(3_600_000_000), ErrValue),
	"pcenc":          checked(validPercents, ErrValue),
	"pieceoftotal":   checked(validPiece, ErrValue),
	"posinseqslash":  checked(validPosition, ErrValue),
	"iban":           checked(validIBAN, ErrValue),
	"couponcode":     coupon(validCoupon),
	"couponposoffer": coupon(validPositiveOffer),
}

func checked(ok func(string) bool, class Class) rule {
	return func(v string, _ time.Time) Class {
		if ok(v) {
			return ""
		}
		return class
	}
}

func oneOf(chars string) func(string) bool {
	return func(v string) bool { return len(v) == 1 && strings.Contains(chars, v) }
}

func upTo(high int) func(string) bool {
	return func(v string) bool {
		n, err := strconv.Atoi(v)
		return err == nil && len(v) == 2 && n <= high
	}
}

func atMost(high uint64) func(string) bool {
	return func(v string) bool {
		n, err := strconv.ParseUint(v, 10, 64)
		return err == nil && n <= high
	}
}

// startsWithPrefix: a GS1 Company Prefix has at least four digits.
func startsWithPrefix(v string) bool { return len(v) >= 4 && digits(v[:4]) }

func dateClass(v string, now time.Time, zeroDay bool) Class {
	if _, ok := ExpiryDate(v, now); !ok || (!zeroDay && strings.HasSuffix(v, "00")) {
		return ErrDate
	}
	return ""
}

func validFullDate(v string) bool {
	if len(v) != 8 || !digits(v) {
		return false
	}
	y, _ := strconv.Atoi(v[:4])
	m, _ := strconv.Atoi(v[4:6])
	d, _ := strconv.Atoi(v[6:])
	_, ok := calendarDay(y, m, d, false)
	return ok
}

// validCheckPair checks the two check characters of an alphanumeric key (GS1 General
// Specifications, section 7.9.5): values in CSET 82 times rising primes from the right, modulo 1021.
func validCheckPair(v string) bool {
	const values = `!"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz`
	const pair = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	if len(v) < 2 {
		return false
	}
	body, sum, prime := v[:len(v)-2], 0, 1
	for i := len(body) - 1; i >= 0; i-- {
		prime = nextPrime(prime)
		at := strings.IndexByte(values, body[i])
		if at < 0 {
			return false
		}
		sum += at * prime
	}
	sum %= 1021
	return v[len(v)-2:] == string([]byte{pair[sum>>5], pair[sum&31]})
}

func nextPrime(n int) int {
	for n++; ; n++ {
		prime := n > 1
		for d := 2; d*d <= n; d++ {
			prime = prime && n%d != 0
		}
		if prime {
			return n
		}
	}
}

func validPercents(v string) bool {
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && (i+2 >= len(v) || !hexDigit(v[i+1]) || !hexDigit(v[i+2])) {
			return false
		}
	}
	return true
}

func hexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func validPiece(v string) bool {
	piece, total := v[:len(v)/2], v[len(v)/2:]
	return len(v)%2 == 0 && strings.Trim(piece, "0") != "" && strings.Trim(total, "0") != "" && piece <= total
}

func validPosition(v string) bool {
	pos, end, ok := strings.Cut(v, "/")
	if !ok || !digits(pos) || !digits(end) || pos[0] == '0' || end[0] == '0' {
		return false
	}
	return len(pos) < len(end) || (len(pos) == len(end) && pos <= end)
}

// validIBAN checks country, length and the mod 97 check digits (ISO 13616-1).
func validIBAN(v string) bool {
	if len(v) <= 10 || len(v) > 34 || !listed(countryLetters, v[:2]) {
		return false
	}
	sum := 0
	for _, c := range []byte(v[4:] + v[:4]) {
		at := strings.IndexByte(upperAndDigits, c)
		switch {
		case at < 0:
			return false
		case at < 10:
			sum = sum*10 + at
		default:
			sum = sum*100 + at
		}
		sum %= 97
	}
	return sum == 1
}
