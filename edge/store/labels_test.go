package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/internal/label"
	"stockade/protocol/change"
	"stockade/protocol/feed"
)

// template returns a template as the hub sends it; change may alter it before.
func template(t testing.TB, id, name string, change func(*label.Template)) feed.Label {
	t.Helper()
	tp := label.Template{ID: id, Kind: label.Bin, Name: name, Width: 60, Height: 30, Elements: []label.Element{{Type: label.Text, X: 2, Y: 2, Width: 56, Size: 5, Content: "{bin!}"}}}
	if change != nil {
		change(&tp)
	}
	b, err := tp.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return feed.Label{ID: id, Body: b, Active: true}
}

// names returns the templates there are as "id name", and checks that each is found by its id.
func names(t *testing.T, s *store.Store) (out []string) {
	t.Helper()
	storetest.View(t, s, func(tx *store.Tx) error {
		all, err := tx.LabelTemplates()
		for _, tp := range all {
			out = append(out, tp.ID+" "+tp.Name)
			one, err := tx.LabelTemplate(tp.ID)
			if err != nil || one.Name != tp.Name || one.Check() != nil {
				t.Errorf("template %s alone is %+v, %v", tp.ID, one, err)
			}
		}
		if _, err := tx.LabelTemplate("none"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a template that does not exist: %v", err)
		}
		return err
	})
	return out
}

func standard() (out []string) {
	for _, tp := range label.Standard() {
		out = append(out, tp.ID+" "+tp.Name)
	}
	return out
}

// unknown returns how many entries were kept without being applied.
func unknown(t *testing.T, s *store.Store) (n int64) {
	t.Helper()
	storetest.View(t, s, func(tx *store.Tx) error {
		return tx.Vault().QueryRow(`SELECT count(*) FROM unknown_entry`).Scan(&n)
	})
	return n
}

func TestLabelTemplates(t *testing.T) {
	s := storetest.Enrolled(t, t.TempDir(), own)
	if got := names(t, s); !slices.Equal(got, standard()) {
		t.Fatalf("a new node has %v", got)
	}
	storetest.Feed(t, s, feed.Catalogue, template(t, "shelf", "货架", nil), template(t, "bin", "大库位", nil), storetest.Item("A", "1"))
	want := standard()
	want[slices.Index(want, "bin 库位标签")] = "bin 大库位"
	if got := names(t, s); !slices.Equal(got, append(want, "shelf 货架")) {
		t.Errorf("with one of our own and one overridden: %v", got)
	}
	storetest.Feed(t, s, feed.Catalogue, template(t, "shelf", "新货架", nil), feed.Label{ID: "bin", Body: template(t, "bin", "大库位", nil).Body})
	if got := names(t, s); !slices.Equal(got, append(standard(), "shelf 新货架")) {
		t.Errorf("changed and taken back: %v", got)
	}
	storetest.Feed(t, s, feed.Catalogue, feed.Label{ID: "shelf", Body: []byte("no template")})
	if got := names(t, s); !slices.Equal(got, standard()) || unknown(t, s) != 0 {
		t.Errorf("all taken back: %v", got)
	}
}

// TestLabelTemplatesThatMakeNoSense: what can not be printed with is kept byte for byte and takes nobody's place.
func TestLabelTemplatesThatMakeNoSense(t *testing.T) {
	s := storetest.Enrolled(t, t.TempDir(), own)
	storetest.Feed(t, s, feed.Catalogue, template(t, "bin", "大库位", nil))
	want := names(t, s)
	bad := []feed.Label{
		{ID: "bin", Body: []byte(`{"id":"bin"`), Active: true},
		{ID: "bin", Body: []byte(`null`), Active: true},
		{ID: "bin", Body: nil, Active: true},
		{ID: "bin", Body: []byte(`{"id":"bin","kind":"bin","picture":"x"}`), Active: true},
		{ID: "bin", Body: []byte(`{"id":"bin","width":1e999}`), Active: true},
		{ID: "bin", Body: []byte(strings.Repeat("[", label.MaxTemplate)), Active: true},
		{ID: "bin", Body: []byte(strings.Repeat(" ", label.MaxTemplate+1)), Active: true},
		{ID: "bin", Body: template(t, "other", "别的", nil).Body, Active: true},
		{ID: "../bin", Body: template(t, "../bin", "别的", nil).Body, Active: true},
		{ID: "", Active: false},
		{ID: "B IN", Active: false},
		template(t, "bin", "坏", func(tp *label.Template) { tp.Width = -1 }),
		template(t, "bin", "坏", func(tp *label.Template) { tp.Elements[0].Content = "{recipient}" }),
	}
	var values []any
	for _, l := range bad {
		values = append(values, l)
	}
	storetest.Feed(t, s, feed.Catalogue, append(values, storetest.Item("A", "1"))...)
	if got := names(t, s); !slices.Equal(got, want) || unknown(t, s) != int64(len(bad)) {
		t.Errorf("%d unknown entries, want %d; templates %v", unknown(t, s), len(bad), got)
	}
	storetest.View(t, s, func(tx *store.Tx) error { _, err := tx.ItemByCode("1"); return err }) // what follows was applied
	storetest.Feed(t, s, feed.Catalogue, template(t, "bin", "好", nil))
	if n := unknown(t, s); n != 3 { // those of other ids
		t.Errorf("%d unknown entries after one that is understood", n)
	}
}

// TestLabelTemplatesKeptByAnOlderProgram: what came while the program did not know templates counts once it does, the
// newest of each id, and never before what came later.
func TestLabelTemplatesKeptByAnOlderProgram(t *testing.T) {
	dir := t.TempDir()
	s := storetest.Enrolled(t, dir, own)
	storetest.Feed(t, s, feed.Catalogue, template(t, "bin", "一", nil))
	storetest.Update(t, s, func(tx *store.Tx) error {
		for i, l := range []feed.Label{template(t, "shelf", "旧", nil), template(t, "shelf", "新", nil), {ID: "bin", Active: false}, {ID: "shelf", Body: []byte("later"), Active: true}} {
			e, err := feed.Pack(l)
			if err != nil {
				return err
			}
			e.Version = map[bool]uint64{true: 2, false: 1}[i == 3] // of a program that is newer still
			b, err := change.Marshal(e)
			if err != nil {
				return err
			}
			if _, err := tx.Vault().Exec(`INSERT INTO unknown_entry (feed, version, place, entry) VALUES (?1, 9, ?2, ?3)`, feed.Catalogue, int64(i), b); err != nil {
				return err
			}
		}
		return nil
	})
	again, err := store.Open(t.Context(), s.Vault())
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, again); !slices.Equal(got, append(standard(), "shelf 新")) || unknown(t, again) != 1 {
		t.Errorf("%v, %d unknown entries", got, unknown(t, again))
	}
}

// BenchmarkLabelTemplate is what looking a template up costs, which is done for every label.
func BenchmarkLabelTemplate(b *testing.B) {
	s := storetest.Enrolled(b, b.TempDir(), own)
	for i := range 50 {
		storetest.Feed(b, s, feed.Catalogue, template(b, fmt.Sprint("shelf-", i), "货架", nil))
	}
	for b.Loop() {
		storetest.View(b, s, func(tx *store.Tx) error { _, err := tx.LabelTemplate("shelf-7"); return err })
	}
}
