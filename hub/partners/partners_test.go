package partners_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/auditlog"
	"stockade/hub/hubtest"
	"stockade/hub/partners"
	"stockade/hub/store"
	"stockade/hub/unmask"
	"stockade/internal/identity"
	"stockade/internal/rights"
	"stockade/protocol/access"
	"stockade/protocol/change"
)

type register struct {
	*hubtest.Hub
	*partners.Service
	desk *rights.Desk
}

func who(account, role string) identity.Person {
	return identity.Person{Account: account, Session: "s1", Address: "10.0.0.7", Roles: []string{role}, Warehouses: []string{"SHA"}, FactorAt: time.Now()}
}

var (
	sun     = who("Sun", "seller")
	qian    = who("qian", "seller")
	buyer   = who("buyer", "purchaser")
	finance = who("fin", "finance")
	hq      = who("hq", "operations")
	worker  = who("worker", "warehouse-worker")
)

const quota = 3

func open(t *testing.T) *register {
	h := hubtest.New(t)
	recorder := &auditlog.Recorder{Store: h.Store, Ring: h.Ring, Clock: h.Now}
	desk, err := rights.New(rights.Options{Now: h.Now}, access.Ready())
	hubtest.Check(t, err)
	return &register{Hub: h, desk: desk, Service: &partners.Service{Store: h.Store, Recorder: recorder, Unmasker: &unmask.Desk{Store: h.Store, Recorder: recorder, Quota: quota},
		Rights: func(v *store.View, who identity.Person) (partners.Rights, error) {
			customers, err := v.CustomersOf(approvals.Fold(access.Account(who.Account)))
			return desk.Asker(who, access.Subject{Customers: customers}), err
		},
		Account: func(_ context.Context, name string) (string, error) {
			if name == "nobody" {
				return "", identity.ErrNobody
			}
			return name, nil
		}}}
}

// secrets are the values of fields with a class, each found nowhere else.
var secrets = map[string]string{"contact": "钱多多", "phone": "13911112222", "email": "secretbox@maker.example.cn", "address": "上海市浦东新区张江路777号9楼", "bank_name": "秘密银行张江支行", "bank_account": "6222021001117654321"}

func ptr[T any](v T) *T { return &v }

func fieldsOf(name string, keys ...string) map[string]string {
	m := map[string]string{"name": name}
	for _, k := range keys {
		m[k] = secrets[k]
	}
	return m
}

func (r *register) put(by identity.Person, side partners.Side, code access.Customer, f partners.Form) access.Customer {
	r.T.Helper()
	code, err := r.Put(r.T.Context(), by, side, code, f)
	hubtest.Check(r.T, err)
	return code
}

// customer makes a customer of Sun's with every field filled in by those who may.
func (r *register) customer() access.Customer {
	r.T.Helper()
	code := r.put(sun, partners.Customers, "", partners.Form{Fields: fieldsOf("海上贸易", "contact", "phone", "email", "address")})
	return r.put(hq, partners.Customers, code, partners.Form{Version: 1, Fields: map[string]string{"bank_name": secrets["bank_name"], "bank_account": secrets["bank_account"]}})
}

func (r *register) entries(act string) (out []change.Entry) {
	r.T.Helper()
	r.View(func(v *store.View) error {
		list, err := v.Entries(0)
		for _, l := range list {
			c, err := change.Decode(l.Entry)
			if err != nil {
				return err
			}
			e, err := c.Entry()
			if err != nil {
				return err
			}
			if e.Act == act {
				out = append(out, e)
			}
		}
		return err
	})
	return out
}

func denied(err error, reason access.Reason) bool {
	var d *partners.Denied
	return errors.As(err, &d) && d.Reason == reason
}

// TestFieldsAsFarAsTheyAreOpen: what each role sees of the same customer.
func TestFieldsAsFarAsTheyAreOpen(t *testing.T) {
	r := open(t)
	code := r.customer()
	for _, tt := range []struct {
		by   identity.Person
		want map[string]string // of fields with a class; "=" is the value itself
	}{
		{sun, map[string]string{"contact": "=", "phone": "=", "email": "=", "address": "="}},
		{hq, map[string]string{"contact": "=", "phone": "139****2222", "email": "s***@maker.example.cn", "address": "上海市浦东新区****"}},
		{finance, map[string]string{"contact": "=", "phone": "139****2222", "bank_name": "=", "bank_account": "="}},
	} {
		one, err := r.Get(t.Context(), tt.by, partners.Customers, code)
		hubtest.Check(t, err)
		list, err := r.List(t.Context(), tt.by, partners.Customers, partners.Query{})
		hubtest.Check(t, err)
		versions, err := r.History(t.Context(), tt.by, partners.Customers, code)
		hubtest.Check(t, err)
		if len(list.Rows) != 1 || len(versions) != 2 {
			t.Fatalf("%s: %d rows, %d versions", tt.by.Account, len(list.Rows), len(versions))
		}
		for what, shown := range map[string]partners.Shown{"page": one, "list": list.Rows[0], "history": versions[0]} {
			for key, secret := range secrets {
				want := strings.Replace(tt.want[key], "=", secret, 1)
				if v := shown.Value(key); v.Text != want || v.Masked != (want != "" && want != secret) || (v.Key == "") != (tt.want[key] == "") {
					t.Errorf("%s, %s: %s is %+v, want %q", tt.by.Account, what, key, v, want)
				}
			}
		}
		if _, there := tt.want["bank_account"]; !there && slices.ContainsFunc(versions[0].Values, func(v partners.Value) bool { return v.Changed }) {
			t.Errorf("%s sees that a hidden field was changed: %+v", tt.by.Account, versions[0])
		}
	}
}

// TestWhoseCustomers: a seller has those that he looks after, everywhere and in every way; others do not exist.
func TestWhoseCustomers(t *testing.T) {
	r := open(t)
	code := r.customer()
	supplier := r.put(buyer, partners.Suppliers, "", partners.Form{Fields: fieldsOf("供货商", "phone")})
	nothing := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := r.Get(t.Context(), qian, partners.Customers, code)
	nothing("page", err)
	_, err = r.History(t.Context(), qian, partners.Customers, code)
	nothing("history", err)
	_, err = r.Editable(t.Context(), qian, partners.Customers, code)
	nothing("form", err)
	_, err = r.Put(t.Context(), qian, partners.Customers, code, partners.Form{Version: 2, Fields: map[string]string{"terms": "x"}})
	nothing("change", err)
	_, err = r.Unmask(t.Context(), qian, partners.Customers, code, access.Unmasking{Field: "phone", Purpose: access.Delivery})
	nothing("unmask", err)
	nothing("erase", r.Erase(t.Context(), qian, partners.Customers, code, partners.EraseForm{Reason: "asked for it"}))
	_, err = r.Get(t.Context(), sun, partners.Customers, supplier)
	nothing("supplier as a customer", err)
	if page, err := r.List(t.Context(), qian, partners.Customers, partners.Query{}); err != nil || len(page.Rows) != 0 {
		t.Errorf("list: %+v, %v", page.Rows, err)
	}
	if _, err := r.List(t.Context(), worker, partners.Customers, partners.Query{}); !denied(err, access.NoGrant) {
		t.Errorf("a worker's list: %v", err)
	}
	// given to another seller by headquarters, at once; and a seller gives away nothing
	if _, err := r.Put(t.Context(), sun, partners.Customers, code, partners.Form{Version: 2, Keeper: ptr("qian")}); !errors.As(err, new(*partners.NotWritable)) {
		t.Errorf("a seller gives a customer away: %v", err)
	}
	for _, f := range []partners.Form{{Keeper: ptr("nobody")}, {Keeper: ptr("qian")}, {Code: string(code), Fields: fieldsOf("x")}, {Code: "FREE", Fields: fieldsOf("x")}} { // nothing is learned of accounts and codes
		if _, err := r.Put(t.Context(), sun, partners.Customers, "", f); !errors.As(err, new(*partners.NotWritable)) {
			t.Errorf("a seller's %+v: %v", f, err)
		}
	}
	if _, err := r.Put(t.Context(), hq, partners.Customers, code, partners.Form{Version: 2, Keeper: ptr("nobody")}); !errors.Is(err, partners.ErrKeeper) {
		t.Errorf("a keeper who is none: %v", err)
	}
	r.put(hq, partners.Customers, code, partners.Form{Version: 2, Keeper: ptr("qian")})
	if _, err = r.Get(t.Context(), qian, partners.Customers, code); err != nil {
		t.Errorf("the new keeper: %v", err)
	}
	_, err = r.Get(t.Context(), sun, partners.Customers, code)
	nothing("the former keeper", err)
	r.View(func(v *store.View) error {
		if list, err := v.CustomersOf("qian"); err != nil || !slices.Equal(list, []access.Customer{code}) {
			t.Errorf("customers of qian: %v, %v", list, err)
		}
		return nil
	})
}

// TestOnlyWhatIsWritable: a field that is not the sender's is refused, with the right value too, and nothing of the form is taken.
func TestOnlyWhatIsWritable(t *testing.T) {
	r := open(t)
	code := r.customer()
	before, err := r.History(t.Context(), finance, partners.Customers, code)
	hubtest.Check(t, err)
	for _, tt := range []struct {
		by     identity.Person
		fields map[string]string
	}{
		{sun, map[string]string{"terms": "30 天", "bank_account": "62220000000000"}}, {sun, map[string]string{"bank_account": secrets["bank_account"]}},
		{hq, map[string]string{"phone": "13900000000"}}, {hq, map[string]string{"phone": secrets["phone"]}}, {hq, map[string]string{"contact": secrets["contact"]}},
		{hq, map[string]string{"keeper": "hq"}}, {hq, map[string]string{"version": "9"}}, {sun, map[string]string{"customer": "0"}},
	} {
		var not *partners.NotWritable
		if _, err := r.Put(t.Context(), tt.by, partners.Customers, code, partners.Form{Version: 2, Fields: tt.fields}); !errors.As(err, &not) {
			t.Errorf("%s writes %v: %v", tt.by.Account, tt.fields, err)
		}
	}
	if _, err := r.Put(t.Context(), sun, partners.Customers, code, partners.Form{Version: 2, Other: ptr(true)}); !errors.As(err, new(*partners.NotWritable)) {
		t.Errorf("a seller makes a supplier: %v", err)
	}
	if _, err := r.Put(t.Context(), finance, partners.Customers, code, partners.Form{Version: 2, Fields: map[string]string{"terms": "x"}}); !denied(err, access.NoGrant) {
		t.Errorf("finance writes: %v", err)
	}
	stale := hq
	stale.FactorAt = time.Time{}
	if _, err := r.Put(t.Context(), stale, partners.Customers, code, partners.Form{Version: 2, Fields: map[string]string{"terms": "x"}}); !denied(err, access.StepUpNeeded) {
		t.Errorf("headquarters without a fresh factor: %v", err)
	}
	if after, err := r.History(t.Context(), finance, partners.Customers, code); err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("something was taken: %+v, %v", after, err)
	}
	// what may be written is shown whole in the form, the rest as it may be seen
	form, err := r.Editable(t.Context(), hq, partners.Customers, code)
	hubtest.Check(t, err)
	for key, want := range map[string]partners.Value{"bank_account": {Text: secrets["bank_account"], Writable: true}, "phone": {Text: "139****2222", Masked: true}, "contact": {Text: secrets["contact"]}} {
		if got := form.Value(key); got.Text != want.Text || got.Writable != want.Writable || got.Masked != want.Masked {
			t.Errorf("the form has %+v, want %+v", got, want)
		}
	}
	if _, err := r.Put(t.Context(), sun, partners.Customers, code, partners.Form{Version: 1, Fields: map[string]string{"terms": "x"}}); !errors.Is(err, store.ErrPartnerChanged) {
		t.Errorf("on an old version: %v", err)
	}
	r.put(sun, partners.Customers, code, partners.Form{Version: 2, Fields: map[string]string{"phone": "139 3333 4444"}})
	if p, err := r.Get(t.Context(), finance, partners.Customers, code); err != nil || p.Text("bank_account") != secrets["bank_account"] || p.Text("phone") != "139****4444" {
		t.Errorf("a change of one field: %+v, %v", p, err)
	}
	for _, e := range r.entries(partners.ActWritten) {
		for _, v := range slices.Collect(maps.Values(e.Detail)) {
			for _, secret := range secrets {
				if strings.Contains(v, secret) {
					t.Errorf("the log has %q", v)
				}
			}
		}
	}
}

// TestNothingIsFoundByGuessing: every part of every value is searched for, by those who may not read it.
func TestNothingIsFoundByGuessing(t *testing.T) {
	r := open(t)
	r.customer()
	found := func(by identity.Person, text, field string) int {
		t.Helper()
		page, err := r.List(t.Context(), by, partners.Customers, partners.Query{Text: text, Field: field})
		if errors.Is(err, partners.ErrFilter) {
			return -1
		}
		hubtest.Check(t, err)
		return len(page.Rows)
	}
	for key, secret := range secrets {
		readable := map[string]bool{"contact": true}
		if n := found(sun, secret, ""); (n == 1) != !strings.HasPrefix(key, "bank") {
			t.Errorf("Sun finds %d by %s", n, key)
		}
		letters := []rune(secret)
		for i := range letters {
			part := string(letters[i:min(len(letters), i+3)])
			if n := found(hq, part, ""); n != 0 && !readable[key] && !strings.Contains("P00001", part) {
				t.Errorf("headquarters find %d by %q, a part of the %s", n, part, key)
			}
			if n := found(hq, part, key); n != -1 && !readable[key] {
				t.Errorf("headquarters may search the %s: %d", key, n)
			}
		}
		if n := found(hq, access.Mask(map[string]access.FieldClass{"phone": access.Phone, "email": access.Email, "address": access.Address, "bank_account": access.Bank}[key], secret), ""); n != 0 {
			t.Errorf("headquarters find %d by the mask of the %s", n, key)
		}
	}
	for _, field := range []string{"", "name"} {
		if n := found(hq, "海上", field); n != 1 {
			t.Errorf("%d by name", n)
		}
	}
	if found(hq, "x", "written_by") != -1 || found(finance, "7654321", "bank_account") != 1 {
		t.Error("a field that is none can be searched, or one that is open can not")
	}
}

// TestUnmask: one value, for a reason, by who may, so many times in a day; recorded without the value.
func TestUnmask(t *testing.T) {
	r := open(t)
	code := r.customer()
	ask := func(by identity.Person, field string, p access.Purpose, reason string) (partners.Shown, error) {
		return r.Unmask(t.Context(), by, partners.Customers, code, access.Unmasking{Field: field, Purpose: p, Reason: reason})
	}
	for _, tt := range []struct {
		by     identity.Person
		field  string
		reason access.Reason
	}{{hq, "bank_account", access.NoGrant}, {hq, "contact", access.NoGrant}, {hq, "terms", access.NoGrant}, {hq, "nothing", access.NoGrant}, {finance, "email", access.NoGrant}, {sun, "phone", access.NoGrant}} {
		if _, err := ask(tt.by, tt.field, access.Delivery, ""); !denied(err, tt.reason) {
			t.Errorf("%s of %s: %v", tt.field, tt.by.Account, err)
		}
	}
	stale := hq
	stale.FactorAt = time.Now().Add(-time.Hour)
	if _, err := ask(stale, "phone", access.Delivery, ""); !denied(err, access.StepUpNeeded) {
		t.Errorf("without a fresh factor: %v", err)
	}
	for _, reason := range []string{"", "    ", "四个字呀", "aaaaaaaa", "哈哈 哈哈哈", strings.Repeat("长", access.MostReason) + "了"} {
		if _, err := ask(hq, "phone", access.OtherPurpose, reason); !errors.Is(err, access.ErrPurpose) {
			t.Errorf("reason %q: %v", reason, err)
		}
	}
	if _, err := ask(hq, "phone", "curiosity", "because I want"); !errors.Is(err, access.ErrPurpose) {
		t.Errorf("a purpose that is none: %v", err)
	}
	if n := len(r.entries(unmask.ActUnmasked)); n != 0 {
		t.Errorf("%d entries of what was refused", n)
	}
	before, err := r.Get(t.Context(), hq, partners.Customers, code)
	hubtest.Check(t, err)
	for key, want := range map[string]bool{"phone": true, "email": true, "address": true, "contact": false, "name": false} {
		if before.Value(key).Unmask != want {
			t.Errorf("%s can be unmasked: %v", key, !want)
		}
	}
	for i, key := range []string{"phone", "email", "address"} {
		got, err := ask(hq, key, access.OtherPurpose, "催收货款 "+key)
		hubtest.Check(t, err)
		for _, v := range got.Values {
			whole := secrets[v.Key] != "" && v.Text == secrets[v.Key]
			if whole != (v.Key == key || v.Key == "contact") || v.Clear != (v.Key == key) {
				t.Errorf("%s unmasked: %+v", key, v)
			}
		}
		entries := r.entries(unmask.ActUnmasked)
		if e := entries[len(entries)-1]; len(entries) != i+1 || e.Object != "customer/"+string(code) || e.Detail["field"] != key || e.Detail["reason"] != "催收货款 "+key || e.Detail["purpose"] != "other" {
			t.Errorf("recorded %+v", e)
		} else if text := fmt.Sprint(e); strings.Contains(text, secrets[key]) {
			t.Errorf("the log has the value: %s", text)
		}
	}
	for range 3 {
		var limit *unmask.LimitError
		if _, err := ask(hq, "phone", access.Delivery, ""); !errors.As(err, &limit) || limit.Quota != quota {
			t.Errorf("over the limit: %v", err)
		}
	}
	if n := len(r.entries(unmask.ActLimit)); n != 1 {
		t.Errorf("%d alerts of one day", n)
	}
	if _, err := ask(finance, "phone", access.Payment, ""); err != nil {
		t.Errorf("another person on the same day: %v", err)
	}
	r.Later(24 * time.Hour)
	later := hq
	later.FactorAt = r.Now()
	if _, err := ask(later, "phone", access.Delivery, ""); err != nil {
		t.Errorf("the next day: %v", err)
	}
	r.View(func(v *store.View) error {
		all, err := v.Unmaskings(store.UnmaskedFilter{Account: "hq", Most: 3})
		if err != nil || len(all) != 3 || all[0].Purpose != access.Delivery || all[0].Class != access.Phone {
			t.Errorf("the auditor's list: %+v, %v", all, err)
		}
		return err
	})
}

// TestErase: what is about the person is gone from every version and does not come back with a form that was open; the rest, and that it happened, stay.
func TestErase(t *testing.T) {
	r := open(t)
	code := r.customer()
	r.put(sun, partners.Customers, code, partners.Form{Version: 2, Fields: map[string]string{"note": "钱多多下午在", "phone": "13933334444"}})
	if err := r.Erase(t.Context(), hq, partners.Customers, code, partners.EraseForm{Reason: "x"}); !errors.Is(err, partners.ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	if err := r.Erase(t.Context(), sun, partners.Customers, code, partners.EraseForm{Reason: "she asked for it"}); !denied(err, access.NoGrant) {
		t.Errorf("by a seller: %v", err)
	}
	gone := func(keys ...string) {
		t.Helper()
		for _, by := range []identity.Person{sun, finance} {
			versions, err := r.History(t.Context(), by, partners.Customers, code)
			hubtest.Check(t, err)
			for _, v := range versions {
				for _, key := range keys {
					if v.Text(key) != "" {
						t.Errorf("version %d has the %s %q", v.Version, key, v.Text(key))
					}
				}
				if v.Text("name") != "海上贸易" || v.Erased == nil {
					t.Errorf("version %d: %+v", v.Version, v)
				}
			}
		}
	}
	hubtest.Check(t, r.Erase(t.Context(), hq, partners.Customers, code, partners.EraseForm{Reason: "本人书面要求"}))
	gone("contact", "phone", "email", "address", "note")
	if p, err := r.Get(t.Context(), finance, partners.Customers, code); err != nil || p.Text("bank_account") == "" || p.Version != 4 || p.By != "hq" {
		t.Errorf("after erasing: %+v, %v", p, err)
	}
	if _, err := r.Put(t.Context(), sun, partners.Customers, code, partners.Form{Version: 3, Fields: map[string]string{"phone": "13933334444"}}); !errors.Is(err, store.ErrPartnerChanged) {
		t.Errorf("a form from before brings it back: %v", err)
	}
	hubtest.Check(t, r.Erase(t.Context(), hq, partners.Customers, code, partners.EraseForm{Reason: "本人书面要求", Bank: true}))
	gone("contact", "phone", "email", "address", "note", "bank_name", "bank_account")
	if e := r.entries(partners.ActErased); len(e) != 2 || e[0].Detail["reason"] != "本人书面要求" {
		t.Errorf("recorded %+v", e)
	}
}

func TestWhatIsTaken(t *testing.T) {
	r := open(t)
	for _, tt := range []struct{ key, value, want string }{
		{"phone", "１３８ 1234-5678", "138 1234-5678"}, {"phone", "+86 21 6123 4567 转801", "+86 21 6123 4567 转801"}, {"phone", "(021)61234567", "(021)61234567"}, {"phone", "95533", "95533"},
		{"email", "li.lei@example.com.cn", "li.lei@example.com.cn"}, {"email", "李雷@例子.中国", "李雷@例子.中国"},
		{"tax_number", "91350100M000100Y43", "91350100M000100Y43"}, {"tax_number", " 9135 0100 m000100y43 ", "91350100M000100Y43"}, {"tax_number", "DE123456789", "DE123456789"},
		{"bank_account", "6222 0210 0111 1234 567", "6222021001111234567"}, {"note", "第一行\n第二行", "第一行\n第二行"},
		{"phone", "电话", ""}, {"phone", "1234", ""}, {"phone", "<script>alert(1)</script>", ""}, {"phone", "138123456781381234567", ""},
		{"email", "li", ""}, {"email", "Li <li@x.cn>", ""}, {"email", "a@b", ""}, {"email", "a@b.cn,c@d.cn", ""},
		{"tax_number", "91350100M000100Y44", ""}, {"tax_number", "91350100M000100O43", ""}, {"tax_number", "123456789012345", ""}, {"tax_number", "110105194912310021", ""},
		{"bank_account", "1234567", ""}, {"bank_account", "62220210ABCD", ""}, {"name", "", ""}, {"name", "a\nb", ""}, {"name", "a\x00b", ""}, {"name", "\xff", ""}, {"name", strings.Repeat("长", 101), ""},
	} {
		f := partners.Form{Fields: map[string]string{"name": "某公司"}}
		by := buyer
		if strings.HasPrefix(tt.key, "bank") {
			by = hq
		}
		f.Fields[tt.key] = tt.value
		code, err := r.Put(t.Context(), by, partners.Suppliers, "", f)
		var bad *partners.FieldError
		if tt.want == "" {
			if !errors.As(err, &bad) || bad.Key != tt.key {
				t.Errorf("%s %q: %v", tt.key, tt.value, err)
			}
			continue
		}
		hubtest.Check(t, err)
		if p, err := r.Editable(t.Context(), by, partners.Suppliers, code); err != nil || p.Text(tt.key) != tt.want {
			t.Errorf("%s %q is kept as %q, %v", tt.key, tt.value, p.Text(tt.key), err)
		}
	}
	for code, want := range map[string]error{"A-1": nil, "a-2": nil, "A-1 ": store.ErrExists, "A_1": partners.ErrCode, "供应商": partners.ErrCode, "../x": partners.ErrCode} {
		if code == "A-1" {
			continue
		}
		if code == "A-1 " {
			r.put(buyer, partners.Suppliers, "", partners.Form{Code: "A-1", Fields: fieldsOf("甲")})
		}
		if _, err := r.Put(t.Context(), buyer, partners.Suppliers, "", partners.Form{Code: code, Fields: fieldsOf("乙")}); !errors.Is(err, want) {
			t.Errorf("code %q: %v", code, err)
		}
	}
}

// TestPages: a list in parts has every partner once, by code, whatever is searched for.
func TestPages(t *testing.T) {
	r := open(t)
	for i := range 23 {
		r.put(buyer, partners.Suppliers, "", partners.Form{Fields: map[string]string{"name": fmt.Sprintf("供应商%d", i)}, Active: ptr(i%3 != 0)})
	}
	for state, want := range map[string]int{"": 15, "active": 15, "inactive": 8, "all": 23} {
		var codes []access.Customer
		for q := (partners.Query{State: state, Limit: 4}); ; {
			page, err := r.List(t.Context(), buyer, partners.Suppliers, q)
			hubtest.Check(t, err)
			for _, p := range page.Rows {
				codes = append(codes, p.Code)
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		if len(codes) != want || !slices.IsSorted(codes) || len(slices.Compact(codes)) != want {
			t.Errorf("%q: %v", state, codes)
		}
	}
}

// TestBothSides: one that is both is seen from each side by that side's rights.
func TestBothSides(t *testing.T) {
	r := open(t)
	code := r.customer()
	r.put(hq, partners.Customers, code, partners.Form{Version: 2, Other: ptr(true)})
	if p, err := r.Get(t.Context(), buyer, partners.Suppliers, code); err != nil || p.Text("phone") != secrets["phone"] || p.Value("bank_account").Key != "" {
		t.Errorf("as a supplier: %+v, %v", p, err)
	}
	if _, err := r.Get(t.Context(), buyer, partners.Customers, code); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a purchaser, as a customer: %v", err)
	}
	r.put(hq, partners.Suppliers, code, partners.Form{Version: 3, Other: ptr(false)})
	if _, err := r.Get(t.Context(), sun, partners.Customers, code); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a customer no more: %v", err)
	}
}

// TestRows: what leaves in an export is what both permissions open, of one's own customers alone.
func TestRows(t *testing.T) {
	r := open(t)
	r.customer()
	r.put(qian, partners.Customers, "", partners.Form{Fields: fieldsOf("别家", "phone")})
	p := access.Ready()
	for i := range p.Roles {
		if p.Roles[i].ID == access.Seller {
			p.Roles[i].Grants = append(p.Roles[i].Grants, access.Grant{Permission: partners.Export, Scope: access.Scope{Reach: access.Everywhere, Whose: access.OwnCustomers},
				Fields: map[access.FieldClass]access.FieldAccess{access.Name: access.Read, access.Phone: access.Masked, access.Bank: access.Read}})
		}
	}
	hubtest.Check(t, r.desk.Set(p))
	for _, tt := range []struct {
		by   identity.Person
		rows int
		want map[string]string
	}{{hq, 2, map[string]string{"contact": secrets["contact"], "phone": "139****2222", "address": "上海市浦东新区****", "bank_account": ""}},
		{sun, 1, map[string]string{"contact": secrets["contact"], "phone": "139****2222", "address": "", "bank_account": ""}}, {finance, 0, nil}, {worker, 0, nil}} {
		var rows [][]string
		r.View(func(v *store.View) error {
			return r.Rows(v, tt.by, func(cells []string) error { rows = append(rows, cells); return nil })
		})
		if len(rows) != tt.rows {
			t.Errorf("%s: %d rows", tt.by.Account, len(rows))
			continue
		}
		for key, want := range tt.want {
			if got := rows[0][slices.Index(partners.ExportHeadings(), key)]; got != want {
				t.Errorf("%s: %s is %q, want %q", tt.by.Account, key, got, want)
			}
		}
	}
}

// TestVeil: who looks at what somebody else may export sees of it what is open to them.
func TestVeil(t *testing.T) {
	r := open(t)
	r.customer()
	var row []string
	r.View(func(v *store.View) error {
		return r.Rows(v, hq, func(cells []string) error { row = cells; return nil })
	})
	row[slices.Index(partners.ExportHeadings(), "phone")] = secrets["phone"] // as somebody may export who sees it whole
	var open access.Fields
	open[access.Phone] = access.Masked
	got := partners.Veil(row, open)
	for key, want := range map[string]string{"name": "海上贸易", "contact": "", "phone": "139****2222", "address": ""} {
		if v := got[slices.Index(partners.ExportHeadings(), key)]; v != want {
			t.Errorf("%s is shown as %q, want %q", key, v, want)
		}
	}
	if partners.Veil(row[1:], open) != nil {
		t.Error("a row of another form is shown")
	}
}
