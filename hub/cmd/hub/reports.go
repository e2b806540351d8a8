package main

import (
	"context"
	"fmt"
	"time"

	"stockade/hub/store"
	"stockade/protocol/stock"
)

// stockRow is a row of stock --json: what lies of one kind of stock in one bin, not zero.
// docs/export.md describes it; edge stock --json prints the same rows.
type stockRow struct {
	Warehouse stock.Warehouse `json:"warehouse"`
	SKU       stock.SKU       `json:"sku"`
	GTIN      stock.GTIN      `json:"gtin"` // first code of the item, empty when it has none
	Lot       stock.Lot       `json:"lot"`
	Serial    stock.Serial    `json:"serial"`
	Expiry    stock.Date      `json:"expiry"`
	Location  string          `json:"location"` // code of the bin, as on its label
	State     string          `json:"state"`
	Quantity  stock.Quantity  `json:"quantity"`
}

// asOfRow says up to when the hub knows a warehouse through one of its nodes.
type asOfRow struct {
	Warehouse stock.Warehouse `json:"warehouse"`
	Node      stock.NodeID    `json:"node"`
	Seen      *time.Time      `json:"seen"`  // last authentic word of the node
	Batch     *time.Time      `json:"batch"` // its last batch came in
}

type stockReport struct {
	AsOf []asOfRow  `json:"as_of"`
	Rows []stockRow `json:"rows"`
}

func (c *command) stock(ctx context.Context, args []string) error {
	asJSON := c.flags.Bool("json", false, "")
	warehouse := c.flags.String("warehouse", "", "")
	sku := c.flags.String("sku", "", "")
	find := c.flags.String("find", "", "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		r := stockReport{AsOf: []asOfRow{}, Rows: []stockRow{}}
		names := map[stock.SKU]string{}
		err := h.store.View(ctx, func(v *store.View) error {
			asOf, err := v.AsOf()
			if err != nil {
				return err
			}
			for _, a := range asOf {
				r.AsOf = append(r.AsOf, asOfRow{a.Warehouse, a.Node, timeOrNil(a.Seen), timeOrNil(a.Batch)})
			}
			return v.Stock(store.StockFilter{In: store.Everywhere(), Warehouse: stock.Warehouse(*warehouse), SKU: stock.SKU(*sku), Text: *find}, func(s store.StockRow) error {
				names[s.Key.SKU] = c.text(s.Name, s.NameEN)
				r.Rows = append(r.Rows, stockRow{s.Warehouse, s.Key.SKU, s.GTIN, s.Key.Lot, s.Key.Serial, s.Key.Expiry, s.Location.Code(), s.Key.State.String(), s.OnHand})
				return nil
			})
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return c.json(r)
		}
		t := c.table(c.text("仓库\t商品\t名称\t批次\t序列号\t有效期\t库位\t状态\t数量", "warehouse\titem\tname\tlot\tserial\texpiry\tlocation\tstate\tquantity"))
		for _, s := range r.Rows {
			t.row(string(s.Warehouse), string(s.SKU), names[s.SKU], string(s.Lot), string(s.Serial), string(s.Expiry), s.Location, s.State, s.Quantity.String())
		}
		return t.end()
	})
}

// exceptionRow is a case in exceptions --json.
type exceptionRow struct {
	ID         int64               `json:"id"`
	Kind       stock.ExceptionKind `json:"kind"`
	Subject    string              `json:"subject"`
	Node       stock.NodeID        `json:"node"`
	Location   stock.Location      `json:"location"`
	SKU        stock.SKU           `json:"sku"`
	Lot        stock.Lot           `json:"lot"`
	Serial     stock.Serial        `json:"serial"`
	Expiry     stock.Date          `json:"expiry"`
	State      string              `json:"state"`
	Detail     string              `json:"detail"`
	Times      int64               `json:"times"`
	OpenedAt   time.Time           `json:"opened_at"`
	OpenedLeaf int64               `json:"opened_leaf"`
	ClosedAt   *time.Time          `json:"closed_at"`
}

func (c *command) exceptions(ctx context.Context, args []string) error {
	asJSON := c.flags.Bool("json", false, "")
	all := c.flags.Bool("all", false, "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		rows := []exceptionRow{}
		err := h.store.View(ctx, func(v *store.View) error {
			return v.Cases(*all, func(i store.CaseInfo) error {
				k := i.Case.Cell
				rows = append(rows, exceptionRow{i.ID, i.Case.Kind, i.Case.Subject, i.Case.Node, k.Location, k.Key.SKU, k.Key.Lot, k.Key.Serial, k.Key.Expiry,
					k.Key.State.String(), i.Case.Detail, i.Times, i.OpenedAt, i.OpenedLeaf, timeOrNil(i.ClosedAt)})
				return nil
			})
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return c.json(rows)
		}
		t := c.table(c.text("类型\t对象\t节点\t次数\t自\t说明", "kind\tsubject\tnode\ttimes\tsince\tdetail"))
		for _, r := range rows {
			t.row(c.kind(r.Kind), r.Subject, string(r.Node), fmt.Sprint(r.Times), c.when(&r.OpenedAt), r.Detail)
		}
		return t.end()
	})
}

// kind tells in the user's language what a case is about.
func (c *command) kind(k stock.ExceptionKind) string {
	switch k {
	case stock.NegativeStock:
		return c.text("负库存", "negative stock")
	case stock.SerialTwice:
		return c.text("序列号重复", "serial number twice")
	case stock.LotExpiry:
		return c.text("同批次有效期不一致", "one lot, differing expiry")
	case stock.CountConcurrent:
		return c.text("盘点期间有移动", "moved while counted")
	case store.CaseParked:
		return c.text("变更无法入账", "change not posted")
	case store.CaseHeld:
		return c.text("批次被扣留", "batch held")
	case store.CaseUnknownItem:
		return c.text("未知商品", "unknown item")
	case store.CaseAlarm:
		return c.text("警报", "alarm")
	}
	return string(k)
}

// statusReport is status --json.
type statusReport struct {
	Org          string     `json:"org"`
	Batches      int64      `json:"batches"`
	Acknowledged int64      `json:"acknowledged"` // batches: every one that was stored was acknowledged
	Changes      int64      `json:"changes"`
	Movements    int64      `json:"movements"`
	Counts       int64      `json:"counts"`
	Parked       int64      `json:"parked"`
	Held         int64      `json:"held"` // waiting for a decision
	Exceptions   int64      `json:"exceptions"`
	Cases        int64      `json:"cases"` // open and closed
	SetAside     int64      `json:"set_aside"`
	Items        int64      `json:"items"`
	Locations    int64      `json:"locations"`
	LogEpoch     uint64     `json:"log_epoch"`
	Leaves       int64      `json:"leaves"`
	Checkpoint   int64      `json:"checkpoint"` // leaves under the last signed head
	CheckpointAt *time.Time `json:"checkpoint_at"`
	Nodes        []nodeRow  `json:"nodes"`
	Addresses    *addresses `json:"addresses"` // null while the server is not running and its ports are not fixed
}

func (c *command) status(ctx context.Context, args []string) error {
	asJSON := c.flags.Bool("json", false, "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		r := statusReport{Org: h.cfg.Org}
		err := h.store.View(ctx, func(v *store.View) error {
			n, err := v.Counts()
			if err != nil {
				return err
			}
			l, err := v.PresentLog()
			if err != nil {
				return err
			}
			r.Batches, r.Acknowledged, r.Changes, r.Movements, r.Counts, r.Parked, r.Held = n.Batches, n.Batches, n.Changes, n.Movements, n.StockCounts, n.Parked, n.HeldOpen
			r.Exceptions, r.Cases, r.SetAside, r.Items, r.Locations, r.Leaves = n.OpenCases, n.Cases, n.SetAside, n.Items, n.Locations, n.Leaves
			r.LogEpoch, r.Checkpoint, r.CheckpointAt = l.Epoch, l.Size, timeOrNil(l.CutAt)
			r.Nodes, err = nodeRows(v)
			return err
		})
		if err != nil {
			return err
		}
		if at, err := h.cfg.addresses(); err == nil {
			r.Addresses = &at
		}
		if *asJSON {
			return c.json(r)
		}
		c.say("组织 %s：批次 %d，变更 %d，移动 %d，未入账 %d，被扣留 %d，未结异常 %d\n审计日志：第 %d 份，%d 个叶子，已签名 %d 个\n",
			"organisation %s: %d batches, %d changes, %d movements, %d parked, %d held, %d open exceptions\naudit log %d: %d leaves, %d under the signed head\n",
			r.Org, r.Batches, r.Changes, r.Movements, r.Parked, r.Held, r.Exceptions, r.LogEpoch, r.Leaves, r.Checkpoint)
		return nil
	})
}
