package master

import (
	"cmp"
	"slices"

	"stockade/hub/store"
	"stockade/internal/label"
	"stockade/protocol/change"
	"stockade/protocol/feed"
)

// Acts upon label templates, as they stand in the audit log.
const (
	LabelWritten   = "label.written"
	LabelWithdrawn = "label.withdrawn"
)

// Label reads a template and returns it as it is sent to nodes. What could not be printed even with the values that
// the editor shows is refused. The error is a *label.Problem.
func Label(body []byte) (label.Template, feed.Label, error) {
	t, err := label.ParseTemplate(body)
	if err != nil {
		return t, feed.Label{}, err
	}
	if _, err := t.Layout(t.Kind.Sample(), label.Printer{}, nil); err != nil {
		return t, feed.Label{}, err
	}
	b, err := t.JSON()
	if err == nil && len(b) > label.MaxTemplate { // JSON of ours may be longer than what was read
		err = &label.Problem{Key: "label.template_large", Args: map[string]string{}}
	}
	return t, feed.Label{ID: t.ID, Body: b, Active: true}, err
}

// LabelEntry is what the audit log says about a template.
func LabelEntry(act string, t label.Template) change.Entry {
	return change.Entry{Act: act, Object: t.ID, Detail: map[string]string{"name": t.Name, "kind": string(t.Kind)}}
}

// LabelState says where a template comes from.
type LabelState string

// The states. The words are keys of the texts under "labels.state_".
const (
	Standard  LabelState = "standard"  // brought along by the program
	Changed   LabelState = "changed"   // takes a standard one's place
	Own       LabelState = "own"       // the company's
	Withdrawn LabelState = "withdrawn" // no longer offered
)

// LabelInfo is a template with its last version; a standard one that was never changed has version 0.
type LabelInfo struct {
	store.Label
	Template label.Template // what counts now; of one that is withdrawn, the last that was written
	State    LabelState
}

// Labels returns the templates that count, by kind, and behind them those that were withdrawn.
func Labels(v *store.View) ([]LabelInfo, error) {
	written, err := v.Labels()
	if err != nil {
		return nil, err
	}
	var out []LabelInfo
	for _, w := range written {
		out = append(out, labelInfo(w))
	}
	for _, t := range label.Standard() {
		if !slices.ContainsFunc(written, func(w store.Label) bool { return w.ID == t.ID }) {
			out = append(out, LabelInfo{Label: store.Label{Label: feed.Label{ID: t.ID, Active: true}}, Template: t, State: Standard})
		}
	}
	slices.SortStableFunc(out, func(a, b LabelInfo) int {
		order := func(i LabelInfo) int {
			n := slices.Index(label.Kinds(), i.Template.Kind)
			if i.State == Withdrawn || n < 0 {
				n = len(label.Kinds())
			}
			return n
		}
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// LabelNow returns the template of that id as it counts now, or store.ErrNotFound.
func LabelNow(v *store.View, id string) (LabelInfo, error) {
	w, err := v.Label(id, 0)
	if err == nil {
		return labelInfo(w), nil
	}
	if t, ok := standard(id); ok {
		return LabelInfo{Label: store.Label{Label: feed.Label{ID: id, Active: true}}, Template: t, State: Standard}, nil
	}
	return LabelInfo{}, err
}

func standard(id string) (label.Template, bool) {
	all := label.Standard()
	i := slices.IndexFunc(all, func(t label.Template) bool { return t.ID == id })
	if i < 0 {
		return label.Template{}, false
	}
	return all[i], true
}

func labelInfo(w store.Label) LabelInfo {
	i := LabelInfo{Label: w, State: Own}
	t, is := standard(w.ID)
	switch {
	case is && !w.Active:
		i.State, i.Template = Standard, t
		return i
	case is:
		i.State = Changed
	case !w.Active:
		i.State = Withdrawn
	}
	// What a newer program has written may not be understood; its id is shown all the same.
	var err error
	if i.Template, err = label.ParseTemplate(w.Body); err != nil {
		i.Template = label.Template{ID: w.ID, Name: w.ID}
	}
	return i
}

// WithdrawLabel takes the company's template of that id back: a standard one counts again, one of our own is no
// longer offered. It is store.ErrNotFound when there is nothing to take back.
func WithdrawLabel(tx *store.Tx, id, by string, base int64) error {
	w, err := tx.Label(id, 0)
	if err == nil && !w.Active {
		err = store.ErrNotFound
	}
	if err != nil {
		return err
	}
	_, err = tx.PutLabel(feed.Label{ID: id, Body: w.Body}, by, base)
	return err
}
