package dashboard

import (
	"net/http"
	"strings"
	"testing"
)

// TestHowPeopleReachNodes: the page names nodes that are told in the clear and those whose key is waited for, once they were heard.
func TestHowPeopleReachNodes(t *testing.T) {
	b := open(t, &memory{})
	b.signIn()
	_, page, _ := b.do(http.MethodGet, "/nodes", nil)
	for text, times := range map[string]int{"人员信息未加密": 1, "等节点的密钥": 1} {
		if n := strings.Count(page, text); n != times {
			t.Errorf("%q stands there %d times, want %d", text, n, times)
		}
	}
}
