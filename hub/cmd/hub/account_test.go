package main

import (
	"errors"
	"testing"

	"stockade/internal/identity"
)

// TestRolesThatGoTogether: the administrators are three people, roles exist, and what the first account begins with is given to nobody later.
func TestRolesThatGoTogether(t *testing.T) {
	p := openPages(t, 0)
	for _, tt := range []struct {
		roles []string
		good  bool
	}{
		{nil, true},
		{identity.DefaultFirst(), false}, // only the first account begins with both: nobody else is there yet
		{[]string{"security-administrator"}, true},
		{[]string{"operations"}, true},
		{[]string{"warehouse-worker", "seller"}, true},
		{[]string{"system-administrator", "auditor"}, false},
		{[]string{"no-such-role"}, false},
	} {
		err := p.checkRoles(tt.roles)
		var rule *identity.RuleError
		if (err == nil) != tt.good || err != nil && !errors.As(err, &rule) {
			t.Errorf("%v: %v, want it taken: %v", tt.roles, err, tt.good)
		}
	}
}
