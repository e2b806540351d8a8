package barcode

import (
	"strings"
	"time"
)

// coupon makes a rule of a reader of North American coupon data, which is all digits.
func coupon(read func(*fields)) rule {
	return func(v string, now time.Time) Class {
		if !digits(v) {
			return ErrValue
		}
		f := &fields{rest: v, now: now}
		if read(f); f.bad || f.rest != "" {
			return ErrValue
		}
		return ""
	}
}

// fields takes coupon data apart from left to right.
type fields struct {
	rest string
	now  time.Time
	bad  bool
}

// take removes n digits.
func (f *fields) take(n int) string {
	if f.bad || len(f.rest) < n {
		f.bad = true
		return ""
	}
	v := f.rest[:n]
	f.rest = f.rest[n:]
	return v
}

// code removes one digit, which must be one of those allowed, and returns its value.
func (f *fields) code(allowed string) int {
	v := f.take(1)
	if v == "" || !strings.Contains(allowed, v) {
		f.bad = true
		return 0
	}
	return int(v[0] - '0')
}

// sized removes a length digit, one of those allowed, and as many digits as it says plus extra.
func (f *fields) sized(allowed string, extra int) { f.take(f.code(allowed) + extra) }

// begins removes the digit that marks an optional field, if it comes next.
func (f *fields) begins(mark string) bool {
	rest, ok := strings.CutPrefix(f.rest, mark)
	if ok && !f.bad {
		f.rest = rest
	}
	return ok && !f.bad
}

func (f *fields) date() string {
	v := f.take(6)
	if !f.bad && dateClass(v, f.now, false) != "" {
		f.bad = true
	}
	return v
}

// requirement removes a purchase requirement, its code and the family code.
func (f *fields) requirement() {
	f.sized("12345", 0)
	f.code("012349")
	f.take(3)
}

// otherPrefix removes the company prefix of a further purchase; 9 means there is none.
func (f *fields) otherPrefix() {
	if n := f.code("01234569"); n != 9 {
		f.take(n + 6)
	}
}

// validCoupon reads AI 8110 (North American Coupon Application Guideline).
func validCoupon(f *fields) {
	f.sized("0123456", 6) // company prefix
	f.take(6)             // offer code
	f.sized("12345", 0)   // save value
	f.requirement()
	if f.begins("1") {
		f.code("0123")
		f.requirement()
		f.otherPrefix()
	}
	if f.begins("2") {
		f.requirement()
		f.otherPrefix()
	}
	expires := ""
	if f.begins("3") {
		expires = f.date()
	}
	if f.begins("4") {
		if start := f.date(); expires != "" && start > expires {
			f.bad = true
		}
	}
	if f.begins("5") {
		f.sized("0123456789", 6) // serial number
	}
	if f.begins("6") {
		f.sized("1234567", 6) // retailer
	}
	if f.begins("9") {
		f.code("01256")
		f.code("012")
		f.take(1)
		f.code("01")
	}
}

// validPositiveOffer reads AI 8112 (GS1 AI (8112) Coupon Data Specification).
func validPositiveOffer(f *fields) {
	f.code("01")             // format
	f.sized("0123456", 6)    // funder
	f.take(6)                // offer code
	f.sized("0123456789", 6) // serial number
}
