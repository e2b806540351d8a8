package station

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"stockade/edge/store"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// receive books a goods receipt.
func (a *act) receive(m stock.Movement) error {
	if m.Key.Serial != "" {
		cells, err := a.tx.SerialCells(m.Key.SKU, m.Key.Serial)
		if err != nil {
			return err
		}
		for l := range cells {
			if l.Warehouse() == a.tx.Warehouse() {
				return a.refuse(SerialTwice, map[string]string{"serial": string(m.Key.Serial), "bin": l.Code()})
			}
		}
	}
	m.From, m.To = stock.Supplier, a.s.config.Receiving
	return a.post(m, Received, m.To, nil)
}

// pick takes goods out of the chosen bin.
func (a *act) pick(m stock.Movement, to stock.Location) error {
	if a.st.Bin == "" {
		return a.first(BinFirst, nil)
	}
	ok, err := a.choose(&m)
	if err != nil || !ok {
		return err
	}
	m.From, m.To = a.st.Bin, to
	a.f.Quantity = "-" + m.Quantity.String()
	return a.post(m, Picked, m.From, nil)
}

// transfer moves goods between the two chosen bins.
func (a *act) transfer(m stock.Movement) error {
	switch {
	case a.st.Bin == "":
		return a.first(BinFirst, nil)
	case a.st.Target == "":
		return a.first(TargetFirst, map[string]string{"bin": a.st.Bin.Code()})
	}
	ok, err := a.choose(&m)
	if err != nil || !ok {
		return err
	}
	m.From, m.To = a.st.Bin, a.st.Target
	a.st.Moved = true
	return a.post(m, Transferred, m.To, map[string]string{"bin": m.From.Code(), "target": m.To.Code()})
}

// choose finds in the chosen bin the stock that the scan means. A label need not say lot, serial
// number and expiry; where only one kind of stock fits it is taken.
func (a *act) choose(m *stock.Movement) (bool, error) {
	here, err := a.tx.Holdings(m.Key, a.st.Bin, maxListed+1)
	if err != nil {
		return false, err
	}
	here = meant(m.Key, here)
	bin := map[string]string{"bin": a.st.Bin.Code()}
	switch {
	case len(here) == 0 && a.reason != "":
		m.Override = a.reason
		return true, nil
	case len(here) == 0:
		return false, a.notHere(m.Key, bin)
	case len(here) > 1:
		bin["lots"] = lots(here)
		return false, a.refuse(WhichLot, bin)
	}
	m.Key = here[0].Cell.Key
	if a.single(m.Key) {
		return false, a.refuseSingle(m.Key)
	}
	a.f.Lot, a.f.Serial, a.f.Expiry = m.Key.Lot, m.Key.Serial, m.Key.Expiry
	if m.Key.Expiry.Before(a.st.Day) {
		return false, a.refuse(Expired, map[string]string{"expiry": string(m.Key.Expiry)})
	}
	if m.Quantity > here[0].OnHand {
		if a.reason == "" {
			bin["on_hand"] = here[0].OnHand.String()
			return false, a.refuse(MoreThanHere, bin)
		}
		m.Override = a.reason
	}
	return true, nil
}

// meant narrows holdings to the one that the label names exactly, if it names a lot or a unit.
func meant(label stock.Key, here []store.Holding) []store.Holding {
	for _, h := range here {
		if h.Cell.Key == label && (label.Lot != "" || label.Serial != "") {
			return []store.Holding{h}
		}
	}
	return here
}

// notHere says where the goods are instead.
func (a *act) notHere(k stock.Key, args map[string]string) error {
	elsewhere, err := a.tx.Holdings(k, "", maxListed+1)
	if err != nil {
		return err
	}
	if len(elsewhere) == 0 {
		return a.refuse(NotOnHand, args)
	}
	var places []string
	for _, h := range elsewhere {
		if code := h.Cell.Location.Code(); !slices.Contains(places, code) {
			places = append(places, code)
		}
	}
	slices.Sort(places)
	args["places"] = list(places)
	return a.refuse(WrongBin, args)
}

// fits reports whether stock can be what a label means: what the label says must agree.
func fits(label, k stock.Key) bool {
	return k.State == stock.Available && (label.Lot == "" || label.Lot == k.Lot) && (label.Serial == "" || label.Serial == k.Serial) &&
		(label.Expiry == "" || label.Expiry == k.Expiry)
}

func lots(here []store.Holding) string {
	var out []string
	for _, h := range here {
		out = append(out, described(h.Cell.Key))
	}
	return list(out)
}

// plain stands for stock without lot, serial number and expiry.
const plain = "–"

// described tells stock of one item apart, as people read it on labels.
func described(k stock.Key) string {
	words := slices.DeleteFunc([]string{string(k.Lot), string(k.Serial), string(k.Expiry)}, func(s string) bool { return s == "" })
	if len(words) == 0 {
		return plain
	}
	return strings.Join(words, " ")
}

// maxListed is how many places or lots a sentence names.
const maxListed = 5

func list(words []string) string {
	if len(words) > maxListed {
		words = append(words[:maxListed:maxListed], "…")
	}
	return strings.Join(words, ", ")
}

// count adds to what was found in the chosen bin. The sheet is durable; the count itself is
// posted when the bin is confirmed.
func (a *act) count(k stock.Key, q stock.Quantity) error {
	if a.st.Bin == "" {
		return a.first(BinFirst, nil)
	}
	here, err := a.tx.Holdings(k, a.st.Bin, maxListed+1)
	if err != nil {
		return err
	}
	switch here = meant(k, here); len(here) {
	case 0: // the ledger does not expect it here: the label alone says what it is
	case 1:
		k = here[0].Cell.Key
		a.f.Lot, a.f.Serial, a.f.Expiry = k.Lot, k.Serial, k.Expiry
	default:
		return a.refuse(WhichLot, map[string]string{"bin": a.st.Bin.Code(), "lots": lots(here)})
	}
	if a.single(k) {
		return a.refuseSingle(k)
	}
	found, err := a.tx.AddFound(a.s.config.Name, k, q)
	if errors.Is(err, stock.ErrOverflow) {
		return a.refuse(TooMuch, nil)
	}
	if err != nil {
		return err
	}
	a.f.Outcome, a.f.Code, a.f.Location = Accepted, Counted, a.st.Bin
	a.f.Args = map[string]string{"found": found.String()}
	return nil
}

// confirm ends the count of a bin.
func (a *act) confirm() error {
	if a.st.Mode != Count || a.st.Bin == "" {
		return a.refuse(NothingCounted, nil)
	}
	found, err := a.tx.Sheet(a.s.config.Name)
	if err != nil {
		return err
	}
	return a.postCount(found)
}

// postCount records what was found in the whole bin: what the ledger has there and nobody
// found was counted as none.
func (a *act) postCount(found []store.Found) error {
	rows, err := a.tx.Rows(store.Filter{Location: a.st.Bin})
	if err != nil {
		return err
	}
	seen, err := a.tx.Seen()
	if err != nil {
		return err
	}
	sheet := map[stock.Key]stock.Quantity{}
	order := make([]stock.Key, 0, len(found)+len(rows))
	for _, f := range found {
		sheet[f.Key] = f.Quantity
		order = append(order, f.Key)
	}
	books := map[stock.Key]stock.Quantity{}
	for _, r := range rows {
		k := r.Cell.Key
		books[k] = r.OnHand
		if _, ok := sheet[k]; !ok && k.State == stock.Available { // what is on hold or damaged is counted in its own time
			order = append(order, k)
		}
	}
	differences := 0
	for _, k := range order {
		if sheet[k] != books[k] {
			differences++
		}
		c, err := change.OfCount(a.made(), stock.Count{Cell: stock.Cell{Location: a.st.Bin, Key: k}, Counted: sheet[k], Seen: seen, Cause: "station/" + a.s.config.Name})
		if err != nil {
			return err
		}
		if _, err := a.tx.Add(c); err != nil {
			return err
		}
	}
	if err := a.tx.ClearSheet(a.s.config.Name); err != nil {
		return err
	}
	a.f.Outcome, a.f.Code, a.f.Location = Accepted, CountDone, a.st.Bin
	a.f.Args = map[string]string{"bin": a.st.Bin.Code(), "lines": fmt.Sprint(len(order)), "differences": fmt.Sprint(differences)}
	a.st.Bin = ""
	a.clearQuantity()
	return nil
}

// lookUp tells where stock of a label lies.
func (a *act) lookUp(item store.Item, k stock.Key) error {
	rows, err := a.tx.Holdings(k, "", maxLookedUp)
	if err != nil {
		return err
	}
	total := stock.Quantity(0)
	var places []string
	for _, r := range rows {
		if total, err = total.Plus(r.OnHand); err != nil {
			return a.refuse(TooMuch, nil)
		}
		place := fmt.Sprintf("%s: %s", r.Cell.Location.Code(), r.OnHand)
		if k := described(r.Cell.Key); k != plain {
			place += " (" + k + ")"
		}
		places = append(places, place)
	}
	a.f.OnHand = total.String()
	if len(rows) == maxLookedUp {
		a.f.OnHand += "+"
	}
	return a.inform(LookedUp, map[string]string{"places": list(places)})
}

// maxLookedUp bounds how much stock a look-up adds up.
const maxLookedUp = 1000

// lookUpBin tells what lies in a bin.
func (a *act) lookUpBin(l stock.Location) error {
	rows, err := a.tx.Rows(store.Filter{Location: l, Limit: maxListed + 1})
	if err != nil {
		return err
	}
	var goods []string
	for _, r := range rows {
		goods = append(goods, fmt.Sprintf("%s %s %s", r.Name, r.OnHand, r.Unit))
	}
	return a.inform(BinLookedUp, map[string]string{"goods": list(goods)})
}

// undo takes back one movement of this station.
func (a *act) undo(id stock.ID) error {
	c, err := a.tx.Change(id)
	if errors.Is(err, store.ErrNotFound) {
		return a.refuse(NothingToUndo, nil)
	}
	if err != nil {
		return err
	}
	m, err := c.Movement(id)
	if err != nil || id.Node != a.tx.Node() || c.Meta.Terminal != a.s.config.Name || !m.Reverses.IsZero() {
		return a.refuse(NothingToUndo, nil)
	}
	if item, err := a.tx.Item(m.Key.SKU); err == nil {
		a.f.Item, a.f.Unit = item.Name, item.Unit
	}
	a.f.SKU, a.f.Lot, a.f.Serial, a.f.Expiry, a.f.Quantity = m.Key.SKU, m.Key.Lot, m.Key.Serial, m.Key.Expiry, m.Quantity.String()
	if done, err := a.tx.Reversed(id); err != nil || done {
		if err != nil {
			return err
		}
		return a.refuse(UndoneBefore, nil)
	}
	back := m.Reversal()
	at := back.To
	if !back.From.Outside() {
		if at.Outside() {
			at = back.From
		}
		b, err := a.tx.Balance(stock.Cell{Location: back.From, Key: m.Key})
		if err != nil {
			return err
		}
		if b.OnHand() < m.Quantity {
			return a.refuse(UndoTooLate, map[string]string{"bin": back.From.Code(), "on_hand": b.OnHand().String()})
		}
	}
	return a.post(back, Undone, at, nil)
}

// undoItem takes back this station's newest movement of what the label means.
func (a *act) undoItem(k stock.Key) error {
	scans, err := a.tx.LastScans(a.s.config.Name, maxUndo)
	if err != nil {
		return err
	}
	for _, s := range scans {
		f, err := feedbackOf(a.tx, s)
		if err != nil {
			return err
		}
		if f.Undoable && f.SKU == k.SKU && fits(k, stock.Key{SKU: f.SKU, Lot: f.Lot, Serial: f.Serial, Expiry: f.Expiry, State: stock.Available}) {
			return a.undo(s.Movement)
		}
	}
	return a.refuse(NothingToUndo, nil)
}

// maxUndo is how many scans a scan in undo mode looks back; what is older is taken back from
// the page.
const maxUndo = 200
