package stock

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Quantity counts an item in millionths of its base unit, so 2.5 kg is exact.
type Quantity int64

// Unit is one base unit.
const Unit Quantity = 1_000_000

// ErrOverflow is returned when a sum or product does not fit a Quantity.
var ErrOverflow = errors.New("quantity out of range")

// Units returns n base units, or ErrOverflow.
func Units(n int64) (Quantity, error) { return Unit.Times(n) }

// Plus returns q+r, or ErrOverflow.
func (q Quantity) Plus(r Quantity) (Quantity, error) {
	s := q + r
	if (s > q) != (r > 0) && r != 0 {
		return 0, ErrOverflow
	}
	return s, nil
}

// Times returns n times q, or ErrOverflow.
func (q Quantity) Times(n int64) (Quantity, error) {
	if q == 0 || n == 0 {
		return 0, nil
	}
	p := q * Quantity(n)
	if p/Quantity(n) != q || (n == -1 && q == math.MinInt64) {
		return 0, ErrOverflow
	}
	return p, nil
}

// String writes q in base units without trailing zeros: "2.5".
func (q Quantity) String() string {
	sign, u := "", uint64(q) // #nosec G115 -- two's complement is wanted: it is negated below
	if q < 0 {
		sign, u = "-", -u
	}
	s := strconv.FormatUint(u/uint64(Unit), 10)
	if frac := u % uint64(Unit); frac != 0 {
		s += "." + strings.TrimRight(fmt.Sprintf("%06d", frac), "0")
	}
	return sign + s
}

// ParseQuantity reads a decimal number of base units with at most six decimals.
func ParseQuantity(s string) (Quantity, error) {
	bad := func() (Quantity, error) {
		return 0, fmt.Errorf("quantity %q: want a number with at most six decimals", s)
	}
	digits := strings.TrimPrefix(s, "-")
	whole, frac, dot := strings.Cut(digits, ".")
	if whole == "" || len(frac) > 6 || (dot && frac == "") || strings.Trim(whole+frac, "0123456789") != "" {
		return bad()
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 6-len(frac)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("quantity %q: %w", s, ErrOverflow)
	}
	if len(digits) != len(s) {
		n = -n
	}
	return Quantity(n), nil
}

// MarshalText writes q as String does; JSON shows it as text, since JSON numbers are floats to many readers.
func (q Quantity) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (q *Quantity) UnmarshalText(b []byte) (err error) {
	*q, err = ParseQuantity(string(b))
	return err
}
