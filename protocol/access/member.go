package access

import (
	"errors"
	"fmt"
	"strings"

	"stockade/protocol/stock"
)

// Member is a person of a warehouse as its nodes need to know them: what signing in without the hub takes, and the roles.
// Recovery codes, former passwords, notices and other warehouses are never in it.
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
	Withdrawn   bool // no longer of this warehouse; all but Account is empty
}

// Factor is a second factor that a node can judge.
type Factor struct {
	_      struct{} `cbor:",toarray"`
	ID     int64    // at the hub
	Kind   string   // "totp"; a node leaves out kinds that it does not know
	Secret []byte   // of kind totp the shared secret
	Made   int64    // Unix milliseconds
}

// mostFactors limits what one person brings along.
const mostFactors = 16

// Check returns an error that says what is malformed in m.
func (m Member) Check() error {
	if m.Account == "" || string(m.Account) != Fold(string(m.Account)) {
		return fmt.Errorf("a person's account name is %q, want it folded", m.Account)
	}
	if m.Withdrawn {
		if m.Name != "" || m.Display != "" || m.Password != "" || len(m.Factors)+len(m.Roles)+len(m.Warehouses) > 0 {
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
	if m.Password != "" && !strings.HasPrefix(m.Password, "$argon2id$") {
		return fmt.Errorf("account %q: the password is kept in a way that is not known", m.Account)
	}
	if len(m.Factors) > mostFactors {
		return errors.New("more second factors than anybody has")
	}
	return nil
}

// Fold returns the form of a name under which accounts are told apart.
func Fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
