package approvals_test

import (
	"encoding/hex"
	"errors"
	"reflect"
	"testing"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/hubtest"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

type fields = map[access.FieldClass]access.FieldAccess

// TestFieldsForATime: fields that are asked for are shown with the request, are part of what is approved, and open for the time of the grant and no longer.
func TestFieldsForATime(t *testing.T) {
	o := open(t)
	ask := func(p access.Permission, f fields) (string, error) {
		return o.Ask(t.Context(), li, approvals.Ask{Permission: p, Warehouses: []stock.Warehouse{"SHA"}, Until: o.Now().Add(time.Hour).UnixMilli(), Fields: f}, "complaints")
	}
	for what, tt := range map[string]struct {
		p    access.Permission
		f    fields
		want error
	}{
		"writing":           {"shipment.read", fields{access.Phone: access.Write}, approvals.ErrFields},
		"nothing":           {"shipment.read", fields{access.Phone: access.Hidden}, approvals.ErrFields},
		"not of that":       {"shipment.read", fields{access.Bank: access.Read}, approvals.ErrFields},
		"of none":           {"case.decide", fields{access.Name: access.Read}, approvals.ErrFields},
		"unknown":           {"shipment.read", fields{99: access.Read}, approvals.ErrFields},
		"held":              {"shipment.read", nil, approvals.ErrHeld},
		"held, with fields": {"shipment.read", fields{access.Phone: access.Masked, access.Name: access.Read}, approvals.ErrHeld},
	} {
		if _, err := ask(tt.p, tt.f); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", what, err, tt.want)
		}
	}
	want := fields{access.Phone: access.Read, access.Email: access.Masked}
	id, err := ask("shipment.read", want)
	hubtest.Check(t, err)
	a, err := approvals.AskOf(o.stored(id).Request.Content)
	if err != nil || !reflect.DeepEqual(a.Fields, want) {
		t.Fatalf("stored as %+v, %v", a, err)
	}
	hash := o.seen(id)
	more := a
	more.Fields = fields{access.Phone: access.Read, access.Email: access.Read}
	hubtest.Check(t, o.Edit(t.Context(), li, id, more, "complaints"))
	if o.seen(id) == hash {
		t.Error("the hash does not cover the fields")
	}
	if err := o.Approve(t.Context(), wang, id, hash); err == nil {
		t.Error("approved for other fields than were shown")
	}
	hubtest.Check(t, o.Edit(t.Context(), li, id, a, "complaints"))
	if d := o.may(li, "shipment.read", "SHA"); d.Fields.Of(access.Phone) != access.Masked {
		t.Errorf("before: %+v", d)
	}
	hubtest.Check(t, o.Approve(t.Context(), wang, id, o.seen(id)))
	d := o.may(li, "shipment.read", "SHA")
	if d.Fields.Of(access.Phone) != access.Read || d.Fields.Of(access.Email) != access.Masked || d.Fields.Of(access.Name) != access.Read || len(d.Temporary) != 1 {
		t.Errorf("granted: %+v", d)
	}
	o.Later(time.Hour)
	if d := o.may(li, "shipment.read", "SHA"); d.Fields.Of(access.Phone) != access.Masked || len(d.Temporary) > 0 {
		t.Errorf("after its end: %+v", d)
	}
}

// TestContentOfRequests: what was stored before fields could be asked for is still read and written as it was; each content has one form.
func TestContentOfRequests(t *testing.T) {
	const plain = "846c73746f636b2e6578706f7274f481635348411b0000019ac0000000"
	b, err := hex.DecodeString(plain)
	hubtest.Check(t, err)
	want := approvals.Ask{Permission: "stock.export", Warehouses: []stock.Warehouse{"SHA"}, Until: 0x19ac0000000}
	if a, err := approvals.AskOf(b); err != nil || !reflect.DeepEqual(a, want) {
		t.Errorf("%+v, %v", a, err)
	}
	for what, text := range map[string]string{"fields of none": "856c73746f636b2e6578706f7274f481635348411b0000019ac0000000a0", "written": "856c73746f636b2e6578706f7274f481635348411b0000019ac0000000a10103",
		"short": "836c73746f636b2e6578706f7274f48163534841", "nothing": ""} {
		b, err := hex.DecodeString(text)
		hubtest.Check(t, err)
		if a, err := approvals.AskOf(b); err == nil {
			t.Errorf("%s is read as %+v", what, a)
		}
	}
	o := open(t)
	id := o.asked(li, "stock.export", time.Hour, "SHA")
	type old struct {
		_          struct{} `cbor:",toarray"`
		Permission access.Permission
		Everywhere bool
		Warehouses []stock.Warehouse
		Until      int64
	}
	var x old
	if err := change.UnmarshalExact(o.stored(id).Request.Content, &x); err != nil || x.Permission != "stock.export" {
		t.Errorf("a plain request is stored in another form: %+v, %v", x, err)
	}
}
