// Package rights is what headquarters does with a policy before and after it is one: drafts of it, what changes in words and for
// whom, what must not be saved, what a person sees, who can do what, and reviews of who has which role.
//
// It decides nothing about requests: that is package access. It does no I/O.
package rights

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"stockade/protocol/access"
)

// Person is somebody with an account.
type Person struct {
	access.Subject
	Name    string // of the account, as it was chosen
	Display string // what the person is called, may be empty
	Waiting bool   // has yet to choose a password
	Dormant bool   // has not signed in for long
	Overdue bool   // the password has to be changed
	Lacks   bool   // has to have a second factor, and has none
}

// Called returns what p is called, with the name of the account.
func (p Person) Called() string {
	if p.Display == "" || p.Display == p.Name {
		return p.Name
	}
	return p.Display + " (" + p.Name + ")"
}

// Limits of a policy that is written by people.
const (
	MostRoles  = 200
	MostGrants = 600 // of a role
	MostRanges = 30  // networks or spans of hours of a grant
	MostPlaces = 200 // warehouses of a grant
	MostName   = 40  // letters of a role's name
	MostNote   = 300 // letters of the note about an edition
	MostStepUp = 24 * 60 * 60
)

// Refusal is an error that says what is wrong and what to do.
type Refusal struct{ Words access.Text }

func (r *Refusal) Error() string { return r.Words.EN }

func refuse(zh, en string, args ...any) *Refusal {
	return &Refusal{access.Text{ZH: fmt.Sprintf(zh, args...), EN: fmt.Sprintf(en, args...)}}
}

var idOf = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// CheckRole returns a *Refusal for a role that people must not write, whatever else there is.
func CheckRole(r access.Role) error {
	if !idOf.MatchString(string(r.ID)) {
		return refuse("角色编号只能用 a-z、0-9 和连字符，最多 40 个字符。", "The id of a role is made of a-z, 0-9 and hyphens, 40 at most.")
	}
	for _, name := range []string{r.Names.ZH, r.Names.EN} {
		if !printable(name, MostName) || name == "" {
			return refuse("角色的中文名和英文名都要填写，各不超过 %d 个字，不能有控制字符，前后不能有空格。", "Give the role a Chinese and an English name of %d letters at most, without control characters and without space around it.", MostName)
		}
	}
	if len(r.Grants) > MostGrants {
		return refuse("角色“%s”的授权超过 %d 条，请拆成几个角色。", "Role %q has more than %d grants. Make several roles of it.", shown(r, MostGrants)...)
	}
	for _, g := range r.Grants {
		c, title := g.Condition, g.Permission.Title()
		if len(c.Networks) > MostRanges || len(c.Hours) > MostRanges || len(g.Scope.Warehouses) > MostPlaces || c.StepUp > MostStepUp {
			return refuse("“%s”的条件太多：网段和时段各最多 %d 个，仓库最多 %d 个，再次验证的时限最多 24 小时。",
				"%q has too many conditions: at most %d networks and spans of hours, %d warehouses, and 24 hours for the second factor.", pick(title, MostRanges, MostPlaces)...)
		}
	}
	if err := r.Check(); err != nil {
		return refuse("角色“%s”有一处填写不对：%s", "Something in role %q is wrong: %s", shown(r, err.Error())...)
	}
	return nil
}

// both carries a text through refuse: each language takes its own.
type both struct {
	access.Text
}

func pick(t access.Text, rest ...any) []any { return append([]any{both{t}}, rest...) }
func shown(r access.Role, rest ...any) []any {
	return pick(r.Names, rest...)
}

// Format writes Chinese for %s and quoted English for %q, which is how the texts above ask for them.
func (b both) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		_, _ = fmt.Fprintf(f, "%q", b.EN) // the state takes everything
		return
	}
	_, _ = fmt.Fprint(f, b.ZH)
}

// printable reports whether s is a text of at most so many letters that shows as what it is.
func printable(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && s == strings.TrimSpace(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) })
}

// CheckNote returns a *Refusal unless note tells why an edition was made.
func CheckNote(note string) error {
	if note == "" || !utf8.ValidString(note) || utf8.RuneCountInString(note) > MostNote || strings.ContainsFunc(note, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' }) {
		return refuse("请写明这次修改的原因，不超过 %d 个字。", "Say why, in %d letters at most.", MostNote)
	}
	return nil
}

// WritePolicy is the permission without which nobody can change a policy.
const WritePolicy access.Permission = "role.write"

// Writers returns the people who could write policies under p from that address, at some hour.
func Writers(p access.Policy, people []Person, from netip.Addr, now time.Time) ([]Person, error) {
	return able(p, people, WritePolicy, now, func(n []access.Network) bool {
		return len(n) == 0 || slices.ContainsFunc(n, func(n access.Network) bool { return n.Contains(from.Unmap().WithZone("")) })
	})
}

// ableOf is Writers from whatever address.
func ableOf(p access.Policy, people []Person, now time.Time) ([]Person, error) {
	return Holders(p, people, WritePolicy, now)
}

func able(p access.Policy, people []Person, permission access.Permission, now time.Time, within func([]access.Network) bool) (list []Person, err error) {
	e, err := access.Compile(p)
	if err != nil {
		return nil, err
	}
	can := map[access.Account]bool{}
	for _, l := range e.Report(subjects(people), now).Lines {
		g := l.Grant // a temporary one ends, and leaves nobody
		if l.Account != "" && l.Void == "" && g.Permission == permission && l.Until.IsZero() && g.Scope.Reach == access.Everywhere && g.Scope.Whose&access.Anyone != 0 &&
			within(g.Condition.Networks) {
			can[l.Account] = true
		}
	}
	for _, p := range people {
		if can[p.Account] && !p.Waiting {
			list = append(list, p)
		}
	}
	return list, nil
}

func subjects(people []Person) []access.Subject {
	list := make([]access.Subject, len(people))
	for i, p := range people {
		list[i] = p.Subject
	}
	return list
}

// CheckSave returns a *Refusal when next must not take the place of old: something in it is malformed, a role that people
// have would be gone, or nobody could write a policy any more.
func CheckSave(old, next access.Policy, people []Person, from netip.Addr, now time.Time) error {
	if len(next.Roles) > MostRoles {
		return refuse("角色最多 %d 个，请先删除不用的。", "There can be %d roles. Delete some first.", MostRoles)
	}
	kept, names := map[access.RoleID]bool{}, map[string]bool{}
	for _, r := range next.Roles {
		if same := find(old, r.ID); same == nil || !equalRoles(*same, r) { // what was there before is not judged again
			if err := CheckRole(r); err != nil {
				return err
			}
		}
		kept[r.ID] = true
		for _, name := range []string{"zh " + r.Names.ZH, "en " + strings.ToLower(r.Names.EN)} {
			if names[name] {
				return refuse("有两个角色都叫“%s”，请改名，否则会给错人。", "Two roles are called %q. Rename one, else somebody is given the wrong one.", shown(r)...)
			}
			names[name] = true
		}
	}
	for _, r := range old.Roles {
		if holders := holding(people, r.ID); !kept[r.ID] && len(holders) > 0 {
			return refuse("角色“%s”还有 %d 人在用（%s）。请先在“人员”中给他们换成别的角色，再删除。", "People still have role %q (%d: %s). Give them another role under People first, then delete it.",
				shown(r, len(holders), called(holders, 5))...)
		}
	}
	if err := checkRules(old, next); err != nil {
		return err
	}
	if err := next.Check(); err != nil {
		return refuse("权限设置有误：%s", "Something in the policy is wrong: %s", err.Error())
	}
	if b, err := next.Encode(); err != nil {
		return refuse("权限设置太大（%d 字节以内），请减少角色或条件。", "The policy is too large (%d bytes at most). Use fewer roles or conditions.", access.MaxPolicy)
	} else if len(b) == 0 {
		return refuse("权限设置是空的。", "The policy is empty.")
	}
	return keepsWriter(old, next, people, from, now)
}

// keepsWriter refuses to lock the last one out. Where nobody could before, as in a company that has given nobody the role yet, nothing is lost.
func keepsWriter(old, next access.Policy, people []Person, from netip.Addr, now time.Time) error {
	before, err := Writers(old, people, from, now)
	if err != nil {
		return err
	}
	after, err := Writers(next, people, from, now)
	if err != nil {
		return err
	}
	if len(before) > 0 && len(after) == 0 {
		return refuse("这样保存后，就没有人能再修改权限了（现在可以的是：%s）。请至少保留一人不受网段限制地拥有“%s”，范围为所有仓库。",
			"After this nobody could change rights any more (now it is: %s). Leave at least one person who has %q for all warehouses and from this address.",
			called(before, 5), both{WritePolicy.Title()})
	}
	return nil
}

func holding(people []Person, id access.RoleID) (list []Person) {
	for _, p := range people {
		if slices.Contains(p.Roles, id) {
			list = append(list, p)
		}
	}
	return list
}

// called names people, at most so many.
func called(people []Person, most int) string {
	var names []string
	for _, p := range people[:min(len(people), most)] {
		names = append(names, p.Called())
	}
	if len(people) > most {
		names = append(names, "…")
	}
	return strings.Join(names, ", ")
}

func find(p access.Policy, id access.RoleID) *access.Role {
	for i := range p.Roles {
		if p.Roles[i].ID == id {
			return &p.Roles[i]
		}
	}
	return nil
}
