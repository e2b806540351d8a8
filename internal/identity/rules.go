package identity

import (
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Rules are what a password must be and how long it is good for.
type Rules struct {
	Name    string        // of the preset
	Min     int           // characters
	Classes int           // of the four kinds small letters, capital letters, digits and others; 0 asks for none
	History int           // the last passwords that are not taken again
	Change  time.Duration // after which it has to be changed; 0 never
	Grace   time.Duration // how long after that one may still sign in without changing it
}

// MaxPassword is the most characters of a password. It only keeps hashing short.
const MaxPassword = 256

// The presets, all their numbers in one place. Both refuse common passwords and context words.
//
// ASVS follows OWASP ASVS 5.0 V6.2: length is what counts, no rules about kinds of characters, no change
// without a reason. Dengbao is what assessors of 等级保护 (GB/T 22239-2019, level 3, 8.1.4.1 a: complex and
// changed regularly) ask for; the standard itself names no numbers.
var (
	ASVS    = Rules{Name: "asvs", Min: 12}
	Dengbao = Rules{Name: "dengbao", Min: 10, Classes: 3, History: 5, Change: 90 * 24 * time.Hour, Grace: 7 * 24 * time.Hour}
)

// RulesNamed returns a preset; the empty name is the default one.
func RulesNamed(name string) (Rules, error) {
	switch name {
	case "", ASVS.Name:
		return ASVS, nil
	case Dengbao.Name:
		return Dengbao, nil
	}
	return Rules{}, fmt.Errorf("password rules %q: want %s or %s", name, ASVS.Name, Dengbao.Name)
}

// overdue reports whether a password chosen at that time has to be changed, and whether at once.
func (r Rules) overdue(chosen, now time.Time) (told, must bool) {
	if r.Change == 0 {
		return false, false
	}
	age := now.Sub(chosen)
	return age > r.Change, age > r.Change+r.Grace
}

// maxName limits an account's name, in characters.
const maxName = 64

//go:embed common.txt
var commonList string

// checkName returns a RuleError for a name that can not be an account's.
func checkName(name string) error {
	n := utf8.RuneCountInString(name)
	if n == 0 || n > maxName || !utf8.ValidString(name) {
		return &RuleError{"login.bad_name"}
	}
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-@ ", r) {
			return &RuleError{"login.bad_name"}
		}
	}
	return nil
}

// fold returns the form of a name under which accounts are told apart.
func fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// check returns a RuleError for a password that should not be chosen: too short, too long, of too few kinds of characters, or easy to
// guess. words are what everybody would try first: the person's own names, the company's and the warehouses'.
func (r Rules) check(password string, words []string, judge func(string, []string) bool) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password) || n < r.Min:
		return &RuleError{"login.password_short"}
	case n > MaxPassword:
		return &RuleError{"login.password_long"}
	case kinds(password) < r.Classes:
		return &RuleError{"login.password_kinds"}
	case isCommon(password, words, judge):
		return &RuleError{"login.password_common"}
	}
	return nil
}

// kinds counts the kinds of characters. Chinese characters are of the fourth: they are neither letters of a case nor digits.
func kinds(s string) int {
	var seen [4]bool
	for _, r := range s {
		switch {
		case unicode.IsLower(r):
			seen[0] = true
		case unicode.IsUpper(r):
			seen[1] = true
		case unicode.IsDigit(r):
			seen[2] = true
		default:
			seen[3] = true
		}
	}
	n := 0
	for _, s := range seen {
		if s {
			n++
		}
	}
	return n
}

// unleet undoes the usual replacements of letters.
var unleet = strings.NewReplacer("0", "o", "1", "l", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i")

// isCommon reports whether password is a breached or common one, or made of nothing but common words, ours and
// the person's own name with digits and signs around them, or hardly varies, or judge, if there is one, calls it easy to guess.
func isCommon(password string, words []string, judge func(string, []string) bool) bool {
	lower := strings.ToLower(password)
	if few(lower) || runs(lower) {
		return true
	}
	forms := []string{lower, letters(lower), letters(unleet.Replace(lower)), letters(unleet.Replace(strings.TrimRight(lower, "0123456789!@#$%.*_-")))}
	own := []string{"stockade", "仓盾"}
	for _, w := range words {
		for _, part := range append(strings.FieldsFunc(strings.ToLower(w), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), letters(fold(w)), fold(w)) {
			if utf8.RuneCountInString(part) > 1 {
				own = append(own, part)
			}
		}
	}
	known := append(strings.Fields(commonList), own...)
	slices.SortFunc(known, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) }) // the longest first: they hold others
	for _, f := range forms {
		if f == "" {
			continue
		}
		for _, w := range known {
			if f = strings.ReplaceAll(f, w, "\x00"); strings.Trim(f, "\x00") == "" {
				return true
			}
		}
	}
	return judge != nil && judge(password, own)
}

// letters keeps the letters of s.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, s)
}

// few reports whether s has fewer than five different characters.
func few(s string) bool {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen) < 5
}

// runs reports whether s is mostly a run along the alphabet, the digits or a row of keys.
func runs(s string) bool {
	const rows = "abcdefghijklmnopqrstuvwxyz 01234567890 qwertyuiop asdfghjkl zxcvbnm 1qaz2wsx3edc4rfv5tgb6yhn7ujm 1q2w3e4r5t6y7u8i9o0p"
	back := reverse(rows)
	rs, in := []rune(s), 0
	for i := 0; i+1 < len(rs); i++ {
		pair := string(rs[i : i+2])
		if strings.Contains(rows, pair) || strings.Contains(back, pair) {
			in++
		}
	}
	return in*4 >= (len(rs)-1)*3
}

func reverse(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}
