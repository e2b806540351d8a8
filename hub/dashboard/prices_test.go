package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// priceBook is what memory knows of prices.
type priceBook struct{ changed []string }

func (*priceBook) Prices(_ context.Context, _ stock.SKU, see Sight) (PriceBook, error) {
	b := PriceBook{Currency: "CNY", Today: "2024-05-01"}
	if see.Price >= access.Read {
		b.Price, b.History = "12.50", []PriceLine{{Class: "price", Amount: "12.50", From: "2024-04-01", By: hostileText, Note: hostileText, At: then}, {Class: "price", Amount: "13.00", From: "2024-06-01", Coming: true, By: "li", At: then}}
	}
	return b, nil
}

func (p *priceBook) ChangePrice(_ context.Context, _ identity.Person, id string, sku stock.SKU, f PriceForm) (string, error) {
	if f.Amount == "" {
		return "", web.Fail(http.StatusUnprocessableEntity, "price.bad_amount")
	}
	p.changed = append(p.changed, id+" "+string(sku)+" "+f.Class+" "+f.Amount)
	return "", nil
}

func TestPricesPage(t *testing.T) {
	m := &memory{}
	b := open(t, m)
	b.signIn()
	path := itemLink(oddSKU) + "/prices"
	status, page, _ := b.do(http.MethodGet, path, nil)
	if status != http.StatusOK || !strings.Contains(page, "12.50") || !strings.Contains(page, "未到日期") || strings.Contains(page, "<b onmouseover") {
		t.Errorf("%d: %s", status, page)
	}
	if status, body, _ := b.do(http.MethodGet, "/api/v1/items/"+url.PathEscape(string(oddSKU))+"/prices", nil); status != http.StatusOK || !strings.Contains(body, `"price":"12.50"`) || strings.Contains(body, `"cost"`) {
		t.Errorf("API: %d %s", status, body)
	}
	if status, _, _ := b.post(path, path, url.Values{"class": {"price"}, "amount": {"1"}}); status != http.StatusUnauthorized || len(m.changed) != 0 { // a factor first
		t.Errorf("without a fresh factor: %d, %q", status, m.changed)
	}
}
