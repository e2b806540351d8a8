// Package identity knows who people are: accounts, passwords, second factors and sessions.
//
// It is the one seam for signing in. The shell (package web) shows its pages and asks it who
// a session belongs to; edge and hub each keep one in their own store. There are no default
// accounts and no default passwords: while a store has no account, a one-time code that the
// program prints at its start lets the first person choose a name and a password. Every other
// person gets an activation code from an administrator, who neither learns nor picks the password.
//
// # Promises
//
//   - A password is kept only as Argon2id; session tokens, activation codes and recovery codes
//     only as SHA-256 (all have more than 112 random bits).
//   - A wrong name, a wrong password and a disabled account give the same answer after the same work.
//   - An attempt counts before it is judged, so that guesses in parallel gain nothing. Guessing is
//     slowed down for the pair of account and address, for the account and for the address, each with a delay
//     that grows, see throttle.go. A stranger can not lock an account for longer than a few minutes.
//   - A code of an authenticator works once, a recovery code and an activation code too: whoever
//     comes second finds it used, also in parallel and after a restart. Codes are judged by Options.Now,
//     the program's trusted time.
//   - Every sign-in, refusal, sign-out and change of an account is handed to Options.Audit in the transaction that
//     records it: no entry, no commit.
//   - A session ends by sign-out, idleness or age, in the store and not only in the browser;
//     all of an account's end at once when it is disabled, see Service.Ended.
//   - A session that is told to do something first (Person.Must) is for that alone.
package identity

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Person is who does something, under which sign-in and from where. The zero Person is nobody.
type Person struct {
	Account    string   // the account's name as it was chosen
	Session    string   // public name of the sign-in, for the audit trail; not its token
	Address    string   // network address
	Station    string   // set instead of Account for a station that works without a sign-in
	Roles      []string // ids of the permission model
	Warehouses []string // where the person works; none is not the same as all, see the permission model
	Must       Must     // what has to be done before anything else
	Fresh      bool     // a factor was given within FreshFor
	FactorAt   time.Time
	Notices    int      // how many the person has not seen
	Elsewhere  bool     // the hub keeps the account: here nothing of it can be changed
	Company    bool     // the sign-in began at the company's identity provider
	Lent       []string // temporary grants that the present request goes by; entries about it name them
}

// Must is what a person has to do before anything else; empty for nothing.
type Must string

// The musts.
const (
	MustEnrol  Must = "factor"   // enrol a second factor
	MustChange Must = "password" // choose another password
)

// Actor returns the name under which the person's acts are recorded.
func (p Person) Actor() string {
	if p.Account != "" {
		return p.Account
	}
	if p.Station != "" {
		return "station/" + p.Station
	}
	return ""
}

// Has reports whether the person has the role.
func (p Person) Has(role string) bool { return slices.Contains(p.Roles, role) }

// From says where a request to sign in or out comes from. Session is the public name of the
// session that the browser already has, empty for none.
type From struct {
	Address string
	Session string
	Agent   string // what the browser calls itself
}

// Session is a fresh sign-in. Token is the secret that the browser keeps; it is not stored.
//
// With Half set instead of Token the password was right and a second factor is waited for: Half
// is the secret with which SignInCode goes on.
type Session struct {
	Token  string
	Half   string
	Person Person
}

// Conditions that callers turn into sentences.
var (
	ErrWrong    = errors.New("name or password is wrong")
	ErrCode     = errors.New("one-time code is wrong or used")
	ErrFactor   = errors.New("the code of the second factor is wrong or used")
	ErrHalf     = errors.New("the sign-in has to begin again")
	ErrOld      = errors.New("the old password is wrong")
	ErrNotFresh = errors.New("a factor has to be given again first")
	ErrNotEmpty = errors.New("there is an account already")
	ErrBusy     = errors.New("too many sign-ins at once")
	ErrNobody   = errors.New("there is no such account")
	ErrTaken    = errors.New("there is an account of this name")
	ErrSelf     = errors.New("one can not do this to one's own account")
	ErrNothing  = errors.New("there is no such thing")
	ErrTooMany  = errors.New("there are enough of these")
)

// WaitError refuses an attempt, right or wrong, because too many failed before it.
type WaitError struct{ For time.Duration }

func (e *WaitError) Error() string { return fmt.Sprintf("too many failures, wait %s", e.For) }

// RuleError refuses a name, password or list of roles that was chosen. Rule is the key of its text.
type RuleError struct{ Rule string }

func (e *RuleError) Error() string { return "refused by rule " + e.Rule }
