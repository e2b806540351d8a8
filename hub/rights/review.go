package rights

import (
	"cmp"
	"slices"
	"time"

	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Item is a question of a review: may this person go on having this role? At a warehouse its managers are asked; for people of no
// warehouse, and where warehouses disagree, headquarters is.
type Item struct {
	ID        int64
	Account   access.Account
	Name      string // of the account
	Display   string
	Role      access.RoleID
	Names     access.Text
	Warehouse stock.Warehouse // empty: headquarters is asked
	Verdict   access.Verdict
	By        string
	At        int64 // Unix milliseconds
	Note      string
}

// Called returns what the person is called.
func (i Item) Called() string { return Person{Name: i.Name, Display: i.Display}.Called() }

// Decided reports whether it was answered.
func (i Item) Decided() bool { return i.Verdict == access.Confirmed || i.Verdict == access.Withdrawn }

// Questions returns what a review of people asks: each role of each person who is not disabled, at each warehouse where the person works.
func Questions(p access.Policy, people []Person) (list []Item) {
	for _, who := range people {
		if who.Disabled {
			continue
		}
		for _, id := range who.Roles {
			q := Item{Account: who.Account, Name: who.Name, Display: who.Display, Role: id, Names: access.Text{ZH: string(id), EN: string(id)}, Verdict: access.Undecided}
			if r := find(p, id); r != nil {
				q.Names = r.Names
			}
			if len(who.Warehouses) == 0 {
				list = append(list, q)
			}
			for _, w := range who.Warehouses {
				q.Warehouse = w
				list = append(list, q)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.Warehouse, b.Warehouse), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Role, b.Role))
	})
	return list
}

// Managers returns who answers for a warehouse besides headquarters: its branch managers.
func Managers(people []Person, w stock.Warehouse) (list []Person) {
	if w == "" {
		return nil
	}
	for _, p := range people {
		if !p.Disabled && slices.Contains(p.Roles, access.Manager) && slices.Contains(p.Warehouses, w) {
			list = append(list, p)
		}
	}
	return list
}

// MayAnswer reports whether by may answer i. Nobody answers for themselves. A warehouse's managers answer for its people; headquarters
// answers where a warehouse has no other manager, and for people of none.
func MayAnswer(i Item, by Person, headquarters bool, people []Person) bool {
	if by.Account == "" || by.Account == i.Account || by.Disabled {
		return false
	}
	others := slices.DeleteFunc(Managers(people, i.Warehouse), func(p Person) bool { return p.Account == i.Account })
	if len(others) == 0 {
		return headquarters
	}
	return slices.ContainsFunc(others, func(p Person) bool { return p.Account == by.Account })
}

// Outcome is what follows for a role in one hand from what its warehouses answered.
type Outcome int

// The outcomes.
const (
	Open     Outcome = iota // some have not answered, or all confirmed
	Withdraw                // it is to be taken away
	Disputed                // warehouses disagree: headquarters has to answer
)

// Judge returns the outcome for one role of one person; items are those of it. A role counts at all warehouses of a person alike, so it is
// taken away when all of them want that, or headquarters does.
func Judge(items []Item) Outcome {
	var confirmed, withdrawn, open int
	for _, i := range items {
		switch i.Verdict {
		case access.Confirmed:
			confirmed++
		case access.Withdrawn:
			withdrawn++
		default:
			open++
		}
		if i.Warehouse != "" {
			continue
		}
		switch i.Verdict { // the last word
		case access.Withdrawn:
			return Withdraw
		case access.Confirmed:
			return Open
		}
	}
	switch {
	case open > 0 || withdrawn == 0:
		return Open
	case confirmed == 0:
		return Withdraw
	}
	return Disputed
}

// CheckWithdrawal returns a *Refusal when nobody could write a policy any more without that role in that hand.
func CheckWithdrawal(p access.Policy, people []Person, who access.Account, role access.RoleID, now time.Time) error {
	before, err := ableOf(p, people, now)
	if err != nil {
		return err
	}
	left := slices.Clone(people)
	for i := range left {
		if left[i].Account == who {
			left[i].Roles = slices.DeleteFunc(slices.Clone(left[i].Roles), func(r access.RoleID) bool { return r == role })
		}
	}
	after, err := ableOf(p, left, now)
	if err != nil {
		return err
	}
	if len(before) > 0 && len(after) == 0 {
		return refuse("取消后就没有人能修改权限了（现在只有 %s）。请先让另一个人拥有“%s”，再取消。",
			"After this nobody could change rights any more (now only %s can). Give somebody else %q first, then withdraw this.", called(before, 5), both{WritePolicy.Title()})
	}
	return nil
}
