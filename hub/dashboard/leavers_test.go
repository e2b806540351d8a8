package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"stockade/hub/leavers"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// leaving has the list of one person.
type leaving struct {
	list leavers.Sheet
	acts []string
	no   error
}

func (l *leaving) Leavers(context.Context) ([]store.Leaver, error) {
	closed := l.list.Leaver
	closed.ID, closed.EndedAt, closed.EndedBy, closed.Outcome = 2, then, "boss", "finished"
	return []store.Leaver{l.list.Leaver, closed}, nil
}
func (l *leaving) Leaver(_ context.Context, id int64) (leavers.Sheet, error) {
	if id != l.list.ID {
		return leavers.Sheet{}, web.NotFound()
	}
	return l.list, nil
}
func (l *leaving) did(words ...string) error {
	if l.no == nil {
		l.acts = append(l.acts, strings.Join(words, " "))
	}
	return l.no
}
func (l *leaving) StartLeaver(_ context.Context, _ identity.Person, name string, day stock.Date) (int64, error) {
	return 1, l.did("start", name, string(day))
}
func (l *leaving) DoLeaver(_ context.Context, _ identity.Person, _ int64, item string) error {
	return l.did("do", item)
}
func (l *leaving) CheckLeaver(_ context.Context, _ identity.Person, _ int64, item, outcome, note string) error {
	return l.did("check", item, outcome, note)
}
func (l *leaving) FinishLeaver(context.Context, identity.Person, int64) error { return l.did("finish") }
func (l *leaving) CancelLeaver(_ context.Context, _ identity.Person, _ int64, why string) error {
	return l.did("cancel", why)
}

func sheetOfZhao() leavers.Sheet {
	item := func(key string, s leavers.State) leavers.Item {
		return leavers.Item{Key: key, State: s, Count: 2, List: []access.Text{{ZH: "text:badge.one", EN: "text:badge.one"}, {ZH: hostileText, EN: hostileText}}}
	}
	acts, hands, thing := item("grants", leavers.Open), item("manager", leavers.Open), leavers.Item{Key: "laptop", State: leavers.Done, Thing: true, By: "boss", Outcome: leavers.DidNone, Note: hostileText, At: then}
	acts.Act, hands.Hand, hands.Link = true, true, "/approvals/all"
	blocked := item("account", leavers.Blocked)
	blocked.Act = true
	keys := leavers.Item{Key: "keys", State: leavers.Open, Thing: true}
	return leavers.Sheet{Leaver: store.Leaver{ID: 1, Account: "zhao", Name: "Zhao", Display: hostileText, Warehouses: []stock.Warehouse{"SHA"}, LastDay: "2024-05-31", StartedBy: "boss", StartedAt: then},
		Items: []leavers.Item{blocked, acts, item("lessons", leavers.Nothing), hands, thing, keys}, Nodes: []store.LeaverNode{{Node: "sha-1", Heard: then}, {Node: "sha-2"}}, Left: 4}
}

func TestPagesOfLeavers(t *testing.T) {
	m := &memory{}
	m.sheet2()
	b := open(t, m)
	b.signIn()
	for path, wants := range map[string][]string{
		"/leavers": {"离职清单", "办理中", "已办结", "2024-05-31"},
		"/leavers/list/1": {"全部结束", "2 项", "工牌", "暂时不能做", "没有此物", "已知道", "还不知道", "1 / 2", "还有 4 项没有完成", `aria-label="移交给谁 没有别的分支经理的仓库"`,
			`value="collected"`, `href="/approvals/all"`},
	} {
		status, page, _ := b.do(http.MethodGet, path, nil)
		for _, want := range wants {
			if status != http.StatusOK || !strings.Contains(page, want) {
				t.Errorf("%s: %d, does not say %q", path, status, want)
			}
		}
		if strings.Contains(page, "<b onmouseover") {
			t.Errorf("%s carries what was typed as markup", path)
		}
	}
	_, page, _ := b.do(http.MethodGet, "/leavers/list/1", nil)
	for _, not := range []string{"停用账号</button>", "/finish\""} { // blocked, and not to be finished yet
		if strings.Contains(page, not) {
			t.Errorf("the list offers %s", not)
		}
	}
	m.leaving.list.Left = 0
	if _, page, _ = b.do(http.MethodGet, "/leavers/list/1", nil); !strings.Contains(page, "/finish\"") {
		t.Error("a list of which nothing is left can not be finished")
	}
	m.leaving.list.EndedAt, m.leaving.list.Outcome, m.leaving.list.EndedBy = then, "finished", "boss"
	if _, page, _ = b.do(http.MethodGet, "/leavers/list/1", nil); strings.Contains(page, "全部结束") || !strings.Contains(page, "经办人：") || !strings.Contains(page, "已办结") {
		t.Error("a closed list is not shown as closed")
	}
	for _, path := range []string{"/leavers/list/9", "/leavers/list/x", "/leavers/person/nobody"} {
		if status, _, _ := b.do(http.MethodGet, path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func (m *memory) sheet2() { m.leaving.list = sheetOfZhao() }

func TestFormsOfLeavers(t *testing.T) {
	m := &memory{}
	m.sheet2()
	b := open(t, m)
	b.signIn()
	const at = "/leavers/list/1"
	m.leaving.acts = nil
	if status, _, head := b.post(at, at+"/check", url.Values{"item": {"keys"}, "outcome": {"collected"}, "note": {"two"}}); status != http.StatusSeeOther || head.Get("Location") != at || !slices.Equal(m.leaving.acts, []string{"check keys collected two"}) {
		t.Errorf("check: %d, %q", status, m.leaving.acts)
	}
	m.no = web.Fail(http.StatusUnprocessableEntity, "leaver.need_note")
	if status, page, _ := b.post(at, at+"/check", url.Values{"item": {"manager"}}); status != http.StatusUnprocessableEntity || !strings.Contains(page, "请写明移交给谁") || !strings.Contains(page, "全部结束") {
		t.Errorf("refused: %d", status)
	}
	if status, _, _ := b.post(at, "/leavers/list/9/check", url.Values{}); status != http.StatusNotFound {
		t.Errorf("another list: %d", status)
	}
	m.no = nil
	for _, path := range []string{at + "/do", at + "/finish", at + "/cancel", "/leavers/start"} { // a factor first
		if status, _, _ := b.post(at, path, url.Values{"item": {"grants"}}); status != http.StatusUnauthorized || len(m.leaving.acts) > 1 {
			t.Errorf("%s without a fresh factor: %d, %q", path, status, m.leaving.acts)
		}
	}
}

func TestWhoseLists(t *testing.T) {
	home := access.Rows{Any: access.Places{Warehouses: []stock.Warehouse{"SHA"}}}
	for _, c := range []struct {
		rows        access.Rows
		at          string
		sees, edits bool
	}{{home, "SHA", true, true}, {home, "CTU SHA", true, false}, {home, "CTU", false, false}, {home, "", false, false}, {access.Rows{}, "SHA", false, false}, {access.Rows{Any: access.Places{All: true}}, "", true, true}} {
		list := texts[stock.Warehouse](strings.Fields(c.at))
		if sees, edits := personIn(c.rows, list, false), personIn(c.rows, list, true); sees != c.sees || edits != c.edits {
			t.Errorf("%+v of somebody of %q: sees %t, edits %t", c.rows, c.at, sees, edits)
		}
	}
	if !slices.Contains(leavers.Things, "laptop") {
		t.Error("things to collect have lost the laptop")
	}
}
