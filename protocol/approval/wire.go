package approval

import (
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// What was stored and hashed before conditions knew differences and parties permissions has to stay as it was, byte for byte: a request that
// waits would lose its approvals otherwise. So each of these is written in its first, shorter form as long as that says everything.

type (
	facts1 struct {
		_          struct{} `cbor:",toarray"`
		Kind       Kind
		Permission access.Permission
		Privileged bool
		Amount     int64
		Rows       int64
		Warehouses []stock.Warehouse
		Everywhere bool
	}
	condition1 struct {
		_          struct{} `cbor:",toarray"`
		Kind       Kind
		Privileged bool
		Local      bool
		Amount     int64
		Rows       int64
		Warehouses []stock.Warehouse
	}
	party1 struct {
		_        struct{} `cbor:",toarray"`
		Roles    []access.RoleID
		Accounts []access.Account
		Local    bool
	}
	facts2     Facts // without methods
	condition2 Condition
	party2     Party
)

// fields returns how many elements a CBOR array has that has fewer than 24, as the deterministic encoding writes it; -1 for anything else.
func fields(b []byte) int {
	if len(b) == 0 || b[0] < 0x80 || b[0] > 0x97 {
		return -1
	}
	return int(b[0] - 0x80)
}

// MarshalCBOR writes f in the shortest form that says everything.
func (f Facts) MarshalCBOR() ([]byte, error) {
	if f.Percent != 0 || f.Quantity != 0 || f.Copies != 0 || f.Numbered || len(f.Barred) > 0 {
		return change.Marshal(facts2(f))
	}
	return change.Marshal(facts1{Kind: f.Kind, Permission: f.Permission, Privileged: f.Privileged, Amount: f.Amount, Rows: f.Rows, Warehouses: f.Warehouses, Everywhere: f.Everywhere})
}

// UnmarshalCBOR reads every form.
func (f *Facts) UnmarshalCBOR(b []byte) error {
	if fields(b) != 7 {
		return change.Unmarshal(b, (*facts2)(f))
	}
	var o facts1
	err := change.Unmarshal(b, &o)
	*f = Facts{Kind: o.Kind, Permission: o.Permission, Privileged: o.Privileged, Amount: o.Amount, Rows: o.Rows, Warehouses: o.Warehouses, Everywhere: o.Everywhere}
	return err
}

// MarshalCBOR writes c in the shortest form that says everything.
func (c Condition) MarshalCBOR() ([]byte, error) {
	if c.Percent != 0 || c.Quantity != 0 || c.Copies != 0 || c.Numbered {
		return change.Marshal(condition2(c))
	}
	return change.Marshal(condition1{Kind: c.Kind, Privileged: c.Privileged, Local: c.Local, Amount: c.Amount, Rows: c.Rows, Warehouses: c.Warehouses})
}

// UnmarshalCBOR reads every form.
func (c *Condition) UnmarshalCBOR(b []byte) error {
	if fields(b) != 6 {
		return change.Unmarshal(b, (*condition2)(c))
	}
	var o condition1
	err := change.Unmarshal(b, &o)
	*c = Condition{Kind: o.Kind, Privileged: o.Privileged, Local: o.Local, Amount: o.Amount, Rows: o.Rows, Warehouses: o.Warehouses}
	return err
}

// MarshalCBOR writes p in the shortest form that says everything.
func (p Party) MarshalCBOR() ([]byte, error) {
	if p.Permission != "" {
		return change.Marshal(party2(p))
	}
	return change.Marshal(party1{Roles: p.Roles, Accounts: p.Accounts, Local: p.Local})
}

// UnmarshalCBOR reads every form.
func (p *Party) UnmarshalCBOR(b []byte) error {
	if fields(b) != 3 {
		return change.Unmarshal(b, (*party2)(p))
	}
	var o party1
	err := change.Unmarshal(b, &o)
	*p = Party{Roles: o.Roles, Accounts: o.Accounts, Local: o.Local}
	return err
}
