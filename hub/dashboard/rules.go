package dashboard

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/rules"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/approval"
)

// RulesWrite is the permission to change the rules about who approves what. Who sees all requests sees them.
const RulesWrite = "approval.rules"

// RulesEdition is an edition of the rules; version 0 is what a company begins with.
type RulesEdition struct {
	Version int64
	Rules   []approval.Rule
	By      string
	At      time.Time
	Note    string
}

// Link returns the address of the edition's page.
func (e RulesEdition) Link() string {
	return "/approvals/rules/history/" + strconv.FormatInt(e.Version, 10)
}

// RuleBook is what somebody works on: their draft, or what counts.
type RuleBook struct {
	Now   RulesEdition // what counts
	Rules []approval.Rule
	Base  int64 // the edition that Rules were made of
	Draft bool
}

// Rules is what the pages about the rules of approvals read and do. A draft counts for nothing until it is saved.
type Rules interface {
	RuleBook(ctx context.Context, who identity.Person) (RuleBook, error)
	// RulesOf returns an edition, 0 for the ready one; RulesEditions the written ones, the newest first.
	RulesOf(ctx context.Context, version int64) (RulesEdition, error)
	RulesEditions(ctx context.Context, most int) ([]RulesEdition, error)
	// RuleNames returns what roles are called, RuleFindings what is wrong with rules as things are.
	RuleNames(ctx context.Context) (rules.Names, error)
	RuleFindings(ctx context.Context, list []approval.Rule) ([]rules.Finding, error)
	// DraftRule reads a form into the draft of who; the form's id is that of its rule, empty for a new one. What is wrong is a *rules.Bad.
	DraftRule(ctx context.Context, who identity.Person, f rules.Form) error
	// DraftAction does one of the actions of package rules to a rule of the draft.
	DraftAction(ctx context.Context, who identity.Person, action, id string) error
	// DraftEdition makes an edition the draft of who; DropDraft forgets it.
	DraftEdition(ctx context.Context, who identity.Person, version int64) error
	DropDraft(ctx context.Context, who identity.Person) error
	// SaveRules makes the draft of who, which is made of base, count. read says that the findings were read.
	SaveRules(ctx context.Context, who identity.Person, base int64, note string, read bool) (int64, error)
}

// ErrFindings is returned by SaveRules when there is something to be read first.
var ErrFindings = errors.New("read what is wrong with the rules first")

func (d *dashboard) rulesRoutes() []web.Route {
	// Who reads the rules is not who changes them: the auditor sees no drafts.
	return []web.Route{
		{Method: "GET", Path: "/approvals/rules", Permission: seeAllRequests, Handler: d.getRules},
		{Method: "GET", Path: "/approvals/rules/edit", Permission: RulesWrite, Handler: d.getRule},
		{Method: "POST", Path: "/approvals/rules/edit", Permission: RulesWrite, Handler: d.postRule},
		{Method: "POST", Path: "/approvals/rules/act", Permission: RulesWrite, Handler: d.actRule},
		{Method: "GET", Path: "/approvals/rules/changes", Permission: RulesWrite, Handler: d.getRuleChanges},
		{Method: "POST", Path: "/approvals/rules/save", Permission: RulesWrite, Handler: d.saveRules, Fresh: true},
		{Method: "GET", Path: "/approvals/rules/history", Permission: seeAllRequests, Handler: d.getRulesHistory},
		{Method: "GET", Path: "/approvals/rules/history/:version", Permission: seeAllRequests, Handler: d.getRulesEdition},
	}
}

type ruleRow struct {
	ID, Name, Kind string
	Lines          []string
	Free           bool
	First, Last    bool
}

func (d *dashboard) ruleRows(v *web.Visit, list []approval.Rule) (out []ruleRow, err error) {
	names, err := d.RuleNames(v.UserContext())
	if err != nil {
		return nil, err
	}
	lang := string(v.Lang)
	for i, r := range list {
		row := ruleRow{ID: r.ID, Name: r.Names.In(lang), Kind: rules.KindWords(r.When.Kind).In(lang), Free: r.Free(), First: i == 0, Last: i+1 == len(list)}
		for _, l := range rules.Lines(r, names) {
			row.Lines = append(row.Lines, l.In(lang))
		}
		out = append(out, row)
	}
	return out, nil
}

type rulesPage struct {
	List                      RequestList
	MayAsk, MayAnswer, MaySee bool
	Book                      RuleBook
	Rows                      []ruleRow
	Edition                   RulesEdition
	Write, Stale, Saved, Same bool
	Problem                   string
}

func tabsOf(v *web.Visit, list RequestList) rulesPage {
	return rulesPage{List: list, MayAsk: v.May(askForGrants), MayAnswer: v.May(decideRequests), MaySee: v.May(seeAllRequests), Write: v.May(RulesWrite)}
}

func (d *dashboard) getRules(v *web.Visit) error { return d.showRules(v, "") }

func (d *dashboard) showRules(v *web.Visit, problem string) error {
	page := tabsOf(v, "rules")
	var err error
	if page.Book, err = d.RuleBook(v.UserContext(), v.Person); err != nil {
		return err
	}
	page.Problem, page.Stale = problem, page.Book.Draft && page.Book.Base != page.Book.Now.Version
	page.Saved = v.Query("saved") != "" && v.Query("saved") == strconv.FormatInt(page.Book.Now.Version, 10)
	if page.Rows, err = d.ruleRows(v, page.Book.Rules); err != nil {
		return err
	}
	return v.Page("rules", page)
}

func (d *dashboard) actRule(v *web.Visit) error {
	ctx, action := v.UserContext(), v.Form("action")
	var err error
	switch action {
	case "discard":
		err = d.DropDraft(ctx, v.Person)
	case "load":
		version, bad := strconv.ParseInt(v.Form("version"), 10, 64)
		if bad != nil || version < 0 {
			return web.NotFound()
		}
		if err = d.DraftEdition(ctx, v.Person, version); err == nil {
			return v.See("/approvals/rules/changes")
		}
	default:
		err = d.DraftAction(ctx, v.Person, action, v.Form("id"))
	}
	if err != nil {
		return err
	}
	return v.See("/approvals/rules")
}

type rulePage struct {
	Form    rules.Form
	New     bool
	Kinds   []option
	Steps   []stepFields
	Problem string
}

// stepFields is a step of the form with what can be chosen.
type stepFields struct {
	Number int // from 1
	rules.StepForm
	Approver, Deputy partyFields
	Open             bool
}

type partyFields struct {
	Name        string // of the fields
	Roles       []option
	Permissions []option
	rules.PartyForm
}

func (d *dashboard) getRule(v *web.Visit) error {
	id := v.Query("id")
	f := rules.Form{Kind: string(approval.Access)}
	f.Steps[0] = rules.StepForm{Need: "1", After: "8", Timeout: "24"}
	if id != "" {
		book, err := d.RuleBook(v.UserContext(), v.Person)
		if err != nil {
			return err
		}
		found := false
		for _, r := range book.Rules {
			if r.ID == id {
				f, found = rules.FormOf(r), true
			}
		}
		if !found {
			return web.NotFound()
		}
	}
	return d.showRule(v, f, "")
}

func (d *dashboard) showRule(v *web.Visit, f rules.Form, problem string) error {
	policy, err := d.PolicyNow(v.UserContext())
	if err != nil {
		return err
	}
	lang := string(v.Lang)
	page := rulePage{Form: f, New: f.ID == "", Problem: problem}
	for _, k := range append(rules.Kinds(), "") {
		page.Kinds = append(page.Kinds, option{string(k), rules.KindWords(k).In(lang), string(k) == f.Kind})
	}
	party := func(name string, p rules.PartyForm) partyFields {
		out := partyFields{Name: name, PartyForm: p}
		for _, r := range policy.Roles {
			if r.ID == access.OpenStation {
				continue
			}
			on := false
			for _, id := range p.Roles {
				on = on || id == string(r.ID)
			}
			out.Roles = append(out.Roles, option{string(r.ID), r.Names.In(lang), on})
		}
		for _, id := range []access.Permission{"adjustment.write", "price.write", "case.decide", "valuation.read"} {
			out.Permissions = append(out.Permissions, option{string(id), id.Title().In(lang), string(id) == p.Permission})
		}
		return out
	}
	for i, s := range f.Steps {
		n := strconv.Itoa(i + 1)
		page.Steps = append(page.Steps, stepFields{Number: i + 1, StepForm: s, Approver: party("a"+n, s.Approvers), Deputy: party("d"+n, s.Deputies), Open: i == 0 || len(s.Approvers.Roles) > 0 || s.Approvers.Accounts != "" || s.Approvers.Permission != ""})
	}
	return v.Page("rule", page)
}

func ruleForm(v *web.Visit) rules.Form {
	f := rules.Form{ID: v.Form("id"), ZH: v.Form("zh"), EN: v.Form("en"), Kind: v.Form("kind"), Privileged: v.Form("privileged") == "1", Local: v.Form("local") == "1", Warehouses: v.Form("warehouses"),
		Amount: v.Form("amount"), Rows: v.Form("rows"), Percent: v.Form("percent"), Difference: v.Form("difference"), Free: v.Form("free") == "1"}
	party := func(name string) rules.PartyForm {
		p := rules.PartyForm{Accounts: v.Form(name + "_accounts"), Permission: v.Form(name + "_permission"), Local: v.Form(name+"_local") == "1"}
		for _, r := range v.Context().PostArgs().PeekMulti(name + "_role") {
			p.Roles = append(p.Roles, string(r))
		}
		return p
	}
	for i := range f.Steps {
		n := strconv.Itoa(i + 1)
		f.Steps[i] = rules.StepForm{Approvers: party("a" + n), Deputies: party("d" + n), Need: v.Form("need" + n), After: v.Form("after" + n), Timeout: v.Form("timeout" + n), Escalate: v.Form("then"+n) == "escalate"}
	}
	return f
}

func (d *dashboard) postRule(v *web.Visit) error {
	f := ruleForm(v)
	err := d.DraftRule(v.UserContext(), v.Person, f)
	var bad *rules.Bad
	if errors.As(err, &bad) {
		v.Status(fiber.StatusUnprocessableEntity)
		return d.showRule(v, f, v.T("rules.bad_"+bad.Field, nil))
	}
	if err != nil {
		return err
	}
	return v.See("/approvals/rules")
}

type ruleChangesPage struct {
	Book     RuleBook
	Stale    bool
	Deltas   []deltaView
	Findings []findingView
	Stop     bool
	Note     string
	Problem  string
}

type findingView struct {
	Text string
	Stop bool
}

func (d *dashboard) getRuleChanges(v *web.Visit) error { return d.showRuleChanges(v, "", "") }

func (d *dashboard) showRuleChanges(v *web.Visit, note, problem string) error {
	book, err := d.RuleBook(v.UserContext(), v.Person)
	if err != nil {
		return err
	}
	names, err := d.RuleNames(v.UserContext())
	if err != nil {
		return err
	}
	page := ruleChangesPage{Book: book, Note: note, Problem: problem, Stale: book.Draft && book.Base != book.Now.Version, Deltas: ruleDeltas(v, book.Now.Rules, book.Rules, names)}
	found, err := d.RuleFindings(v.UserContext(), book.Rules)
	if err != nil {
		return err
	}
	for _, f := range found {
		page.Findings, page.Stop = append(page.Findings, findingView{f.Words.In(string(v.Lang)), f.Stop}), page.Stop || f.Stop
	}
	return v.Page("rule-changes", page)
}

func ruleDeltas(v *web.Visit, old, next []approval.Rule, names rules.Names) []deltaView {
	return deltaViews(v, rules.Diff(old, next, names))
}

func (d *dashboard) saveRules(v *web.Visit) error {
	note := strings.TrimSpace(v.Form("note"))
	base, err := strconv.ParseInt(v.Form("base"), 10, 64)
	if err != nil {
		return web.NotFound()
	}
	version, err := d.SaveRules(v.UserContext(), v.Person, base, note, v.Form("read") == "1")
	if errors.Is(err, ErrFindings) {
		v.Status(fiber.StatusUnprocessableEntity)
		return d.showRuleChanges(v, note, v.T("rules.read_first", nil))
	}
	if err != nil {
		problem, err := problemOf(v, err)
		if err != nil {
			return err
		}
		return d.showRuleChanges(v, note, problem)
	}
	return v.See("/approvals/rules?saved=" + strconv.FormatInt(version, 10))
}

type rulesHistoryPage struct {
	rulesPage
	Editions []RulesEdition
}

func (d *dashboard) getRulesHistory(v *web.Visit) error {
	page := rulesHistoryPage{rulesPage: tabsOf(v, "rules")}
	var err error
	if page.Editions, err = d.RulesEditions(v.UserContext(), mostEditions); err != nil {
		return err
	}
	page.Editions = append(page.Editions, RulesEdition{})
	return v.Page("rules-history", page)
}

func (d *dashboard) getRulesEdition(v *web.Visit) error {
	version, err := strconv.ParseInt(v.Params("version"), 10, 63)
	if err != nil || version < 0 {
		return web.NotFound()
	}
	page := tabsOf(v, "rules")
	if page.Edition, err = d.RulesOf(v.UserContext(), version); err != nil {
		return err
	}
	if page.Book, err = d.RuleBook(v.UserContext(), v.Person); err != nil {
		return err
	}
	names, err := d.RuleNames(v.UserContext())
	if err != nil {
		return err
	}
	page.Same = len(rules.Diff(page.Book.Now.Rules, page.Edition.Rules, names)) == 0
	if page.Rows, err = d.ruleRows(v, page.Edition.Rules); err != nil {
		return err
	}
	return v.Page("rules-edition", page)
}
