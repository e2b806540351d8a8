package dashboard

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/rights"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// roleDoc is a role as the script has it.
type roleDoc struct {
	ID     access.RoleID `json:"id"`
	ZH     string        `json:"zh"`
	EN     string        `json:"en"`
	Grants []grantDoc    `json:"grants"`
}

type grantDoc struct {
	P      access.Permission                        `json:"p"`
	Fields map[access.FieldClass]access.FieldAccess `json:"f,omitempty"`
	Reach  access.Reach                             `json:"reach"`
	Places []stock.Warehouse                        `json:"places,omitempty"`
	Whose  access.Whose                             `json:"whose"`
	StepUp uint32                                   `json:"stepup,omitempty"` // seconds
	Nets   []string                                 `json:"nets,omitempty"`
	Hours  []string                                 `json:"hours,omitempty"`
}

func docOf(r access.Role) roleDoc {
	doc := roleDoc{ID: r.ID, ZH: r.Names.ZH, EN: r.Names.EN, Grants: []grantDoc{}}
	for _, g := range r.Grants {
		one := grantDoc{P: g.Permission, Fields: g.Fields, Reach: g.Scope.Reach, Places: g.Scope.Warehouses, Whose: g.Scope.Whose, StepUp: g.Condition.StepUp}
		for _, n := range g.Condition.Networks {
			one.Nets = append(one.Nets, n.String())
		}
		for _, h := range g.Condition.Hours {
			one.Hours = append(one.Hours, h.String())
		}
		doc.Grants = append(doc.Grants, one)
	}
	return doc
}

// badText is a part of a role that can not be read as it was typed.
type badText struct{ key, text string }

// role reads what the script sends. The second result says what can not be read.
func (r roleDoc) role() (access.Role, *badText) {
	role := access.Role{ID: r.ID, Names: access.Text{ZH: strings.TrimSpace(r.ZH), EN: strings.TrimSpace(r.EN)}}
	for _, g := range r.Grants {
		one := access.Grant{Permission: g.P, Fields: g.Fields, Scope: access.Scope{Reach: g.Reach, Whose: g.Whose}, Condition: access.Condition{StepUp: g.StepUp}}
		if g.Reach == access.Listed {
			one.Scope.Warehouses = slices.Clone(g.Places)
			slices.Sort(one.Scope.Warehouses)
			one.Scope.Warehouses = slices.Compact(one.Scope.Warehouses)
		}
		for _, text := range g.Nets {
			n, err := netip.ParsePrefix(text)
			if err != nil {
				if a, err2 := netip.ParseAddr(text); err2 == nil && a.Zone() == "" {
					n, err = netip.PrefixFrom(a, a.BitLen()), nil
				}
			}
			if err != nil {
				return role, &badText{"rights.bad_network", text}
			}
			one.Condition.Networks = append(one.Condition.Networks, access.Network{Prefix: n.Masked()})
		}
		for _, text := range g.Hours {
			h, err := access.ParseHours(text)
			if err != nil {
				return role, &badText{"rights.bad_hours", text}
			}
			one.Condition.Hours = append(one.Condition.Hours, h)
		}
		role.Grants = append(role.Grants, one)
	}
	return role, nil
}

type rightsPage struct {
	Version uint64
	At      time.Time
	By      string
	Stale   bool // somebody else saved after the draft was begun
	Changed int  // roles and exclusions that the draft changes
	Rules   int  // exclusions among them
	May     bool
	Data    rightsData
}

type rightsData struct {
	Base    uint64              `json:"base"`
	Rev     uint64              `json:"rev"`
	May     bool                `json:"may"`
	Groups  []groupDoc          `json:"groups"`
	Classes []classDoc          `json:"classes"`
	Roles   []roleDoc           `json:"roles"`
	Saved   []roleDoc           `json:"saved"` // as the edition has them that the draft was made of
	Ready   []roleDoc           `json:"ready"`
	Holders map[string][]string `json:"holders"` // who has each role
	Places  []stock.Warehouse   `json:"places"`
	Lang    string              `json:"lang"`
	Texts   map[string]string   `json:"texts"`
}

type groupDoc struct {
	Title       string    `json:"title"`
	Permissions []permDoc `json:"permissions"`
}

type permDoc struct {
	ID         access.Permission `json:"id"`
	Title      string            `json:"title"`
	Privileged bool              `json:"privileged"`
}

type classDoc struct {
	ID    access.FieldClass `json:"id"`
	Title string            `json:"title"`
}

// rightsTexts are the texts that the script needs.
var rightsTexts = []string{"none", "cell_all", "cell_home", "cell_listed", "cell_own", "cell_customers", "cell_many", "reach", "reach_1", "reach_2", "reach_3", "whose", "whose_1", "whose_2", "whose_4", "whose_6",
	"fields", "access_0", "access_1", "access_2", "access_3", "stepup", "stepup_hint", "networks", "networks_hint", "hours", "hours_hint", "places", "rule", "add_rule", "remove_rule", "take_away", "close", "name_zh", "name_en",
	"copy_role", "delete_role", "restore_role", "delete_held", "unsaved", "saving", "kept", "offline", "session", "reload", "people_have", "nobody_has", "privileged", "edit_role", "changed",
	"conditions", "all_fields", "restore_missing", "day_1", "day_2", "day_3", "day_4", "day_5", "day_6", "day_7", "add_hours", "from", "to", "remove", "hours_more", "only_read", "day", "grants"}

func roleDocs(roles []access.Role) []roleDoc {
	out := []roleDoc{}
	for _, r := range roles {
		if !r.Withdrawn {
			out = append(out, docOf(r))
		}
	}
	return out
}

// drafted returns the newest edition, the draft of the reader, and what the draft was made of.
func (d *dashboard) drafted(v *web.Visit) (now, base PolicyEdition, draft rights.Draft, err error) {
	if now, err = d.PolicyNow(v.UserContext()); err != nil {
		return now, base, draft, err
	}
	if draft, err = d.Draft(v.UserContext(), v.Person); err != nil {
		return now, base, draft, err
	}
	base = now
	if draft.Empty() {
		draft.Base = now.Version
	} else if draft.Base != now.Version {
		base, err = d.Policy(v.UserContext(), draft.Base)
	}
	return now, base, draft, err
}

func (d *dashboard) getRights(v *web.Visit) error {
	now, base, draft, err := d.drafted(v)
	if err != nil {
		return err
	}
	people, err := d.Staff(v.UserContext())
	if err != nil {
		return err
	}
	places, err := d.Places(v.UserContext())
	if err != nil {
		return err
	}
	lang := string(v.Lang)
	page := rightsPage{Version: now.Version, At: now.At, By: now.By, Stale: draft.Base != now.Version, Changed: draft.Changes(), Rules: len(draft.PutRules) + len(draft.RemovedRules), May: v.May(RolesWrite)}
	page.Data = rightsData{Base: draft.Base, Rev: draft.Rev, May: page.May, Roles: roleDocs(draft.Apply(base.Policy).Roles), Saved: roleDocs(base.Roles), Ready: roleDocs(access.Ready().Roles),
		Holders: map[string][]string{}, Places: list(places), Lang: lang, Texts: map[string]string{}}
	for _, g := range access.Groups() {
		doc := groupDoc{Title: g.Title.In(lang)}
		for _, p := range g.Permissions {
			doc.Permissions = append(doc.Permissions, permDoc{p.Permission, p.Title.In(lang), p.Privileged})
		}
		page.Data.Groups = append(page.Data.Groups, doc)
	}
	for _, c := range access.Classes() {
		page.Data.Classes = append(page.Data.Classes, classDoc{c, c.Title().In(lang)})
	}
	for _, p := range people {
		for _, r := range p.Roles {
			page.Data.Holders[string(r)] = append(page.Data.Holders[string(r)], p.Called())
		}
	}
	for _, key := range rightsTexts {
		page.Data.Texts[key] = v.T("rights."+key, nil)
	}
	for _, key := range []string{"copy_of", "new_role"} { // a role has names in both languages
		page.Data.Texts[key+"_zh"], page.Data.Texts[key+"_en"] = v.In(web.Chinese, "rights."+key, nil), v.In(web.English, "rights."+key, nil)
	}
	return v.Page("rights", page)
}

// apiDraft takes a role into the draft, or a role out of it.
func (d *dashboard) apiDraft(v *web.Visit) error {
	var order struct {
		Base   uint64        `json:"base"`
		Rev    uint64        `json:"rev"`
		Role   *roleDoc      `json:"role"`
		Remove access.RoleID `json:"remove"`
	}
	if err := v.ReadJSON(&order); err != nil {
		return err
	}
	if (order.Role == nil) == (order.Remove == "") {
		return web.Fail(fiber.StatusBadRequest, "error.bad_request")
	}
	_, base, draft, err := d.drafted(v)
	if err != nil {
		return err
	}
	if draft.Rev != order.Rev || draft.Base != order.Base {
		return web.Fail(fiber.StatusConflict, "rights.draft_changed")
	}
	if order.Role != nil {
		role, bad := order.Role.role()
		if bad != nil {
			return web.Fail(fiber.StatusUnprocessableEntity, bad.key, "text", bad.text)
		}
		if err := rights.CheckRole(role); err != nil {
			return refused(v, err)
		}
		draft = draft.With(base.Policy, role)
	} else {
		draft = draft.Without(base.Policy, order.Remove)
	}
	if len(draft.Put)+len(draft.Removed) > 2*rights.MostRoles {
		return web.Fail(fiber.StatusUnprocessableEntity, "rights.too_many_roles", "most", strconv.Itoa(rights.MostRoles))
	}
	rev, err := d.PutDraft(v.UserContext(), draft, v.Person)
	if err != nil {
		return refused(v, err)
	}
	return v.JSON(struct {
		Rev     uint64 `json:"rev"`
		Changed int    `json:"changed"`
	}{rev, len(draft.Put) + len(draft.Removed)})
}

// refused turns what was refused into what the reader is told.
func refused(v *web.Visit, err error) error {
	var r *rights.Refusal
	switch {
	case errors.As(err, &r):
		return web.Fail(fiber.StatusUnprocessableEntity, "rights.refused", "why", r.Words.In(string(v.Lang))).Because(err)
	case errors.Is(err, ErrDraftChanged):
		return web.Fail(fiber.StatusConflict, "rights.draft_changed").Because(err)
	case errors.Is(err, ErrPolicyChanged):
		return web.Fail(fiber.StatusConflict, "rights.saved_meanwhile").Because(err)
	}
	return err
}
