package prices

import (
	"math"
	"math/rand/v2"
	"testing"

	"stockade/protocol/stock"
)

func TestAmounts(t *testing.T) {
	for text, want := range map[string]string{"0": "0.00", "1": "1.00", "1.2": "1.20", "0.0125": "0.0125", "1,234.5": "1234.50", " 9.99 ": "9.99", "100000000": "100000000.00"} {
		if a, err := Parse(text); err != nil || a.String() != want {
			t.Errorf("%q: %s, %v", text, a, err)
		}
	}
	for _, text := range []string{"", "-1", "1.23456", "1.", ".5", "1e3", "一百", "100000000.01", "99999999999999999999", "+1", "1 2"} {
		if a, err := Parse(text); err == nil {
			t.Errorf("%q is %s", text, a)
		}
	}
	for _, c := range []struct {
		a    Amount
		q    stock.Quantity
		want int64
	}{{1_25_00, 3 * stock.Unit, 375}, {50, stock.Unit, 1}, {49, stock.Unit, 0}, {-50, stock.Unit, -1}, {1_00_00, stock.Unit / 2, 50}, {One, -2 * stock.Unit, -200}, {MaxAmount, math.MaxInt64, math.MaxInt64}, {MaxAmount, math.MinInt64, math.MinInt64}} {
		if got := c.a.Value(c.q); got != c.want {
			t.Errorf("%s of %s is %d, want %d", c.q, c.a, got, c.want)
		}
	}
	for _, c := range []struct {
		old, next Amount
		want      int64
	}{{One, One, 0}, {One, One * 11 / 10, 10_00}, {3, 4, 33_34}, {0, 1, mostPercent}, {1, MaxAmount, mostPercent}, {One, 0, 100_00}} {
		if got := Percent(c.old, c.next); got != c.want {
			t.Errorf("%s to %s: %d", c.old, c.next, got)
		}
	}
	if Amount(12_501).Cents() != 126 || Amount(-12_501).Cents() != -126 || Amount(-12_500).String() != "-1.25" {
		t.Error("parts of a cent")
	}
}

// TestAmountsAreExact: what is written is read again, over the whole range.
func TestAmountsAreExact(t *testing.T) {
	w := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		a := Amount(w.Int64N(int64(MaxAmount) + 1))
		if w.IntN(2) == 0 {
			a = Amount(w.Int64N(100_000))
		}
		if b, err := Parse(a.String()); err != nil || a != b {
			t.Fatalf("%d is written %s and read %d, %v", a, a, b, err)
		}
	}
}
