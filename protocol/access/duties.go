package access

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// CheckAssignment returns an error when s must not be given what it has: a malformed subject, a role that does not
// exist, or, as a *Collision, roles or duties that exclude each other. Temporary grants count until they end.
// Whoever gives rights asks before; Decide does not ask again for duties, since a right less must never allow more.
func (e *Engine) CheckAssignment(s Subject, now time.Time) error {
	if err := s.Check(); err != nil {
		return err
	}
	for _, id := range s.Roles {
		if e.roles[id] == nil {
			return fmt.Errorf("account %q: there is no role %q", s.Account, id)
		}
	}
	held := e.holdings(s, now)
	c := &Collision{Account: s.Account}
	for i := range e.policy.Exclusions {
		if x := &e.policy.Exclusions[i]; !x.Withdrawn {
			c.Clashes = append(c.Clashes, e.clashes(s, x, held)...)
		}
	}
	if len(c.Clashes) == 0 {
		return nil
	}
	return c
}

// holding is a permission that a subject has, and by what.
type holding struct {
	permission Permission
	by         Source
}

// holdings returns all permissions of s, whatever their scope and condition.
func (e *Engine) holdings(s Subject, now time.Time) (list []holding) {
	for _, id := range s.Roles {
		r := e.roles[id]
		for i := range r.def.Grants {
			list = append(list, holding{permission: r.def.Grants[i].Permission, by: Source{Role: id, Names: r.def.Names}})
		}
	}
	for _, t := range s.Temporary {
		if now.UnixMilli() < t.Until {
			list = append(list, holding{permission: t.Grant.Permission, by: Source{Temporary: t.ID}})
		}
	}
	return list
}

func (e *Engine) clashes(s Subject, x *Exclusion, held []holding) (list []Clash) {
	roles := Clash{Exclusion: x.ID, Names: x.Names}
	for _, id := range x.Roles {
		if by := (Source{Role: id}); slices.Contains(s.Roles, id) && !slices.ContainsFunc(roles.Parts, func(p Part) bool { return p.By[0].Role == id }) {
			by.Names = e.roles[id].def.Names
			roles.Parts = append(roles.Parts, Part{Names: by.Names, By: []Source{by}})
		}
	}
	duties := Clash{Exclusion: x.ID, Names: x.Names}
	for _, d := range x.Duties {
		p := Part{Names: d.Names}
		for _, h := range held {
			if slices.Contains(d.Permissions, h.permission) {
				p.Permissions, p.By = once(p.Permissions, h.permission), once(p.By, h.by)
			}
		}
		if len(p.By) > 0 {
			duties.Parts = append(duties.Parts, p)
		}
	}
	for _, c := range []Clash{roles, duties} {
		if len(c.Parts) > 1 {
			list = append(list, c)
		}
	}
	return list
}

func once[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

// Source is where a right comes from: a role, or a temporary grant.
type Source struct {
	Role      RoleID
	Names     Text // of the role
	Temporary TemporaryID
}

// Words returns what s is called.
func (s Source) Words() Text {
	if s.Temporary != "" {
		return Text{ZH: "临时授权 " + string(s.Temporary), EN: "temporary grant " + string(s.Temporary)}
	}
	n := s.Names
	if n.ZH == "" {
		n.ZH = string(s.Role)
	}
	if n.EN == "" {
		n.EN = string(s.Role)
	}
	return Text{ZH: "角色“" + n.ZH + "”", EN: `role "` + n.EN + `"`}
}

// Collision is the error that says which roles and duties of a person exclude each other.
type Collision struct {
	Account Account
	Clashes []Clash
}

// Clash is one exclusion that is not kept.
type Clash struct {
	Exclusion string
	Names     Text
	Parts     []Part // two at least, of which a person may have one
}

// Part is a role, or a duty with the permissions that make it up, and where the person has it from.
type Part struct {
	Names       Text
	Permissions []Permission // empty for a role
	By          []Source
}

// Error says it in English.
func (c *Collision) Error() string { return c.Words().EN }

// Words says what collides, from where the person has it, and what to do.
func (c *Collision) Words() Text {
	zh, en := make([]string, len(c.Clashes)), make([]string, len(c.Clashes))
	for i, clash := range c.Clashes {
		w := clash.Words()
		zh[i], en[i] = w.ZH, w.EN
	}
	return Text{ZH: fmt.Sprintf("账号“%s”不能同时拥有：%s。请只保留其中一项，其余交给别人。", c.Account, strings.Join(zh, "；")),
		EN: fmt.Sprintf("account %q cannot hold at once: %s; keep one and give the others to somebody else", c.Account, strings.Join(en, "; "))}
}

// Words says what collides, and from where the person has it.
func (c Clash) Words() Text {
	var zh, en []string
	for _, p := range c.Parts {
		if len(p.Permissions) == 0 {
			w := p.By[0].Words()
			zh, en = append(zh, w.ZH), append(en, w.EN)
			continue
		}
		var what, from texts
		for _, permission := range p.Permissions {
			what = append(what, permission.Title())
		}
		for _, by := range p.By {
			from = append(from, by.Words())
		}
		w, f := what.join(), from.join()
		zh = append(zh, fmt.Sprintf("%s（%s，来自%s）", p.Names.ZH, w.ZH, f.ZH))
		en = append(en, fmt.Sprintf("%s (%s, by %s)", p.Names.EN, w.EN, f.EN))
	}
	return Text{ZH: fmt.Sprintf("%s〔%s〕", strings.Join(zh, "与"), c.Names.ZH), EN: fmt.Sprintf("%s [%s]", strings.Join(en, " with "), c.Names.EN)}
}

// texts are several of them.
type texts []Text

func (t texts) join() Text {
	zh, en := make([]string, len(t)), make([]string, len(t))
	for i, w := range t {
		zh[i], en[i] = w.ZH, w.EN
	}
	return Text{ZH: strings.Join(zh, "、"), EN: strings.Join(en, ", ")}
}
