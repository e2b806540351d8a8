package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"stockade/hub/fleet"
	"stockade/hub/store"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// heldRow is a held batch in held list --json.
type heldRow struct {
	Hash      string          `json:"hash"`
	Node      stock.NodeID    `json:"node"`
	Epoch     uint64          `json:"epoch"`
	Sequence  uint64          `json:"sequence"`
	Changes   uint64          `json:"changes"`
	Reason    delivery.Reason `json:"reason"`
	Since     time.Time       `json:"since"`
	Decision  string          `json:"decision,omitempty"`
	DecidedBy string          `json:"decided_by,omitempty"`
	DecidedAt *time.Time      `json:"decided_at,omitempty"`
	Why       string          `json:"why,omitempty"`
}

func heldRowOf(h store.Held) heldRow {
	r := heldRow{Hash: h.Hash.String(), Node: h.Node, Epoch: h.Epoch, Sequence: h.Seq, Reason: h.Reason, Since: h.Since,
		Decision: h.Decision, DecidedBy: h.DecidedBy, DecidedAt: timeOrNil(h.DecidedAt), Why: h.Why}
	if header, _, err := h.Batch.Claim(); err == nil {
		r.Changes = header.Count
	}
	return r
}

func (c *command) heldList(ctx context.Context, args []string) error {
	asJSON := c.flags.Bool("json", false, "")
	all := c.flags.Bool("all", false, "")
	if err := c.parse(args); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		rows := []heldRow{}
		err := h.store.View(ctx, func(v *store.View) error {
			held, err := v.HeldBatches(*all)
			for _, b := range held {
				rows = append(rows, heldRowOf(b))
			}
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return c.json(rows)
		}
		t := c.table(c.text("编号\t节点\t纪元.批次\t变更数\t原因\t自\t决定", "hash\tnode\tepoch.batch\tchanges\treason\tsince\tdecision"))
		for _, r := range rows {
			t.row(r.Hash[:16], string(r.Node), fmt.Sprintf("%d.%d", r.Epoch, r.Sequence), fmt.Sprint(r.Changes), c.reason(r.Reason), c.when(&r.Since), r.Decision)
		}
		return t.end()
	})
}

// reason tells in the user's language why something is held.
func (c *command) reason(r delivery.Reason) string {
	switch r {
	case delivery.ReasonFork:
		return c.text("分叉：同一位置已有另一批次（存储卡被克隆或回滚）", "fork: another batch stands at this place (a cloned or rolled-back card)")
	case delivery.ReasonRevoked:
		return c.text("节点吊销之后", "after the node was revoked")
	case delivery.ReasonSealed:
		return c.text("该纪元已关闭", "the epoch was closed before")
	}
	return string(r)
}

// findHeld returns the one held batch whose hash begins as given.
func findHeld(v *store.View, begin string) (store.Held, error) {
	if _, err := hex.DecodeString(begin); len(begin) < 8 || (err != nil && len(begin)%2 == 0) {
		return store.Held{}, &usageError{zh: "请给出编号的至少前 8 位，见 hub held list", en: "give at least the first 8 digits of the hash, see hub held list"}
	}
	all, err := v.HeldBatches(true)
	if err != nil {
		return store.Held{}, err
	}
	var found []store.Held
	for _, h := range all {
		if strings.HasPrefix(h.Hash.String(), strings.ToLower(begin)) {
			found = append(found, h)
		}
	}
	if len(found) != 1 {
		return store.Held{}, fmt.Errorf("held batch %s: %d of them: %w", begin, len(found), store.ErrNotFound)
	}
	return found[0], nil
}

func (c *command) heldShow(ctx context.Context, args []string) error {
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("HASH"); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		var held store.Held
		err := h.store.View(ctx, func(v *store.View) (err error) { held, err = findHeld(v, c.args[0]); return err })
		if err != nil {
			return err
		}
		if err := c.json(heldRowOf(held)); err != nil {
			return err
		}
		header, _, err := held.Batch.Claim()
		if err != nil {
			return err
		}
		contents, err := held.Batch.Unpack(header)
		if err != nil {
			c.say("无法解开内容：%v\n", "its contents can not be unpacked: %v\n", err)
			return nil
		}
		for i, raw := range contents.Changes {
			if err := c.json(changeRowOf(stock.ID{Node: header.Node, Epoch: header.Epoch, Number: header.First + uint64(i)}, raw)); err != nil { // #nosec G115 -- an index
				return err
			}
		}
		return nil
	})
}

// changeRow shows a change to people.
type changeRow struct {
	ID       string          `json:"id"`
	Time     time.Time       `json:"time"`
	Actor    string          `json:"actor"`
	Movement *stock.Movement `json:"movement,omitempty"`
	Count    *stock.Quantity `json:"counted,omitempty"`
	Cell     *stock.Cell     `json:"cell,omitempty"`
	Entry    *change.Entry   `json:"entry,omitempty"`
	Unknown  string          `json:"unknown,omitempty"`
}

func changeRowOf(id stock.ID, raw []byte) changeRow {
	r := changeRow{ID: id.String()}
	ch, err := change.Decode(raw)
	if err != nil {
		r.Unknown = err.Error()
		return r
	}
	r.Time, r.Actor = ch.Meta.Time.Time(), ch.Meta.Actor
	if m, err := ch.Movement(id); err == nil {
		r.Movement = &m
	} else if n, err := ch.Count(id); err == nil {
		r.Count, r.Cell = &n.Counted, &n.Cell
	} else if e, err := ch.Entry(); err == nil {
		r.Entry = &e
	} else {
		r.Unknown = err.Error()
	}
	return r
}

func (c *command) heldAccept(ctx context.Context, args []string) error {
	return c.decide(ctx, args, true)
}

func (c *command) heldReject(ctx context.Context, args []string) error {
	return c.decide(ctx, args, false)
}

func (c *command) decide(ctx context.Context, args []string, accept bool) error {
	reason := c.flags.String("reason", "", "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("HASH"); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		var held store.Held
		err := h.store.View(ctx, func(v *store.View) (err error) { held, err = findHeld(v, c.args[0]); return err })
		if err != nil {
			return err
		}
		if err := h.fleet(fleet.Addresses{}).Decide(ctx, h.who, held.Hash, accept, *reason); err != nil {
			return err
		}
		if accept {
			c.say("批次 %s 已接受并合并。\n", "batch %s was accepted and merged.\n", held.Hash)
		} else {
			c.say("批次 %s 已拒绝。\n", "batch %s was rejected.\n", held.Hash)
		}
		return nil
	})
}
