package access

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Unmask is the permission to see, for a reason, what another permission shows masked. The classes that its grant opens to reading are those that may
// be opened so, in the rows of its scope.
const Unmask Permission = "field.unmask"

// Unmasking is what somebody wants to see for a reason: one field of one thing. It is what is recorded; the value is no part of it.
type Unmasking struct {
	Kind    string // of the thing, such as "customer", "person"
	Subject string // which one: its code or account
	Field   string
	Class   FieldClass
	Purpose Purpose
	Reason  string // needed when Purpose is OtherPurpose
}

// Purpose says why something is unmasked. The words are stored.
type Purpose string

// The purposes that are offered.
const (
	Delivery     Purpose = "delivery"  // to tell of a delivery
	Payment      Purpose = "payment"   // to check a payment or an invoice
	Complaint    Purpose = "complaint" // to answer a complaint, or about goods sent back
	Recall       Purpose = "recall"
	OtherPurpose Purpose = "other" // as the reason says
)

// Purposes returns all purposes in the order in which they are offered.
func Purposes() []Purpose { return []Purpose{Delivery, Payment, Complaint, Recall, OtherPurpose} }

// Bounds of a reason, in letters.
const (
	LeastReason = 5
	MostReason  = 300
)

// ErrPurpose is returned by Unmasking.Check when nothing is said that a checker could go by.
var ErrPurpose = errors.New("a purpose or a reason of 5 to 300 letters is needed")

// Check tidies the reason, and returns ErrPurpose when it says too little or too much.
func (u *Unmasking) Check() error {
	u.Reason = strings.Join(strings.Fields(strings.ToValidUTF8(u.Reason, "\uFFFD")), " ")
	n := utf8.RuneCountInString(u.Reason)
	if n > MostReason {
		return ErrPurpose
	}
	switch u.Purpose {
	case Delivery, Payment, Complaint, Recall:
		return nil
	case OtherPurpose:
		if n >= LeastReason && !oneLetter(u.Reason) {
			return nil
		}
	}
	return ErrPurpose
}

// oneLetter reports whether s is the same letter over and over.
func oneLetter(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	return strings.Trim(s, string(first)+" ") == ""
}

// MayUnmask reports whether a field of class c that read shows masked may be opened by unmask, the decision about the permission Unmask on
// the same thing. What is hidden can not be opened.
func MayUnmask(read, unmask Decision, c FieldClass) bool {
	return read.Allowed && unmask.Allowed && read.Fields.Of(c) == Masked && unmask.Fields.Of(c) >= Read
}
