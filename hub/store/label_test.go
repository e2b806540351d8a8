package store_test

import (
	"errors"
	"fmt"
	"testing"

	"stockade/hub/hubtest"
	"stockade/hub/store"
	"stockade/protocol/feed"
)

func TestLabelVersions(t *testing.T) {
	h := hubtest.New(t)
	put := func(body string, active bool, base int64) (version int64, err error) {
		err = h.Store.Update(t.Context(), h.Now(), func(tx *store.Tx) (err error) {
			version, err = tx.PutLabel(feed.Label{ID: "lot", Body: []byte(body), Active: active}, "li", base)
			return err
		})
		return version, err
	}
	for i, c := range []struct {
		body   string
		active bool
		base   int64
	}{{"one", true, 0}, {"two", true, 1}, {"two", false, store.AnyVersion}, {"one", true, 3}} {
		if v, err := put(c.body, c.active, c.base); err != nil || v != int64(i+1) {
			t.Fatalf("version %d: %d, %v", i+1, v, err)
		}
	}
	for _, base := range []int64{0, 1, 3, 5} { // somebody else was quicker
		if _, err := put("late", true, base); !errors.Is(err, store.ErrLabelChanged) {
			t.Errorf("on top of version %d: %v", base, err)
		}
	}
	h.View(func(v *store.View) error {
		all, err := v.LabelVersions("lot", 10)
		got := ""
		for _, l := range all {
			got += fmt.Sprintf("%d %s %t %s|", l.Version, l.Body, l.Active, l.By)
		}
		if got != "4 one true li|3 two false li|2 two true li|1 one true li|" || h.Now().Sub(all[0].At) > 60e9 {
			t.Errorf("%s", got)
		}
		newest, err2 := v.Label("lot", 0)
		second, err3 := v.Label("lot", 2)
		_, err4 := v.Label("lot", 5)
		_, err5 := v.Label("bin", 0)
		last, err6 := v.Labels()
		if newest.Version != 4 || string(second.Body) != "two" || !errors.Is(err4, store.ErrNotFound) || !errors.Is(err5, store.ErrNotFound) || len(last) != 1 || last[0].Version != 4 {
			t.Errorf("%+v, %+v, %v, %v, %+v", newest, second, err4, err5, last)
		}
		news, err7 := v.NewsAfter(feed.Catalogue, 0, 10)
		if len(news) != 4 || news[2].Entry.Kind != feed.KindLabel {
			t.Errorf("news %+v", news)
		}
		return errors.Join(err, err2, err3, err6, err7)
	})
}

func TestNotTooManyLabels(t *testing.T) {
	h := hubtest.New(t)
	put := func(tx *store.Tx, n int) error {
		_, err := tx.PutLabel(feed.Label{ID: fmt.Sprint("l-", n), Body: []byte("{}"), Active: true}, "li", 0)
		return err
	}
	h.Update(func(tx *store.Tx) error {
		for n := range store.MaxLabels {
			if err := put(tx, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err := h.Store.Update(t.Context(), h.Now(), func(tx *store.Tx) error { return put(tx, store.MaxLabels) }); !errors.Is(err, store.ErrLabels) {
		t.Errorf("one more: %v", err)
	}
	h.Update(func(tx *store.Tx) error {
		_, err := tx.PutLabel(feed.Label{ID: "l-0", Body: []byte("{}")}, "li", 1)
		return err
	})
}
