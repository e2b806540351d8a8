package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/feed"
)

// Label is a version of a label template.
type Label struct {
	feed.Label
	Version int64
	By      string // who wrote it
	At      time.Time
}

// MaxLabels is how many templates a company may have.
const MaxLabels = 300

// Errors about label templates.
var (
	ErrLabelChanged = errors.New("the template was written by somebody else meanwhile")
	ErrLabels       = fmt.Errorf("there are %d label templates already", MaxLabels)
)

// AnyVersion as the base of PutLabel overwrites whatever there is.
const AnyVersion = -1

// PutLabel adds a version of a label template and puts it into the catalogue feed. base is the version that the writer
// has seen, 0 for none: where there is a newer one nothing is written, and the error is ErrLabelChanged. It returns the new
// version's number.
func (tx *Tx) PutLabel(l feed.Label, by string, base int64) (int64, error) {
	last, err := tx.Label(l.ID, 0)
	if errors.Is(err, ErrNotFound) {
		var names int64
		if err = tx.tx.QueryRow(`SELECT count(DISTINCT name) FROM label`).Scan(&names); err == nil && names >= MaxLabels {
			err = ErrLabels
		}
	}
	if err == nil && base != AnyVersion && base != last.Version {
		err = ErrLabelChanged
	}
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO label (name, version, active, written_by, written_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
			l.ID, last.Version+1, l.Active, by, tx.now, l.Body)
	}
	if err != nil {
		return 0, fmt.Errorf("store label template %s: %w", l.ID, err)
	}
	return last.Version + 1, tx.putNews(feed.Catalogue, l)
}

const labelColumns = `SELECT name, version, active, written_by, written_at, body FROM label `

func scanLabel(scan func(...any) error) (l Label, err error) {
	var active, at int64
	err = scan(&l.ID, &l.Version, &active, &l.By, &at, &l.Body)
	l.Active, l.At = active == 1, time.UnixMilli(at).UTC()
	return l, err
}

// Label returns a version of a template, version 0 the newest, or ErrNotFound.
func (v *View) Label(id string, version int64) (Label, error) {
	l, err := scanLabel(v.tx.QueryRow(labelColumns+`WHERE name = ?1 AND (?2 = 0 OR version = ?2) ORDER BY version DESC LIMIT 1`, id, version).Scan)
	if errors.Is(err, vault.ErrNoRows) {
		return Label{}, ErrNotFound
	}
	if err != nil {
		return Label{}, fmt.Errorf("read label template %s: %w", id, err)
	}
	return l, nil
}

// Labels returns the newest version of each template, by id; those that were taken back too.
func (v *View) Labels() ([]Label, error) {
	return v.labels(`WHERE version = (SELECT max(n.version) FROM label n WHERE n.name = label.name) ORDER BY name`)
}

// LabelVersions returns the versions of a template, the newest first, at most so many.
func (v *View) LabelVersions(id string, most int) ([]Label, error) {
	return v.labels(`WHERE name = ?1 ORDER BY version DESC LIMIT ?2`, id, most)
}

func (v *View) labels(where string, args ...any) ([]Label, error) {
	var out []Label
	err := each(v.tx, func(r *vault.Rows) error {
		l, err := scanLabel(r.Scan)
		out = append(out, l)
		return err
	}, labelColumns+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read label templates: %w", err)
	}
	return out, nil
}
