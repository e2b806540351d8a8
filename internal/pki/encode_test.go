package pki_test

import (
	"testing"
	"time"

	"stockade/internal/pki"
)

func TestAuthorityEncodes(t *testing.T) {
	a, err := pki.NewAuthority("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b, err := pki.DecodeAuthority(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if !b.Certificate().Equal(a.Certificate()) || b.Org() != "acme" {
		t.Errorf("decoded authority of %s is another one", b.Org())
	}
	other, err := pki.NewAuthority("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, err := other.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pki.DecodeAuthority(cert, foreign); err == nil {
		t.Error("a key of another authority was accepted")
	}
}
