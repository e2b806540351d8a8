package rig

import (
	"fmt"
	"os"
	"path/filepath"
)

// OIDC is an identity provider that a hub is told of.
type OIDC struct {
	Issuer, ClientID, Secret string
	CA                       []byte // certificate (PEM) of whom the provider's is from
	ACR                      string // that says that the provider took a second factor
}

// table writes the files that a hub wants, and returns its table of the configuration.
func (o *OIDC) table(dir string) (string, error) {
	secret, ca := filepath.Join(dir, "oidc.secret"), filepath.Join(dir, "oidc-ca.pem")
	if err := os.WriteFile(secret, []byte(o.Secret+"\n"), 0o600); err != nil {
		return "", err
	}
	if err := os.WriteFile(ca, o.CA, 0o600); err != nil {
		return "", err
	}
	return fmt.Sprintf("[oidc]\nissuer = %q\nclient_id = %q\nclient_secret_file = %q\nca_file = %q\nsecond_factor_acr = [%q]\n", o.Issuer, o.ClientID, secret, ca, o.ACR), nil
}
