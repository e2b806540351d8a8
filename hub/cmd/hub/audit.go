package main

import (
	"context"
	"fmt"
	"path/filepath"

	"stockade/hub/auditlog"
	"stockade/hub/store"
	"stockade/protocol/change"
)

// nothing is the act of a command whose effect is outside the store.
func nothing(*store.Tx) error { return nil }

func (c *command) auditVerify(ctx context.Context, args []string) error {
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		var f auditlog.Findings
		err := h.store.View(ctx, func(v *store.View) (err error) { f, err = auditlog.Verify(v, h.ring); return err })
		if err != nil {
			return err
		}
		c.say("审计日志完好：%d 个叶子（批次 %d，节点密钥 %d，总部记录 %d，其中已清除 %d），签名覆盖 %d 个，见证节点 %d 个。\n"+
			"由 %d 条变更重新推导的 %d 个结存和 %d 个异常与库中一致。\n",
			"the audit log holds: %d leaves (%d batches, %d node keys, %d entries of the hub, %d of them erased), %d under the signed head, %d witnesses.\n"+
				"%d changes derived anew give the same %d balances and %d exceptions as stored.\n",
			f.Leaves, f.Batches, f.Keys, f.Entries, f.Erased, f.Checkpoint, f.Witnesses, f.Changes, f.Balances, f.Exceptions)
		return nil
	})
}

func (c *command) auditExport(ctx context.Context, args []string) error {
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("DIR"); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		dir, err := filepath.Abs(c.args[0])
		if err != nil {
			return err
		}
		// Recorded first, so that the export holds its own entry.
		if err := h.recorder.Act(ctx, h.who, change.Entry{Act: "audit.exported", Object: dir}, nothing); err != nil {
			return err
		}
		var x auditlog.Exported
		err = h.store.View(ctx, func(v *store.View) (err error) { x, err = auditlog.Export(v, h.ring, dir); return err })
		if err != nil {
			return err
		}
		c.say("已导出到 %s：%d 个叶子，%d 个批次，%d 个节点密钥，%d 条总部记录（另有 %d 条已清除）。\n核验：fw audit verify %s --trust FILE（公钥文件由 hub trust 打印，请另行交付）\n",
			"exported to %s: %d leaves, %d batches, %d node keys, %d entries of the hub (and %d erased).\ncheck: fw audit verify %s --trust FILE (hub trust prints that file; hand it over another way)\n",
			dir, x.Leaves, x.Batches, x.Keys, x.Entries, x.Erased, dir)
		return nil
	})
}

func (c *command) trust(ctx context.Context, args []string) error {
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		var text string
		err := h.store.View(ctx, func(v *store.View) (err error) { text, err = auditlog.Trust(v, h.ring); return err })
		if err == nil {
			_, err = fmt.Fprint(c.out, text)
		}
		return err
	})
}
