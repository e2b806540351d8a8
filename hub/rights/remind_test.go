package rights

import (
	"math/rand/v2"
	"slices"
	"testing"

	"stockade/protocol/access"
	"stockade/protocol/stock"
)

func TestStageOf(t *testing.T) {
	for today, want := range map[stock.Date]Stage{"2026-12-01": Started, "2026-12-23": Started, "2026-12-24": Week, "2026-12-29": Week, "2026-12-30": Day, "2026-12-31": Day, "2027-01-01": Late, "": Started} {
		if got := StageOf("2026-12-31", today); got != want {
			t.Errorf("%s: %s, want %s", today, got, want)
		}
	}
}

// TestWaitingIsMayAnswer: whom a review waits for is who may answer, question by question.
func TestWaitingIsMayAnswer(t *testing.T) {
	places := []stock.Warehouse{"BJS", "CTU", "SHA"}
	for range 300 {
		var people, headquarters []Person
		for n := range 6 {
			p := person(string(rune('a'+n)), []access.RoleID{access.Worker, access.Manager, access.Operations}[rand.IntN(3)])
			for _, w := range places {
				if rand.IntN(2) == 0 {
					p.Warehouses = append(p.Warehouses, w)
				}
			}
			p.Disabled = rand.IntN(5) == 0
			people = append(people, p)
			if p.Roles[0] == access.Operations && !p.Disabled {
				headquarters = append(headquarters, p)
			}
		}
		items := Questions(access.Ready(), people)
		for i := range items {
			items[i].Verdict = []access.Verdict{access.Undecided, access.Confirmed}[rand.IntN(2)]
		}
		got := Waiting(items, people, headquarters)
		for _, p := range people {
			want := 0
			for _, i := range items {
				if !i.Decided() && MayAnswer(i, p, slices.ContainsFunc(headquarters, func(h Person) bool { return h.Account == p.Account }), people) {
					want++
				}
			}
			if got[p.Account] != want {
				t.Fatalf("%s: %d questions wait, %d may be answered", p.Account, got[p.Account], want)
			}
		}
	}
}
