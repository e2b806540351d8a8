package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"stockade/hub/adjust"
	"stockade/hub/auditlog"
	"stockade/hub/dashboard"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// pageServer makes the HTTPS server of the pages. While there is no account it prints a one-time code.
func (s *server) pageServer(ctx context.Context, stdout io.Writer) (*web.Server, error) {
	people, err := s.people(ctx, s.recordPerson, func(err error) { s.log.Warn("names of warehouses for the check of passwords", "cause", err) })
	if err != nil {
		return nil, err
	}
	if s.desk, err = s.newDesk(ctx); err != nil {
		return nil, err
	}
	if err := s.sayRights(ctx, people); err != nil {
		return nil, err
	}
	s.accounts = people
	s.noteSignIns(people)
	code, err := people.FirstCode(ctx)
	if err != nil {
		return nil, err
	}
	if code != "" {
		if _, err := fmt.Fprintf(stdout, "一次性登录码 / one-time code: %s\n", code); err != nil {
			return nil, err
		}
	}
	s.approvals, s.exports = s.openRequests(people, s.holds)
	s.openPartners(people)
	if err := s.startFiles(ctx); err != nil {
		return nil, err
	}
	s.prices = s.openPrices()
	s.adjust = adjust.New(adjust.Service{Store: s.store, Recorder: s.recorder, Approvals: s.approvals, Zone: s.cfg.zone(), Currency: s.cfg.Currency, Logger: s.log})
	if err := s.openLessons(ctx); err != nil {
		return nil, err
	}
	s.openLeavers()
	site, err := dashboard.Site(pages{s})
	if err != nil {
		return nil, err
	}
	site.Watermark = s.cfg.Watermark
	company, err := s.cfg.OIDC.company(s.at.Pages, time.Now)
	if err != nil {
		return nil, err
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{s.cert}}
	return web.New(web.Options{TLS: settings, Hosts: s.cfg.hosts(), People: people, Accounts: people, Manage: true, Company: company, Rights: s.desk, Roles: s.roles, Unmask: s.recordUnmasked, Instance: string(stock.HubNode), Brand: "brand.hub", Place: s.cfg.Org, Zone: s.cfg.zone(), Log: s.log}, site)
}

// recordPerson logs what package identity does, in its own transaction.
func (s *server) recordPerson(vtx *vault.Tx, e change.Entry, p identity.Person) error {
	return s.recordAs(vtx, whoIs(p), e)
}

func whoIs(p identity.Person) auditlog.Who {
	who := auditlog.Who{Actor: p.Actor(), Session: p.Session, Terminal: p.Address, Lent: p.Lent}
	if who.Actor == "" {
		who.Actor = string(stock.HubNode)
	}
	return who
}

// pages fulfils what the pages read and do; acts.go has the latter.
type pages struct{ *server }

// mostRows is how many rows one answer has at most; mostHistory those that are read from batches.
const (
	mostRows    = 1000
	mostHistory = 200
)

// window returns where a list goes on and how many rows are wanted. A made-up mark begins anew.
func window(mark string, limit int) (offset, most int) {
	offset, _ = strconv.Atoi(mark)
	if limit <= 0 || limit > mostRows {
		limit = mostRows
	}
	return max(0, offset), limit
}

// cut takes the rows of one answer from a list.
func cut[T any](all []T, mark string, limit int) (rows []T, next string) {
	offset, most := window(mark, limit)
	offset = min(offset, len(all))
	rows = all[offset:]
	if len(rows) > most {
		return rows[:most], strconv.Itoa(offset + most)
	}
	return rows, ""
}

// shown turns the store's conditions into what the reader is told.
func shown(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return web.NotFound().Because(err)
	}
	return err
}

func (p pages) Stock(ctx context.Context, q dashboard.StockQuery) (page dashboard.StockPage, err error) {
	offset, most := window(q.After, q.Limit)
	today := stock.Date(time.Now().In(p.cfg.zone()).Format(time.DateOnly))
	f := store.StockFilter{Warehouse: q.Warehouse, SKU: q.SKU, In: q.In, Text: q.Search, Most: most + 1, Skip: offset}
	err = p.store.View(ctx, func(v *store.View) error {
		asOf, err := v.AsOf()
		if err != nil {
			return err
		}
		for _, a := range asOf {
			if q.In.Has(a.Warehouse) {
				page.AsOf = append(page.AsOf, dashboard.AsOf(a))
			}
		}
		worth := p.worth(v, q)
		open, err := unconfirmed(v)
		if err != nil {
			return err
		}
		return v.Stock(f, func(s store.StockRow) error {
			k := s.Key
			value, err := worth(s)
			if err != nil {
				return err
			}
			page.Rows = append(page.Rows, dashboard.StockRow{Warehouse: s.Warehouse, SKU: k.SKU, GTIN: s.GTIN, Name: s.Name, Lot: k.Lot, Serial: k.Serial,
				Expiry: k.Expiry, Expired: k.Expiry.Before(today), State: k.State.String(), Location: s.Location, OnHand: s.OnHand, Unit: s.Unit, Value: value, Adjusting: open[stock.Cell{Location: s.Location, Key: k}]})
			return nil
		})
	})
	if len(page.Rows) > most {
		page.Rows, page.Next = page.Rows[:most], strconv.Itoa(offset+most)
	}
	return page, err
}

func (p pages) Warehouses(ctx context.Context, in access.Places) (out []stock.Warehouse, err error) {
	err = p.store.View(ctx, func(v *store.View) error { out, err = v.Warehouses(); return err })
	return slices.DeleteFunc(out, func(w stock.Warehouse) bool { return !in.Has(w) }), err
}

func (p pages) Item(ctx context.Context, sku stock.SKU, in access.Places) (i dashboard.Item, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		items, err := v.Items()
		if err != nil {
			return err
		}
		if n := slices.IndexFunc(items, func(f feed.Item) bool { return f.SKU == sku }); n >= 0 {
			i = itemOf(items[n])
			return nil
		}
		moved := false
		err = v.HistoryOf(sku, in, store.Mark{}, 1, func(store.Posted) error { moved = true; return nil })
		if err == nil && !moved {
			err = web.NotFound()
		}
		i = dashboard.Item{SKU: sku}
		return err
	})
	return i, err
}

func itemOf(f feed.Item) dashboard.Item {
	i := dashboard.Item{SKU: f.SKU, Name: f.Name, NameEN: f.NameEN, Unit: f.Unit, Active: f.Active, Known: true}
	for _, c := range f.Codes {
		i.Codes = append(i.Codes, dashboard.Code{Code: string(c.GTIN), Unit: c.Unit, Factor: c.Factor})
	}
	return i
}

func (p pages) Nodes(ctx context.Context, in access.Places) (out dashboard.Nodes, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		shown := map[stock.NodeID]bool{}
		nodes, err := v.Nodes()
		if err != nil {
			return err
		}
		sealings, err := v.Sealings()
		if err != nil {
			return err
		}
		for _, n := range nodes {
			s := n.State
			if len(s.Key) == 0 || !in.Has(s.Warehouse) {
				continue // the hub itself, or outside of what the reader may see
			}
			shown[s.Node] = true
			out.Nodes = append(out.Nodes, dashboard.Node{ID: s.Node, Warehouse: s.Warehouse, Epoch: s.Head.Epoch, Sequence: s.Head.Seq, Hash: s.Head.Hash.String(),
				LastSeen: n.SeenAt, Witnessed: s.Log.Size, WitnessedLog: s.Log.Epoch, Dispute: string(s.Dispute), Revoked: s.Revoked, People: toldOf(sealings, s.Node)})
		}
		held, err := v.HeldBatches(false)
		for _, h := range held {
			if !shown[h.Node] {
				continue
			}
			r := heldRowOf(h)
			out.Held = append(out.Held, dashboard.Held{Hash: r.Hash, Node: r.Node, Epoch: r.Epoch, Sequence: r.Sequence, Changes: r.Changes, Reason: string(r.Reason), Since: r.Since})
		}
		return err
	})
	return out, err
}

// toldOf puts into a word how a node is told of people.
func toldOf(all map[stock.NodeID]store.Sealing, node stock.NodeID) string {
	how, reads := all[node]
	switch {
	case !reads:
		return ""
	case how == store.SealingDone:
		return "sealed"
	case how == store.SealingNone:
		return "clear"
	}
	return "awaited"
}

// errEnough ends a walk through the store.
var errEnough = errors.New("enough rows")

func (p pages) Cases(ctx context.Context, q dashboard.CaseQuery) (page dashboard.CasePage, err error) {
	before, _ := strconv.ParseInt(q.Before, 10, 64) // a made-up mark begins anew
	_, most := window("", q.Limit)
	err = p.store.View(ctx, func(v *store.View) error {
		nodes, err := v.Nodes()
		if err != nil {
			return err
		}
		at := map[stock.NodeID]stock.Warehouse{}
		for _, n := range nodes {
			at[n.State.Node] = n.State.Warehouse
		}
		err = v.Cases(q.All, func(c store.CaseInfo) error {
			if w := c.Case.Cell.Location.Warehouse(); !q.In.Has(cmp.Or(w, at[c.Case.Node])) {
				return nil
			}
			if before > 0 && c.ID >= before {
				return nil
			}
			if len(page.Rows) == most {
				page.Next = strconv.FormatInt(page.Rows[most-1].ID, 10)
				return errEnough
			}
			at := c.Case.Cell
			page.Rows = append(page.Rows, dashboard.Case{ID: c.ID, Kind: string(c.Case.Kind), Subject: c.Case.Subject, Node: c.Case.Node, Location: at.Location,
				SKU: at.Key.SKU, Lot: at.Key.Lot, Serial: at.Key.Serial, Expiry: at.Key.Expiry, Detail: c.Case.Detail, Times: c.Times,
				OpenedAt: c.OpenedAt, OpenedLeaf: c.OpenedLeaf, ClosedAt: timeOrNil(c.ClosedAt)})
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
		return placesOfCases(v, page.Rows)
	})
	return page, err
}

func placesOfCases(v *store.View, rows []dashboard.Case) error {
	for i := range rows {
		if rows[i].OpenedLeaf < 0 {
			continue
		}
		node, epoch, seq, err := v.PlaceOfLeaf(rows[i].OpenedLeaf)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		rows[i].Batch = &dashboard.Place{Node: node, Epoch: epoch, Seq: seq}
	}
	return nil
}

func (p pages) LogHead(ctx context.Context) (head dashboard.LogHead, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		l, err := v.PresentLog()
		if err != nil {
			return err
		}
		tree, err := v.Log().Head()
		if err != nil {
			return err
		}
		head = dashboard.LogHead{Origin: audit.Origin(p.cfg.Org, l.Epoch), Epoch: l.Epoch, OpenedAt: l.OpenedAt, Size: l.Size, CutAt: l.CutAt,
			Checkpoint: string(l.Note), Leaves: tree.N}
		if head.Root, err = rootOf(l.Note); err != nil {
			return err
		}
		signed, err := v.Cosignatures()
		for _, c := range signed {
			head.Cosignatures = append(head.Cosignatures, dashboard.Cosignature{Node: c.Node, Epoch: c.LogEpoch, Size: c.Size, At: c.At, Note: string(c.Note)})
		}
		return err
	})
	return head, err
}

// rootOf reads the tree's hash from a checkpoint that this hub has signed itself.
func rootOf(signed []byte) (string, error) {
	if len(signed) == 0 {
		return "", nil
	}
	var unverified *note.UnverifiedNoteError
	n, err := note.Open(signed, note.VerifierList())
	if errors.As(err, &unverified) {
		n, err = unverified.Note, nil
	}
	if err != nil {
		return "", fmt.Errorf("read checkpoint: %w", err)
	}
	c, err := audit.ParseCheckpoint(n.Text)
	return c.Tree.Hash.String(), err
}

func (p pages) Catalogue(ctx context.Context, q dashboard.CatalogueQuery) (page dashboard.CataloguePage, err error) {
	var items []dashboard.Item
	var bins []dashboard.Bin
	find := strings.ToLower(q.Search)
	err = p.store.View(ctx, func(v *store.View) error {
		all, err := v.Items()
		if err != nil {
			return err
		}
		for _, f := range all {
			texts := []string{string(f.SKU), f.Name, f.NameEN}
			for _, c := range f.Codes {
				texts = append(texts, string(c.GTIN))
			}
			if has(find, texts...) {
				items = append(items, itemOf(f))
			}
		}
		places, err := v.Locations()
		for _, l := range places {
			if q.In.Has(l.ID.Warehouse()) && has(find, string(l.ID), l.Name) {
				bins = append(bins, dashboard.Bin{Location: l.ID, Name: l.Name, Use: string(l.Use), Active: l.Active})
			}
		}
		return err
	})
	page.Items, page.NextItems = cut(items, q.Items, q.Limit)
	if err == nil {
		err = p.priced(ctx, page.Items, q.See)
	}
	page.Bins, page.NextBins = cut(bins, q.Bins, q.Limit)
	return page, err
}

func has(find string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), find) })
}
