package prices

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"stockade/protocol/stock"
)

// Amount is money for one base unit, exact, in ten-thousandths of the company's currency: 1.25 is 12500.
type Amount int64

// One is one of the currency, Cent a hundredth of it.
const (
	One  Amount = 10_000
	Cent Amount = One / 100
)

// MaxAmount is the largest price that can be written: a hundred million.
const MaxAmount = 100_000_000 * One

// ErrAmount is returned for what is no price.
var ErrAmount = errors.New("want a number of 0 or more with at most four decimals")

// Parse reads a decimal number with at most four decimals. Commas between thousands are let through.
func Parse(s string) (Amount, error) {
	s = strings.ReplaceAll(strings.TrimSpace(s), ",", "")
	whole, frac, dot := strings.Cut(s, ".")
	if whole == "" || len(whole) > 12 || len(frac) > 4 || dot && frac == "" || strings.Trim(whole+frac, "0123456789") != "" {
		return 0, fmt.Errorf("amount %q: %w", s, ErrAmount)
	}
	n, err := strconv.ParseInt(whole+frac+strings.Repeat("0", 4-len(frac)), 10, 64)
	if err != nil || Amount(n) > MaxAmount {
		return 0, fmt.Errorf("amount %q: %w", s, ErrAmount)
	}
	return Amount(n), nil
}

// String writes a with two decimals, and more where there are more: "1.20", "0.0125".
func (a Amount) String() string {
	sign, u := "", uint64(a) // #nosec G115 -- two's complement is wanted: it is negated below
	if a < 0 {
		sign, u = "-", -u
	}
	frac := strings.TrimRight(fmt.Sprintf("%04d", u%uint64(One)), "0")
	for len(frac) < 2 {
		frac += "0"
	}
	return sign + strconv.FormatUint(u/uint64(One), 10) + "." + frac
}

// Cents returns a in cents, a part of one being a whole one away from zero.
func (a Amount) Cents() int64 {
	n := int64(a / Cent)
	if r := a % Cent; r > 0 {
		n++
	} else if r < 0 {
		n--
	}
	return n
}

// Value returns what a quantity is worth at a for each base unit, in cents, halves away from zero. What no number of cents has room for is the largest.
func (a Amount) Value(q stock.Quantity) int64 {
	v := new(big.Int).Mul(big.NewInt(int64(a)), big.NewInt(int64(q)))
	unit := big.NewInt(int64(stock.Unit) * int64(Cent))
	half := new(big.Int).Rsh(unit, 1)
	if v.Sign() < 0 {
		half.Neg(half)
	}
	v.Quo(v.Add(v, half), unit)
	switch {
	case v.IsInt64():
		return v.Int64()
	case v.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

// mostPercent is the change that is not told apart from larger ones: 10,000 %.
const mostPercent = 10_000_00

// Percent returns by how much next differs from old, in hundredths of a percent, rounded up, so that nothing is below a limit that it reaches.
// From nothing it is the most.
func Percent(old, next Amount) int64 {
	d := old - next
	if d < 0 {
		d = -d
	}
	switch {
	case d == 0:
		return 0
	case old == 0:
		return mostPercent
	}
	p := new(big.Int).Mul(big.NewInt(int64(d)), big.NewInt(100_00))
	p.Add(p, big.NewInt(int64(old)-1)).Quo(p, big.NewInt(int64(old)))
	if !p.IsInt64() || p.Int64() > mostPercent {
		return mostPercent
	}
	return p.Int64()
}
