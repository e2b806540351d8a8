// Package verify checks an exported audit log offline: with public formats only, against keys
// that the checker was given from outside, and without any word of the hub.
//
// An export is a folder in the form that docs/export.md describes. Nothing in it is believed:
// what signs the log and what opened it must fit the keys of the Trust, every leaf must lead
// to the signed head, and every file must be what its leaf stands for. A Report says what was
// proved and what was not.
package verify

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"stockade/protocol/audit"
)

// Trust is what a checker was given from outside: who signs the log, and the company's root
// key.
type Trust struct {
	Logs map[string]ed25519.PublicKey // by origin: a hub restored from a copy has more than one log
	Root ed25519.PublicKey
}

// maxTrust limits a trust file, in bytes.
const maxTrust = 64 << 10

// ErrTrust is returned for a file that is not a trust file.
var ErrTrust = errors.New("not a trust file: want lines \"log VKEY\" and one line \"root KEY\"")

// ParseTrust reads a trust file: lines "log VKEY" with a C2SP verifier key, one line "root KEY"
// with the Ed25519 root key in base64; empty lines and those that begin with # do not count.
func ParseTrust(b []byte) (Trust, error) {
	t := Trust{Logs: map[string]ed25519.PublicKey{}}
	if len(b) > maxTrust {
		return Trust{}, fmt.Errorf("%d bytes: %w", len(b), ErrTrust)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		kind, value, _ := strings.Cut(line, " ")
		switch kind {
		case "log":
			origin, key, err := audit.ParseVKey(value)
			if err != nil {
				return Trust{}, fmt.Errorf("%w: %w", ErrTrust, err)
			}
			t.Logs[origin] = key
		case "root":
			key, err := base64.StdEncoding.Strict().DecodeString(value)
			if err != nil || len(key) != ed25519.PublicKeySize || t.Root != nil {
				return Trust{}, fmt.Errorf("root key: %w", ErrTrust)
			}
			t.Root = key
		default:
			return Trust{}, fmt.Errorf("line %q: %w", clip(line), ErrTrust)
		}
	}
	if len(t.Logs) == 0 || t.Root == nil {
		return Trust{}, ErrTrust
	}
	return t, nil
}

// parseOrigin takes the name of a log apart: stockade/ORG/log/EPOCH.
func parseOrigin(origin string) (org string, epoch uint64, err error) {
	part := strings.Split(origin, "/")
	if len(part) == 4 {
		if epoch, err = strconv.ParseUint(part[3], 10, 63); err == nil && audit.Origin(part[1], epoch) == origin {
			return part[1], epoch, nil
		}
	}
	return "", 0, fmt.Errorf("log %q: want stockade/ORG/log/EPOCH", clip(origin))
}

// clip keeps foreign text in an error message short.
func clip(s string) string {
	const most = 80
	s = strings.ToValidUTF8(s, "?")
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
