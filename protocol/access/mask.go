package access

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Show returns a value of a field of class c as far as it is open: whole, masked, or not at all. Fields without a class
// (c is 0) are shown.
func (f Fields) Show(c FieldClass, value string) string {
	if c == 0 {
		return value
	}
	switch f.Of(c) {
	case Read, Write:
		return value
	case Masked:
		return Mask(c, value)
	}
	return ""
}

// Mask returns what may be seen of a value of class c by who sees it masked. The answer depends on the shown part alone: two values that
// differ only in what is hidden look alike, so that neither the hidden part nor, but for names of up to three letters, its length can be
// read from it. Values too short to hide enough of are hidden whole; the empty value, nothing to hide, stays empty.
//
//	Name      张*, J**         first letter, and at most two stars
//	Phone     138****1234      of 11 digits and more the first three and the last four, of 8 to 10 the last three
//	Address   上海市浦东新区****  down to the district
//	Email     a***@x.cn        first letter and domain
//	Identity  310****1234      of 15 characters and more the first three and the last four
//	Bank      ****1234         of 12 digits and more the last four
//	others    ***
func Mask(c FieldClass, value string) string {
	value = strings.TrimSpace(strings.ToValidUTF8(value, "\uFFFD"))
	if value == "" {
		return ""
	}
	switch c {
	case Name:
		return maskName(value)
	case Phone:
		return maskPhone(value)
	case Address:
		return maskAddress(value)
	case Email:
		return maskEmail(value)
	case Identity:
		return ends(signs(value), 3, 4, 15)
	case Bank:
		return ends(signs(value), 0, 4, 12)
	}
	return "***"
}

const stars = "****"

func maskName(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	rest := utf8.RuneCountInString(s[size:])
	if rest == 0 {
		return "*"
	}
	return string(first) + stars[:min(rest, 2)]
}

// signs returns the ASCII digits and letters of s: those by which numbers are told apart. Wide digits count as plain ones.
func signs(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '０' && r <= '９' {
			r -= '０' - '0'
		}
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, s)
}

// ends shows the first and last signs of a text of at least so many.
func ends(s string, first, last, least int) string {
	if len(s) < least {
		return stars
	}
	return s[:first] + stars + s[len(s)-last:]
}

func maskPhone(s string) string {
	country := ""
	digits := signs(s)
	for _, prefix := range []string{"0086", "86"} { // of a mobile number
		if rest, ok := strings.CutPrefix(digits, prefix); ok && len(rest) == 11 && rest[0] == '1' {
			country, digits = "+86 ", rest
			break
		}
	}
	if len(digits) < 11 {
		return country + ends(digits, 0, 3, 8)
	}
	return country + ends(digits, 3, 4, 11)
}

func maskEmail(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return "***"
	}
	local, domain := s[:at], s[at:]
	first, size := utf8.DecodeRuneInString(local)
	if len(local) <= size { // of one letter, or of none
		return "***" + domain
	}
	return string(first) + "***" + domain
}

// The upper parts of a Chinese address, of which nothing else ends alike: provinces by name, cities and districts by their form. In doubt less
// is shown.
var (
	province = regexp.MustCompile(`^(?:[\p{Han}]{2}|黑龙江)省|^(?:内蒙古|广西壮族|西藏|宁夏回族|新疆维吾尔)自治区|^(?:香港|澳门)特别行政区`)
	alone    = regexp.MustCompile(`^[\p{Han}]{1,3}?市`) // a city without its province
	city     = regexp.MustCompile(`^[\p{Han}]{1,5}?市|^[\p{Han}]{2,8}?自治州|^[\p{Han}]{2,5}?(?:地区|盟)`)
	district = regexp.MustCompile(`^[\p{Han}]{1,5}?(?:区|县|旗|市)`)
	// street is what no name of a city or a district has but in its first letter, estate what ends like one and is where somebody lives or shops.
	street = regexp.MustCompile(`^.+[路街弄巷号栋幢]`)
	estate = regexp.MustCompile(`(?:小|社|园|校|厂|库|景|街|片|院|营|宅|墅|住)区|花园|家园|广场|大厦|公寓|新村|(?:超|菜|门|夜|城|集|国际都|大都)市`)
)

// leastAddress is how many letters of an address have to be hidden for the others to be shown.
const leastAddress = 4

func maskAddress(s string) string {
	shown := province.FindString(s)
	parts := []*regexp.Regexp{city, district}
	if shown == "" {
		parts[0] = alone
	}
	rest := s[len(shown):]
	for _, part := range parts {
		found := part.FindString(rest)
		if found == "" || street.MatchString(found) || estate.MatchString(found) {
			break
		}
		shown, rest = shown+found, rest[len(found):]
	}
	if utf8.RuneCountInString(rest) < leastAddress {
		return stars
	}
	return shown + stars
}
