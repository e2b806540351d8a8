package dashboard

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// memory is a Hub of a few fixed things that remembers what it was asked to do.
type memory struct {
	requests
	register
	cabinet
	ruleBook
	priceBook
	learning
	leaving
	empty bool
	acts  []string
	by    identity.Person
	fail  error
	office
}

const oddSKU = stock.SKU("螺丝 M3/8 50%?#<b>")

var then = time.Date(2024, 5, 1, 8, 0, 0, 0, time.UTC)

func (m *memory) did(by identity.Person, words ...string) error {
	m.acts, m.by = append(m.acts, strings.Join(words, " ")), by
	return m.fail
}

func (m *memory) Stock(_ context.Context, q StockQuery) (StockPage, error) {
	if m.empty {
		return StockPage{}, nil
	}
	row := StockRow{Warehouse: "SHA", SKU: oddSKU, GTIN: "06901234567892", Name: "<script>x</script>", Lot: "L1", Serial: "S1", Expiry: "2020-01-01", Expired: true,
		State: "available", Location: "SHA/A-01", OnHand: 1_234_500_000, Unit: "个"}
	other := row
	other.Warehouse, other.Location, other.State = "BJS", "BJS/B-01", "damaged"
	return StockPage{Rows: []StockRow{row, other}, AsOf: []AsOf{{"SHA", "sha-1", then, then}, {Warehouse: "BJS", Node: "bjs-1"}}, Next: "100"}, nil
}

func (m *memory) Warehouses(context.Context, access.Places) ([]stock.Warehouse, error) {
	return []stock.Warehouse{"BJS", "SHA"}, nil
}

func (m *memory) Item(_ context.Context, sku stock.SKU, _ access.Places) (Item, error) {
	if sku != oddSKU {
		return Item{}, web.NotFound()
	}
	if m.empty {
		return Item{SKU: sku}, nil
	}
	return Item{SKU: sku, Name: "螺丝", NameEN: "Screw", Unit: "个", Known: true, Codes: []Code{{"06901234567892", "", stock.Unit}, {"16901234567899", "箱", 12 * stock.Unit}}}, nil
}

func (m *memory) changes() []Change {
	at := Place{"sha-1", 1, 7}
	moved := Change{ID: "sha-1.1.5", Kind: KindMovement, Time: then, Day: "2024-05-01", Actor: "li", Terminal: "dock", SKU: oddSKU, Name: "螺丝", Unit: "个", Lot: "L1",
		State: "on_hold", From: stock.Supplier, To: "SHA/A-01", Quantity: 2 * stock.Unit, Reverses: "sha-1.1.4", Cause: "PO-1", Override: "lead said so", Batch: at, Leaf: 41}
	counted := Change{ID: "sha-1.1.6", Kind: KindCount, Time: then, Actor: "li", SKU: oddSKU, State: "available", At: "SHA/A-01", Quantity: 3 * stock.Unit, Batch: at, Leaf: 41, Parked: "serial number with quantity 3"}
	return []Change{moved, counted}
}

func (m *memory) Movements(context.Context, MovementQuery) (MovementPage, error) {
	if m.empty {
		return MovementPage{}, nil
	}
	return MovementPage{Rows: m.changes(), Next: "17.4"}, nil
}

func (m *memory) Batch(_ context.Context, at Place, _ access.Places) (Batch, error) {
	if at != (Place{"sha-1", 1, 7}) {
		return Batch{}, web.NotFound()
	}
	b := Batch{Place: at, Hash: "feedbeef", Prev: "00", Leaf: 41, LogSize: 41, Received: then, First: 5, Count: 4}
	if m.empty {
		b.Problem, b.LogSize = "body: bad magic", 42
		return b, nil
	}
	entry := Change{ID: "sha-1.1.7", Kind: KindEntry, Time: then, Actor: "sha-1", Act: "scan.refused", Object: "x", Outcome: "unknown_item", Detail: map[string]string{"raw": "<i>"}, Batch: at}
	b.Changes = append(m.changes(), entry, Change{ID: "sha-1.1.8", Kind: KindUnknown, Problem: "kind 9", Batch: at})
	return b, nil
}

func (m *memory) Nodes(context.Context, access.Places) (Nodes, error) {
	if m.empty {
		return Nodes{}, nil
	}
	return Nodes{
		Nodes: []Node{{ID: "sha-1", Warehouse: "SHA", Epoch: 1, Sequence: 7, LastSeen: then, Witnessed: 40, WitnessedLog: 1, Dispute: "fork"},
			{ID: "bjs-1", Warehouse: "BJS", Revoked: true}, {ID: "bjs-2", Warehouse: "BJS", Dispute: "two_live"}, {ID: "bjs-3", Warehouse: "BJS", People: "awaited"},
			{ID: "bjs-4", Warehouse: "BJS", LastSeen: then, People: "clear"}, {ID: "bjs-5", Warehouse: "BJS", LastSeen: then, People: "awaited"}, {ID: "bjs-6", Warehouse: "BJS", LastSeen: then, People: "sealed"}},
		Held: []Held{{Hash: "feedbeef00000000", Node: "sha-1", Epoch: 1, Sequence: 7, Changes: 3, Reason: "fork", Since: then}, {Hash: "ab", Node: "sha-1", Reason: "news"}}}, nil
}

func (m *memory) Cases(_ context.Context, q CaseQuery) (CasePage, error) {
	if m.empty {
		return CasePage{}, nil
	}
	var page CasePage
	for i, kind := range []string{"negative_stock", "serial_twice", "lot_expiry", "count_concurrent", "parked", "held", "unknown_item", "alarm", "never_heard_of"} {
		c := Case{ID: int64(i), Kind: kind, Subject: "subject", Node: "sha-1", Times: 1, OpenedAt: then, OpenedLeaf: -1, Detail: "detail"}
		if i%2 == 0 {
			c.SKU, c.Lot, c.Location, c.Batch = oddSKU, "L1", "SHA/A-01", &Place{"sha-1", 1, 7}
		}
		if q.All {
			c.ClosedAt = &then
		}
		page.Rows = append(page.Rows, c)
	}
	page.Next = "3"
	return page, nil
}

func (m *memory) LogHead(context.Context) (LogHead, error) {
	if m.empty {
		return LogHead{Origin: "stockade/acme/1", Epoch: 1}, nil
	}
	return LogHead{Origin: "stockade/acme/1", Epoch: 1, OpenedAt: then, Size: 42, Leaves: 43, Root: "cm9vdA==", Checkpoint: "stockade/acme/1\n42\ncm9vdA==\n", CutAt: then,
		Cosignatures: []Cosignature{{Node: "sha-1", Epoch: 1, Size: 42, At: then}, {Node: "bjs-1", Epoch: 1, Size: 3, At: then}}}, nil
}

func (m *memory) Catalogue(context.Context, CatalogueQuery) (CataloguePage, error) {
	if m.empty {
		return CataloguePage{}, nil
	}
	i, _ := m.Item(context.Background(), oddSKU, access.Places{})
	return CataloguePage{Items: []Item{i}, Bins: []Bin{{"SHA/A-01", "by the door", "receiving", true}, {Location: "SHA/A-02", Use: "storage"}}, NextItems: "100", NextBins: "100"}, nil
}

func (m *memory) HeldAt(context.Context, string) (stock.Warehouse, error) { return "SHA", nil }

func (m *memory) WarehouseOf(context.Context, stock.NodeID) (stock.Warehouse, error) {
	return "SHA", nil
}

func (m *memory) Decide(_ context.Context, hash string, accept bool, reason string, by identity.Person) error {
	return m.did(by, map[bool]string{true: "accept", false: "reject"}[accept], hash, reason)
}

func (m *memory) Settle(_ context.Context, node stock.NodeID, reason string, by identity.Person) error {
	return m.did(by, "settle", string(node), reason)
}

func (m *memory) PutItem(_ context.Context, f ItemForm, by identity.Person) error {
	return m.did(by, "item", f.SKU, f.Name, f.Codes)
}

func (m *memory) PutBin(_ context.Context, f BinForm, by identity.Person) error {
	return m.did(by, "bin", f.Warehouse, f.Bin, f.Use)
}

// people has one account that any password opens.
type people struct{}

var boss = identity.Person{Account: "boss", Session: "s1"}

func (people) Empty(context.Context) (bool, error) { return false, nil }
func (people) Begin(context.Context, string, string, string, identity.From) (identity.Session, error) {
	return identity.Session{}, identity.ErrNotEmpty
}
func (people) SignIn(context.Context, string, string, identity.From) (identity.Session, error) {
	return identity.Session{Token: "token", Person: boss}, nil
}
func (people) Person(_ context.Context, token string, _ bool) (identity.Person, error) {
	if token == "token" {
		return boss, nil
	}
	return identity.Person{}, nil
}
func (people) SignOut(context.Context, string, identity.From) error { return nil }

// browser talks to the pages over HTTPS as a browser does.
type browser struct {
	*testing.T
	*http.Client
	at string
}

func open(t *testing.T, hub Hub) *browser {
	t.Helper()
	site, err := Site(hub)
	if err != nil {
		t.Fatal(err)
	}
	cert, pool := certificate(t)
	srv, err := web.New(web.Options{TLS: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}, People: people{}, Brand: "brand.hub", Place: "acme", Log: slog.New(slog.NewTextHandler(t.Output(), nil))}, site)
	if err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, ln) }()
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{T: t, at: "https://" + ln.Addr().String(), Client: &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func (b *browser) do(method, path string, form url.Values) (int, string, http.Header) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.at+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err := cmp.Or(err, res.Body.Close()); err != nil {
		b.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

var csrfField = regexp.MustCompile(`name="csrf" (?:content|value)="([^"]+)"`)

// post posts a form with the token of a page.
func (b *browser) post(from, path string, form url.Values) (int, string, http.Header) {
	b.Helper()
	_, page, _ := b.do(http.MethodGet, from, nil)
	m := csrfField.FindStringSubmatch(page)
	if m == nil {
		b.Fatalf("%s has no csrf field:\n%s", from, page)
	}
	form.Set("csrf", m[1])
	return b.do(http.MethodPost, path, form)
}

func (b *browser) signIn() {
	b.Helper()
	if status, body, _ := b.post("/login", "/login", url.Values{"username": {"boss"}, "password": {"x"}}); status != http.StatusSeeOther {
		b.Fatalf("sign in: %d %s", status, body)
	}
}

func allPages() []string {
	return []string{"/", "/?q=x&warehouse=SHA", itemLink(oddSKU), itemLink(oddSKU) + "?before=1.2", "/batch/sha-1/1/7", "/nodes", "/exceptions", "/exceptions?all=1", "/audit",
		"/catalogue", "/catalogue?" + url.Values{"item": {string(oddSKU)}}.Encode(), "/labels", "/labels/lot", "/labels/lot?version=1", "/labels/shelf", "/labels/old", "/labels/-/new", "/labels/-/new?kind=pallet", "/labels/-/new?from=shelf",
		"/approvals", "/approvals/waiting", "/approvals/new", "/exports", "/exports/all", "/approvals/request/A2345-6789-ABCD",
		"/files", "/files?category=invoice&from=2024-01-01", "/files?" + url.Values{"kind": {"item"}, "id": {hostileText}}.Encode(), "/files/new", "/files/new?" + url.Values{"kind": {"item"}, "id": {hostileText}}.Encode(),
		"/files/file/text", "/files/file/workbook", "/files/file/gone", "/files/view/text", "/files/view/picture", "/files/view/document",
		"/approvals/rules", "/approvals/rules/edit", "/approvals/rules/changes", "/approvals/rules/history", "/approvals/rules/history/1", itemLink(oddSKU) + "/prices"}
}

func TestPagesInBothLanguages(t *testing.T) {
	for _, empty := range []bool{false, true} {
		b := open(t, &memory{empty: empty})
		b.signIn()
		for lang, word := range map[string]string{"zh": "申请与导出", "en": "Requests"} {
			if status, body, _ := b.post("/", "/language", url.Values{"language": {lang}, "next": {"/"}}); status != http.StatusSeeOther {
				t.Fatalf("language %s: %d %s", lang, status, body)
			}
			for _, path := range allPages() {
				status, body, _ := b.do(http.MethodGet, path, nil)
				if status != http.StatusOK || !strings.Contains(body, word) || !strings.Contains(body, "</html>") {
					t.Errorf("empty %v, %s, %s: %d", empty, lang, path, status)
				}
				if strings.Contains(body, "<script>x") || strings.Contains(body, "<i>") {
					t.Errorf("%s shows foreign text as markup", path)
				}
			}
		}
	}
}

func TestLinksOfPagesLead(t *testing.T) {
	b := open(t, &memory{})
	b.signIn()
	links := regexp.MustCompile(`href="(/[^"]*)"`)
	seen := map[string]bool{}
	for _, path := range allPages() {
		_, body, _ := b.do(http.MethodGet, path, nil)
		for _, m := range links.FindAllStringSubmatch(body, -1) {
			link := html.UnescapeString(m[1])
			if seen[link] {
				continue
			}
			seen[link] = true
			if status, _, _ := b.do(http.MethodGet, link, nil); status != http.StatusOK {
				t.Errorf("%s leads to %s: %d", path, link, status)
			}
		}
	}
	if !seen[itemLink(oddSKU)] || !seen["/batch/sha-1/1/7#sha-1.1.5"] {
		t.Errorf("no way from stock to item and batch: %v", seen)
	}
}

func TestNothingWithoutSignIn(t *testing.T) {
	b := open(t, &memory{})
	for _, path := range allPages() {
		if status, _, header := b.do(http.MethodGet, path, nil); status != http.StatusSeeOther || !strings.HasPrefix(header.Get("Location"), "/login") {
			t.Errorf("%s: %d %s", path, status, header.Get("Location"))
		}
	}
	for _, path := range []string{"/api/v1/labels", "/api/v1/labels/lot", "/api/v1/stock", "/api/v1/items/x/movements", "/api/v1/nodes", "/api/v1/exceptions", "/api/v1/audit/head"} {
		if status, _, _ := b.do(http.MethodGet, path, nil); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestActs(t *testing.T) {
	for _, c := range []struct {
		name, from, path string
		form             url.Values
		want, location   string
	}{
		{"accept", "/nodes", "/held/feedbeef00000000/accept", url.Values{"reason": {" 核对过 "}}, "accept feedbeef00000000 核对过", "/nodes"},
		{"reject", "/nodes", "/held/feedbeef00000000/reject", url.Values{"reason": {"copy"}}, "reject feedbeef00000000 copy", "/nodes"},
		{"settle", "/nodes", "/node/bjs-2/settle", url.Values{"reason": {"stopped"}}, "settle bjs-2 stopped", "/nodes"},
		{"item", "/catalogue", "/catalogue/item", url.Values{"sku": {"A 1"}, "name": {"螺丝"}, "unit": {"个"}, "codes": {"1 2"}}, "item A 1 螺丝 1 2", "/item/A%201"},
		{"label", "/labels/shelf", "/labels/shelf/withdraw", url.Values{"base": {"3"}}, "withdraw shelf 3", "/labels"},
		{"bin", "/catalogue", "/catalogue/bin", url.Values{"warehouse": {"SHA"}, "bin": {"A-01"}, "use": {"storage"}}, "bin SHA A-01 storage", "/catalogue?q=A-01#bins"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hub := &memory{}
			b := open(t, hub)
			b.signIn()
			status, body, header := b.post(c.from, c.path, c.form)
			if status != http.StatusSeeOther || header.Get("Location") != c.location {
				t.Fatalf("%d to %q\n%s", status, header.Get("Location"), body)
			}
			if len(hub.acts) != 1 || hub.acts[0] != c.want || hub.by.Account != "boss" || hub.by.Address == "" {
				t.Fatalf("did %q as %+v", hub.acts, hub.by)
			}
			c.form.Set("csrf", "other")
			if status, _, _ := b.do(http.MethodPost, c.path, c.form); status != http.StatusForbidden || len(hub.acts) != 1 {
				t.Fatalf("without the token: %d, %q", status, hub.acts)
			}
		})
	}
}

func TestNoDecisionWithoutReason(t *testing.T) {
	hub := &memory{}
	b := open(t, hub)
	b.signIn()
	for _, reason := range []string{"", "  ", strings.Repeat("x", reasonLimit+1)} {
		for _, path := range []string{"/held/ab/accept", "/held/ab/reject", "/node/bjs-2/settle"} {
			if status, _, _ := b.post("/nodes", path, url.Values{"reason": {reason}}); status != http.StatusUnprocessableEntity || len(hub.acts) > 0 {
				t.Errorf("%s with a reason of %d bytes: %d, %q", path, len(reason), status, hub.acts)
			}
		}
	}
}

func TestRefusedFormKeepsWhatWasTyped(t *testing.T) {
	b := open(t, &memory{fail: web.Fail(http.StatusConflict, "master.code_taken")})
	b.signIn()
	for path, form := range map[string]url.Values{"/catalogue/item": {"sku": {"typed-1"}, "name": {"typed-2"}, "codes": {"typed-3"}}, "/catalogue/bin": {"warehouse": {"typed-1"}, "bin": {"typed-2"}, "name": {"typed-3"}}} {
		status, body, _ := b.post("/catalogue", path, form)
		if status != http.StatusConflict || !strings.Contains(body, "条码已属于另一个商品") {
			t.Errorf("%s: %d\n%s", path, status, body)
		}
		for _, typed := range []string{"typed-1", "typed-2", "typed-3"} {
			if !strings.Contains(body, `value="`+typed+`"`) {
				t.Errorf("%s lost %s", path, typed)
			}
		}
	}
}

func TestNotFound(t *testing.T) {
	b := open(t, &memory{})
	b.signIn()
	for _, path := range []string{"/item/other", "/batch/sha-1/1/8", "/batch/sha-1/x/7", "/batch/sha-1/1/99999999999999999999", "/item/" + strings.Repeat("x", stock.MaxSKU+1)} {
		if status, _, _ := b.do(http.MethodGet, path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestAPI(t *testing.T) {
	for _, empty := range []bool{false, true} {
		b := open(t, &memory{empty: empty})
		b.signIn()
		for path, lists := range map[string][]string{"/api/v1/stock": {"rows", "as_of"}, "/api/v1/items/" + url.PathEscape(string(oddSKU)) + "/movements": {"movements"},
			"/api/v1/nodes": {"nodes", "held"}, "/api/v1/exceptions": {"exceptions"}, "/api/v1/audit/head": {"cosignatures"}, "/api/v1/labels": {"labels"}} {
			status, body, _ := b.do(http.MethodGet, path, nil)
			var got map[string]json.RawMessage
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
				t.Errorf("%s: %d %v %s", path, status, err, body)
			}
			for _, name := range lists {
				if list := string(got[name]); !strings.HasPrefix(list, "[") || (list == "[]") != empty {
					t.Errorf("%s: %s is %s", path, name, list)
				}
			}
		}
	}
}
