package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"stockade/hub/master"
	"stockade/hub/store"
	"stockade/internal/label"
	"stockade/internal/web"
)

// labelRow is a line of "label list --json".
type labelRow struct {
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	NameEN  string            `json:"name_en"`
	Kind    label.Kind        `json:"kind"`
	Width   float64           `json:"width"`  // mm
	Height  float64           `json:"height"` // mm
	State   master.LabelState `json:"state"`
	Version int64             `json:"version"` // 0 for one that was never changed
	By      string            `json:"by,omitempty"`
	At      *time.Time        `json:"at,omitempty"`
}

func (c *command) labelList(ctx context.Context, args []string) error {
	asJSON := c.flags.Bool("json", false, "")
	all := c.flags.Bool("all", false, "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	texts, err := web.LoadTexts()
	if err != nil {
		return err
	}
	rows := []labelRow{}
	return c.do(ctx, func(h *hub) error {
		err := h.store.View(ctx, func(v *store.View) error {
			found, err := master.Labels(v)
			for _, i := range found {
				if i.State != master.Withdrawn || *all {
					rows = append(rows, labelRowOf(i))
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		if *asJSON {
			return c.json(struct {
				Labels []labelRow `json:"labels"`
			}{rows})
		}
		lang := web.Lang(c.text(string(web.Chinese), string(web.English)))
		for _, r := range rows {
			kind := "—" // of a newer program
			if key := "label.kind_" + string(r.Kind); texts.Has(key) {
				kind = texts.Text(lang, key, nil)
			}
			name := label.Template{Name: r.Name, NameEN: r.NameEN}.Title(string(lang))
			if _, err := fmt.Fprintf(c.out, "%-20s %-10s %6g x %-6g %s · %s\n", r.ID, kind, r.Width, r.Height, name, texts.Text(lang, "labels.state_"+string(r.State), nil)); err != nil {
				return err
			}
		}
		return nil
	})
}

func labelRowOf(i master.LabelInfo) labelRow {
	t := i.Template
	r := labelRow{ID: i.ID, Name: t.Name, NameEN: t.NameEN, Kind: t.Kind, Width: t.Width, Height: t.Height, State: i.State, Version: i.Version, By: i.By}
	if i.Version > 0 {
		r.At = &i.At
	}
	return r
}

func (c *command) labelShow(ctx context.Context, args []string) error {
	version := c.flags.Int64("version", 0, "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("ID"); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		var body []byte
		err := h.store.View(ctx, func(v *store.View) (err error) { body, err = labelBody(v, c.args[0], *version); return err })
		if err == nil {
			_, err = c.out.Write(body)
		}
		return err
	})
}

// labelBody returns a template as a file: that which counts, or a version of it.
func labelBody(v *store.View, id string, version int64) ([]byte, error) {
	var body []byte
	if version == 0 {
		now, err := master.LabelNow(v, id)
		if err != nil {
			return nil, err
		}
		if body, err = now.Template.JSON(); err != nil {
			return nil, err
		}
	} else {
		l, err := v.Label(id, version)
		if err != nil {
			return nil, err
		}
		body = l.Body
	}
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", "  "); err != nil {
		return nil, fmt.Errorf("label template %s: %w", id, err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func (c *command) labelImport(ctx context.Context, args []string) error {
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("FILE.json"); err != nil {
		return err
	}
	f, err := os.Open(c.args[0])
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(skipMark(f), label.MaxTemplate+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", c.args[0], err)
	}
	t, l, err := master.Label(body)
	if err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		var version int64
		err := h.recorder.Act(ctx, h.who, master.LabelEntry(master.LabelWritten, t), func(tx *store.Tx) (err error) {
			version, err = tx.PutLabel(l, h.who.Actor, store.AnyVersion)
			return err
		})
		if err == nil {
			c.say("已保存标签模板 %s，第 %d 版。\n", "label template %s was stored as version %d.\n", t.ID, version)
		}
		return err
	})
}

func (c *command) labelWithdraw(ctx context.Context, args []string) error {
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("ID"); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		t, err := h.withdrawLabel(ctx, h.who, c.args[0], store.AnyVersion)
		if err == nil {
			c.say("已撤回标签模板 %s（%s）。\n", "label template %s (%s) was taken back.\n", t.ID, t.Name)
		}
		return err
	})
}
