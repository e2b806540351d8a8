// Package guessable judges passwords by the lists of breached passwords, names and words, by keyboards and dates. Its lists take
// ten megabytes of memory from the start of a program: nodes, where people hardly ever choose a password, do without.
package guessable

import "github.com/trustelem/zxcvbn"

// least is how many guesses of an attacker who knows the lists a password must withstand. The throttles leave some thousand a
// year online; Argon2id makes the rest slow.
const least = 1e9

// most is how much of a password is compared with lists; comparing takes time that grows with the cube.
const most = 64

// Judge reports whether a password is too easy to guess. own are words that everybody would try first.
func Judge(password string, own []string) bool {
	r := []rune(password)
	return zxcvbn.PasswordStrength(string(r[:min(len(r), most)]), own).Guesses < least
}
