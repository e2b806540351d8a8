package rights

import (
	"slices"
	"time"

	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Stage says of what somebody is reminded who has not answered in a review. The words are stored, and keys of the catalogue
// under "notice.review_".
type Stage string

// The stages, each more urgent than the one before.
const (
	Started Stage = "started"
	Week    Stage = "week" // seven days are left, or fewer
	Day     Stage = "day"  // one is left
	Late    Stage = "overdue"
)

// Stages are all of them, in order.
var Stages = []Stage{Started, Week, Day, Late}

// QuarterDays is how long after the end of a review the next one should begin.
const QuarterDays = 90

// StageOf returns of what people are reminded on a day, when a review is due on another.
func StageOf(due, today stock.Date) Stage {
	d, err1 := time.Parse(time.DateOnly, string(due))
	t, err2 := time.Parse(time.DateOnly, string(today))
	left := d.Sub(t).Hours() / 24
	switch {
	case err1 != nil || err2 != nil || left > 7:
		return Started
	case left < 0:
		return Late
	case left <= 1:
		return Day
	}
	return Week
}

// Waiting returns how many questions of a review wait for each person. headquarters are those who answer for it, see MayAnswer.
func Waiting(items []Item, people, headquarters []Person) map[access.Account]int {
	out, managers := map[access.Account]int{}, map[stock.Warehouse][]Person{}
	for _, i := range items {
		if i.Decided() {
			continue
		}
		if _, known := managers[i.Warehouse]; !known {
			managers[i.Warehouse] = Managers(people, i.Warehouse)
		}
		asked := managers[i.Warehouse]
		if !slices.ContainsFunc(asked, func(p Person) bool { return p.Account != i.Account }) {
			asked = headquarters
		}
		for _, p := range asked {
			if p.Account != i.Account && !p.Disabled {
				out[p.Account]++
			}
		}
	}
	return out
}

// Holders returns the people who have a permission everywhere, for anybody's things, from whatever address and at some hour.
func Holders(p access.Policy, people []Person, permission access.Permission, now time.Time) ([]Person, error) {
	return able(p, people, permission, now, func([]access.Network) bool { return true })
}
