package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"stockade/hub/rules"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/approval"
)

// ruleBook is what memory knows of rules: one with texts as nobody should type them, in a draft.
type ruleBook struct{ kept []string }

func (*ruleBook) rule() approval.Rule {
	return approval.Rule{ID: "odd", Names: access.Text{ZH: hostileText, EN: hostileText}, When: approval.Condition{Kind: approval.Price, Percent: 1},
		Steps: []approval.Step{{Approvers: approval.Party{Accounts: []access.Account{hostileText}, Roles: []access.RoleID{"seller"}}, Need: 1, Timeout: 3_600_000, Then: approval.End}}}
}

func (r *ruleBook) RuleBook(context.Context, identity.Person) (RuleBook, error) {
	return RuleBook{Now: RulesEdition{Version: 2, By: hostileText, At: then}, Rules: []approval.Rule{r.rule()}, Base: 2, Draft: true}, nil
}

func (r *ruleBook) RulesOf(_ context.Context, version int64) (RulesEdition, error) {
	if version > 2 {
		return RulesEdition{}, web.NotFound()
	}
	return RulesEdition{Version: version, Rules: []approval.Rule{r.rule()}, By: hostileText, Note: hostileText, At: then}, nil
}

func (*ruleBook) RulesEditions(context.Context, int) ([]RulesEdition, error) {
	return []RulesEdition{{Version: 2, By: hostileText, Note: hostileText, At: then}}, nil
}

func (*ruleBook) RuleNames(context.Context) (rules.Names, error) {
	return func(access.RoleID) access.Text { return access.Text{ZH: hostileText, EN: hostileText} }, nil
}

func (*ruleBook) RuleFindings(context.Context, []approval.Rule) ([]rules.Finding, error) {
	return []rules.Finding{{Words: access.Text{ZH: hostileText, EN: hostileText}}}, nil
}

func (r *ruleBook) DraftRule(_ context.Context, _ identity.Person, f rules.Form) error {
	if f.ZH == "" {
		return &rules.Bad{Field: "name"}
	}
	r.kept = append(r.kept, "rule "+f.ID+" "+f.Kind+" "+f.Percent+" "+strings.Join(f.Steps[1].Approvers.Roles, "+")+" "+f.Steps[1].Need)
	return nil
}

func (r *ruleBook) DraftAction(_ context.Context, _ identity.Person, action, id string) error {
	r.kept = append(r.kept, action+" "+id)
	return nil
}

func (r *ruleBook) DraftEdition(context.Context, identity.Person, int64) error {
	r.kept = append(r.kept, "load")
	return nil
}
func (r *ruleBook) DropDraft(context.Context, identity.Person) error {
	r.kept = append(r.kept, "drop")
	return nil
}

func (r *ruleBook) SaveRules(_ context.Context, _ identity.Person, base int64, note string, read bool) (int64, error) {
	if !read {
		return 0, ErrFindings
	}
	r.kept = append(r.kept, "save "+note)
	return base + 1, nil
}

func TestRulesPages(t *testing.T) {
	m := &memory{}
	b := open(t, m)
	b.signIn()
	for _, path := range []string{"/approvals/rules", "/approvals/rules/edit?id=odd", "/approvals/rules/edit", "/approvals/rules/changes", "/approvals/rules/history", "/approvals/rules/history/1"} {
		if status, page, _ := b.do(http.MethodGet, path, nil); status != http.StatusOK || strings.Contains(page, "<b onmouseover") {
			t.Errorf("%s: %d, or what was typed as markup", path, status)
		}
	}
	for _, path := range []string{"/approvals/rules/history/9", "/approvals/rules/history/x", "/approvals/rules/edit?id=none"} {
		if status, _, _ := b.do(http.MethodGet, path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	const from = "/approvals/rules/edit"
	if status, page, _ := b.post(from, from, url.Values{"id": {"odd"}, "percent": {"12.5"}, "a2_accounts": {"chen"}}); status != http.StatusUnprocessableEntity || !strings.Contains(page, `value="12.5"`) || !strings.Contains(page, `value="chen"`) {
		t.Errorf("what was typed is lost: %d", status)
	}
	for _, p := range []struct {
		path string
		form url.Values
		want int
	}{{from, url.Values{"id": {"odd"}, "zh": {"名"}, "kind": {"price"}, "percent": {"5"}, "a2_role": {"x", "y"}, "need2": {"2"}}, 303}, {"/approvals/rules/act", url.Values{"action": {"up"}, "id": {"odd"}}, 303},
		{"/approvals/rules/act", url.Values{"action": {"load"}, "version": {"1"}}, 303}, {"/approvals/rules/act", url.Values{"action": {"load"}, "version": {"-1"}}, 404}, {"/approvals/rules/act", url.Values{"action": {"discard"}}, 303},
		{"/approvals/rules/save", url.Values{"base": {"2"}, "note": {"why"}, "read": {"1"}}, 401}} { // a factor first
		if status, _, _ := b.post(from, p.path, p.form); status != p.want {
			t.Errorf("%s %v: %d", p.path, p.form, status)
		}
	}
	if want := []string{"rule odd price 5 x+y 2", "up odd", "load", "drop"}; !slices.Equal(m.kept, want) {
		t.Errorf("done %q", m.kept)
	}
}
