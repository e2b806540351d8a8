package master_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"stockade/hub/hubtest"
	"stockade/hub/master"
	"stockade/hub/store"
	"stockade/internal/label"
	"stockade/internal/symbol"
	"stockade/protocol/feed"
)

func small(id string) label.Template {
	return label.Template{ID: id, Kind: label.Bin, Name: "小库位", Width: 60, Height: 30, Elements: []label.Element{{Type: label.Text, X: 2, Y: 2, Width: 56, Size: 5, Content: "{bin!}"}}}
}

func write(t *testing.T, h *hubtest.Hub, tp label.Template) {
	t.Helper()
	b, err := tp.JSON()
	hubtest.Check(t, err)
	_, l, err := master.Label(b)
	hubtest.Check(t, err)
	h.Update(func(tx *store.Tx) error { _, err := tx.PutLabel(l, "li", store.AnyVersion); return err })
}

func TestLabelsOfACompany(t *testing.T) {
	h := hubtest.New(t)
	states := func() (out string) {
		h.View(func(v *store.View) error {
			all, err := master.Labels(v)
			for _, i := range all {
				one, err := master.LabelNow(v, i.ID)
				if err != nil || one.State != i.State || one.Template.Name != i.Template.Name {
					t.Errorf("%s alone is %+v, %v", i.ID, one, err)
				}
				if i.State != master.Standard {
					out += fmt.Sprintf("%s %s %s %d|", i.ID, i.Template.Name, i.State, i.Version)
				}
			}
			if standard := len(label.Standard()); len(all) < standard || all[0].ID != "item" || err != nil {
				t.Errorf("%d templates, %v", len(all), err)
			}
			_, err = master.LabelNow(v, "none")
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("none: %v", err)
			}
			return nil
		})
		return out
	}
	if got := states(); got != "" {
		t.Errorf("a new company has %s", got)
	}
	write(t, h, small("bin"))
	write(t, h, small("shelf"))
	if got := states(); got != "bin 小库位 changed 1|shelf 小库位 own 1|" {
		t.Errorf("%s", got)
	}
	withdraw := func(id string, base int64) error {
		return h.Store.Update(context.Background(), h.Now(), func(tx *store.Tx) error { return master.WithdrawLabel(tx, id, "li", base) })
	}
	hubtest.Check(t, withdraw("bin", 1))
	hubtest.Check(t, withdraw("shelf", store.AnyVersion))
	if got := states(); got != "shelf 小库位 withdrawn 2|" {
		t.Errorf("%s", got)
	}
	for id, want := range map[string]error{"bin": store.ErrNotFound, "lot": store.ErrNotFound, "none": store.ErrNotFound} {
		if err := withdraw(id, store.AnyVersion); !errors.Is(err, want) {
			t.Errorf("%s withdrawn again: %v", id, err)
		}
	}
	write(t, h, small("shelf"))
	if err := withdraw("shelf", 2); !errors.Is(err, store.ErrLabelChanged) {
		t.Errorf("withdrawn as of an older version: %v", err)
	}
	if got := states(); got != "shelf 小库位 own 3|" {
		t.Errorf("%s", got)
	}
	// What a newer program has written is listed under its id.
	h.Update(func(tx *store.Tx) error {
		_, err := tx.PutLabel(feed.Label{ID: "later", Body: []byte(`{"id":"later","hologram":1}`), Active: true}, "li", 0)
		return err
	})
	if got := states(); !strings.Contains(got, "later later own 1|") {
		t.Errorf("%s", got)
	}
	// And all of it flows down in the order in which it was written.
	p, _ := publisher(h)
	hubtest.Check(t, p.Publish(context.Background()))
	got := ""
	for _, v := range newReader(h).read(feed.Catalogue) {
		l := v.(feed.Label)
		got += fmt.Sprintf("%s %t %d|", l.ID, l.Active, min(1, len(l.Body)))
	}
	if got != "bin true 1|shelf true 1|bin false 1|shelf false 1|shelf true 1|later true 1|" {
		t.Errorf("%s", got)
	}
}

func TestLabelRefuses(t *testing.T) {
	raw := `{"id":"x","kind":"bin","name":"x","width":60,"height":30,"elements":[` + strings.Repeat(`{"type":"text","x":1,"y":1,"width":50,"size":2,"content":"`+strings.Repeat("<", 450)+`"},`, 29) +
		`{"type":"text","x":1,"y":1,"width":50,"size":2,"content":"x"}]}`
	narrow := small("x")
	narrow.Elements[0] = label.Element{Type: label.Code, X: 0, Y: 0, Width: 12, Height: 10, Content: "{bin!}-ABCDEFGHIJ", Symbols: []symbol.Kind{symbol.Code128}}
	narrowJSON, err := narrow.JSON()
	hubtest.Check(t, err)
	for name, c := range map[string]struct{ body, key string }{
		"JSON of ours would be too long":     {raw, "label.template_large"},
		"not even the sample can be printed": {string(narrowJSON), "label.too_wide"},
		"nothing":                            {"", "label.template_unreadable"},
	} {
		var p *label.Problem
		if _, _, err := master.Label([]byte(c.body)); !errors.As(err, &p) || p.Key != c.key {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, tp := range label.Standard() {
		b, err := tp.JSON()
		hubtest.Check(t, err)
		if _, l, err := master.Label(b); err != nil || l.ID != tp.ID || !l.Active || string(l.Body) != string(b) {
			t.Errorf("%s: %+v, %v", tp.ID, l, err)
		}
	}
}

// FuzzLabel: whatever comes as a template is refused with a problem, or sent to nodes as something that they read as the same.
func FuzzLabel(f *testing.F) {
	for _, tp := range label.Standard() {
		b, err := tp.JSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"id":"x","kind":"bin","name":"\ud800","width":1e308,"height":-0,"elements":[{"type":"text","x":1e-320}]}`))
	f.Add([]byte(`{"ID":"x","Kind":"bin","name":"x","NAME":"<&>","width":60,"height":30,"elements":[{"type":"text","width":50,"size":2,"content":"{bin!}[[{bin}]"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tp, l, err := master.Label(b)
		if err != nil {
			var p *label.Problem
			if !errors.As(err, &p) {
				t.Fatalf("%v is no problem that people are told", err)
			}
			return
		}
		again, err := label.ParseTemplate(l.Body)
		if err != nil || l.ID != tp.ID || again.ID != tp.ID || !label.ValidID(l.ID) || len(l.Body) > label.MaxTemplate {
			t.Fatalf("%s is sent as %s, which is %+v, %v", b, l.Body, again, err)
		}
		if _, l2, err := master.Label(l.Body); err != nil || string(l2.Body) != string(l.Body) {
			t.Fatalf("%s is sent as %s, then as %s, %v", b, l.Body, l2.Body, err)
		}
	})
}
