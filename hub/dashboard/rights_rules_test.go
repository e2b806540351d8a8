package dashboard

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"stockade/protocol/access"
)

var revOf = regexp.MustCompile(`name="rev" value="(\d+)"`)

func TestExclusionsInTheDraft(t *testing.T) {
	hub := staffed()
	b := open(t, hub)
	b.signIn()
	rules := func() []access.Exclusion {
		now, _ := hub.PolicyNow(t.Context())
		return hub.drafts["boss"].Apply(now.Policy).Exclusions
	}
	page := func() (string, string) {
		t.Helper()
		status, body, _ := b.do(http.MethodGet, "/rights/rules", nil)
		if status != http.StatusOK {
			t.Fatal(status)
		}
		return body, revOf.FindStringSubmatch(body)[1]
	}
	body, rev := page()
	for _, want := range []string{"三员分立", "系统管理员、安全管理员、审计员", "职责“收货”"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	// A new one: what is wrong is told and nothing is lost; a third duty; kept.
	form := url.Values{"base": {"0"}, "rev": {rev}, "zh": {"销售与财务"}, "en": {"Sales and money"}, "role": {"seller"}, "d0_zh": {"定价"}, "d0_en": {"price"}, "d0_p": {"price.write"}, "d1_zh": {""}, "d1_en": {""}}
	status, body, _ := b.post("/rights/rules/edit", "/rights/rules/edit", form)
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, "至少选两个") || !strings.Contains(body, `value="销售与财务"`) || !strings.Contains(body, `name="d0_p" value="price.write" checked`) || !strings.Contains(body, `name="role" value="seller" checked`) {
		t.Errorf("one role alone: %d", status)
	}
	form["role"] = []string{"seller", "finance"}
	form.Set("more", "1")
	if status, body, _ = b.post("/rights/rules/edit", "/rights/rules/edit", form); status != http.StatusOK || !strings.Contains(body, `name="d2_zh"`) || len(rules()) != 6 {
		t.Errorf("another duty: %d", status)
	}
	form.Del("more")
	form["d1_zh"], form["d1_en"], form["d1_p"] = []string{"付款"}, []string{"pay"}, []string{"payment.write"}
	form.Set("rev", "99")
	if status, body, _ = b.post("/rights/rules/edit", "/rights/rules/edit", form); status != http.StatusConflict || !strings.Contains(body, `value="销售与财务"`) {
		t.Errorf("from an old window: %d", status)
	}
	form.Set("rev", rev)
	if status, _, h := b.post("/rights/rules/edit", "/rights/rules/edit", form); status != http.StatusSeeOther || h.Get("Location") != "/rights/rules" {
		t.Fatalf("kept: %d", status)
	}
	x := rules()[6]
	if x.ID != "rule-1" || !slices.Equal(x.Roles, []access.RoleID{"seller", "finance"}) || len(x.Duties) != 2 || x.Duties[1].Names.EN != "pay" {
		t.Errorf("%+v", x)
	}
	// What keeps the administrators apart is removed: told here, and before saving.
	_, rev = page()
	if status, _, _ := b.post("/rights/rules", "/rights/rules/remove", url.Values{"base": {"0"}, "rev": {rev}, "id": {"administration"}}); status != http.StatusSeeOther {
		t.Fatal(status)
	}
	if body, rev = page(); !strings.Contains(body, "可以是同一个人") || !strings.Contains(body, "草稿里删除的") || !strings.Contains(body, "有 2 处改动") {
		t.Error("the page does not say that the administrators are no longer kept apart")
	}
	_, changes, _ := b.do(http.MethodGet, "/rights/changes", nil)
	for _, want := range []string{`name="separation" value="1" required`, "等级保护", "角色：系统管理员、安全管理员、审计员", "新增互斥规则", "职责“定价”：调整价格"} {
		if !strings.Contains(changes, want) {
			t.Errorf("the changes lack %s", want)
		}
	}
	// And put back, as it is saved; a ready one that was changed, as it came.
	if status, _, _ := b.post("/rights/rules", "/rights/rules/restore", url.Values{"base": {"0"}, "rev": {rev}, "id": {"administration"}}); status != http.StatusSeeOther || len(rules()) != 7 {
		t.Errorf("put back: %d", status)
	}
	if _, changes, _ = b.do(http.MethodGet, "/rights/changes", nil); strings.Contains(changes, "separation") {
		t.Error("what was put back is warned of")
	}
	_, rev = page()
	for what, form := range map[string]url.Values{"no such rule": {"base": {"0"}, "rev": {rev}, "id": {"none"}}} {
		for _, path := range []string{"/rights/rules/remove", "/rights/rules/restore"} {
			if status, _, _ := b.post("/rights/rules", path, form); status != http.StatusNotFound {
				t.Errorf("%s %s: %d", path, what, status)
			}
		}
	}
	if status, _, _ := b.do(http.MethodGet, "/rights/rules/edit?id=none", nil); status != http.StatusNotFound {
		t.Errorf("%d", status)
	}
	if status, body, _ := b.do(http.MethodGet, "/rights/rules/edit?id=count-adjust", nil); status != http.StatusOK || !strings.Contains(body, `name="d0_p" value="station.use" checked`) {
		t.Errorf("%d", status)
	}
	if status, _, _ := b.post("/rights/rules", "/rights/rules/remove", url.Values{"base": {"0"}, "rev": {"1"}, "id": {"count-adjust"}}); status != http.StatusConflict {
		t.Errorf("removed from an old window: %d", status)
	}
}
