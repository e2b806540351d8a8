package approvals

import (
	"errors"
	"fmt"
	"slices"

	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// ErrFields is returned for fields that the permission does not have, or that are asked for to be written.
var ErrFields = errors.New("the permission opens no such fields for a time")

// Ask is what is asked for: a permission for a time.
type Ask struct {
	Permission access.Permission
	Everywhere bool
	Warehouses []stock.Warehouse // ascending; unless Everywhere
	Until      int64             // Unix milliseconds, not included
	// Fields are those that are to be opened, masked or for reading; the others stay as they are for the person.
	Fields map[access.FieldClass]access.FieldAccess
}

// askedPlainly is the content of a request that asks for no fields, and of those before fields could be asked for.
type askedPlainly struct {
	_          struct{} `cbor:",toarray"`
	Permission access.Permission
	Everywhere bool
	Warehouses []stock.Warehouse
	Until      int64
}

// askedWithFields is the content of one that does. There are some.
type askedWithFields struct {
	_          struct{} `cbor:",toarray"`
	Permission access.Permission
	Everywhere bool
	Warehouses []stock.Warehouse
	Until      int64
	Fields     map[access.FieldClass]access.FieldAccess
}

// content returns a as a request carries it: one form for each.
func (a Ask) content() ([]byte, error) {
	if len(a.Fields) == 0 {
		return change.Marshal(askedPlainly{Permission: a.Permission, Everywhere: a.Everywhere, Warehouses: a.Warehouses, Until: a.Until})
	}
	return change.Marshal(askedWithFields{Permission: a.Permission, Everywhere: a.Everywhere, Warehouses: a.Warehouses, Until: a.Until, Fields: a.Fields})
}

// AskOf reads the content of a request for a permission.
func AskOf(content []byte) (Ask, error) {
	var p askedPlainly
	err := change.UnmarshalExact(content, &p)
	if err == nil {
		return Ask{Permission: p.Permission, Everywhere: p.Everywhere, Warehouses: p.Warehouses, Until: p.Until}, nil
	}
	var f askedWithFields
	if change.UnmarshalExact(content, &f) != nil {
		return Ask{}, fmt.Errorf("read what is asked for: %w", err)
	}
	a := Ask{Permission: f.Permission, Everywhere: f.Everywhere, Warehouses: f.Warehouses, Until: f.Until, Fields: f.Fields}
	if err := a.checkFields(); err != nil || len(a.Fields) == 0 {
		return Ask{}, fmt.Errorf("read what is asked for: %w", errors.Join(ErrFields, err))
	}
	return a, nil
}

// checkFields refuses fields that the permission does not have, and writing: a permission for a time shows more, and never lets write more.
func (a Ask) checkFields() error {
	for c, open := range a.Fields {
		if !slices.Contains(access.FieldsOf(a.Permission), c) || open != access.Masked && open != access.Read {
			return fmt.Errorf("%w: %s as %s of %s", ErrFields, c.Title().EN, open.Title().EN, a.Permission)
		}
	}
	return nil
}
