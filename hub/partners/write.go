package partners

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"stockade/hub/approvals"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/change"
)

// Form is what somebody sends of a partner. What is not sent stays as it was.
type Form struct {
	Code    string // of a new one, empty for the next number; only who writes all partners of the side chooses it
	Version int64  // that it was made of; 0 for a new one
	Fields  map[string]string
	Active  *bool
	Other   *bool // whether it is one of the other side, too
	Keeper  *string
}

// ErrCode is returned for a code that can not be one.
var ErrCode = errors.New("a code has 1 to 20 of A-Z, 0-9 and -")

var codeForm = regexp.MustCompile(`^[A-Z0-9][A-Z0-9-]{0,19}$`)

// Editable returns a partner, or with an empty code a new one, as who may change it. What may be written is shown whole, since writing includes
// reading; other fields as who may see them.
func (s *Service) Editable(ctx context.Context, who identity.Person, side Side, code access.Customer) (out Shown, err error) {
	err = s.Store.View(ctx, func(v *store.View) error {
		r, err := s.Rights(v, who)
		if err != nil {
			return err
		}
		p, read := store.Partner{Keeper: access.Account(who.Account), Active: true}, access.Decision{}
		if code != "" {
			if p, read, err = s.find(v, r, side, code); err != nil {
				return err
			}
		}
		*side.flag(&p) = true
		d := r.One(side.Write(), side.resource(&p))
		if !d.Allowed {
			return &Denied{Permission: side.Write(), Resource: side.resource(&p), Reason: d.Reason}
		}
		open := read.Fields
		for _, f := range fields {
			if f.Class != 0 && f.writable(d.Fields) {
				open[f.Class] = access.Write
			}
		}
		out = show(&p, open)
		for i := range out.Values {
			f, _ := fieldOf(out.Values[i].Key)
			out.Values[i].Writable = f.writable(d.Fields)
		}
		out.MayWrite, out.MayMove = true, r.List(side.Write()).Rows.Everything()
		out.MayJoin = r.One(side.Other().Write(), side.Other().resource(&p)).Allowed
		return nil
	})
	return out, err
}

// Put writes a partner: a new one with an empty code, else the one of that code. It returns the code.
func (s *Service) Put(ctx context.Context, who identity.Person, side Side, code access.Customer, f Form) (access.Customer, error) {
	keeper, err := s.keeperOf(ctx, who, side, f)
	if err != nil {
		return "", err
	}
	moved := false
	err = s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		r, err := s.Rights(&tx.View, who)
		if err != nil {
			return err
		}
		p := store.Partner{Active: true}
		if code == "" {
			*side.flag(&p) = true
			p.Keeper = access.Account(who.Account)
		} else if p, _, err = s.find(&tx.View, r, side, code); err != nil {
			return err
		}
		changed, err := s.apply(r, side, &p, f, keeper)
		if err != nil || len(changed) == 0 && code != "" {
			return err
		}
		if code == "" {
			if code, err = tx.AddPartner(p, approvals.Fold(p.Keeper), whoIs(who).Actor); err != nil {
				return err
			}
		} else if err := tx.PutPartner(p, approvals.Fold(p.Keeper), whoIs(who).Actor); err != nil {
			return err
		}
		moved = true
		detail := map[string]string{"version": strconv.FormatInt(p.Version+1, 10), "changed": strings.Join(changed, " "), "keeper": string(p.Keeper), "active": fmt.Sprint(p.Active), "as": string(side)}
		return s.Recorder.Record(tx, whoIs(who), change.Entry{Act: ActWritten, Object: "partner/" + string(code), Detail: detail})
	})
	if err != nil {
		return "", err
	}
	if moved && s.Moved != nil {
		s.Moved()
	}
	return code, nil
}

// keeperOf returns the account that is to look after the partner, as it is written; nil where that is not said. Who may not say it does not learn whether there is
// such an account, nor whether there is a partner of a code.
func (s *Service) keeperOf(ctx context.Context, who identity.Person, side Side, f Form) (*access.Account, error) {
	if f.Keeper == nil && f.Code == "" {
		return nil, nil
	}
	err := s.Store.View(ctx, func(v *store.View) error {
		r, err := s.Rights(v, who)
		if err != nil || r.List(side.Write()).Rows.Everything() {
			return err
		}
		if f.Keeper != nil {
			return &NotWritable{"keeper"}
		}
		return &NotWritable{"code"}
	})
	if err != nil || f.Keeper == nil {
		return nil, err
	}
	name := strings.TrimSpace(*f.Keeper)
	if name != "" {
		found, err := s.Account(ctx, name)
		if err != nil {
			return nil, errors.Join(ErrKeeper, err)
		}
		name = found
	}
	keeper := access.Account(name)
	return &keeper, nil
}

// apply makes of p what f says, as far as the writer may, and returns what has changed.
func (s *Service) apply(r Rights, side Side, p *store.Partner, f Form, keeper *access.Account) (changed []string, err error) {
	at := side.resource(p)
	d := r.One(side.Write(), at)
	if !d.Allowed {
		return nil, &Denied{Permission: side.Write(), Resource: at, Reason: d.Reason}
	}
	if p.Version != f.Version {
		return nil, fmt.Errorf("version %d: %w", f.Version, store.ErrPartnerChanged)
	}
	if f.Version == 0 {
		if p.Code = access.Customer(strings.ToUpper(strings.TrimSpace(f.Code))); p.Code != "" && !codeForm.MatchString(string(p.Code)) {
			return nil, ErrCode
		}
	}
	if changed, err = applyFields(p, f, d.Fields); err != nil {
		return nil, err
	}
	if f.Active != nil && *f.Active != p.Active {
		p.Active, changed = *f.Active, append(changed, "active")
	}
	if keeper != nil && *keeper != p.Keeper {
		if !r.List(side.Write()).Rows.Everything() {
			return nil, &NotWritable{"keeper"}
		}
		p.Keeper, changed = *keeper, append(changed, "keeper")
	}
	other := side.Other()
	if f.Other != nil && *f.Other != other.Has(p) {
		if o := r.One(other.Write(), other.resource(p)); !o.Allowed {
			return nil, &NotWritable{string(other)}
		}
		*other.flag(p), changed = *f.Other, append(changed, string(other))
	}
	return changed, nil
}

// applyFields takes the fields of a form. One that the writer may not write is refused whatever stands in it: to take it when it is the same as
// before would tell whoever guesses that the guess is right.
func applyFields(p *store.Partner, f Form, open access.Fields) (changed []string, err error) {
	for key := range f.Fields {
		if field, ok := fieldOf(key); !ok || !field.writable(open) {
			return nil, &NotWritable{key}
		}
	}
	for _, field := range fields {
		sent, ok := f.Fields[field.Key]
		if !ok && (field.Key != "name" || p.Name != "") {
			continue
		}
		kept, err := field.take(sent)
		if err != nil {
			return nil, err
		}
		if was := field.of(p); *was != kept {
			*was, changed = kept, append(changed, field.Key)
		}
	}
	return changed, nil
}
