package approval

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// A process and the hash of its request as they were stored before conditions knew differences: waiting requests keep their approvals.
const (
	firstProcess = "8887624131836561736b6572817077617265686f7573652d776f726b6572816353484187666163636573736c73746f636b2e6578706f7274f400008163534841f45073746f636b2e6578706f7274205348416a79656172277320656e641b000001a0c4506c001b000001a0d9c59600846374776f8260608666616363657373f4f40000f6828683816e6272616e63682d6d616e61676572f6f50183816a6f7065726174696f6e73f6f41a00dbba001a02255100028683816a6f7065726174696f6e73f6f40283f6f6f4001a0112a880016777616974696e67001b000001a0c4506c00f4f600"
	firstHash    = "a4f20b960fc1364974324082c97a39b5e0ce3a367f8a1462eeed9397ffe4e86b"
)

func TestFirstFormStays(t *testing.T) {
	stored, err := hex.DecodeString(firstProcess)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Decode(stored)
	if err != nil || !same(t, p, opened(t, ask(), twoSteps())) || hashOf(t, p).String() != firstHash {
		t.Fatalf("what was stored is read as %+v, %v", p, err)
	}
	if again, err := p.Encode(); err != nil || !bytes.Equal(again, stored) {
		t.Errorf("written as %x, %v", again, err)
	}
}

// TestEveryFactIsHashed: whatever the conditions look at belongs to what is approved, and survives being stored.
func TestEveryFactIsHashed(t *testing.T) {
	p := opened(t, ask(), twoSteps())
	for name, with := range map[string]func(*Facts){"percent": func(f *Facts) { f.Percent = 1 }, "quantity": func(f *Facts) { f.Quantity = -1 }, "copies": func(f *Facts) { f.Copies = 2 },
		"numbered": func(f *Facts) { f.Numbered = true }, "barred": func(f *Facts) { f.Barred = []access.Account{"wang"} }} {
		q := p
		with(&q.Request.Facts)
		b, err := q.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decode(b); err != nil || !same(t, back, q) || hashOf(t, q) == hashOf(t, p) {
			t.Errorf("%s: %v, or the same hash", name, err)
		}
	}
}

func TestBarred(t *testing.T) {
	r := ask()
	r.Facts.Barred = []access.Account{"wang"}
	p, wang := opened(t, r, twoSteps()), person("wang", "SHA", access.Manager)
	if _, _, err := p.Approve(wang, hashOf(t, p), begin); !errors.Is(err, ErrBarred) || p.Asks(wang, begin) {
		t.Errorf("who did it approves it: %v", err)
	}
	if _, _, err := p.Refuse(wang, hashOf(t, p), "no", begin); !errors.Is(err, ErrBarred) {
		t.Errorf("who did it refuses it: %v", err)
	}
}

func TestByPermission(t *testing.T) {
	rule := twoSteps()
	rule.Steps = []Step{{Approvers: Party{Permission: "adjustment.write"}, Need: 1, Timeout: hour, Then: End}}
	p, who := opened(t, ask(), rule), person("who", "SHA")
	if p.Asks(who, begin) {
		t.Error("a person of whom nothing is known is asked")
	}
	who.Holds = func(perm access.Permission, f Facts) bool {
		return perm == "adjustment.write" && f.Warehouses[0] == "SHA"
	}
	if !p.Asks(who, begin) {
		t.Error("who holds the permission is not asked")
	}
	who.Holds = func(access.Permission, Facts) bool { return false }
	if p.Asks(who, begin) {
		t.Error("who does not hold it is asked")
	}
}

func TestFreeRules(t *testing.T) {
	for kind, free := range map[Kind]bool{Access: false, Export: false, "": false, Price: true, Adjustment: true, Reprint: true} {
		r := Rule{ID: "free", When: Condition{Kind: kind}}
		if err := r.Check(); (err == nil) != free {
			t.Errorf("%s: %v", kind, err)
		}
		q := ask()
		q.Facts.Kind = kind
		if _, _, err := Open(q, r, begin); err == nil {
			t.Errorf("%s: a request was opened that nobody approves", kind)
		}
		if (Process{Request: q, Rule: r, State: Approved}).Granted() {
			t.Errorf("%s: granted by nobody", kind)
		}
	}
}

// TestCovers: where one condition is said to cover another, nothing is found for which only the other holds; and the word of Hidden is Choose's.
func TestCovers(t *testing.T) {
	covered := 0
	for seed := range uint64(3000) {
		w := rand.New(rand.NewPCG(seed, 5))
		kinds := []Kind{Access, Export, Price}
		places := [][]stock.Warehouse{nil, {"CTU"}, {"CTU", "SHA"}}
		few := func() int64 { return w.Int64N(3) * w.Int64N(2) }
		condition := func() Condition {
			c := Condition{Privileged: w.IntN(4) == 0, Local: w.IntN(3) == 0, Amount: few(), Rows: few(), Percent: few(), Quantity: stock.Quantity(few()), Copies: few(), Numbered: w.IntN(5) == 0, Warehouses: places[w.IntN(3)]}
			if w.IntN(2) == 0 {
				c.Kind = kinds[w.IntN(3)]
			}
			return c
		}
		a, b := condition(), condition()
		steps := twoSteps().Steps
		rules := []Rule{{ID: "a", When: a, Steps: steps}, {ID: "b", When: b, Steps: steps}}
		hidden := Hidden(rules, 1) == 0
		if hidden {
			covered++
		}
		for range 60 {
			f := Facts{Kind: kinds[w.IntN(3)], Privileged: w.IntN(2) == 0, Amount: w.Int64N(3), Rows: w.Int64N(3), Percent: w.Int64N(3), Quantity: stock.Quantity(w.Int64N(3)), Copies: w.Int64N(3), Numbered: w.IntN(2) == 0,
				Warehouses: places[w.IntN(3)], Everywhere: w.IntN(3) == 0}
			if hidden && b.Holds(f) && !a.Holds(f) {
				t.Fatalf("seed %d: %+v is said to cover %+v, not for %+v", seed, a, b, f)
			}
			if chosen, err := Choose(rules, f); hidden && err == nil && chosen.ID == "b" {
				t.Fatalf("seed %d: the hidden rule was chosen", seed)
			}
		}
		for _, k := range kinds {
			if f := (Facts{Kind: k}); Whole(rules, k) && !a.Holds(f) && !b.Holds(f) {
				t.Fatalf("seed %d: %s is said to be whole", seed, k)
			}
		}
	}
	if covered < 100 {
		t.Errorf("only %d were covered", covered)
	}
}

func TestStaffed(t *testing.T) {
	at := []stock.Warehouse{"SHA"}
	wang, both, hq := person("wang", "SHA", access.Manager), person("both", "SHA", access.Manager, access.Operations), person("hq", "", access.Operations)
	for _, c := range []struct {
		people []Person
		want   int
	}{{[]Person{wang, both, hq}, -1}, {[]Person{both, wang, hq}, -1}, {[]Person{both, hq}, 1}, {[]Person{wang, hq}, 1}, {[]Person{person("else", "CTU", access.Manager)}, 0}, {nil, 0}} {
		if got := twoSteps().Staffed(c.people, at); got != c.want {
			t.Errorf("%d people: %d, want %d", len(c.people), got, c.want)
		}
	}
	if got := twoSteps().Staffed([]Person{wang, both, hq}, nil); got != 1 { // one of the headquarters is the manager's deputy, which leaves one
		t.Errorf("everywhere: %d", got)
	}
}

// FuzzDecodeRules: whatever lies in the store is read or refused.
func FuzzDecodeRules(f *testing.F) {
	b, err := EncodeRules([]Rule{twoSteps(), {ID: "free", Names: access.Text{ZH: "自由", EN: "free"}, When: Condition{Kind: Price, Percent: 3}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		rules, err := DecodeRules(b)
		if err != nil {
			return
		}
		for n := range rules {
			Hidden(rules, n)
			_ = fmt.Sprint(rules[n].Staffed(nil, nil))
		}
		if again, err := EncodeRules(rules); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("read and written again it is another: %v", err)
		}
	})
}
