package access

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Member is a person of a warehouse as its nodes need to know them: what signing in without the hub takes, and the roles.
// Recovery codes, former passwords, notices and other warehouses are never in it. As a CBOR array it is what stands inside a
// Sealed; version 1 of the feed's entry (memberV1) has fewer fields.
type Member struct {
	_           struct{} `cbor:",toarray"`
	Account     Account  // the name in the form under which accounts are told apart; the first field in every version
	Name        string   // as it was chosen; the same but for capitals and space
	Display     string   // what the person is called
	Password    string   // Argon2id, PHC text; empty: none is valid
	PasswordAt  int64    // when it was chosen, Unix milliseconds
	Factors     []Factor // second factors
	NeedsFactor bool     // may not work without one
	Roles       []RoleID
	Warehouses  []stock.Warehouse // the one of the feed
	Disabled    bool
	Withdrawn   bool   // no longer of this warehouse; all but Account is empty
	Handle      []byte // user handle of passkeys, empty for none
	Badge       Badge
	PIN         PIN
}

// Factor is a second factor that a node can judge.
type Factor struct {
	_      struct{} `cbor:",toarray"`
	ID     int64    // at the hub
	Kind   string   // FactorTOTP or FactorPasskey; a node leaves out kinds that it does not know
	Secret []byte   // of kind totp the shared secret, of a passkey the public key (COSE)
	Made   int64    // Unix milliseconds

	// Of a passkey, as WebAuthn level 3 names them.
	Name       string // what the person calls it
	Credential []byte // its id
	Counter    uint32 // signature counter that the hub saw last
	Flags      byte   // of the authenticator data, as the hub saw them last
	Transports []string
}

// Kinds of factors.
const (
	FactorTOTP    = "totp"
	FactorPasskey = "passkey"
)

// Badge is the barcode with which a person works at a station; the zero Badge is none.
type Badge struct {
	_    struct{} `cbor:",toarray"`
	Hash []byte   // SHA-256 of what the barcode says
	Name string   // public name, for the audit trail
	Made int64    // Unix milliseconds
}

// PIN goes with the badge; the zero PIN is none.
type PIN struct {
	_    struct{} `cbor:",toarray"`
	Hash string   // Argon2id, PHC text
	Set  int64    // when it was chosen, Unix milliseconds
}

// Limits of what one person brings along.
const (
	mostFactors    = 16
	mostTransports = 16
	mostCredential = 1023 // bytes, WebAuthn level 3 section 7.1
	mostPublicKey  = 4 << 10
	mostHandle     = 64 // WebAuthn level 3 section 5.4.3
)

// Check returns an error that says what is malformed in m.
func (m Member) Check() error {
	if m.Account == "" || string(m.Account) != Fold(string(m.Account)) {
		return fmt.Errorf("a person's account name is %q, want it folded", m.Account)
	}
	if m.Withdrawn {
		if m.Name != "" || m.Display != "" || m.Password != "" || len(m.Factors)+len(m.Roles)+len(m.Warehouses)+len(m.Handle)+len(m.Badge.Hash)+len(m.PIN.Hash) > 0 {
			return fmt.Errorf("account %q is taken back and yet described", m.Account)
		}
		return nil
	}
	if Fold(m.Name) != string(m.Account) {
		return fmt.Errorf("account %q has the name %q", m.Account, m.Name)
	}
	if !ascending(m.Warehouses) || !ascending(m.Roles) {
		return fmt.Errorf("account %q: want roles and warehouses ascending, each once", m.Account)
	}
	for what, phc := range map[string]string{"password": m.Password, "PIN": m.PIN.Hash} {
		if phc != "" && !strings.HasPrefix(phc, "$argon2id$") {
			return fmt.Errorf("account %q: the %s is kept in a way that is not known", m.Account, what)
		}
	}
	if n := len(m.Badge.Hash); n != 0 && n != sha256.Size || (n == 0) != (m.Badge.Name == "") {
		return fmt.Errorf("account %q: badge %q with a hash of %d bytes", m.Account, m.Badge.Name, n)
	}
	if len(m.Factors) > mostFactors || len(m.Handle) > mostHandle {
		return errors.New("more second factors than anybody has")
	}
	for _, f := range m.Factors {
		if len(f.Credential) > mostCredential || len(f.Secret) > mostPublicKey || len(f.Transports) > mostTransports {
			return fmt.Errorf("account %q: second factor %d is too large", m.Account, f.ID)
		}
	}
	return nil
}

// memberV1 is version 1 of an entry of KindMember: it travels in the clear, so it tells the least that a node without a key of its
// own can work with. Of second factors other than totp it says that there are some.
type memberV1 struct {
	_           struct{} `cbor:",toarray"`
	Account     Account
	Name        string
	Display     string
	Password    string
	PasswordAt  int64
	Factors     []factorV1
	NeedsFactor bool
	Roles       []RoleID
	Warehouses  []stock.Warehouse
	Disabled    bool
	Withdrawn   bool
}

type factorV1 struct {
	_      struct{} `cbor:",toarray"`
	ID     int64
	Kind   string
	Secret []byte
	Made   int64
}

// Check is Member.Check.
func (m memberV1) Check() error { return m.member().Check() }

func (m memberV1) member() Member {
	out := Member{Account: m.Account, Name: m.Name, Display: m.Display, Password: m.Password, PasswordAt: m.PasswordAt, NeedsFactor: m.NeedsFactor,
		Roles: m.Roles, Warehouses: m.Warehouses, Disabled: m.Disabled, Withdrawn: m.Withdrawn}
	if m.Factors != nil { // none and nothing are told apart on the wire
		out.Factors = make([]Factor, 0, len(m.Factors))
	}
	for _, f := range m.Factors {
		out.Factors = append(out.Factors, Factor{ID: f.ID, Kind: f.Kind, Secret: f.Secret, Made: f.Made})
	}
	return out
}

func (m Member) v1() memberV1 {
	out := memberV1{Account: m.Account, Name: m.Name, Display: m.Display, Password: m.Password, PasswordAt: m.PasswordAt, NeedsFactor: m.NeedsFactor,
		Roles: m.Roles, Warehouses: m.Warehouses, Disabled: m.Disabled, Withdrawn: m.Withdrawn}
	if m.Factors != nil {
		out.Factors = make([]factorV1, 0, len(m.Factors))
	}
	for _, f := range m.Factors {
		secret := f.Secret
		if f.Kind == FactorPasskey {
			secret = []byte{}
		}
		out.Factors = append(out.Factors, factorV1{ID: f.ID, Kind: f.Kind, Secret: secret, Made: f.Made})
	}
	return out
}

// Words returns the bytes of all that m says but for counters of passkeys, which rise whenever one is used and are no news.
func (m Member) Words() ([]byte, error) {
	m = m.tidy()
	m.Factors = slices.Clone(m.Factors)
	for i := range m.Factors {
		m.Factors[i].Counter = 0
	}
	return change.Marshal(m)
}

// tidy returns m with lists that are empty instead of missing, so that what is the same is written the same.
func (m Member) tidy() Member {
	m.Roles, m.Warehouses = append([]RoleID{}, m.Roles...), append([]stock.Warehouse{}, m.Warehouses...)
	m.Handle, m.Badge.Hash = append([]byte{}, m.Handle...), append([]byte{}, m.Badge.Hash...)
	m.Factors = append([]Factor{}, m.Factors...)
	for i, f := range m.Factors {
		m.Factors[i].Secret, m.Factors[i].Credential = append([]byte{}, f.Secret...), append([]byte{}, f.Credential...)
		m.Factors[i].Transports = append([]string{}, f.Transports...)
	}
	return m
}

// Fold returns the form of a name under which accounts are told apart.
func Fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
