package main

import (
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"time"

	"stockade/internal/pki"
)

// pair is what a server shows and proves by, in PEM.
type pair struct {
	Key  string `json:"key"`
	Cert string `json:"cert"`
}

// issue makes a certificate for the server of an address, by an authority of its own.
func issue(address string) (*pair, []byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil, err
	}
	authority, err := pki.NewAuthority("provider", time.Now())
	if err != nil {
		return nil, nil, err
	}
	key, err := pki.NewServerKey()
	if err != nil {
		return nil, nil, err
	}
	cert, err := authority.IssueServer([]string{u.Hostname()}, &key.PublicKey, time.Now(), time.Hour)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	block := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	return &pair{string(block("PRIVATE KEY", der)), string(block("CERTIFICATE", cert.Raw))}, block("CERTIFICATE", authority.Certificate().Raw), nil
}
