package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"stockade/hub/master"
	"stockade/hub/store"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

func (c *command) itemAdd(ctx context.Context, args []string) error {
	var row master.ItemRow
	c.flags.StringVar(&row.SKU, "sku", "", "")
	c.flags.StringVar(&row.Name, "name", "", "")
	c.flags.StringVar(&row.NameEN, "name-en", "", "")
	c.flags.StringVar(&row.Unit, "unit", "个", "")
	c.flags.StringVar(&row.Codes, "gtin", "", "")
	c.flags.StringVar(&row.Active, "active", "1", "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	item, err := row.Item()
	if err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		return h.recorder.Act(ctx, h.who, change.Entry{Act: "item.written", Object: row.SKU, Detail: map[string]string{"name": row.Name, "codes": row.Codes, "active": row.Active}},
			func(tx *store.Tx) error { return tx.PutItem(item) })
	})
}

func (c *command) itemImport(ctx context.Context, args []string) error {
	return importRows(ctx, c, args, "item.imported", master.ReadItems, func(tx *store.Tx, i feed.Item) error { return tx.PutItem(i) })
}

func (c *command) locationAdd(ctx context.Context, args []string) error {
	name := c.flags.String("name", "", "")
	use := c.flags.String("use", string(feed.UseStorage), "")
	active := c.flags.Bool("active", true, "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("WAREHOUSE/BIN"); err != nil {
		return err
	}
	l := feed.Location{ID: stock.Location(c.args[0]), Name: *name, Use: feed.Use(*use), Active: *active}
	if err := master.CheckLocation(l); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		return h.recorder.Act(ctx, h.who, change.Entry{Act: "location.written", Object: c.args[0], Detail: map[string]string{"name": *name, "use": *use, "active": fmt.Sprint(*active)}},
			func(tx *store.Tx) error { return tx.PutLocation(l) })
	})
}

func (c *command) locationImport(ctx context.Context, args []string) error {
	return importRows(ctx, c, args, "location.imported", master.ReadLocations, func(tx *store.Tx, l feed.Location) error { return tx.PutLocation(l) })
}

// importRows reads a whole file, and then writes all of it or nothing.
func importRows[T any](ctx context.Context, c *command, args []string, act string, read func(*csv.Reader) ([]T, error), put func(*store.Tx, T) error) error {
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("FILE.csv"); err != nil {
		return err
	}
	f, err := os.Open(c.args[0])
	if err != nil {
		return err
	}
	rows, err := read(csv.NewReader(skipMark(f)))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", c.args[0], err)
	}
	return c.do(ctx, func(h *hub) error {
		err := h.recorder.Act(ctx, h.who, change.Entry{Act: act, Object: c.args[0], Detail: map[string]string{"rows": fmt.Sprint(len(rows))}}, func(tx *store.Tx) error {
			for _, r := range rows {
				if err := put(tx, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			c.say("已导入 %d 行。\n", "%d rows were imported.\n", len(rows))
		}
		return err
	})
}

// skipMark leaves out the byte order mark that spreadsheets put before UTF-8.
func skipMark(r io.Reader) io.Reader {
	const mark = "\xef\xbb\xbf"
	head := make([]byte, len(mark))
	n, _ := io.ReadFull(r, head) // a short file has no mark
	if string(head[:n]) == mark {
		return r
	}
	return io.MultiReader(strings.NewReader(string(slices.Clone(head[:n]))), r)
}
