package symbol

import "fmt"

// Symbol draws characters that somebody else chose, such as a printer's own language. The error wraps
// ErrMessage.
func (v Values) Symbol(k Kind) (Symbol, error) {
	if len(v) < 2 || len(v) > maxCode128 || v[0] < checkBase || v[0] > StartC {
		return Symbol{}, fmt.Errorf("%w: no Code 128 of %d characters", ErrMessage, max(0, len(v)-1))
	}
	for _, c := range v[1:] {
		if c < 0 || c > Fnc1 {
			return Symbol{}, fmt.Errorf("%w: Code 128 has no character %d", ErrMessage, c)
		}
	}
	return v.symbol(k), nil
}
