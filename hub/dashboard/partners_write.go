package dashboard

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/partners"
	"stockade/internal/web"
	"stockade/protocol/access"
)

// mostPartners is how many rows an answer to a program has at most.
const mostPartners = partners.MostRows

func (p *partnerDesk) blank(v *web.Visit) error { return p.showForm(v, "", partners.Form{}, "") }

func (p *partnerDesk) edit(v *web.Visit) error {
	return p.showForm(v, codeOf(v), partners.Form{}, "")
}

// showForm shows the form of a partner, with what was typed and what is wrong with it.
func (p *partnerDesk) showForm(v *web.Visit, code access.Customer, typed partners.Form, problem string) error {
	s, err := p.PartnerForm(v.UserContext(), v.Person, p.side, code)
	if err != nil {
		return p.answer(v, err)
	}
	for i := range s.Values {
		if text, ok := typed.Fields[s.Values[i].Key]; ok && s.Values[i].Writable {
			s.Values[i].Text = text
		}
	}
	if typed.Active != nil {
		s.Active = *typed.Active
	}
	if typed.Keeper != nil && s.MayMove {
		s.Keeper = access.Account(*typed.Keeper)
	}
	if typed.Other != nil && s.MayJoin {
		if p.side == partners.Suppliers {
			s.Customer = *typed.Other
		} else {
			s.Supplier = *typed.Other
		}
	}
	view := p.view(s)
	view.New, view.Problem = code == "", problem
	if view.New {
		view.Code = access.Customer(typed.Code)
	}
	return v.Page("partner-edit", view)
}

// around are the fields of the form that are not fields of the partner; those of the shell are among them.
var around = []string{"csrf", "confirm", "passkey", "code", "version", "active", "other", "keeper"}

// posted reads the form. Whatever else is in it is taken for a field of the partner, and refused where there is none.
func posted(v *web.Visit) partners.Form {
	f := partners.Form{Code: v.Form("code"), Fields: map[string]string{}}
	f.Version, _ = strconv.ParseInt(v.Form("version"), 10, 64) // a made-up one is an old one
	flag := func(name string) *bool {
		if !v.Context().PostArgs().Has(name) {
			return nil
		}
		on := v.Form(name) == "1"
		return &on
	}
	f.Active, f.Other = flag("active"), flag("other")
	if v.Context().PostArgs().Has("keeper") {
		keeper := v.Form("keeper")
		f.Keeper = &keeper
	}
	for name, value := range v.Context().PostArgs().All() {
		if !slices.Contains(around, string(name)) {
			f.Fields[string(name)] = string(value)
		}
	}
	return f
}

func (p *partnerDesk) post(v *web.Visit) error {
	f := posted(v)
	code, err := p.PutPartner(v.UserContext(), v.Person, p.side, codeOf(v), f)
	if err == nil {
		return v.See(p.base + "/" + url.PathEscape(string(code)))
	}
	if err = p.answer(v, err); !aboutTyped(err) {
		return err
	}
	problem, _ := problemOf(v, err)
	return p.showForm(v, codeOf(v), f, problem)
}

// ---- For programs ----

func (p *partnerDesk) apiList(v *web.Visit) error {
	page, err := p.Partners(v.UserContext(), v.Person, p.side, p.query(v, mostPartners))
	if err != nil {
		return p.answer(v, err)
	}
	return v.JSON(page)
}

func (p *partnerDesk) apiGet(v *web.Visit) error {
	s, err := p.Partner(v.UserContext(), v.Person, p.side, codeOf(v))
	if err != nil {
		return p.answer(v, err)
	}
	return v.JSON(s)
}

func (p *partnerDesk) apiHistory(v *web.Visit) error {
	list, err := p.PartnerHistory(v.UserContext(), v.Person, p.side, codeOf(v))
	if err != nil {
		return p.answer(v, err)
	}
	return v.JSON(map[string]any{"versions": list})
}

func (p *partnerDesk) apiPost(v *web.Visit) error {
	var body struct {
		Code    string            `json:"code"`
		Version int64             `json:"version"`
		Fields  map[string]string `json:"fields"`
		Active  *bool             `json:"active"`
		Other   *bool             `json:"other"`
		Keeper  *string           `json:"keeper"`
	}
	if err := v.ReadJSON(&body); err != nil {
		return err
	}
	code, err := p.PutPartner(v.UserContext(), v.Person, p.side, codeOf(v), partners.Form(body))
	if err != nil {
		return p.answer(v, err)
	}
	if codeOf(v) == "" {
		v.Status(fiber.StatusCreated)
	}
	return v.JSON(map[string]any{"code": code})
}

func (p *partnerDesk) apiUnmask(v *web.Visit) error {
	var body struct {
		Field   string         `json:"field"`
		Purpose access.Purpose `json:"purpose"`
		Reason  string         `json:"reason"`
	}
	if err := v.ReadJSON(&body); err != nil {
		return err
	}
	s, err := p.UnmaskPartner(v.UserContext(), v.Person, p.side, codeOf(v), access.Unmasking{Field: body.Field, Purpose: body.Purpose, Reason: body.Reason})
	if err != nil {
		return p.answer(v, err)
	}
	return v.JSON(map[string]string{"field": body.Field, "value": s.Text(body.Field)})
}
