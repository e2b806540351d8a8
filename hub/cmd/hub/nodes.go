package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"stockade/hub/fleet"
	"stockade/hub/store"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

func (c *command) nodeAdd(ctx context.Context, args []string) error {
	warehouse := c.flags.String("warehouse", "", "")
	replace := c.flags.Bool("replace", false, "")
	valid := c.flags.Duration("valid", fleet.TokenValid, "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("ID"); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		at, err := h.cfg.addresses()
		if err != nil {
			return err
		}
		f := h.fleet(fleet.Addresses{Nodes: at.Nodes})
		token, err := f.Token(ctx, h.who, fleet.Wish{Node: stock.NodeID(c.args[0]), Warehouse: stock.Warehouse(*warehouse), Replace: *replace, Valid: *valid})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.errOut, c.text(
			fmt.Sprintf("节点 %s 的一次性注册码（%s 内有效，只显示这一次）：", c.args[0], *valid),
			fmt.Sprintf("one-time token of node %s (valid for %s, shown only this once):", c.args[0], *valid)))
		if err == nil {
			_, err = fmt.Fprintln(c.out, token) // alone on the standard output, so that it can be piped into a file
		}
		return err
	})
}

// nodeRow is a node in node list --json and status --json.
type nodeRow struct {
	Node         stock.NodeID    `json:"node"`
	Warehouse    stock.Warehouse `json:"warehouse"`
	Epoch        uint64          `json:"epoch"`
	Sequence     uint64          `json:"sequence"` // of the last acknowledged batch
	Changes      uint64          `json:"changes"`  // number of the last change of the epoch
	LastSeen     *time.Time      `json:"last_seen"`
	Revoked      bool            `json:"revoked"`
	Dispute      delivery.Reason `json:"dispute"` // why a person has to decide, or empty
	Witnessed    int64           `json:"witnessed"`
	WitnessedLog uint64          `json:"witnessed_log"`
}

func nodeRows(v *store.View) ([]nodeRow, error) {
	nodes, err := v.Nodes()
	rows := make([]nodeRow, 0, len(nodes))
	for _, n := range nodes {
		s := n.State
		if len(s.Key) == 0 {
			continue // the hub itself
		}
		rows = append(rows, nodeRow{Node: s.Node, Warehouse: s.Warehouse, Epoch: s.Head.Epoch, Sequence: s.Head.Seq, Changes: s.Next - 1,
			LastSeen: timeOrNil(n.SeenAt), Revoked: s.Revoked, Dispute: s.Dispute, Witnessed: s.Log.Size, WitnessedLog: s.Log.Epoch})
	}
	return rows, err
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (c *command) nodeList(ctx context.Context, args []string) error {
	asJSON := c.flags.Bool("json", false, "")
	if err := c.parse(args); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		var rows []nodeRow
		err := h.store.View(ctx, func(v *store.View) (err error) { rows, err = nodeRows(v); return err })
		if err != nil {
			return err
		}
		if *asJSON {
			return c.json(rows)
		}
		t := c.table(c.text("节点\t仓库\t纪元.批次\t最近联系\t状态", "node\twarehouse\tepoch.batch\tlast seen\tstate"))
		for _, r := range rows {
			t.row(string(r.Node), string(r.Warehouse), fmt.Sprintf("%d.%d", r.Epoch, r.Sequence), c.when(r.LastSeen), c.nodeState(r))
		}
		return t.end()
	})
}

func (c *command) nodeState(r nodeRow) string {
	switch {
	case r.Revoked:
		return c.text("已吊销", "revoked")
	case r.Dispute == delivery.ReasonTwoLive:
		return c.text("两个副本同时在用：停用一个，然后 hub node settle", "two copies are in use: stop one, then hub node settle")
	case r.Dispute != "":
		return c.text("有批次被扣留：见 hub held list", "batches are held: see hub held list")
	case r.LastSeen == nil:
		return c.text("尚未联系", "not seen yet")
	}
	return c.text("正常", "in order")
}

func (c *command) nodeRevoke(ctx context.Context, args []string) error {
	reason := c.flags.String("reason", "", "")
	last := c.flags.String("last-trusted", "", "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("ID"); err != nil {
		return err
	}
	if *reason == "" {
		return fleet.ErrReason
	}
	var place delivery.Place
	if *last != "" {
		if n, err := fmt.Sscanf(*last, "%d.%d", &place.Epoch, &place.Seq); err != nil || n != 2 || place.Epoch == 0 || fmt.Sprintf("%d.%d", place.Epoch, place.Seq) != *last {
			return &usageError{zh: "--last-trusted 的形式是 纪元.批次，例如 1.240", en: "--last-trusted is EPOCH.SEQ, such as 1.240"}
		}
	}
	return c.do(ctx, func(h *hub) error {
		if err := h.fleet(fleet.Addresses{}).Revoke(ctx, h.who, stock.NodeID(c.args[0]), place, *reason); err != nil {
			return err
		}
		c.say("节点 %s 已吊销。此后的批次会被扣留，等待决定。\n", "node %s was revoked. Batches from now on are held for a decision.\n", c.args[0])
		return nil
	})
}

func (c *command) nodeSettle(ctx context.Context, args []string) error {
	reason := c.flags.String("reason", "", "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("ID"); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		if err := h.fleet(fleet.Addresses{}).Settle(ctx, h.who, stock.NodeID(c.args[0]), *reason); err != nil {
			return err
		}
		c.say("关于节点 %s 的争议已结束。\n", "the dispute over node %s has ended.\n", c.args[0])
		return nil
	})
}

// json prints v for programs.
func (c *command) json(v any) error {
	e := json.NewEncoder(c.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// when shows a time in the local zone.
func (c *command) when(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

// table prints columns of even width. Chinese characters count as two.
type table struct {
	c    *command
	rows [][]string
}

func (c *command) table(heads string) *table {
	return &table{c: c, rows: [][]string{strings.Split(heads, "\t")}}
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) end() error {
	widths := make([]int, len(t.rows[0]))
	for _, r := range t.rows {
		for i, cell := range r {
			widths[i] = max(widths[i], width(cell))
		}
	}
	var b strings.Builder
	for _, r := range t.rows {
		for i, cell := range r {
			b.WriteString(cell)
			if i < len(r)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-width(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := t.c.out.Write([]byte(b.String()))
	return err
}

func width(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r >= 0x1100 {
			n++
		}
	}
	return n
}
