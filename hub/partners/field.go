package partners

import (
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"stockade/hub/store"
	"stockade/protocol/access"
)

// Field is a field of a partner. Fields without a class are seen by whoever sees the partner.
type Field struct {
	Key   string
	Class access.FieldClass
	Most  int // letters
	of    func(*store.Partner) *string
	tidy  func(string) (string, bool) // returns the text as it is kept, and whether it is one; nil for any line of text
}

// fields are all fields in the order in which they are shown.
var fields = []Field{
	{"name", 0, 100, func(p *store.Partner) *string { return &p.Name }, nil},
	{"name_en", 0, 100, func(p *store.Partner) *string { return &p.NameEN }, nil},
	{"contact", access.Name, 60, func(p *store.Partner) *string { return &p.Contact }, nil},
	{"phone", access.Phone, 40, func(p *store.Partner) *string { return &p.Phone }, tidyPhone},
	{"email", access.Email, 254, func(p *store.Partner) *string { return &p.Email }, tidyEmail},
	{"address", access.Address, 200, func(p *store.Partner) *string { return &p.Address }, nil},
	{"tax_number", 0, 20, func(p *store.Partner) *string { return &p.TaxNumber }, tidyTaxNumber},
	{"bank_name", access.Bank, 100, func(p *store.Partner) *string { return &p.BankName }, nil},
	{"bank_account", access.Bank, 40, func(p *store.Partner) *string { return &p.BankAccount }, tidyAccount},
	{"terms", 0, 100, func(p *store.Partner) *string { return &p.Terms }, nil},
	{"note", 0, 500, func(p *store.Partner) *string { return &p.Note }, nil},
}

// Keys returns the keys of all fields in the order in which they are shown.
func Keys() (keys []string) {
	for _, f := range fields {
		keys = append(keys, f.Key)
	}
	return keys
}

func fieldOf(key string) (Field, bool) {
	for _, f := range fields {
		if f.Key == key {
			return f, true
		}
	}
	return Field{}, false
}

// open returns how far the field is open.
func (f Field) open(open access.Fields) access.FieldAccess {
	if f.Class == 0 {
		return access.Read
	}
	return open.Of(f.Class)
}

// writable reports whether who has open to write may write the field.
func (f Field) writable(open access.Fields) bool {
	return f.Class == 0 || open.Of(f.Class) == access.Write
}

// FieldError is a text that can not be kept. Key is that of its field, Why that of the sentence about it.
type FieldError struct {
	Key, Why string
	Most     int
}

func (e *FieldError) Error() string { return fmt.Sprintf("field %q: %s", e.Key, e.Why) }

// take returns a text as it is kept.
func (f Field) take(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' || r == '\u2028' || r == '\u2029' }) || f.Key != "note" && strings.Contains(s, "\n"):
		return "", &FieldError{f.Key, "partner.bad_text", f.Most}
	case utf8.RuneCountInString(s) > f.Most:
		return "", &FieldError{f.Key, "partner.too_long", f.Most}
	case s == "" && f.Key == "name":
		return "", &FieldError{f.Key, "partner.need_name", f.Most}
	case s == "" || f.tidy == nil:
		return s, nil
	}
	kept, ok := f.tidy(s)
	if !ok {
		return "", &FieldError{f.Key, "partner.bad_" + f.Key, f.Most}
	}
	return kept, nil
}

// plain writes wide digits, signs and letters (０９＋－（）) as plain ones, as an input method may have typed them.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '！' && r <= '～' {
			return r - '！' + '!'
		}
		if r == '\u3000' {
			return ' '
		}
		return r
	}, s)
}

var phoneForm = regexp.MustCompile(`^\+?[0-9(][0-9 ()/-]*(?:(?:转|[xX#]|ext\.?) ?[0-9]{1,6})?$`)

// tidyPhone takes numbers as people write them: country code, area code, extension; 5 to 20 digits. A mainland mobile number has 11.
func tidyPhone(s string) (string, bool) {
	s = strings.Join(strings.Fields(plain(s)), " ")
	digits := 0
	for _, r := range s {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	return s, phoneForm.MatchString(s) && digits >= 5 && digits <= 20
}

func tidyEmail(s string) (string, bool) {
	s = plain(s)
	a, err := mail.ParseAddress(s)
	_, domain, _ := strings.Cut(s, "@")
	return s, err == nil && a.Address == s && strings.Contains(domain, ".") && !strings.ContainsAny(s, " \"()<>")
}

var foreignTax = regexp.MustCompile(`^[A-Z]{2}[A-Z0-9]{6,16}$`)

// tidyTaxNumber takes a unified social credit code (统一社会信用代码) with its right check character, or a foreign number with its country's two letters.
func tidyTaxNumber(s string) (string, bool) {
	s = strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(plain(s)))
	return s, ValidCredit(s) || len(s) != 18 && foreignTax.MatchString(s)
}

// creditSigns are the signs of a unified social credit code, each worth its place.
const creditSigns = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// ValidCredit reports whether s is a unified social credit code: 18 signs, the last of which is right for the others (GB 32100-2015, appendix A).
func ValidCredit(s string) bool {
	if len(s) != 18 {
		return false
	}
	sum, weight := 0, 1
	for _, r := range s[:17] {
		n := strings.IndexRune(creditSigns, r)
		if n < 0 {
			return false
		}
		sum += n * weight
		weight = weight * 3 % 31
	}
	return creditSigns[(31-sum%31)%31] == s[17]
}

// tidyAccount takes a bank account of 8 to 32 digits.
func tidyAccount(s string) (string, bool) {
	s = strings.NewReplacer(" ", "", "-", "").Replace(plain(s))
	return s, len(s) >= 8 && len(s) <= 32 && strings.Trim(s, "0123456789") == ""
}
