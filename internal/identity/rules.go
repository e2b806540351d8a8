package identity

import (
	_ "embed"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a password, in characters. There are no rules about kinds of characters: length
// is what counts. The upper limit only keeps hashing short.
const (
	MinPassword = 12
	MaxPassword = 256
)

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

// checkPasswordChoice returns a RuleError for a password that should not be chosen: too
// short, too long, on the list, or little more than something that everybody tries first.
func checkPasswordChoice(password, name string) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password) || n < MinPassword:
		return &RuleError{"login.password_short"}
	case n > MaxPassword:
		return &RuleError{"login.password_long"}
	case isCommon(password, name):
		return &RuleError{"login.password_common"}
	}
	return nil
}

// unleet undoes the usual replacements of letters.
var unleet = strings.NewReplacer("0", "o", "1", "l", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i")

// isCommon reports whether password is a common one, or a common word, one of ours or the
// person's own name with digits and signs around it, or hardly varies.
func isCommon(password, name string) bool {
	lower := strings.ToLower(password)
	if few(lower) || runs(lower) {
		return true
	}
	forms := []string{lower, letters(lower), letters(unleet.Replace(lower)), letters(unleet.Replace(strings.TrimRight(lower, "0123456789!@#$%.*_-")))}
	words := append(strings.Fields(commonList), "stockade", "仓盾", letters(fold(name)), fold(name))
	for _, f := range forms {
		for _, w := range words {
			if w != "" && strings.ReplaceAll(f, w, "") == "" && f != "" {
				return true
			}
		}
	}
	return false
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
