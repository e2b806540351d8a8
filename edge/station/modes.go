package station

import (
	"fmt"
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
		return a.refuse(BinFirst, nil)
	}
	ok, err := a.choose(&m)
	if err != nil || !ok {
		return err
	}
	m.From, m.To = a.st.Bin, to
	if err := a.post(m, Picked, m.From, nil); err != nil {
		return err
	}
	a.f.Quantity = "-" + m.Quantity.String()
	return nil
}

// transfer moves goods between the two chosen bins.
func (a *act) transfer(m stock.Movement) error {
	switch {
	case a.st.Bin == "":
		return a.refuse(BinFirst, nil)
	case a.st.Target == "":
		return a.refuse(TargetFirst, map[string]string{"bin": a.st.Bin.Code()})
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
	rows, err := a.tx.Rows(store.Filter{SKU: m.Key.SKU})
	if err != nil {
		return false, err
	}
	var here []store.Row
	var elsewhere []string
	for _, r := range rows {
		switch {
		case !fits(m.Key, r.Cell.Key) || r.OnHand <= 0:
		case r.Cell.Location == a.st.Bin:
			here = append(here, r)
		default:
			elsewhere = append(elsewhere, r.Cell.Location.Code())
		}
	}
	bin := map[string]string{"bin": a.st.Bin.Code()}
	switch {
	case len(here) == 0 && a.reason != "":
		return true, nil // a lead has seen it
	case len(here) == 0 && len(elsewhere) > 0:
		bin["places"] = list(elsewhere)
		return false, a.refuse(WrongBin, bin)
	case len(here) == 0:
		return false, a.refuse(NotOnHand, bin)
	case len(here) > 1:
		bin["lots"] = lots(here)
		return false, a.refuse(WhichLot, bin)
	}
	m.Key = here[0].Cell.Key
	a.f.Lot, a.f.Serial, a.f.Expiry = m.Key.Lot, m.Key.Serial, m.Key.Expiry
	if m.Key.Expiry.Before(a.st.Day) {
		return false, a.refuse(Expired, map[string]string{"expiry": string(m.Key.Expiry)})
	}
	if m.Quantity > here[0].OnHand && a.reason == "" {
		bin["on_hand"], bin["quantity"] = here[0].OnHand.String(), m.Quantity.String()
		return false, a.refuse(MoreThanHere, bin)
	}
	return true, nil
}

// fits reports whether stock can be what a label means: what the label says must agree.
func fits(label, k stock.Key) bool {
	return k.State == stock.Available && (label.Lot == "" || label.Lot == k.Lot) && (label.Serial == "" || label.Serial == k.Serial) &&
		(label.Expiry == "" || label.Expiry == k.Expiry)
}

func lots(rows []store.Row) string {
	var out []string
	for _, r := range rows {
		k := r.Cell.Key
		out = append(out, strings.Trim(strings.Join([]string{string(k.Lot), string(k.Serial), string(k.Expiry)}, " "), " "))
	}
	return list(out)
}

func list(words []string) string {
	if len(words) > 5 {
		words = append(words[:5:5], "…")
	}
	return strings.Join(words, ", ")
}

// count adds to what was found in the chosen bin. The sheet is durable; the count itself is
// posted when the bin is confirmed.
func (a *act) count(k stock.Key, q stock.Quantity) error {
	if a.st.Bin == "" {
		return a.refuse(BinFirst, nil)
	}
	found, err := a.tx.AddFound(a.s.config.Name, k, q)
	if err != nil {
		return err
	}
	a.f.Outcome, a.f.Code, a.f.Location = Accepted, Counted, a.st.Bin
	a.f.Args = map[string]string{"quantity": q.String(), "bin": a.st.Bin.Code(), "found": found.String()}
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
	counted := map[stock.Key]stock.Quantity{}
	for _, r := range rows {
		if r.Cell.Key.State == stock.Available {
			counted[r.Cell.Key] = 0
		}
	}
	order := make([]stock.Key, 0, len(found)+len(rows))
	for _, f := range found {
		counted[f.Key] = f.Quantity
		order = append(order, f.Key)
	}
	differences := 0
	for _, r := range rows {
		if q, ok := counted[r.Cell.Key]; ok && q != r.OnHand {
			differences++
		}
		if q, ok := counted[r.Cell.Key]; ok && q == 0 {
			order = append(order, r.Cell.Key)
		}
	}
	for _, k := range order {
		c, err := change.OfCount(a.made(), stock.Count{Cell: stock.Cell{Location: a.st.Bin, Key: k}, Counted: counted[k], Seen: seen, Cause: "station/" + a.s.config.Name})
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
	return nil
}

func (a *act) lookUp(item store.Item, k stock.Key) error {
	rows, err := a.tx.Rows(store.Filter{SKU: item.SKU})
	if err != nil {
		return err
	}
	total := stock.Quantity(0)
	var places []string
	for _, r := range rows {
		if !fits(k, r.Cell.Key) {
			continue
		}
		total += r.OnHand
		places = append(places, strings.TrimSpace(fmt.Sprintf("%s: %s %s", r.Cell.Location.Code(), r.OnHand, r.Cell.Key.Lot)))
	}
	a.f.OnHand = total.String()
	return a.inform(LookedUp, map[string]string{"on_hand": total.String(), "unit": item.Unit, "places": list(places)})
}

// undo takes back one movement: the given one, or the station's last.
func (a *act) undo(id string) error {
	if id == "" {
		id = a.st.Last
	}
	name, err := stock.ParseID(id)
	if err != nil {
		return a.refuse(NothingToUndo, nil)
	}
	c, err := a.tx.Change(name)
	if err != nil {
		return a.refuse(NothingToUndo, nil)
	}
	m, err := c.Movement(name)
	if err != nil || c.Meta.Terminal != a.s.config.Name || !m.Reverses.IsZero() {
		return a.refuse(NothingToUndo, nil)
	}
	if item, err := a.tx.Item(m.Key.SKU); err == nil {
		a.f.Item, a.f.Unit = item.Name, item.Unit
	}
	a.f.SKU, a.f.Lot, a.f.Serial, a.f.Expiry, a.f.Quantity = m.Key.SKU, m.Key.Lot, m.Key.Serial, m.Key.Expiry, m.Quantity.String()
	if done, err := a.tx.Reversed(name); err != nil || done {
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

// undoItem takes back this station's newest movement of the scanned item.
func (a *act) undoItem(k stock.Key) error {
	entries, err := a.tx.Movements(k.SKU, 0, 200)
	if err != nil {
		return err
	}
	for _, e := range entries {
		c, err := a.tx.Change(e.Movement.ID)
		if err != nil {
			return err
		}
		done, err := a.tx.Reversed(e.Movement.ID)
		if err != nil {
			return err
		}
		if c.Meta.Terminal == a.s.config.Name && !done && e.Movement.Reverses.IsZero() && fits(k, e.Movement.Key) {
			return a.undo(e.Movement.ID.String())
		}
	}
	return a.refuse(NothingToUndo, nil)
}
