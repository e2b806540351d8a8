package vault

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// mostSecret is the longest secret that LoadSecretFile reads, in bytes.
const mostSecret = 4096

// LoadSecretFile reads a secret that a foreign system gave, such as the client secret of an identity provider: one line of text in a
// file that nobody else can read. ErrKeyExposed says that others can.
func LoadSecretFile(path string) (string, error) {
	f, err := os.Open(path) // #nosec G304 -- the file that the operator configured
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	defer f.Close()
	if err := private(f); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, mostSecret+1))
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" || len(b) > mostSecret || strings.ContainsAny(secret, "\r\n") {
		return "", fmt.Errorf("read secret %s: %w: want one line of at most %d bytes", path, ErrKeyInvalid, mostSecret)
	}
	return secret, nil
}
