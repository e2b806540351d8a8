// Package identity knows who people are: accounts, passwords and sessions.
//
// It is the one seam for signing in. The shell (package web) shows its pages and asks it who
// a session belongs to; edge and hub each keep one in their own store. There are no default
// accounts and no default passwords: while a store has no account, a one-time code that the
// program prints at its start lets the first person choose a name and a password.
//
// # Promises
//
//   - A password is kept only as Argon2id, a session token and the one-time code only as
//     SHA-256 (both have more than 112 random bits).
//   - A wrong name and a wrong password give the same answer after the same work.
//   - Guessing is slowed down for the pair of account and address, for the account and for
//     the address, each with a delay that grows, see throttle.go. It can not lock an account
//     for longer than a few minutes from elsewhere.
//   - Every sign-in, refusal and sign-out is handed to Options.Audit in the transaction that
//     records it: no entry, no commit.
//   - A session ends by sign-out, idleness or age, in the store and not only in the browser.
package identity

import (
	"errors"
	"fmt"
	"time"
)

// Person is who does something, under which sign-in and from where. The zero Person is nobody.
type Person struct {
	Account string // the account's name as it was chosen
	Session string // public name of the sign-in, for the audit trail; not its token
	Address string // network address
	Station string // set instead of Account for a station that works without a sign-in
}

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

// From says where a request to sign in or out comes from. Session is the public name of the
// session that the browser already has, empty for none.
type From struct {
	Address string
	Session string
}

// Session is a fresh sign-in. Token is the secret that the browser keeps; it is not stored.
type Session struct {
	Token  string
	Person Person
}

// Conditions that callers turn into sentences.
var (
	ErrWrong    = errors.New("name or password is wrong")
	ErrCode     = errors.New("one-time code is wrong or used")
	ErrNotEmpty = errors.New("there is an account already")
	ErrBusy     = errors.New("too many sign-ins at once")
)

// WaitError refuses an attempt, right or wrong, because too many failed before it.
type WaitError struct{ For time.Duration }

func (e *WaitError) Error() string { return fmt.Sprintf("too many failures, wait %s", e.For) }

// RuleError refuses a name or password that was chosen. Rule is the key of its text.
type RuleError struct{ Rule string }

func (e *RuleError) Error() string { return "refused by rule " + e.Rule }
