package rig

import (
	"os"
	"testing"
)

// Lack skips a test at a desk that lacks something; in CI, where .ci/setup test has installed all, the
// test fails instead.
func Lack(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s; in CI no test may be skipped: .ci/setup test installs what is missing", what)
	}
	t.Skip(what)
}
