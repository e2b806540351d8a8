package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/hub/partners"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
)

// register is what memory knows of partners: one of each side, with a masked telephone number and texts as nobody should type them.
type register struct {
	forms []partners.Form
	asked []access.Unmasking
}

func shownPartner(side partners.Side) partners.Shown {
	at := then
	return partners.Shown{Code: "P00001", Supplier: true, Customer: side == partners.Customers, Keeper: hostileText, Active: true, Version: 3, By: hostileText, At: then, Erased: &at, MayWrite: true, MayErase: true,
		MayMove: true, MayJoin: true, Values: []partners.Value{{Key: "name", Text: hostileText, Writable: true, Changed: true}, {Key: "contact", Class: access.Name, Text: hostileText, Writable: true},
			{Key: "phone", Class: access.Phone, Text: "139****2222", Masked: true, Unmask: true}, {Key: "note", Text: "a\nb", Writable: true}, {Key: "tax_number", Writable: true}}}
}

func (r *register) there(code access.Customer) error {
	switch code {
	case "P00001", "":
		return nil
	case "OTHERS":
		return errors.Join(web.NotFound(), &partners.Denied{Permission: "customer.read", Reason: access.OtherRows})
	}
	return web.NotFound()
}

func (r *register) Partners(_ context.Context, _ identity.Person, side partners.Side, q partners.Query) (partners.Page, error) {
	if q.Field == "phone" {
		return partners.Page{}, web.Fail(http.StatusForbidden, "partner.bad_filter")
	}
	return partners.Page{Rows: []partners.Shown{shownPartner(side)}, Next: "P00001", Fields: []string{"name", "contact"}}, nil
}

func (r *register) Partner(_ context.Context, _ identity.Person, side partners.Side, code access.Customer) (partners.Shown, error) {
	return shownPartner(side), r.there(code)
}

func (r *register) PartnerForm(_ context.Context, _ identity.Person, side partners.Side, code access.Customer) (partners.Shown, error) {
	return shownPartner(side), r.there(code)
}

func (r *register) PutPartner(_ context.Context, _ identity.Person, _ partners.Side, code access.Customer, f partners.Form) (access.Customer, error) {
	if f.Fields["phone"] != "" {
		return "", web.Fail(http.StatusForbidden, "partner.not_writable", "field", "text:partner.phone")
	}
	if f.Fields["name"] == "" {
		return "", web.Fail(http.StatusUnprocessableEntity, "partner.too_long", "field", "text:partner.name", "most", "100")
	}
	r.forms = append(r.forms, f)
	return "P00001", r.there(code)
}

func (r *register) PartnerHistory(_ context.Context, _ identity.Person, side partners.Side, code access.Customer) ([]partners.Shown, error) {
	return []partners.Shown{shownPartner(side)}, r.there(code)
}

func (r *register) ErasePartner(_ context.Context, _ identity.Person, _ partners.Side, code access.Customer, f partners.EraseForm) error {
	return r.there(code)
}

func (r *register) UnmaskPartner(_ context.Context, _ identity.Person, side partners.Side, code access.Customer, u access.Unmasking) (partners.Shown, error) {
	if u.Check() != nil {
		return partners.Shown{}, web.Fail(http.StatusUnprocessableEntity, "unmask.need_reason")
	}
	r.asked = append(r.asked, u)
	s := shownPartner(side)
	s.Values[2] = partners.Value{Key: "phone", Class: access.Phone, Text: "13911112222", Clear: true}
	return s, r.there(code)
}

func (r *register) Unmaskings(_ context.Context, q UnmaskQuery) (UnmaskPage, error) {
	return UnmaskPage{Rows: []Unmasked{{Account: hostileText, At: then.Add(time.Hour), Kind: "customer", Subject: "P00001", Field: "phone", Class: access.Phone, Purpose: "other", Reason: hostileText}}, Next: "7"}, nil
}

func TestPagesOfPartners(t *testing.T) {
	m := &memory{}
	b := open(t, m)
	b.signIn()
	for path, wants := range map[string][]string{
		"/suppliers": {"供应商", "P00001", "139****2222", `<option value="contact">联系人</option>`, "after=P00001"}, "/customers?q=x&state=all": {"客户", `value="all" selected`, `href="/exports?kind=customers"`},
		"/customers/P00001":         {"139****2222", `action="/customers/P00001/unmask"`, "联系送货", "清除个人信息", "个人信息已于"},
		"/customers/P00001/edit":    {`name="contact"`, `id="f-phone" value="139****2222" disabled`, `name="keeper"`, "同时是供应商"},
		"/suppliers/-/new":          {"新建供应商", `name="code"`, "同时是客户"},
		"/customers/P00001/history": {"第 3 版", "139****2222", "有改动"}, "/unmaskings": {"电话", "客户", "before=7", "其他（请写明）"},
	} {
		status, page, _ := b.do(http.MethodGet, path, nil)
		for _, want := range wants {
			if status != http.StatusOK || !strings.Contains(page, want) {
				t.Errorf("%s: %d, does not say %q", path, status, want)
			}
		}
		if strings.Contains(page, "<b onmouseover") {
			t.Errorf("%s carries what was typed as markup", path)
		}
	}
	for _, path := range []string{"/customers/OTHERS", "/customers/OTHERS/edit", "/customers/OTHERS/history", "/customers/NONE", "/api/v1/customers/OTHERS", "/api/v1/suppliers/NONE/history"} {
		if status, _, _ := b.do(http.MethodGet, path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _, _ := b.do(http.MethodGet, "/customers?field=phone&q=1", nil); status != http.StatusForbidden {
		t.Errorf("a filter on a masked field: %d", status)
	}
}

func TestFormsOfPartners(t *testing.T) {
	m := &memory{}
	b := open(t, m)
	b.signIn()
	const at = "/customers/P00001"
	if status, _, h := b.post(at+"/edit", at, url.Values{"name": {"某公司"}, "version": {"3"}, "active": {"0"}, "keeper": {" li "}, "admin": {"1"}}); status != http.StatusSeeOther || h.Get("Location") != at {
		t.Errorf("change: %d to %s", status, h.Get("Location"))
	}
	f := m.forms[0]
	if f.Version != 3 || *f.Active || f.Other != nil || *f.Keeper != "li" || len(f.Fields) != 2 || f.Fields["admin"] != "1" { // which package partners refuses
		t.Errorf("taken for %+v", f)
	}
	status, page, _ := b.post(at+"/edit", at, url.Values{"name": {""}, "contact": {"张三"}, "active": {"0"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, "“公司名称”最多 100 个字") || !strings.Contains(page, `value="张三"`) || !strings.Contains(page, `value="0" selected`) {
		t.Errorf("what was typed is lost: %d", status)
	}
	if status, page, _ := b.post(at+"/edit", at, url.Values{"phone": {"1"}}); status != http.StatusForbidden || !strings.Contains(page, "您不能改“电话”") {
		t.Errorf("a field that is not writable: %d", status)
	}
	for _, path := range []string{at + "/erase", at + "/unmask"} { // a factor first
		if status, _, _ := b.post(at, path, url.Values{"field": {"phone"}, "purpose": {"delivery"}}); status != http.StatusUnauthorized {
			t.Errorf("%s without a fresh factor: %d", path, status)
		}
	}
	if len(m.asked) != 0 {
		t.Errorf("asked for %+v", m.asked)
	}
}

// TestUnmaskRoutesAskForAFactor: every route that shows what is masked.
func TestUnmaskRoutesAskForAFactor(t *testing.T) {
	site, err := Site(&memory{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range site.Routes {
		if r.Permission == string(access.Unmask) {
			n++
			if !r.Fresh || r.Method != http.MethodPost {
				t.Errorf("%s %s", r.Method, r.Path)
			}
		}
		if slices.Contains([]string{string(partners.Erase)}, r.Permission) && !r.Fresh {
			t.Errorf("%s %s asks for no factor", r.Method, r.Path)
		}
	}
	if n != 4 {
		t.Errorf("%d routes", n)
	}
}
