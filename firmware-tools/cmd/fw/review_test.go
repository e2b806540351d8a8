package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"stockade/protocol/access"
	"stockade/protocol/audit"
)

func TestReviewVerify(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	trustOf := func(org string, key ed25519.PrivateKey) []byte {
		pub := key.Public().(ed25519.PublicKey)
		vkey, err := note.NewEd25519VerifierKey(audit.Origin(org, 1), pub)
		if err != nil {
			t.Fatal(err)
		}
		return []byte("log " + vkey + "\nroot " + base64.StdEncoding.EncodeToString(pub) + "\n")
	}
	signed, err := access.SealReview(key, access.Review{Org: "acme", ID: 1, Title: "Q4\x1b[31m", Due: "2026-12-31", ClosedBy: "sec", Items: []access.ReviewItem{
		{Account: "li", Role: access.Worker, Warehouse: "SHA", Verdict: access.Withdrawn, By: "chen", Note: "left", InEffect: true}, {Account: "wang", Role: access.Lead, Warehouse: "SHA", Verdict: access.Undecided}}})
	if err != nil {
		t.Fatal(err)
	}
	trust := put("trust", trustOf("acme", key))
	var out bytes.Buffer
	if err := run(t.Context(), []string{"review", "verify", put("good", signed), "--trust", trust}, nil, &out, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"authentic", "withdrawn 1", `"li"`, `"left"`, "stockade/acme/log/1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("a title moves the terminal's cursor")
	}
	changed := slices.Clone(signed)
	changed[bytes.Index(changed, []byte("withdrawn"))] ^= 1
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	for name, args := range map[string][]string{
		"changed":              {put("bad", changed), "--trust", trust},
		"junk":                 {put("junk", []byte("x")), "--trust", trust},
		"another key":          {put("good", signed), "--trust", put("other", trustOf("acme", other))},
		"another organisation": {put("good", signed), "--trust", put("org", trustOf("emca", key))},
		"no trust":             {put("good", signed)},
		"no file":              {"--trust", trust},
	} {
		if err := run(t.Context(), append([]string{"review", "verify"}, args...), nil, &out, &out); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
}
