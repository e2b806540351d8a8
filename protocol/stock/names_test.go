package stock

import (
	"regexp"
	"testing"
)

// The names as patterns.
var (
	nodePattern      = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	warehousePattern = regexp.MustCompile(`^[A-Z0-9]{1,12}$`)
	binPattern       = regexp.MustCompile(`^[\p{L}\p{N}._-]{1,40}$`)
)

func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "edge-1", "Edge", "SHA", "SHANGHAI0001", "SHANGHAI00012", "A-01.2_3", "收货区-1", "½", "a b", "a\n", "é", "e\u0301", "\xff", "A\xc3", "/",
		"0123456789012345678901234567890123456789", "01234567890123456789012345678901234567890", "货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货货"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, n := range []struct {
			what    string
			got     bool
			pattern *regexp.Regexp
		}{{"node", NodeID(s).Valid(), nodePattern}, {"warehouse", Warehouse(s).Valid(), warehousePattern}, {"bin", validBin(s), binPattern}} {
			if want := n.pattern.MatchString(s); n.got != want {
				t.Errorf("%s %q: valid is %v, by %s %v", n.what, s, n.got, n.pattern, want)
			}
		}
	})
}
