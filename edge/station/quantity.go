package station

import (
	"strconv"
	"strings"

	"stockade/protocol/stock"
)

// maxSet is the largest quantity that a command can set. It has as many digits as one reads at a glance.
const maxSet = 99_999

// setQuantity sets what the next scan of an item counts as. text is what follows STK:QTY:.
func (a *act) setQuantity(text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > maxSet || strconv.FormatInt(n, 10) != text {
		return a.refuse(UnknownCommand, map[string]string{"text": clip("STK:QTY:" + text)})
	}
	return a.chooseQuantity(n, false)
}

// addDigit appends a digit to the quantity that the digits before it make up. text is what follows STK:KEY:.
func (a *act) addDigit(text string, more bool) error {
	if len(text) != 1 || !strings.Contains("0123456789", text) {
		return a.refuse(UnknownCommand, map[string]string{"text": clip("STK:KEY:" + text)})
	}
	n := int64(text[0] - '0')
	if more {
		n += 10 * a.st.Quantity
	}
	switch {
	case n == 0:
		a.clearQuantity()
		return a.refuse(QuantityZero, nil)
	case n > maxSet:
		a.clearQuantity()
		return a.refuse(QuantityTooBig, map[string]string{"max": strconv.Itoa(maxSet)})
	}
	return a.chooseQuantity(n, true)
}

func (a *act) chooseQuantity(n int64, digits bool) error {
	if a.st.Mode == LookUp || a.st.Mode == Undo { // nothing is moved in them by number
		a.clearQuantity()
		return a.refuse(NoQuantityNow, map[string]string{"mode": "text:mode." + string(a.st.Mode)})
	}
	a.st.Quantity, a.st.Digits = n, digits
	return a.inform(QuantitySet, map[string]string{"set": strconv.FormatInt(n, 10)})
}

func (a *act) clearQuantity() { a.st.Quantity, a.st.Digits = 0, false }

// takeQuantity uses up the quantity that was set: it is for one scan of an item, whatever comes of that, so that
// it is never left behind for goods that nobody meant it for. It stays in the feedback, for a lead who lets the scan pass.
func (a *act) takeQuantity() {
	a.f.Set = a.st.Quantity
	a.clearQuantity()
}

// first asks for another scan before this one. It has not been the item's turn yet: the quantity still stands.
func (a *act) first(code string, args map[string]string) error {
	a.st.Quantity = a.f.Set
	return a.refuse(code, args)
}

// single reports whether a set quantity would be one of a unit with a serial number, of which there is one.
func (a *act) single(k stock.Key) bool { return a.f.Set > 1 && k.Serial != "" }

func (a *act) refuseSingle(k stock.Key) error {
	return a.refuse(QuantityOfSerial, map[string]string{"serial": string(k.Serial), "set": strconv.FormatInt(a.f.Set, 10)})
}
