package web

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
	"stockade/protocol/access"
)

// TestMaskedNames: a name that is masked is shown for a reason alone, once, and recorded; and no form brings a mask into the account.
func TestMaskedNames(t *testing.T) {
	var mu sync.Mutex
	var recorded []access.Unmasking
	h, desk, _ := newGovernedHouse(t, func(o *Options) {
		o.Unmask = func(_ context.Context, _ identity.Person, u access.Unmasking) error {
			mu.Lock()
			defer mu.Unlock()
			if u.Check() != nil {
				return Fail(fiber.StatusUnprocessableEntity, "unmask.need_reason")
			}
			recorded = append(recorded, u)
			return nil
		}
	})
	boss := h.first()
	for _, a := range []identity.Account{{Name: "worker", Display: "王小明", Roles: []string{"warehouse-worker"}, Warehouses: []string{"SHA"}}, {Name: "far", Display: "李远方", Roles: []string{"warehouse-worker"}, Warehouses: []string{"CTU"}}} {
		if _, err := h.people.Create(t.Context(), identity.Person{Account: "installer"}, a); err != nil {
			t.Fatal(err)
		}
	}
	hidden := func(what string) {
		t.Helper()
		if strings.Contains(boss.page, "王小明") || strings.Contains(boss.page, "小明") {
			t.Errorf("%s shows the name", what)
		}
	}
	ask := []string{"name", "worker", "field", "display", "purpose", "delivery", "reason", ""}
	boss.get("/people/person/worker").want(200, "/people/person/worker", "王**")
	if strings.Contains(boss.page, "/people/unmask") {
		t.Error("who may not is offered to see the name")
	}
	boss.post("/people/unmask", ask...).want(403, "/people/unmask")
	hidden("a refusal")

	policy := access.Ready()
	may := atHome
	may.Grants = append(may.Grants[:len(may.Grants):len(may.Grants)], access.Grant{Permission: access.Unmask, Scope: access.Scope{Reach: access.Home, Whose: access.Anyone},
		Fields: map[access.FieldClass]access.FieldAccess{access.Name: access.Read}, Condition: access.Condition{StepUp: 600}})
	policy.Roles = append(policy.Roles, may)
	if err := desk.Set(policy); err != nil {
		t.Fatal(err)
	}
	boss.get("/people/person/worker").want(200, "/people/person/worker", "王**", `action="/people/unmask"`)
	boss.post("/people/unmask", "name", "worker", "field", "display", "purpose", "other", "reason", "why").want(422, "/people/unmask", "王**", `value="why"`)
	hidden("a reason that says too little")
	boss.post("/people/unmask", "name", "worker", "field", "password", "purpose", "delivery").want(403, "/people/unmask")
	boss.post("/people/unmask", "name", "far", "field", "display", "purpose", "delivery").want(404, "/people/unmask")
	if len(recorded) != 0 {
		t.Errorf("recorded %+v", recorded)
	}
	boss.post("/people/unmask", ask...).want(200, "/people/unmask", `value="王小明"`, `hx-trigger="load delay:300s"`)
	if len(recorded) != 1 || recorded[0] != (access.Unmasking{Kind: "person", Subject: "worker", Field: "display", Class: access.Name, Purpose: access.Delivery}) {
		t.Errorf("recorded %+v", recorded)
	}
	boss.get("/people/person/worker").want(200, "/people/person/worker", "王**")
	hidden("the page afterwards")

	h.pass(11 * time.Minute) // the factor is not fresh any more
	boss.post("/people/unmask", ask...).want(401, "/people/unmask", `name="confirm"`, `value="delivery"`)
	hidden("the question for a factor")
	boss.post("/people/unmask", append(ask, "confirm", sentence)...).want(200, "/people/unmask", `value="王小明"`)

	boss.get("/people/person/worker")
	boss.post("/people/change", "name", "worker", "display", "王**", "role", "warehouse-worker", "warehouses", "SHA").want(200, "/people/person/worker")
	if a, err := h.people.Account(t.Context(), "worker"); err != nil || a.Display != "王小明" {
		t.Errorf("the account is called %q, %v", a.Display, err)
	}
}
