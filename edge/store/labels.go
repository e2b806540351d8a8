package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"stockade/internal/label"
	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/feed"
)

// checkLabel returns why a template can not be applied. One that is taken back need not be understood.
func checkLabel(l feed.Label) error {
	if !label.ValidID(l.ID) {
		return fmt.Errorf("label template %q", l.ID)
	}
	if !l.Active {
		return nil
	}
	t, err := label.ParseTemplate(l.Body)
	if err == nil && t.ID != l.ID {
		err = fmt.Errorf("label template %s calls itself %s", l.ID, t.ID)
	}
	return err
}

// putLabel applies a template. What was known of that id before and not understood is older.
func (tx *Tx) putLabel(l feed.Label) error {
	err := tx.unknownLabels(func(row int64, old feed.Label) error {
		if old.ID != l.ID {
			return nil
		}
		return tx.exec("unknown entry", `DELETE FROM unknown_entry WHERE rowid = ?1`, row)
	})
	if err != nil {
		return err
	}
	return tx.exec("label template", `INSERT OR REPLACE INTO label (id, active, body) VALUES (?1, ?2, ?3)`, l.ID, l.Active, notNil(l.Body))
}

// unknownLabels calls fn for the templates that were not understood when they came, the oldest first.
func (tx *Tx) unknownLabels(fn func(row int64, l feed.Label) error) error {
	found, order := map[int64]feed.Label{}, []int64{}
	rows, err := tx.tx.Query(`SELECT rowid, entry FROM unknown_entry WHERE feed = ?1 ORDER BY rowid`, feed.Catalogue)
	if err != nil {
		return fmt.Errorf("read unknown entries: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var row int64
		var b []byte
		var e feed.Entry
		if err := rows.Scan(&row, &b); err != nil {
			return fmt.Errorf("read unknown entries: %w", err)
		}
		if err := change.Unmarshal(b, &e); err != nil {
			continue
		}
		if l, err := e.Unpack(); err == nil {
			if l, ok := l.(feed.Label); ok {
				found[row], order = l, append(order, row)
			}
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read unknown entries: %w", err)
	}
	for _, row := range order {
		if err := fn(row, found[row]); err != nil {
			return err
		}
	}
	return nil
}

// learnLabels applies what an older program has kept because it did not know templates, or not of this kind.
func (s *Store) learnLabels(ctx context.Context) error {
	known := func(l feed.Label) bool { return checkLabel(l) == nil }
	news := false
	err := s.View(ctx, func(tx *Tx) error {
		return tx.unknownLabels(func(_ int64, l feed.Label) error { news = news || known(l); return nil })
	})
	if err != nil || !news {
		return err
	}
	return s.Update(ctx, func(tx *Tx) error {
		newest := map[string]feed.Label{}
		err := tx.unknownLabels(func(_ int64, l feed.Label) error {
			if known(l) {
				newest[l.ID] = l
			}
			return nil
		})
		for _, id := range slices.Sorted(maps.Keys(newest)) {
			err = errors.Join(err, tx.putLabel(newest[id]))
		}
		return err
	})
}

// LabelTemplates returns the templates that labels can be printed with: those that every company begins with and
// the company's own, which come behind them by id. One of the same id takes a standard one's place.
func (tx *Tx) LabelTemplates() ([]label.Template, error) {
	out := label.Standard()
	rows, err := tx.tx.Query(`SELECT body FROM label WHERE active = 1 ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("read label templates: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("read label templates: %w", err)
		}
		t, err := label.ParseTemplate(body)
		if err != nil {
			continue // of a newer program that this one took the place of: the standard one is better than none
		}
		if i := slices.IndexFunc(out, func(s label.Template) bool { return s.ID == t.ID }); i >= 0 {
			out[i] = t
		} else {
			out = append(out, t)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read label templates: %w", err)
	}
	return out, nil
}

// LabelTemplate returns the template of that id, or ErrNotFound.
func (tx *Tx) LabelTemplate(id string) (label.Template, error) {
	var body []byte
	err := tx.tx.QueryRow(`SELECT body FROM label WHERE id = ?1 AND active = 1`, id).Scan(&body)
	if err != nil && !errors.Is(err, vault.ErrNoRows) {
		return label.Template{}, fmt.Errorf("read label template %s: %w", id, err)
	}
	if err == nil {
		if t, err := label.ParseTemplate(body); err == nil {
			return t, nil
		}
	}
	for _, t := range label.Standard() {
		if t.ID == id {
			return t, nil
		}
	}
	return label.Template{}, ErrNotFound
}
