package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// answerParameterMost is the longest parameter of an answer, in bytes. Codes may be long: providers keep their sessions in them.
const answerParameterMost = 8 << 10

// answer is what a browser brings back from the provider (RFC 6749 section 4.1.2, RFC 9207).
type answer struct{ state, code, iss, failure string }

// readAnswer takes an answer apart. A parameter that is there twice makes it none (RFC 6749 section 3.1).
func readAnswer(q url.Values) (a answer, err error) {
	for name, to := range map[string]*string{"state": &a.state, "code": &a.code, "iss": &a.iss, "error": &a.failure} {
		switch v := q[name]; {
		case len(v) > 1:
			return answer{}, fmt.Errorf("%s is there twice", name)
		case len(v) == 1 && len(v[0]) > answerParameterMost:
			return answer{}, fmt.Errorf("%s has %d bytes", name, len(v[0]))
		case len(v) == 1:
			*to = v[0]
		}
	}
	if a.state == "" {
		return answer{}, errors.New("the answer has no state")
	}
	if a.code != "" && a.failure != "" {
		return answer{}, errors.New("the answer has a code and an error")
	}
	return a, nil
}

// whyOf turns the provider's error codes (RFC 6749 section 4.1.2.1, OpenID Connect Core 1.0 section 3.1.2.6) into what people can do about them.
func whyOf(code string) string {
	switch code {
	case "access_denied":
		return "denied"
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		return "login_required"
	case "server_error", "temporarily_unavailable":
		return "unreachable"
	}
	return "misconfigured"
}

// claims are those of an ID token that are judged here, beside those that the library judges.
type claims struct {
	AZP      string
	AuthTime int64 // Unix seconds; 0 when the provider does not say it
	ACR      string
	AMR      []string
	names    []string // what the provider calls the person, best first
}

// readClaims reads the claims of a verified token. What is only shown or only adds trust is left out when it has a form of its own; azp, which
// restricts, makes the token void.
func readClaims(b []byte) (c claims, err error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return claims{}, fmt.Errorf("claims: %w", err)
	}
	if v, ok := raw["azp"]; ok && string(v) != "null" {
		if err := json.Unmarshal(v, &c.AZP); err != nil || c.AZP == "" {
			return claims{}, errors.New("claims: azp is no client id")
		}
	}
	var seconds float64
	if json.Unmarshal(raw["auth_time"], &seconds) == nil && seconds > 0 && seconds < math.MaxInt32*4 {
		c.AuthTime = int64(seconds)
	}
	c.ACR = text(raw["acr"])
	if json.Unmarshal(raw["amr"], &c.AMR) != nil { // some write one method as a text
		c.AMR = nil
		if m := text(raw["amr"]); m != "" {
			c.AMR = []string{m}
		}
	}
	for _, name := range []string{"preferred_username", "name", "email", "upn"} {
		if t := text(raw[name]); t != "" {
			c.names = append(c.names, t)
		}
	}
	return c, nil
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// label returns what the provider calls the person, fit to be shown.
func (c claims) label() string {
	for _, n := range c.names {
		n = strings.TrimSpace(printable(n))
		if utf8.RuneCountInString(n) > labelMost {
			n = string([]rune(n)[:labelMost]) + "…"
		}
		if n != "" {
			return n
		}
	}
	return ""
}

// printableMost is how many characters of what a foreign party wrote are logged or shown.
const printableMost = 256

// printable keeps what a foreign party wrote from upsetting a log or a page.
func printable(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if utf8.RuneCountInString(s) > printableMost {
		s = string([]rune(s)[:printableMost]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, s)
}
