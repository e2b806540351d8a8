package dashboard

import (
	"net/url"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// nodeRow is a node with what its table row needs beside it.
type nodeRow struct {
	Node
	Settle bool // its dispute is to be ended by itself
	Lag    int64
}

type nodesView struct {
	Nodes   []nodeRow
	Held    []Held
	LogSize int64
}

func (d *dashboard) getNodes(v *web.Visit) error {
	all, err := d.Nodes(v.UserContext(), v.Rows("node.read").Any)
	if err != nil {
		return err
	}
	head, err := d.LogHead(v.UserContext())
	if err != nil {
		return err
	}
	view := nodesView{Held: all.Held, LogSize: head.Size}
	for _, n := range all.Nodes {
		row := nodeRow{Node: n, Settle: n.alone(all.Held), Lag: head.Size}
		if n.WitnessedLog == head.Epoch {
			row.Lag = max(0, head.Size-n.Witnessed)
		}
		view.Nodes = append(view.Nodes, row)
	}
	return v.Page("nodes", view)
}

// reasonLimit is the length of a reason in bytes.
const reasonLimit = 1000

func reasonOf(v *web.Visit) (string, error) {
	reason := v.Form("reason")
	if reason == "" || len(reason) > reasonLimit {
		return "", web.Fail(fiber.StatusUnprocessableEntity, "held.need_reason")
	}
	return reason, nil
}

func (d *dashboard) decide(accept bool) web.Handler {
	return func(v *web.Visit) error {
		reason, err := reasonOf(v)
		if err != nil {
			return err
		}
		w, err := d.HeldAt(v.UserContext(), v.Params("hash"))
		if err == nil {
			err = v.Check("held.decide", access.Resource{Warehouse: w})
		}
		if err != nil {
			return err
		}
		if err := d.Decide(v.UserContext(), v.Params("hash"), accept, reason, v.Person); err != nil {
			return err
		}
		return v.See("/nodes")
	}
}

func (d *dashboard) settle(v *web.Visit) error {
	reason, err := reasonOf(v)
	if err != nil {
		return err
	}
	w, err := d.WarehouseOf(v.UserContext(), stock.NodeID(v.Params("node")))
	if err == nil {
		err = v.Check("held.decide", access.Resource{Warehouse: w})
	}
	if err != nil {
		return err
	}
	if err := d.Settle(v.UserContext(), stock.NodeID(v.Params("node")), reason, v.Person); err != nil {
		return err
	}
	return v.See("/nodes")
}

type casesView struct {
	Query CaseQuery
	Page  CasePage
	More  string
}

func caseQuery(v *web.Visit, limit int) CaseQuery {
	return CaseQuery{All: v.Query("all") == "1", In: v.Rows("case.read").Any, Limit: limit, Before: v.Query("before")}
}

func (d *dashboard) getCases(v *web.Visit) error {
	q := caseQuery(v, pageRows)
	page, err := d.Cases(v.UserContext(), q)
	if err != nil {
		return err
	}
	view := casesView{Query: q, Page: page}
	if page.Next != "" {
		args := url.Values{"before": {page.Next}}
		if q.All {
			args.Set("all", "1")
		}
		view.More = "/exceptions?" + args.Encode()
	}
	return v.Page("exceptions", view)
}

func (d *dashboard) getAudit(v *web.Visit) error {
	if err := v.Check("audit.read", access.Resource{}); err != nil { // the log is the whole company's
		return err
	}
	head, err := d.LogHead(v.UserContext())
	if err != nil {
		return err
	}
	return v.Page("audit", head)
}

func (d *dashboard) apiNodes(v *web.Visit) error {
	all, err := d.Nodes(v.UserContext(), v.Rows("node.read").Any)
	if err != nil {
		return err
	}
	all.Nodes, all.Held = list(all.Nodes), list(all.Held)
	return v.JSON(all)
}

func (d *dashboard) apiCases(v *web.Visit) error {
	page, err := d.Cases(v.UserContext(), caseQuery(v, apiLimit(v)))
	if err != nil {
		return err
	}
	page.Rows = list(page.Rows)
	return v.JSON(page)
}

func (d *dashboard) apiLogHead(v *web.Visit) error {
	if err := v.Check("audit.read", access.Resource{}); err != nil {
		return err
	}
	head, err := d.LogHead(v.UserContext())
	if err != nil {
		return err
	}
	head.Cosignatures = list(head.Cosignatures)
	return v.JSON(head)
}
