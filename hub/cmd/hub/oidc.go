package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"stockade/hub/oidc"
	"stockade/internal/vault"
	"stockade/internal/web"
)

// oidcConfig names the company's identity provider, with which people may sign in here; without an issuer there is none.
type oidcConfig struct {
	// Issuer is the provider's name, an https URL exactly as it writes it: https://login.example.cn/realms/company.
	Issuer string `toml:"issuer"`
	// ClientID is what the provider calls this hub.
	ClientID string `toml:"client_id"`
	// SecretFile holds the client secret that the provider gave, one line; nobody else may read it (0600).
	SecretFile string `toml:"client_secret_file"`
	// NameZH and NameEN are what people read on the button.
	NameZH string `toml:"name_zh"`
	NameEN string `toml:"name_en"`
	// CAFile holds certificates (PEM) of whom the provider's has to be from, in the place of those of the system: for a provider inside the company.
	CAFile string `toml:"ca_file"`
	// FactorAMR and FactorACR are values of the ID token's claims amr and acr of which one says that the provider took a second factor.
	FactorAMR []string `toml:"second_factor_amr"`
	FactorACR []string `toml:"second_factor_acr"`
}

// returnPath is where the provider sends people back to, below the address of the pages.
const returnPath = "/login/company/return"

// check judges all but the files, which are read when the server starts.
func (c oidcConfig) check() error {
	if c.Issuer == "" {
		if c.ClientID != "" || c.SecretFile != "" || c.CAFile != "" {
			return errors.New("issuer is needed")
		}
		return nil
	}
	if c.SecretFile == "" {
		return errors.New("client_secret_file is needed: a file with the client secret, readable by the hub alone")
	}
	for _, n := range []string{c.NameZH, c.NameEN} {
		if utf8.RuneCountInString(n) > 30 {
			return fmt.Errorf("name %q: want at most 30 characters, it stands on a button", n)
		}
	}
	return oidc.Options{Issuer: c.Issuer, ClientID: c.ClientID, Secret: c.SecretFile, Redirect: "https://localhost" + returnPath, AMR: c.FactorAMR, ACR: c.FactorACR}.Check()
}

// names are what people read on the button.
func (c oidcConfig) names() map[web.Lang]string {
	n := map[web.Lang]string{web.Chinese: "用公司账号登录", web.English: "Sign in with your company account"}
	if c.NameZH != "" {
		n[web.Chinese] = c.NameZH
	}
	if c.NameEN != "" {
		n[web.English] = c.NameEN
	}
	return n
}

// company prepares the sign-in with the provider for pages at that address; nil when there is no provider. The provider itself is asked when
// the first person comes.
func (c oidcConfig) company(pages string, now func() time.Time) (*web.Company, error) {
	if c.Issuer == "" {
		return nil, nil
	}
	origin := strings.ToLower(strings.TrimSuffix(pages, ":443")) // as browsers write it
	o := oidc.Options{Issuer: c.Issuer, ClientID: c.ClientID, Redirect: origin + returnPath, AMR: c.FactorAMR, ACR: c.FactorACR, Now: now}
	var err error
	if o.Secret, err = vault.LoadSecretFile(c.SecretFile); err != nil {
		return nil, fmt.Errorf("oidc: client_secret_file: %w", err)
	}
	if c.CAFile != "" {
		b, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("oidc: ca_file: %w", err)
		}
		if o.Roots = x509.NewCertPool(); !o.Roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("oidc: ca_file %s: no certificate in it; want PEM", c.CAFile)
		}
	}
	client, err := oidc.New(o)
	if err != nil {
		return nil, err
	}
	return &web.Company{Provider: client, Issuer: c.Issuer, Names: c.names(), Origin: origin}, nil
}
