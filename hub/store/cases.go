package store

import (
	"fmt"
	"strings"

	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// Kinds of case beside those that follow from movements and counts alone (package stock).
const (
	CaseParked      stock.ExceptionKind = "parked"       // a change was logged but could not be posted
	CaseHeld        stock.ExceptionKind = "held"         // a batch waits for a person's decision
	CaseUnknownItem stock.ExceptionKind = "unknown_item" // stock of an item that the catalogue does not have
	CaseAlarm       stock.ExceptionKind = "alarm"        // something that must not happen
)

// Case is what a person has to look at.
type Case struct {
	Kind    stock.ExceptionKind
	Subject string
	Node    stock.NodeID
	Cell    stock.Cell
	Detail  string
}

// caseName tells open cases apart.
type caseName struct {
	kind    stock.ExceptionKind
	subject string
}

// pendingCase is what a transaction wants to become of a case.
type pendingCase struct {
	name  caseName
	c     Case
	open  bool
	leaf  int64
	times int // reports beyond the first
}

// SetException implements stock.Book.
func (tx *Tx) SetException(e stock.Exception, open bool) error {
	if !open && len(tx.cases) == 0 && len(tx.m.open) == 0 {
		return nil // by far the most frequent call
	}
	c := Case{Kind: e.Kind, Subject: e.Subject, Cell: e.Cell}
	if open {
		c.Node = tx.batch.stream.Node
	}
	tx.setCase(c, open)
	return nil
}

// setCase opens or closes a case. A case that is as wished already costs nothing.
func (tx *Tx) setCase(c Case, open bool) {
	name := caseName{c.Kind, c.Subject}
	if p := tx.cases[name]; p != nil {
		if p.open = open; open {
			p.c = c
		}
		return
	}
	if _, is := tx.m.open[name]; is == open {
		return
	}
	tx.pend(&pendingCase{name: name, c: c, open: open})
}

func (tx *Tx) pend(p *pendingCase) {
	if tx.cases == nil {
		tx.cases = map[caseName]*pendingCase{}
	}
	p.leaf = -1
	if tx.batch.row != 0 {
		p.leaf = tx.batch.leaf
	}
	tx.cases[p.name] = p
	tx.order = append(tx.order, p)
}

// raise opens a case, or counts another report of one that is open.
func (tx *Tx) raise(c Case) {
	name := caseName{c.Kind, c.Subject}
	p := tx.cases[name]
	if p == nil {
		p = &pendingCase{name: name}
		tx.pend(p)
	} else {
		p.times++
	}
	p.c, p.open = c, true
}

// Alarm implements delivery.HubStore. The same alarm is one case, however often it comes.
func (tx *Tx) Alarm(node stock.NodeID, reason delivery.Reason, detail string) error {
	tx.raise(Case{Kind: CaseAlarm, Subject: AlarmSubject(node, reason), Node: node, Detail: clip(detail)})
	return nil
}

// AlarmSubject names the alarm about a node.
func AlarmSubject(node stock.NodeID, reason delivery.Reason) string {
	return string(node) + "|" + string(reason)
}

// clip keeps foreign text in a case short and readable.
func clip(s string) string {
	const most = 500
	s = strings.ToValidUTF8(s, "?")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// Resolve closes a case because a person has dealt with it.
func (tx *Tx) Resolve(kind stock.ExceptionKind, subject string) {
	tx.setCase(Case{Kind: kind, Subject: subject}, false)
}

// flushCases writes the cases that are not as they were.
func (tx *Tx) flushCases() error {
	for _, p := range tx.order {
		id, was := tx.m.open[p.name]
		var err error
		switch {
		case p.open && !was:
			err = tx.openCase(p)
		case p.open && p.c.Kind == CaseAlarm:
			_, err = tx.tx.Exec(`UPDATE exception SET times = times + ?2, detail = ?3 WHERE id = ?1`, id, p.times+1, p.c.Detail)
		case !p.open && was:
			_, err = tx.tx.Exec(`UPDATE exception SET closed_at = ?2, closed_leaf = ?3 WHERE id = ?1`, id, tx.now, p.leaf)
			delete(tx.m.open, p.name)
		}
		if err != nil {
			return fmt.Errorf("store case %s %s: %w", p.name.kind, p.name.subject, err)
		}
	}
	tx.cases, tx.order = nil, nil
	return nil
}

func (tx *Tx) openCase(p *pendingCase) error {
	k := p.c.Cell.Key
	r, err := tx.tx.Exec(`INSERT INTO exception (kind, subject, node, location, sku, lot, serial, expiry, state, detail, times, opened_leaf, opened_at)
	                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)`,
		string(p.c.Kind), p.c.Subject, string(p.c.Node), string(p.c.Cell.Location), string(k.SKU), string(k.Lot), string(k.Serial),
		string(k.Expiry), int64(k.State), p.c.Detail, p.times+1, p.leaf, tx.now)
	tx.m.open[p.name] = r.LastInsertID
	return err
}
