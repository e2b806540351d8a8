package station

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stockade/edge/store"
	"stockade/protocol/barcode"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// act is one scan, or one press of a button, in its transaction.
type act struct {
	s        *Station
	tx       *store.Tx
	st       State
	meta     change.Meta
	worker   Worker
	reason   string // of a lead who lets it pass
	f        Feedback
	movement stock.ID // that was posted
	digits   bool     // the scan before was a digit of the quantity
}

// end keeps the scan and where the station stands, and returns what the worker is told.
func (a *act) end() (Feedback, error) {
	switch a.f.Outcome {
	case Accepted:
		a.st.Accepted++
		if err := a.lent(); err != nil {
			return Feedback{}, err
		}
	case Refused:
		a.st.Refused++
	}
	k := kept{Told: a.f.Told}
	if a.movement.IsZero() {
		k.Kind = &a.f.Kind
	}
	told, err := json.Marshal(k)
	if err != nil {
		return Feedback{}, err
	}
	st, err := json.Marshal(a.st)
	if err != nil {
		return Feedback{}, err
	}
	return a.f, a.tx.PutScan(store.Scan{Station: a.s.config.Name, Time: a.f.Time, Day: a.f.Day, Outcome: string(a.f.Outcome), Code: a.f.Code, Raw: a.f.Raw,
		Told: told, State: st, Movement: a.movement, Undo: a.st.Undo})
}

// lent says beside what was booked that the worker may do so for a time only.
func (a *act) lent() error {
	for _, id := range a.worker.Lent {
		e := change.Entry{Act: change.ActGrantUsed, Object: id, Outcome: "ok", Detail: map[string]string{"request": a.f.Code + " " + a.f.Movement, "station": a.s.config.Name}}
		c, err := change.OfEntry(a.made(), e)
		if err != nil {
			return err
		}
		if _, err := a.tx.Add(c); err != nil {
			return err
		}
	}
	return nil
}

func (a *act) inform(code string, args map[string]string) error {
	a.f.Outcome, a.f.Code, a.f.Args = Info, code, args
	return nil
}

// refuse books nothing but the audit entry that says so.
func (a *act) refuse(code string, args map[string]string) error {
	a.f.Outcome, a.f.Code, a.f.Args = Refused, code, args
	detail := map[string]string{"mode": string(a.st.Mode), "raw": fmt.Sprintf("%q", a.f.Raw)}
	if len(detail["raw"]) > 2000 {
		detail["raw"] = detail["raw"][:2000]
	}
	c, err := change.OfEntry(a.made(), change.Entry{Act: "scan.refused", Object: a.s.config.Name, Outcome: code, Detail: detail})
	if err != nil {
		return err
	}
	_, err = a.tx.Add(c)
	return err
}

// made returns what the change tells about its making.
func (a *act) made() change.Meta {
	m := a.meta
	m.Actor, m.Session = a.worker.Actor, a.worker.Session
	if m.Actor == "" {
		m.Actor = "station/" + a.s.config.Name
	}
	return m
}

// judge is the way of a scan through the rules.
func (a *act) judge(s barcode.Scan) error {
	a.digits, a.st.Digits = a.st.Digits, false
	if s.Error != "" {
		return a.refuse(Unreadable(s.Error), nil)
	}
	code := s.GTIN
	if code == "" {
		code = s.Content
	}
	if code != "" {
		return a.item(code, s)
	}
	if s.Text != "" {
		return a.text(s)
	}
	return a.refuse(NotAnItem, map[string]string{"text": shown(s)})
}

// text is a command, a bin, or the label of an item without a GTIN.
func (a *act) text(s barcode.Scan) error {
	if strings.HasPrefix(s.Text, "STK:") {
		return a.command(s.Text)
	}
	code, named := strings.CutPrefix(s.Text, "BIN:")
	bin, ok, err := a.tx.Bin(code)
	switch {
	case err != nil:
		return err
	case ok:
		return a.bin(bin)
	case named:
		return a.refuse(UnknownBin, map[string]string{"text": clip(code)})
	}
	// A GTIN that did not come as one was read from a symbol that is not for items.
	if !barcode.ValidGTIN(s.Text) {
		if _, err := a.tx.ItemByCode(s.Text); !errors.Is(err, store.ErrNotFound) {
			if err != nil {
				return err
			}
			return a.item(s.Text, s)
		}
	}
	return a.refuse(NotAnItem, map[string]string{"text": clip(s.Text)})
}

func (a *act) command(text string) error {
	if mode, ok := strings.CutPrefix(text, "STK:MODE:"); ok {
		return a.setMode(Mode(strings.ToLower(mode)))
	}
	if n, ok := strings.CutPrefix(text, "STK:QTY:"); ok {
		return a.setQuantity(n)
	}
	if digit, ok := strings.CutPrefix(text, "STK:KEY:"); ok {
		return a.addDigit(digit, a.digits)
	}
	switch text {
	case "STK:CONFIRM":
		return a.confirm()
	case "STK:UNDO":
		return a.undo(a.st.Undo)
	case "STK:CANCEL":
		return a.cancel()
	}
	return a.refuse(UnknownCommand, map[string]string{"text": clip(text)})
}

func (a *act) setMode(m Mode) error {
	if !slices.Contains(Modes(), m) {
		return a.refuse(UnknownCommand, map[string]string{"text": clip(string(m))})
	}
	if a.st.Mode != m {
		if open, err := a.counting(); err != nil || open {
			return err
		}
		a.st.Mode, a.st.Bin, a.st.Target, a.st.Moved = m, "", "", false
	}
	a.clearQuantity()
	a.f.Mode = m
	return a.inform(ModeChosen, map[string]string{"mode": "text:mode." + string(m)})
}

// counting refuses to leave a bin whose count was begun and not confirmed: what was counted must
// not vanish, and what was not counted yet must not pass for gone.
func (a *act) counting() (bool, error) {
	if a.st.Mode != Count || a.st.Bin == "" {
		return false, nil
	}
	found, err := a.tx.Sheet(a.s.config.Name)
	if err != nil || len(found) == 0 {
		return false, err
	}
	return true, a.refuse(CountOpen, map[string]string{"bin": a.st.Bin.Code()})
}

func (a *act) cancel() error {
	a.st.Bin, a.st.Target, a.st.Moved = "", "", false
	a.clearQuantity()
	if err := a.tx.ClearSheet(a.s.config.Name); err != nil {
		return err
	}
	return a.inform(Cancelled, nil)
}

// bin chooses the bin that the following scans are about.
func (a *act) bin(l stock.Location) error {
	a.f.Location = l
	switch a.st.Mode {
	case LookUp:
		return a.lookUpBin(l)
	case Receive, Undo: // no bin is chosen in them: what a worker means by one must not be guessed
		return a.refuse(NoBinNow, map[string]string{"mode": "text:mode." + string(a.st.Mode), "receiving": a.s.config.Receiving.Code()})
	}
	if a.st.Mode == Transfer && a.st.Bin != "" && !a.st.Moved && l != a.st.Bin {
		a.st.Target = l
		return a.inform(TargetChosen, map[string]string{"bin": a.st.Bin.Code(), "target": l.Code()})
	}
	if l != a.st.Bin {
		if open, err := a.counting(); err != nil || open {
			return err
		}
	}
	a.st.Bin, a.st.Target, a.st.Moved = l, "", false
	return a.inform(BinChosen, map[string]string{"bin": l.Code()})
}

// item is a scan that names an item, in whatever mode.
func (a *act) item(code string, s barcode.Scan) error {
	a.takeQuantity()
	item, err := a.tx.ItemByCode(code)
	if errors.Is(err, store.ErrNotFound) {
		return a.refuse(UnknownItem, map[string]string{"code": code})
	}
	if err != nil {
		return err
	}
	a.f.SKU, a.f.Item, a.f.Unit = item.SKU, item.Name, item.Unit
	a.f.Lot, a.f.Serial, a.f.Expiry = stock.Lot(s.Lot), stock.Serial(s.Serial), stock.Date(s.Expiry)
	if !item.Active {
		return a.refuse(InactiveItem, map[string]string{"code": code})
	}
	key := stock.Key{SKU: item.SKU, Lot: a.f.Lot, Serial: a.f.Serial, Expiry: a.f.Expiry, State: stock.Available}
	if a.st.Mode == LookUp {
		return a.lookUp(item, key)
	}
	if a.st.Mode == Undo {
		return a.undoItem(key)
	}
	switch {
	case a.f.Set > 0 && s.Count != nil: // labels times what each says, or instead of it? nobody should have to guess
		return a.refuse(QuantityTwice, map[string]string{"count": strconv.FormatUint(*s.Count, 10), "set": strconv.FormatInt(a.f.Set, 10)})
	case a.single(key):
		return a.refuseSingle(key)
	case a.f.Set > 0:
		n := uint64(a.f.Set) // #nosec G115 -- positive
		s.Count = &n
	}
	scanned, quantity, err := amount(s, item)
	switch {
	case errors.Is(err, errNone):
		return a.refuse(NoQuantity, nil)
	case err != nil:
		return a.refuse(TooMuch, nil)
	}
	a.f.Quantity = quantity.String()
	if a.st.Mode != Count && key.Expiry.Before(a.st.Day) {
		return a.refuse(Expired, map[string]string{"expiry": string(key.Expiry)})
	}
	m := stock.Movement{Key: key, Quantity: quantity, Scanned: scanned}
	switch a.st.Mode {
	case Pick:
		return a.pick(m, stock.Customer)
	case Transfer:
		return a.transfer(m)
	case Count:
		return a.count(key, quantity)
	}
	return a.receive(m)
}

var errNone = errors.New("nothing to move")

// amount returns what the scan says and the base quantity that follows from it.
func amount(s barcode.Scan, item store.Item) (stock.Scanned, stock.Quantity, error) {
	n := uint64(1)
	if s.Count != nil {
		n = *s.Count
	}
	if n == 0 {
		return stock.Scanned{}, 0, errNone
	}
	if n > uint64(stock.MaxQuantity/stock.Unit) {
		return stock.Scanned{}, 0, stock.ErrOverflow
	}
	count, err := stock.Units(int64(n)) // #nosec G115 -- limited above
	if err != nil {
		return stock.Scanned{}, 0, err
	}
	quantity, err := item.Code.Factor.Times(int64(n)) // #nosec G115 -- limited above
	if err != nil || quantity > stock.MaxQuantity || quantity <= 0 {
		return stock.Scanned{}, 0, stock.ErrOverflow
	}
	return stock.Scanned{Count: count, Unit: item.Code.Unit, Factor: item.Code.Factor}, quantity, nil
}

// post adds the movement to ledger and outbox. at is the cell that the worker is told of.
func (a *act) post(m stock.Movement, code string, at stock.Location, args map[string]string) error {
	if err := m.Check(); err != nil { // a text that is too long for any label
		return a.refuse(NotAnItem, map[string]string{"text": clip(fmt.Sprintf("%q", a.f.Raw))})
	}
	if fits, err := a.fits(m); err != nil || !fits {
		if err != nil {
			return err
		}
		return a.refuse(TooMuch, nil)
	}
	c, err := change.OfMovement(a.made(), m)
	if err != nil {
		return err
	}
	if a.movement, err = a.tx.Add(c); err != nil {
		return err
	}
	balance, err := a.tx.Balance(stock.Cell{Location: at, Key: m.Key})
	if err != nil {
		return err
	}
	a.f.Outcome, a.f.Code, a.f.Args, a.f.Movement, a.f.Location, a.f.OnHand = Accepted, code, args, a.movement.String(), at, balance.OnHand().String()
	if m.Reverses.IsZero() {
		a.st.Undo, a.f.Undoable = a.movement, true
	} else {
		a.st.Undo = stock.ID{}
	}
	return nil
}

// fits reports whether the balances of both cells can hold the movement.
func (a *act) fits(m stock.Movement) (bool, error) {
	for at, q := range map[stock.Location]stock.Quantity{m.From: -m.Quantity, m.To: m.Quantity} {
		b, err := a.tx.Balance(stock.Cell{Location: at, Key: m.Key})
		if err != nil {
			return false, err
		}
		if _, err := b.Moved.Plus(q); err != nil {
			return false, nil
		}
	}
	return true, nil
}

// shown returns what a scan without item says, for the sentence that refuses it.
func shown(s barcode.Scan) string {
	for _, t := range []string{s.URL, s.Trace, s.HIBC, s.SSCC} {
		if t != "" {
			return clip(t)
		}
	}
	return clip(fmt.Sprintf("%q", s.Raw))
}

func clip(s string) string {
	r := []rune(s)
	if len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
