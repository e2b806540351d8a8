package dashboard

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// requests is what memory knows of requests and exports: a waiting request for a permission, with texts as nobody should type them.
type requests struct {
	hash change.Hash
	done []string
}

const hostileText = `<b onmouseover=x>"'=1+1</b>`

func (r *requests) row() RequestRow {
	return RequestRow{ID: "A2345-6789-ABCD", Kind: approval.Access, Account: hostileText, Permission: "stock.export", Warehouses: []stock.Warehouse{"SHA"}, Reason: hostileText, Asked: then,
		Until: then.Add(time.Hour), State: approval.Waiting, Grant: &GrantRow{Approver: "li", From: then, Until: then, Active: true}}
}

func (r *requests) Requests(context.Context, identity.Person, RequestList) ([]RequestRow, error) {
	e := r.row()
	e.Kind, e.What, e.Rows, e.State, e.Grant = approval.Export, "movements", 6000, approval.Refused, nil
	return []RequestRow{r.row(), e}, nil
}
func (r *requests) WaitCount(context.Context, identity.Person) (int, error) { return 7, nil }
func (r *requests) Request(_ context.Context, _ identity.Person, id string, _ bool) (RequestDoc, error) {
	if id[1:] != r.row().ID[1:] {
		return RequestDoc{}, web.NotFound()
	}
	return RequestDoc{RequestRow: r.row(), Hash: r.hash, Rule: access.Text{ZH: "规则", EN: "rule"}, Step: 1, Own: true, Answers: true, Preview: [][]string{{hostileText}}, Headings: []string{"export.col_sku"},
		Steps:  []RequestStep{{Roles: []access.Text{{ZH: "分支经理", EN: "Branch manager"}}, Accounts: []access.Account{hostileText}, Need: 1, Local: true, Deputies: []access.Text{{ZH: "总部运营", EN: "HQ"}}, Present: true}},
		Events: []RequestEvent{{At: then, Act: approval.ActAsked, By: hostileText, Note: hostileText}}}, nil
}
func (r *requests) Ask(_ context.Context, _ identity.Person, id string, f AskForm) (string, error) {
	if f.Reason == "" {
		return "", web.Fail(http.StatusUnprocessableEntity, "approval.need_reason")
	}
	r.done = append(r.done, "ask "+id+" "+f.Permission+" "+strings.Join(f.Warehouses, "+")+" "+f.Until)
	return r.row().ID, nil
}
func (r *requests) Answer(_ context.Context, _ identity.Person, id string, h change.Hash, yes bool, why string) error {
	if h != r.hash {
		return web.Fail(http.StatusConflict, "approval.changed")
	}
	r.done = append(r.done, map[bool]string{true: "yes ", false: "no "}[yes]+id+" "+why)
	return nil
}
func (r *requests) WithdrawRequest(_ context.Context, _ identity.Person, id string) error {
	r.done = append(r.done, "withdraw "+id)
	return nil
}
func (r *requests) EndGrant(_ context.Context, _ identity.Person, id string, _ bool) error {
	r.done = append(r.done, "end "+id)
	return nil
}
func (r *requests) NewAsk() AskForm { return AskForm{Until: "2024-05-02T16:00"} }
func (r *requests) Exports(context.Context, identity.Person, bool) (ExportPage, error) {
	row := ExportRow{ID: "E2345-6789-ABCD", Account: hostileText, Kind: "stock", SKU: hostileText, Rows: 3, Hash: strings.Repeat("ab", 32), State: "ready", MadeAt: then, Until: then}
	waits := row
	waits.State = "waiting"
	return ExportPage{Rows: []ExportRow{row, waits}, Left: 10, Quota: 50_000, Free: 5_000}, nil
}
func (r *requests) Export(_ context.Context, _ identity.Person, f ExportForm) (ExportRow, error) {
	return ExportRow{}, web.Fail(http.StatusUnprocessableEntity, "export.quota", "rows", "9", "left", "1", "quota", "5")
}
func (r *requests) ExportFile(_ context.Context, _ identity.Person, id, format, password string, say func(string, map[string]string) string) (ExportFile, error) {
	return ExportFile{Name: "库存_" + hostileText + "." + format, Type: "text/csv; charset=utf-8", Body: []byte(say("export.id", nil) + password)}, nil
}

func TestPagesOfRequestsAndExports(t *testing.T) {
	m := &memory{}
	b := open(t, m)
	b.signIn()
	for path, wants := range map[string][]string{
		"/approvals": {"导出库存", "导出商品流水，共 6,000 行", "等待审批", "生效中", `>7</span>`}, "/approvals/waiting": {"待我审批"}, "/approvals/all": {"全部申请"},
		"/approvals/new":                          {"申请临时权限", "2024-05-02T16:00", "（特权）", "SHA"},
		"/approvals/request/A2345-6789-ABCD":      {"分支经理", "代理：总部运营", "提出申请", "已批 0 / 需 1", m.hash.String(), "提前收回权限"},
		"/approvals/request/A2345-6789-ABCD/edit": {"已有的批准全部作废", `value="stock.export" selected`},
		"/exports": {"今天还可导出 10 行", "可下载", "等待审批"}, "/exports/all": {"全部导出记录"},
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
}

func TestFormsOfRequests(t *testing.T) {
	m := &memory{}
	b := open(t, m)
	b.signIn()
	const at = "/approvals/request/A2345-6789-ABCD"
	form := url.Values{"permission": {"stock.export"}, "warehouse": {"SHA", "BJS"}, "until": {"2024-05-02T16:00"}}
	if status, page, _ := b.post("/approvals/new", "/approvals/new", form); status != http.StatusUnprocessableEntity || !strings.Contains(page, "请写明理由") || !strings.Contains(page, `value="SHA" checked`) {
		t.Errorf("without a reason: %d", status)
	}
	form.Set("reason", "year's end")
	for _, path := range []string{"/approvals/new", at + "/edit"} {
		if status, _, h := b.post("/approvals/new", path, form); status != http.StatusSeeOther || h.Get("Location") != at {
			t.Errorf("%s: %d to %s", path, status, h.Get("Location"))
		}
	}
	for _, act := range []string{"/withdraw", "/end"} {
		if status, _, _ := b.post(at, at+act, url.Values{}); status != http.StatusSeeOther {
			t.Errorf("%s: %d", act, status)
		}
	}
	for _, path := range []string{at + "/approve", at + "/refuse", "/exports/new"} { // a factor first
		if status, _, _ := b.post(at, path, url.Values{"hash": {m.hash.String()}}); status != http.StatusUnauthorized {
			t.Errorf("%s without a fresh factor: %d", path, status)
		}
	}
	want := "ask  stock.export SHA+BJS 2024-05-02T16:00|ask A2345-6789-ABCD stock.export SHA+BJS 2024-05-02T16:00|withdraw A2345-6789-ABCD|end A2345-6789-ABCD"
	if got := strings.Join(m.done, "|"); got != want {
		t.Errorf("done:\n%s\nwant\n%s", got, want)
	}
}

// TestNamesOfFiles: a name of any letters comes whole, and breaks out of no header.
func TestNamesOfFiles(t *testing.T) {
	b := open(t, &memory{})
	b.signIn()
	status, body, h := b.post("/exports", "/exports/file/E1", url.Values{"format": {"csv\r\nX-Evil: 1"}, "password": {" p "}})
	if status != http.StatusOK || body != "编号 p " {
		t.Errorf("file: %d %q", status, body)
	}
	_, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	if err != nil || params["filename"] != "库存_"+hostileText+".csv\r\nX-Evil: 1" || h.Get("X-Evil") != "" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v, name %q, %v", h, params["filename"], err)
	}
}
