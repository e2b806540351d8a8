// Package templates_test follows a label template through the real programs: from the page where a manager writes it to the
// nodes that print with it.
package templates_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stockade/edge/store"
	"stockade/firmware-tools/simulate"
	"stockade/internal/label"
	"stockade/test/play"
	"stockade/test/rig"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// signedIn returns a reader of the hub's pages who has made the first account.
func signedIn(t *testing.T, h *rig.Hub) *rig.Browser {
	t.Helper()
	at, err := h.Addresses()
	must(t, err)
	b, err := rig.NewBrowser(at.Pages, "")
	must(t, err)
	line, err := h.Process.Line(t.Context(), "one-time code")
	must(t, err)
	_, code, _ := strings.Cut(line, "one-time code: ")
	must(t, b.First(t.Context(), strings.TrimSpace(code), "王经理", "春风又绿江南岸-明月何时照我还"))
	return b
}

// nameAt returns what a node calls a template; empty when it has none of that id.
func nameAt(t *testing.T, e *rig.Edge, id string) (name string) {
	t.Helper()
	must(t, play.WithStore(t.Context(), e, func(s *store.Store) error {
		return s.View(t.Context(), func(tx *store.Tx) error {
			tp, err := tx.LabelTemplate(id)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			name = tp.Name
			return err
		})
	}))
	return name
}

func has(t *testing.T, e *rig.Edge, id, name string) {
	t.Helper()
	must(t, rig.Until(t.Context(), fmt.Sprintf("template %s as %q at %s", id, name, e.Options.ID), func() (bool, error) { return nameAt(t, e, id) == name, nil }))
}

// TestThePrinterPrintsIt: the label of a receipt is that of the last template that headquarters wrote.
func TestThePrinterPrintsIt(t *testing.T) {
	link := filepath.Join(t.TempDir(), "printer")
	printer, err := simulate.NewPrinter(link, simulate.PrinterOptions{})
	must(t, err)
	defer printer.Close()
	s, err := play.NewSite(t.Context(), play.Options{Dir: t.TempDir(), Log: t.Output(), Warehouses: []string{"SHA"}, Change: func(o *rig.EdgeOptions) { o.Stations[0].Printer = link }})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.Logs())
		}
		s.Close()
	})
	const code = "]E06901234567892"
	must(t, s.Catalogue(t.Context(), [][]byte{[]byte(code)}))
	printed := func(n int, want string) {
		t.Helper()
		must(t, s.Players[0].Play(t.Context(), []byte(code+"\r")))
		must(t, rig.Until(t.Context(), fmt.Sprintf("label %d", n), func() (bool, error) { return len(printer.Labels()) >= n, nil }))
		if got := string(printer.Labels()[n-1]); !strings.Contains(got, want) {
			t.Errorf("label %d is %s, without %s", n, got, want)
		}
	}
	printed(1, "^PW480^LL320")
	item := label.Standard()[0]
	item.Name, item.Width, item.Elements = "大商品标签", 80, append(item.Elements, label.Element{Type: label.Text, X: 40, Y: 35, Width: 39, Size: 3, Content: "AUDITED 2026"})
	b, err := item.JSON()
	must(t, err)
	path := filepath.Join(t.TempDir(), "item.json")
	must(t, os.WriteFile(path, b, 0o600))
	_, err = s.Hub.CLI(t.Context(), "label", "import", path)
	must(t, err)
	has(t, s.Edges[0], "item", "大商品标签")
	printed(2, "^FDAUDITED 2026^FS")
	printed(3, "^PW640^LL320")
	_, err = s.Hub.CLI(t.Context(), "label", "withdraw", "item")
	must(t, err)
	has(t, s.Edges[0], "item", "商品标签")
	printed(4, "^PW480^LL320")
}

type put struct {
	ID       string         `json:"id"`
	Template label.Template `json:"template"`
	Base     int64          `json:"base"`
	New      bool           `json:"new"`
}

func TestFromThePageToTheNodes(t *testing.T) {
	s, err := play.NewSite(t.Context(), play.Options{Dir: t.TempDir(), Log: t.Output(), Warehouses: []string{"SHA", "CTU"}})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.Logs())
		}
		s.Close()
	})
	b := signedIn(t, s.Hub)
	_, err = b.Get(t.Context(), "/labels")
	must(t, err)
	send := func(p put) (version int64, err error) {
		var got struct{ Version int64 }
		err = b.JSON(t.Context(), "/api/v1/labels", p, &got)
		return got.Version, err
	}
	lot := label.Standard()[1]
	for _, e := range s.Edges {
		has(t, e, "lot", "批次标签")
	}

	// One warehouse has no line while it is written: it has it when the line is mended.
	s.Relays[1].Cut()
	lot.Name = "第一版"
	if v, err := send(put{ID: "lot", Template: lot}); v != 1 || err != nil {
		t.Fatalf("version %d, %v", v, err)
	}
	has(t, s.Edges[0], "lot", "第一版")
	lot.Name = "第二版"
	if v, err := send(put{ID: "lot", Template: lot, Base: 1}); v != 2 || err != nil {
		t.Fatalf("version %d, %v", v, err)
	}
	shelf := label.Standard()[2]
	shelf.ID, shelf.Name = "shelf", "货架"
	if v, err := send(put{ID: "shelf", Template: shelf, New: true}); v != 1 || err != nil {
		t.Fatalf("version %d, %v", v, err)
	}
	has(t, s.Edges[0], "shelf", "货架")
	if got := nameAt(t, s.Edges[1], "lot"); got != "批次标签" {
		t.Errorf("without a line: %s", got)
	}
	s.Relays[1].Mend()
	has(t, s.Edges[1], "shelf", "货架")
	has(t, s.Edges[1], "lot", "第二版")

	// What is refused changes nothing anywhere.
	other, wide := shelf, shelf
	other.ID = "other"
	wide.Elements = append([]label.Element{}, shelf.Elements...)
	wide.Elements[1].Width = 9
	for _, c := range []struct {
		put
		want string
	}{
		{put{ID: "shelf", Template: other, Base: 1}, "422"},
		{put{ID: "shelf", Template: wide, Base: 1}, "label.too_wide"},
		{put{ID: "shelf", Template: shelf}, "labels.changed_meanwhile"},
		{put{ID: "shelf", Template: shelf, New: true}, "labels.id_taken"},
		{put{ID: "bin", Template: func() label.Template { b := shelf; b.ID = "bin"; return b }(), New: true}, "labels.id_taken"},
	} {
		if _, err := send(c.put); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.put, err, c.want)
		}
	}

	// The command line does the same, and a node that was off meanwhile has it all.
	must(t, s.Edges[0].Process.Stop())
	shelf.Name = "新货架"
	file, err := shelf.JSON()
	must(t, err)
	path := filepath.Join(t.TempDir(), "shelf.json")
	must(t, os.WriteFile(path, file, 0o600))
	for _, args := range [][]string{{"label", "import", path}, {"label", "withdraw", "lot"}} {
		_, err := s.Hub.CLI(t.Context(), args...)
		must(t, err)
	}
	must(t, s.Edges[0].Start(t.Context()))
	for _, e := range s.Edges {
		has(t, e, "shelf", "新货架")
		has(t, e, "lot", "批次标签")
	}
	var list struct {
		Labels []struct {
			ID, State, By string
			Version       int64
		}
	}
	out, err := s.Hub.CLI(t.Context(), "label", "list", "--json")
	must(t, err)
	must(t, json.Unmarshal(out, &list))
	for _, l := range list.Labels {
		if want := map[string]int64{"lot": 3, "shelf": 2}[l.ID]; l.Version != want {
			t.Errorf("%+v, want version %d", l, want)
		}
	}
	if _, err := s.Hub.CLI(t.Context(), "label", "withdraw", "shelf"); err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Edges {
		has(t, e, "shelf", "")
	}
	// Every act stands in the audit log, under who did it.
	dir := filepath.Join(t.TempDir(), "export")
	for _, args := range [][]string{{"audit", "verify"}, {"audit", "export", dir}} {
		_, err := s.Hub.CLI(t.Context(), args...)
		must(t, err)
	}
	text := ""
	must(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		text += string(b)
		return err
	}))
	if n, m, by := strings.Count(text, "label.written"), strings.Count(text, "label.withdrawn"), strings.Count(text, "王经理"); n != 4 || m != 2 || by < 3 {
		t.Errorf("export: %d written, %d withdrawn, %d times by name", n, m, by)
	}
}
