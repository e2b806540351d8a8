package play

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"stockade/protocol/change"
	"stockade/protocol/stock"
	"stockade/test/rig"
)

// Verdict is what became of all that was played. Its JSON form is the last line of the smoke.
type Verdict struct {
	Scans          int    `json:"scans"`
	Accepted       int    `json:"accepted"`
	Refused        int    `json:"refused"`
	Movements      int    `json:"movements"`
	Exceptions     int    `json:"exceptions"`
	Batches        int64  `json:"batches"`
	Acknowledged   int64  `json:"acknowledged"`
	EdgeDigest     string `json:"edge_stock_digest"`
	HubDigest      string `json:"hub_stock_digest"`
	ExpectedDigest string `json:"expected_digest"`
	Leaves         int64  `json:"audit_leaves"`
	Verified       bool   `json:"audit_verified"`
	Lost           int    `json:"lost"`
	Duplicated     int    `json:"duplicated"`
}

// Good returns an error that says what is wrong.
func (v Verdict) Good() error {
	var errs []error
	if v.EdgeDigest != v.HubDigest || v.HubDigest != v.ExpectedDigest {
		errs = append(errs, errors.New("the three pictures of the stock differ"))
	}
	if v.Batches != v.Acknowledged {
		errs = append(errs, fmt.Errorf("%d of %d batches are acknowledged", v.Acknowledged, v.Batches))
	}
	if v.Lost != 0 || v.Duplicated != 0 {
		errs = append(errs, fmt.Errorf("%d scans lost, %d doubled", v.Lost, v.Duplicated))
	}
	if !v.Verified {
		errs = append(errs, errors.New("the exported audit log does not verify"))
	}
	if v.Scans != v.Accepted+v.Refused {
		errs = append(errs, fmt.Errorf("%d scans are not %d accepted and %d refused", v.Scans, v.Accepted, v.Refused))
	}
	if v.Movements != v.Accepted {
		errs = append(errs, fmt.Errorf("%d accepted scans are %d movements", v.Accepted, v.Movements))
	}
	return errors.Join(errs...)
}

// Judge compares what the players had confirmed with what the nodes and the hub have. It wants
// the site to be quiet.
func (s *Site) Judge(ctx context.Context) (Verdict, error) {
	var v Verdict
	var edge []Row
	var judges []*judge
	warehouses := map[string]bool{}
	for i, p := range s.Players {
		v.Scans += p.scans
		v.Accepted += p.accepted
		v.Refused += p.refused
		judges = append(judges, p.judge)
		status, err := s.Edges[i].Status(ctx)
		if err != nil {
			return v, err
		}
		v.Batches += status.Batches
		v.Acknowledged += status.AckedBatches
		if w := s.Edges[i].Options.Warehouse; !warehouses[w] { // nodes of one warehouse have the same stock
			warehouses[w] = true
			rows, err := rowsOf(ctx, s.Edges[i])
			if err != nil {
				return v, err
			}
			edge = append(edge, rows...)
		}
	}
	hub, err := rowsOf(ctx, s.Hub)
	if err != nil {
		return v, err
	}
	v.EdgeDigest, v.HubDigest, v.ExpectedDigest = Digest(edge), Digest(hub), Digest(total(judges...))
	var exceptions []json.RawMessage
	if err := s.Hub.JSON(ctx, &exceptions, "exceptions", "--json"); err != nil {
		return v, err
	}
	v.Exceptions = len(exceptions)
	return v, s.audit(ctx, &v)
}

// program prints JSON.
type program interface {
	JSON(ctx context.Context, v any, args ...string) error
}

func rowsOf(ctx context.Context, p program) ([]Row, error) {
	var list struct{ Rows []Row }
	return list.Rows, p.JSON(ctx, &list, "stock", "--json")
}

// audit exports the log, has it verified offline, and looks for every confirmed scan in the
// exported batches.
func (s *Site) audit(ctx context.Context, v *Verdict) error {
	dir, err := os.MkdirTemp(s.Rig.Dir, "audit-")
	if err != nil {
		return err
	}
	export, trust := filepath.Join(dir, "export"), filepath.Join(dir, "trust")
	if _, err := s.Hub.CLI(ctx, "audit", "export", export); err != nil {
		return err
	}
	keys, err := s.Hub.CLI(ctx, "trust")
	if err != nil {
		return err
	}
	if err := os.WriteFile(trust, keys, 0o600); err != nil {
		return err
	}
	_, err = rig.Run(ctx, s.Rig.Program("fw"), "audit", "verify", export, "--trust", trust)
	if v.Verified = err == nil; err != nil {
		s.Say("%v", err)
	}
	if v.Leaves, err = rig.ExportLeaves(export); err != nil {
		return err
	}
	found, err := s.movements(export)
	if err != nil {
		return err
	}
	v.Movements = len(found)
	var expected []confirmed
	for _, p := range s.Players {
		expected = append(expected, p.confirmed...)
	}
	v.Lost, v.Duplicated = compare(expected, found)
	return nil
}

// movements reads all movements of an export in the form of the players' record.
func (s *Site) movements(export string) ([]confirmed, error) {
	codes := make(map[stock.SKU]string, len(s.items))
	for code, sku := range s.items {
		codes[sku] = code
	}
	var out []confirmed
	var bad error
	err := rig.ExportChanges(export, func(id string, c change.Change) {
		if c.Kind != change.KindMovement {
			return
		}
		m, err := c.Movement(stock.ID{})
		if err != nil {
			bad = fmt.Errorf("movement %s: %w", id, err)
			return
		}
		r := Row{Warehouse: string(m.To.Warehouse()), GTIN: codes[m.Key.SKU], Lot: string(m.Key.Lot), Serial: string(m.Key.Serial), Expiry: string(m.Key.Expiry),
			Location: m.To.Code(), State: m.Key.State.String(), Quantity: m.Quantity.String()}
		if m.From != stock.Supplier {
			r.Location = string(m.From) + " to " + string(m.To) // no goods receipt
		}
		out = append(out, confirmed{id, r})
	})
	return out, errors.Join(err, bad)
}

// compare counts confirmed scans that the hub lacks, and movements of the hub that nobody
// confirmed. A node that got another epoch names its changes anew; the hub then must still have
// every scan as often as it was confirmed.
func compare(expected, found []confirmed) (lost, surplus int) {
	named := make(map[confirmed]int, len(expected))
	for _, c := range expected {
		named[c]++
	}
	var rest []confirmed
	for _, c := range found {
		if named[c]--; named[c] < 0 {
			rest = append(rest, c)
		}
	}
	missing := map[Row]int{}
	for c, n := range named {
		missing[c.row] += max(0, n)
	}
	for _, c := range rest {
		if missing[c.row]--; missing[c.row] < 0 {
			surplus++
		}
	}
	for _, n := range missing {
		lost += max(0, n)
	}
	return lost, surplus
}
