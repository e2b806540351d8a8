package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"stockade/internal/vault"
)

// Numbers of passkeys. The challenge has 256 bits, see protocol.CreateChallenge.
const (
	challengeFor = 3 * time.Minute // how long an authenticator's answer is waited for
	browserFor   = 2 * time.Minute // how long the browser lets its person try
	maxAnswer    = 16 << 10        // bytes of an answer
	handleSize   = 32
	purposeUse   = "use"
	purposeEnrol = "enrol"
	whyStale     = "challenge" // refused: nothing was asked, or too long ago
	whyWrong     = "answer"
	whyCounter   = "counter" // the signature counter did not rise: there may be a copy of the key
)

// Conditions of passkeys.
var (
	ErrPasskey = errors.New("the passkey's answer is not right")
	ErrStale   = errors.New("nothing was asked of the passkey, or too long ago")
	ErrCopied  = errors.New("the passkey's counter went back")
	ErrDomain  = errors.New("passkeys do not work under this name")
)

// CheckPasskeyDomain refuses what can not be the domain of passkeys (the RP ID); empty is none.
func CheckPasskeyDomain(domain string) error {
	if domain == "" {
		return nil
	}
	if _, err := netip.ParseAddr(domain); err == nil {
		return fmt.Errorf("passkey domain %q: want a domain, not an address", domain)
	}
	if domain != strings.ToLower(domain) || strings.ContainsAny(domain, ":/ ") || strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") {
		return fmt.Errorf("passkey domain %q: want a domain in small letters without port, such as \"stock.example.cn\"", domain)
	}
	if err := protocol.ValidateRPID(domain); err != nil {
		return fmt.Errorf("passkey domain %q: %w", domain, err)
	}
	return nil
}

// PasskeyDomain returns the domain under whose names passkeys work; empty when they are not set up.
func (s *Service) PasskeyDomain() string { return s.domain }

// PasskeyAt reports whether passkeys work for a request to that host (with or without port): browsers refuse them under
// other names and under bare addresses.
func (s *Service) PasskeyAt(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(name)
	return s.domain != "" && (name == s.domain || strings.HasSuffix(name, "."+s.domain))
}

// party returns the relying party as it is asked under that host. The origin is bound to it exactly: what was signed for another name of
// the domain, such as one that somebody else got hold of, is refused.
func (s *Service) party(host string) (*webauthn.WebAuthn, error) {
	if !s.PasskeyAt(host) {
		return nil, ErrDomain
	}
	within := webauthn.TimeoutConfig{Timeout: browserFor, TimeoutUVD: browserFor} // not enforced by the library, which asks the machine's clock: take does so by ours
	return webauthn.New(&webauthn.Config{RPID: s.domain, RPDisplayName: s.issuer, RPOrigins: []string{"https://" + strings.ToLower(host)},
		AttestationPreference: protocol.PreferNoAttestation, Timeouts: webauthn.TimeoutsConfig{Login: within, Registration: within},
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			UserVerification: protocol.VerificationRequired,
			ResidentKey:      protocol.ResidentKeyRequirementDiscouraged, // the name is known when it is asked for: places on a security key are spared
		}})
}

// holder is a person as the WebAuthn library sees them.
type holder struct {
	handle  []byte
	name    string
	display string
	keys    []webauthn.Credential
	rows    map[string]keyRow // by credential id
}

type keyRow struct {
	id   int64
	name string
}

func (h *holder) WebAuthnID() []byte                         { return h.handle }
func (h *holder) WebAuthnName() string                       { return h.name }
func (h *holder) WebAuthnDisplayName() string                { return h.display }
func (h *holder) WebAuthnCredentials() []webauthn.Credential { return h.keys }

func (s *Service) holder(tx *vault.Tx, key string) (*holder, error) {
	h := &holder{rows: map[string]keyRow{}}
	if err := tx.QueryRow(`SELECT coalesce(handle, x''), name, display FROM account WHERE folded = ?1`, key).Scan(&h.handle, &h.name, &h.display); err != nil {
		return nil, err
	}
	if h.display == "" {
		h.display = h.name
	}
	rows, err := tx.Query(`SELECT id, name, credential, secret, counter, flags, transports FROM account_factor WHERE account = ?1 AND kind = ?2 AND confirmed_at IS NOT NULL ORDER BY id`, key, KindPasskey)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var r keyRow
		var c webauthn.Credential
		var counter, flags int64
		var transports string
		if err := rows.Scan(&r.id, &r.name, &c.ID, &c.PublicKey, &counter, &flags, &transports); err != nil {
			return nil, err
		}
		c.Authenticator.SignCount = uint32(counter)                               // #nosec G115 -- stored from one
		c.Flags = webauthn.NewCredentialFlags(protocol.AuthenticatorFlags(flags)) // #nosec G115 -- stored from one
		for _, t := range strings.Fields(transports) {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		h.keys, h.rows[string(c.ID)] = append(h.keys, c), r
	}
	return h, rows.Err()
}

func boundToHalf(half string) string {
	sum := sha256.Sum256([]byte(half))
	return "half " + hex.EncodeToString(sum[:])
}

func boundToSession(public string) string { return "session " + public }

// ask keeps a challenge; it takes the place of one that was asked before.
func (s *Service) ask(tx *vault.Tx, bound, purpose, key string, session *webauthn.SessionData) error {
	data, err := json.Marshal(session)
	if err != nil {
		return err
	}
	now := s.now()
	if _, err := tx.Exec(`DELETE FROM account_challenge WHERE made_at NOT BETWEEN ?1 AND ?2`, now.Add(-challengeFor).UnixMilli(), now.UnixMilli()); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO account_challenge (bound, purpose, account, data, made_at) VALUES (?1, ?2, ?3, ?4, ?5)`, bound, purpose, key, string(data), now.UnixMilli())
	return err
}

// take uses up a challenge. ok is false for one that nobody asked, that was answered before or that is too old.
func (s *Service) take(tx *vault.Tx, bound, purpose, key string) (session webauthn.SessionData, ok bool, err error) {
	var data string
	var made int64
	err = tx.QueryRow(`SELECT data, made_at FROM account_challenge WHERE bound = ?1 AND purpose = ?2 AND account = ?3`, bound, purpose, key).Scan(&data, &made)
	if errors.Is(err, vault.ErrNoRows) {
		return session, false, nil
	}
	if err != nil {
		return session, false, err
	}
	if _, err := tx.Exec(`DELETE FROM account_challenge WHERE bound = ?1 AND purpose = ?2`, bound, purpose); err != nil {
		return session, false, err
	}
	age := s.now().Sub(time.UnixMilli(made))
	if age < 0 || age > challengeFor {
		return session, false, nil
	}
	return session, true, json.Unmarshal([]byte(data), &session)
}

// BeginPasskey asks an authenticator for a new key. options is JSON for navigator.credentials.create. ErrDomain says that
// the host is not under the domain of passkeys.
func (s *Service) BeginPasskey(ctx context.Context, who Person, host string) (options []byte, err error) {
	rp, err := s.party(host)
	if err != nil {
		return nil, err
	}
	key := fold(who.Account)
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		if err := s.mayChange(tx, who); err != nil {
			return err
		}
		h, err := s.holder(tx, key)
		if err != nil {
			return err
		}
		if len(h.keys) >= mostFactors {
			return ErrTooMany
		}
		if len(h.handle) == 0 {
			h.handle = make([]byte, handleSize)
			_, _ = rand.Read(h.handle) // never fails, see crypto/rand
			if _, err := tx.Exec(`UPDATE account SET handle = ?2 WHERE folded = ?1`, key, h.handle); err != nil {
				return err
			}
		}
		creation, session, err := rp.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.keys).CredentialDescriptors()), webauthn.WithCredentialParameters(algorithms()))
		if err != nil {
			return err
		}
		if options, err = json.Marshal(creation); err != nil {
			return err
		}
		return s.ask(tx, boundToSession(who.Session), purposeEnrol, key, session)
	})
	return options, err
}

// algorithms are what every authenticator has one of: ES256, EdDSA, and RS256 for older TPMs.
func algorithms() (out []protocol.CredentialParameter) {
	for _, a := range []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256} {
		out = append(out, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: a})
	}
	return out
}

// checkKeyName brings a passkey's name into form, or refuses it.
func checkKeyName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || utf8.RuneCountInString(name) > 40 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", &RuleError{"passkey.bad_name"}
	}
	return name, nil
}

// ConfirmPasskey takes a new key into use. answer is JSON of what navigator.credentials.create gave. codes, next and the ends of sessions are as with ConfirmFactor.
func (s *Service) ConfirmPasskey(ctx context.Context, who Person, host, name string, answer []byte) (next Session, codes []string, err error) {
	rp, err := s.party(host)
	if err != nil {
		return Session{}, nil, err
	}
	if name, err = checkKeyName(name); err != nil {
		return Session{}, nil, err
	}
	key := fold(who.Account)
	var outcome error
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		outcome, codes = nil, nil
		if err := s.mayChange(tx, who); err != nil {
			return err
		}
		h, err := s.holder(tx, key)
		if err != nil {
			return err
		}
		if len(h.keys) >= mostFactors {
			return ErrTooMany
		}
		session, asked, err := s.take(tx, boundToSession(who.Session), purposeEnrol, key)
		if err != nil {
			return err
		}
		refuse := func(why string, as error) error {
			outcome = as
			return s.note(tx, "factor.added", key, "refused", who, map[string]string{"kind": KindPasskey, "why": why})
		}
		if !asked {
			return refuse(whyStale, ErrStale)
		}
		made, err := newKey(rp, h, session, answer)
		if err != nil {
			return refuse(whyWrong, ErrPasskey)
		}
		known := 0
		if err := tx.QueryRow(`SELECT count(*) FROM account_factor WHERE credential = ?1`, made.ID).Scan(&known); err != nil {
			return err
		}
		if known > 0 {
			return refuse("known", &RuleError{"passkey.known"})
		}
		var transports []string
		for _, t := range made.Transport {
			transports = append(transports, string(t))
		}
		now := s.now().UnixMilli()
		if _, err := tx.Exec(`INSERT INTO account_factor (account, kind, secret, counter, made_at, confirmed_at, name, credential, flags, transports) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9)`,
			key, KindPasskey, made.PublicKey, int64(made.Authenticator.SignCount), now, name, made.ID, int64(made.Flags.ProtocolValue()), strings.Join(transports, " ")); err != nil {
			return err
		}
		next, codes, err = s.factorAdded(tx, who, "passkey_added", map[string]string{"kind": KindPasskey, "name": name, "key": fingerprint(made.ID, made.PublicKey)})
		if err != nil {
			return err
		}
		return byKey(tx, who.Session)
	})
	if err == nil {
		err = outcome
	}
	if err != nil {
		return Session{}, nil, err
	}
	s.announce()
	return next, codes, nil
}

// fingerprint names a key in the audit trail, so that one that was put into the store by hand can be told from those that were enrolled.
func fingerprint(id, public []byte) string {
	sum := sha256.Sum256(append(append([]byte{}, id...), public...))
	return hex.EncodeToString(sum[:16])
}

// newKey judges the answer of an authenticator that was asked for a new key.
func newKey(rp *webauthn.WebAuthn, h *holder, session webauthn.SessionData, answer []byte) (*webauthn.Credential, error) {
	if len(answer) > maxAnswer {
		return nil, ErrPasskey
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, err
	}
	made, err := rp.CreateCredential(h, session, parsed)
	if err == nil && (len(made.ID) == 0 || len(made.ID) > 1023) { // WebAuthn level 3, section 7.1 step 25
		err = ErrPasskey
	}
	return made, err
}

// RenamePasskey gives one of the person's own passkeys another name.
func (s *Service) RenamePasskey(ctx context.Context, who Person, id int64, name string) error {
	name, err := checkKeyName(name)
	if err != nil {
		return err
	}
	key := fold(who.Account)
	return s.store.Update(ctx, func(tx *vault.Tx) error {
		if err := s.mayChange(tx, who); err != nil {
			return err
		}
		var was string
		err := tx.QueryRow(`SELECT name FROM account_factor WHERE id = ?1 AND account = ?2 AND kind = ?3`, id, key, KindPasskey).Scan(&was)
		if errors.Is(err, vault.ErrNoRows) {
			return ErrNothing
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE account_factor SET name = ?2 WHERE id = ?1`, id, name); err != nil {
			return err
		}
		return s.note(tx, "factor.renamed", key, "ok", who, map[string]string{"kind": KindPasskey, "name": name, "name_before": was})
	})
}

// AskPasskeyOfHalf asks for a passkey in a sign-in whose password was right. options is JSON for navigator.credentials.get.
// ErrHalf says that the sign-in has to begin again, ErrNothing that the person has no passkey.
func (s *Service) AskPasskeyOfHalf(ctx context.Context, half, host string) (options []byte, err error) {
	return s.askPasskey(ctx, boundToHalf(half), host, func(tx *vault.Tx) (string, error) {
		key, _, _, _, err := s.halfway(tx, half)
		return key, err
	})
}

// AskPasskey is AskPasskeyOfHalf for a step-up in a session.
func (s *Service) AskPasskey(ctx context.Context, who Person, host string) (options []byte, err error) {
	return s.askPasskey(ctx, boundToSession(who.Session), host, func(*vault.Tx) (string, error) { return fold(who.Account), nil })
}

func (s *Service) askPasskey(ctx context.Context, bound, host string, of func(*vault.Tx) (string, error)) (options []byte, err error) {
	rp, err := s.party(host)
	if err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		key, err := of(tx)
		if err != nil {
			return err
		}
		h, err := s.holder(tx, key)
		if err != nil {
			return err
		}
		if len(h.keys) == 0 {
			return ErrNothing
		}
		assertion, session, err := rp.BeginLogin(h)
		if err != nil {
			return err
		}
		if options, err = json.Marshal(assertion); err != nil {
			return err
		}
		return s.ask(tx, bound, purposeUse, key, session)
	})
	return options, err
}

// usePasskey judges the answer of a passkey. why is empty for a right one.
func (s *Service) usePasskey(tx *vault.Tx, rp *webauthn.WebAuthn, key, bound string, answer []byte) (used used, err error) {
	session, asked, err := s.take(tx, bound, purposeUse, key)
	if err != nil || !asked {
		used.why, used.err = whyStale, ErrStale
		return used, err
	}
	h, err := s.holder(tx, key)
	if err != nil {
		return used, err
	}
	c, err := assert(rp, h, session, answer)
	if err != nil {
		used.why, used.err = whyWrong, ErrPasskey
		return used, nil
	}
	row := h.rows[string(c.ID)]
	used.name = row.name
	if c.Authenticator.CloneWarning {
		used.why, used.err = whyCounter, ErrCopied
		return used, s.tell(tx, key, "passkey_copied", map[string]string{"name": row.name})
	}
	used.kind = KindPasskey
	_, err = tx.Exec(`UPDATE account_factor SET counter = ?2, flags = ?3, used_at = ?4 WHERE id = ?1`, row.id, int64(c.Authenticator.SignCount), int64(c.Flags.ProtocolValue()), s.now().UnixMilli())
	return used, err
}

// assert judges the answer of an authenticator that was asked to prove a key.
func assert(rp *webauthn.WebAuthn, h *holder, session webauthn.SessionData, answer []byte) (*webauthn.Credential, error) {
	if len(answer) > maxAnswer {
		return nil, ErrPasskey
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, err
	}
	return rp.ValidateLogin(h, session, parsed)
}

// SignInPasskey ends a sign-in with a passkey. answer is JSON of what navigator.credentials.get gave. Errors are as with SignInCode, and ErrPasskey, ErrStale, ErrCopied
// and ErrDomain for what a passkey can be refused for.
func (s *Service) SignInPasskey(ctx context.Context, half, host string, answer []byte, from From) (Session, error) {
	rp, err := s.party(host)
	if err != nil {
		return Session{}, err
	}
	return s.finishHalf(ctx, half, from, func(tx *vault.Tx, key string) (used, error) {
		return s.usePasskey(tx, rp, key, boundToHalf(half), answer)
	})
}

// StepUpPasskey is StepUp with a passkey.
func (s *Service) StepUpPasskey(ctx context.Context, who Person, host string, answer []byte) (Session, error) {
	rp, err := s.party(host)
	if err != nil {
		return Session{}, err
	}
	return s.stepUp(ctx, who, func(tx *vault.Tx, key string) (used, error) {
		return s.usePasskey(tx, rp, key, boundToSession(who.Session), answer)
	})
}

// Ways are the second factors that a person can be asked for.
type Ways struct {
	Passkey bool
	TOTP    bool
	Codes   bool // recovery codes are left; never at a node for an account of the hub
	Only    bool // nothing but the passkey serves, no code either
}

// Any reports whether there is a second factor at all. Recovery codes go with either.
func (w Ways) Any() bool { return w.Passkey || w.TOTP }

// Typed reports whether something can be typed in: a code of an authenticator or a recovery code.
func (w Ways) Typed() bool { return w.TOTP || w.Codes }

// Ways returns what a person has.
func (s *Service) Ways(ctx context.Context, who Person) (w Ways, err error) {
	err = s.store.View(ctx, func(tx *vault.Tx) error { w, err = s.ways(tx, fold(who.Account)); return err })
	return w, err
}

// WaysOfHalf returns what the person of a half-done sign-in has; ErrHalf when there is none.
func (s *Service) WaysOfHalf(ctx context.Context, half string) (w Ways, err error) {
	err = s.store.View(ctx, func(tx *vault.Tx) error {
		key, _, _, _, err := s.halfway(tx, half)
		if err != nil {
			return err
		}
		w, err = s.ways(tx, key)
		return err
	})
	return w, err
}

func (s *Service) ways(tx *vault.Tx, key string) (w Ways, err error) {
	err = tx.QueryRow(`SELECT coalesce(sum(kind = ?2), 0) > 0, coalesce(sum(kind = ?3), 0) > 0, (SELECT count(*) FROM account_recovery WHERE account = ?1 AND used_at IS NULL) > 0
		FROM account_factor WHERE account = ?1 AND confirmed_at IS NOT NULL`, key, KindPasskey, KindTOTP).Scan(&w.Passkey, &w.TOTP, &w.Codes)
	if err == nil {
		w.Only, err = s.passkeyOnly(tx, key)
	}
	w.TOTP, w.Codes = w.TOTP && !w.Only, w.Codes && !w.Only
	return w, err
}
