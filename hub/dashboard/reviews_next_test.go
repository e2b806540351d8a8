package dashboard

import (
	"net/http"
	"strings"
	"testing"
)

// TestNextReview: the page says that the last review is long ago and what the next one would be; while one goes on it offers none, and says who has not answered.
func TestNextReview(t *testing.T) {
	m := &memory{}
	m.reviews = []Review{{ID: 2, Title: "2024 年第 2 季度权限复核", Due: "2024-01-15", StartedAt: then.AddDate(0, 0, -119), ClosedAt: then.AddDate(0, 0, -91), ClosedBy: "boss"}}
	b := open(t, m)
	b.signIn()
	_, page, _ := b.do(http.MethodGet, "/reviews", nil)
	for _, want := range []string{"已有 91 天", "“2024 年第 2 季度权限复核 (2)”，2024-05-1", `action="/reviews/again"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	m.reviews[0].ClosedAt = then.AddDate(0, 0, -90)
	if _, page, _ = b.do(http.MethodGet, "/reviews", nil); strings.Contains(page, "已有") {
		t.Error("90 days are too many")
	}
	m.reviews = append([]Review{{ID: 3, Title: "now", Due: "2024-05-31", StartedAt: then}}, m.reviews...)
	if _, page, _ = b.do(http.MethodGet, "/reviews", nil); strings.Contains(page, "/reviews/again") {
		t.Error("a second review is offered while one goes on")
	}
	_, page, _ = b.do(http.MethodGet, "/reviews/3", nil)
	for _, want := range []string{"还没有答复的人", "5 个问题", "提醒过", "还没有提醒"} {
		if !strings.Contains(page, want) {
			t.Errorf("the review does not say %q", want)
		}
	}
	if strings.Contains(page, "<script>x") {
		t.Error("a name is markup")
	}
}
