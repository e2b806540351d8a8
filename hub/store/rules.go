package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/approval"
)

// ErrRulesChanged is returned when there is a newer edition of the rules than the one that the writer has seen.
var ErrRulesChanged = errors.New("the rules were written by somebody else meanwhile")

// RulesEdition is an edition of the rules about who approves what. Edition 0 is not in the store: it is what a company begins with.
type RulesEdition struct {
	Version int64
	Rules   []approval.Rule
	By      string
	At      time.Time
	Note    string
}

const rulesColumns = `SELECT version, body, written_by, written_at, note FROM approval_rules `

func scanRules(scan func(...any) error) (e RulesEdition, err error) {
	var body []byte
	var at int64
	if err := scan(&e.Version, &body, &e.By, &at, &e.Note); err != nil {
		return e, err
	}
	e.At = timeOf(at)
	e.Rules, err = approval.DecodeRules(body)
	return e, err
}

func (v *View) rulesEdition(where string, args ...any) (RulesEdition, error) {
	e, err := scanRules(v.tx.QueryRow(rulesColumns+where, args...).Scan)
	if errors.Is(err, vault.ErrNoRows) {
		return RulesEdition{}, fmt.Errorf("rules: %w", ErrNotFound)
	}
	if err != nil {
		return RulesEdition{}, fmt.Errorf("read rules: %w", err)
	}
	return e, nil
}

// Rules returns the newest edition, or ErrNotFound while the ready rules count.
func (v *View) Rules() (RulesEdition, error) {
	return v.rulesEdition(`ORDER BY version DESC LIMIT 1`)
}

// RulesOf returns an edition, or ErrNotFound.
func (v *View) RulesOf(version int64) (RulesEdition, error) {
	return v.rulesEdition(`WHERE version = ?1`, version)
}

// RulesAt returns the edition that counted at a time, or ErrNotFound when it was none yet.
func (v *View) RulesAt(t time.Time) (RulesEdition, error) {
	return v.rulesEdition(`WHERE written_at <= ?1 ORDER BY version DESC LIMIT 1`, t.UnixMilli())
}

// RulesEditions returns editions, the newest first, at most so many.
func (v *View) RulesEditions(most int) (out []RulesEdition, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		e, err := scanRules(r.Scan)
		out = append(out, e)
		return err
	}, rulesColumns+`ORDER BY version DESC LIMIT ?1`, most)
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	return out, nil
}

// PutRules makes rules the ones that count for what is asked from now on, and returns the number of their edition. base is the edition that
// they were made of: where there is a newer one nothing is written, and the error is ErrRulesChanged.
func (tx *Tx) PutRules(rules []approval.Rule, base int64, who, note string) (int64, error) {
	var last int64
	err := tx.tx.QueryRow(`SELECT coalesce(max(version), 0) FROM approval_rules`).Scan(&last)
	if err == nil && last != base {
		err = ErrRulesChanged
	}
	var body []byte
	if err == nil {
		body, err = approval.EncodeRules(rules)
	}
	if err == nil {
		_, err = approval.DecodeRules(body) // it will be read
	}
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO approval_rules (version, body, written_by, written_at, note) VALUES (?1, ?2, ?3, ?4, ?5)`, base+1, body, who, tx.now, note)
	}
	if err != nil {
		return 0, fmt.Errorf("store rules: %w", err)
	}
	return base + 1, nil
}

// RulesDraft returns what a person has changed of the rules and not saved, with the edition that it was made of; ErrNotFound for nothing.
func (v *View) RulesDraft(account string) (rules []approval.Rule, base int64, err error) {
	var body []byte
	err = v.tx.QueryRow(`SELECT base, body FROM approval_rules_draft WHERE account = ?1`, account).Scan(&base, &body)
	if errors.Is(err, vault.ErrNoRows) {
		return nil, 0, fmt.Errorf("draft of rules: %w", ErrNotFound)
	}
	if err == nil {
		rules, err = approval.DecodeRules(body)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read draft of rules: %w", err)
	}
	return rules, base, nil
}

// PutRulesDraft keeps a person's draft.
func (tx *Tx) PutRulesDraft(account string, rules []approval.Rule, base int64) error {
	body, err := approval.EncodeRules(rules)
	if err == nil {
		_, err = approval.DecodeRules(body)
	}
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO approval_rules_draft (account, base, body) VALUES (?1, ?2, ?3) ON CONFLICT (account) DO UPDATE SET base = ?2, body = ?3`, account, base, body)
	}
	if err != nil {
		return fmt.Errorf("store draft of rules: %w", err)
	}
	return nil
}

// DropRulesDraft forgets a person's draft.
func (tx *Tx) DropRulesDraft(account string) error {
	if _, err := tx.tx.Exec(`DELETE FROM approval_rules_draft WHERE account = ?1`, account); err != nil {
		return fmt.Errorf("drop draft of rules: %w", err)
	}
	return nil
}
