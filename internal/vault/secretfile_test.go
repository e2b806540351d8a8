package vault

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadSecretFile(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
		want string
		err  error
	}{
		"as an editor leaves it": {"s3cret \n", 0o600, "s3cret", nil},
		"read-only":              {"s3cret", 0o400, "s3cret", nil},
		"for the group too":      {"s3cret", 0o640, "", ErrKeyExposed},
		"for everybody":          {"s3cret", 0o644, "", ErrKeyExposed},
		"empty":                  {" \n", 0o600, "", ErrKeyInvalid},
		"two lines":              {"a\nb", 0o600, "", ErrKeyInvalid},
		"long":                   {strings.Repeat("x", mostSecret+1), 0o600, "", ErrKeyInvalid},
	} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(tt.text), tt.mode); err != nil {
			t.Fatal(err)
		}
		if got, err := LoadSecretFile(path); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v, want %q, %v", name, got, err, tt.want, tt.err)
		}
	}
	if _, err := LoadSecretFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
