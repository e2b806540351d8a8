package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// People of a warehouse at its nodes. The hub describes an account as an access.Member (Service.Member) whenever Options.Changed says
// that it changed, and the feed of rights carries it down; a node takes it in (Service.Repeat). There the account can sign in
// without the hub, and be changed in nothing.

//go:embed members/*.sql
var members embed.FS

// ErrElsewhere is returned for a change of an account that only the hub can make.
var ErrElsewhere = errors.New("the account is kept at the hub")

func migrateMembers(ctx context.Context, v *vault.Store) error {
	files, err := fs.Sub(members, "members")
	if err != nil {
		return err
	}
	return vault.MigrateSet(ctx, v, "member", files)
}

// Member describes an account to the nodes of its warehouses, with all of its warehouses; who sends it names to each only its own.
// Recovery codes, former passwords and codes of activation are never part of it. ErrNobody when there is no such account.
func (s *Service) Member(tx *vault.Tx, name string) (access.Member, error) {
	a, err := s.account(tx, fold(name))
	if err != nil {
		return access.Member{}, err
	}
	m := access.Member{Account: access.Account(a.Key()), Name: a.Name, Display: a.Display, Disabled: a.Disabled, NeedsFactor: a.NeedsFactor || s.needs != nil && s.needs(a.Roles),
		Factors: []access.Factor{}, Roles: []access.RoleID{}, Warehouses: []stock.Warehouse{}}
	if err := tx.QueryRow(`SELECT password, password_at FROM account WHERE folded = ?1`, a.Key()).Scan(&m.Password, &m.PasswordAt); err != nil {
		return access.Member{}, err
	}
	for _, r := range a.Roles {
		m.Roles = append(m.Roles, access.RoleID(r))
	}
	for _, w := range a.Warehouses {
		if w := stock.Warehouse(w); w.Valid() { // what is no warehouse has no nodes
			m.Warehouses = append(m.Warehouses, w)
		}
	}
	slices.Sort(m.Roles)
	slices.Sort(m.Warehouses)
	if err := describeWork(tx, &m); err != nil {
		return access.Member{}, err
	}
	rows, err := tx.Query(`SELECT id, kind, secret, confirmed_at, name, coalesce(credential, x''), counter, flags, transports FROM account_factor WHERE account = ?1 AND confirmed_at IS NOT NULL ORDER BY id`, a.Key())
	if err != nil {
		return access.Member{}, err
	}
	for rows.Next() {
		var f access.Factor
		var counter, flags int64
		var transports string
		if err := rows.Scan(&f.ID, &f.Kind, &f.Secret, &f.Made, &f.Name, &f.Credential, &counter, &flags, &transports); err != nil {
			return access.Member{}, err
		}
		if f.Kind == KindPasskey { // the counter of an authenticator's codes is a place's own
			f.Counter, f.Flags, f.Transports = uint32(counter), byte(flags), strings.Fields(transports) // #nosec G115 -- stored from such
		}
		m.Factors = append(m.Factors, f)
	}
	return m, rows.Err()
}

// describeWork adds what a person works with at stations, and the handle of their passkeys.
func describeWork(tx *vault.Tx, m *access.Member) error {
	return tx.QueryRow(`SELECT coalesce(a.handle, x''), coalesce(b.badge, x''), coalesce(b.public, ''), coalesce(b.made_at, 0), coalesce(p.pin, ''), coalesce(p.set_at, 0)
		FROM account a LEFT JOIN account_badge b ON b.account = a.folded LEFT JOIN account_pin p ON p.account = a.folded WHERE a.folded = ?1`, string(m.Account)).
		Scan(&m.Handle, &m.Badge.Hash, &m.Badge.Name, &m.Badge.Made, &m.PIN.Hash, &m.PIN.Set)
}

// Members describes all accounts.
func (s *Service) Members(tx *vault.Tx) (list []access.Member, err error) {
	var names []string
	rows, err := tx.Query(`SELECT folded FROM account ORDER BY folded`)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		names = append(names, n)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, n := range names {
		m, err := s.Member(tx, n)
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", n, err)
		}
		list = append(list, m)
	}
	return list, nil
}

// Repeat makes an account what the hub says of it. An account of the same name that was made at this node becomes the hub's: its
// password, factors, badge and sessions end. Sessions end too when the person was disabled, has another password or other factors, or left
// the warehouse; work by badge ends with the badge or the PIN, see BadgeHolds. The caller calls Announce after the commit.
func (s *Service) Repeat(tx *vault.Tx, m access.Member) error {
	if err := m.Check(); err != nil {
		return err
	}
	b, err := change.Marshal(m)
	if err != nil {
		return err
	}
	key, digest := string(m.Account), sha256.Sum256(b)
	var heard []byte
	err = tx.QueryRow(`SELECT heard FROM account_member WHERE account = ?1`, key).Scan(&heard)
	known := err == nil
	if err != nil && !errors.Is(err, vault.ErrNoRows) {
		return err
	}
	if bytes.Equal(heard, digest[:]) {
		return nil
	}
	if m.Withdrawn {
		if !known {
			return nil // one of the same name that was made here is somebody of this place
		}
		return s.forget(tx, key)
	}
	if err := s.repeat(tx, key, known, m); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO account_member (account, heard) VALUES (?1, ?2) ON CONFLICT (account) DO UPDATE SET heard = excluded.heard`, key, digest[:])
	return err // no entry in the audit trail: the hub's log has the act that this repeats
}

func texts[T ~string](list []T) (out []string) {
	for _, t := range list {
		out = append(out, string(t))
	}
	return out
}

func (s *Service) repeat(tx *vault.Tx, key string, known bool, m access.Member) error {
	var password string
	var disabled bool
	err := tx.QueryRow(`SELECT password, disabled_at IS NOT NULL FROM account WHERE folded = ?1`, key).Scan(&password, &disabled)
	exists := err == nil
	if err != nil && !errors.Is(err, vault.ErrNoRows) {
		return err
	}
	if exists && !known { // made here: nothing of it may go on
		if err := s.forget(tx, key); err != nil {
			return err
		}
		exists = false
	}
	// An account whose factors this node can not judge must not work with the password alone.
	needs := m.NeedsFactor || len(m.Factors) > 0
	if !exists {
		if err := s.insert(tx, key, m.Name, m.Display, m.Password, needs); err != nil {
			return err
		}
	}
	var off any
	if m.Disabled {
		off = s.now().UnixMilli()
	}
	if _, err := tx.Exec(`UPDATE account SET name = ?2, display = ?3, password = ?4, password_at = ?5, needs_factor = ?6, disabled_at = ?7 WHERE folded = ?1`,
		key, m.Name, m.Display, m.Password, m.PasswordAt, needs, off); err != nil {
		return err
	}
	if err := grant(tx, key, texts(m.Roles), texts(m.Warehouses)); err != nil {
		return err
	}
	if err := s.repeatWork(tx, key, m); err != nil {
		return err
	}
	other, err := s.repeatFactors(tx, key, m.Factors)
	if err != nil {
		return err
	}
	if m.Disabled || other || password != m.Password {
		return endSessions(tx, key, "")
	}
	return nil
}

// Suspend keeps a person out of whom the hub has said something that this node can not read: the news may be that less is allowed. Their
// account stays, with what was used of its codes and counters, until the hub is understood again. An account that was made here stays as it is.
func (s *Service) Suspend(tx *vault.Tx, account access.Account) error {
	key := string(account)
	if at, err := elsewhere(tx, key); err != nil || !at {
		return err
	}
	if _, err := tx.Exec(`UPDATE account SET disabled_at = coalesce(disabled_at, ?2) WHERE folded = ?1`, key, s.now().UnixMilli()); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE account_member SET heard = x'' WHERE account = ?1`, key); err != nil { // the next word counts, even if it is the one before
		return err
	}
	return endSessions(tx, key, "")
}

// repeatFactors makes the factors those that the hub says. Of each that stays it keeps what was used of it here: the last code of an authenticator, and the
// counter of a passkey, which never goes back. other says that some came or went.
func (s *Service) repeatFactors(tx *vault.Tx, key string, want []access.Factor) (other bool, err error) {
	rows, err := tx.Query(`SELECT id, kind, secret, coalesce(credential, x'') FROM account_factor WHERE account = ?1`, key)
	if err != nil {
		return false, err
	}
	var gone []int64
	held := map[string]int64{} // row by what makes a factor the same
	for rows.Next() {
		var id int64
		var f access.Factor
		if err := rows.Scan(&id, &f.Kind, &f.Secret, &f.Credential); err != nil {
			return false, err
		}
		if slices.ContainsFunc(want, func(w access.Factor) bool { return judgeable(w) && sameFactor(w) == sameFactor(f) }) {
			held[sameFactor(f)] = id
		} else {
			gone = append(gone, id)
		}
	}
	if err := rows.Err(); err != nil {
		return false, err
	}
	for _, id := range gone {
		if _, err := tx.Exec(`DELETE FROM account_factor WHERE id = ?1`, id); err != nil {
			return false, err
		}
	}
	other = len(gone) > 0
	for _, f := range want {
		if !judgeable(f) {
			continue
		}
		id, stays := held[sameFactor(f)]
		if !stays {
			other = true
			if id, err = s.takeFactor(tx, key, f); err != nil {
				return false, err
			}
			held[sameFactor(f)] = id
		}
		if f.Kind != KindPasskey {
			continue
		}
		if _, err := tx.Exec(`UPDATE account_factor SET name = ?2, counter = max(counter, ?3), flags = CASE WHEN used_at IS NULL THEN ?4 ELSE flags END, transports = ?5 WHERE id = ?1`,
			id, f.Name, int64(f.Counter), int64(f.Flags), strings.Join(f.Transports, " ")); err != nil {
			return false, err
		}
	}
	return other, nil
}

// judgeable reports whether this node can judge a factor. Of a passkey that came without its key it knows no more than that there is one.
func judgeable(f access.Factor) bool {
	return len(f.Secret) > 0 && (f.Kind == KindTOTP || f.Kind == KindPasskey && len(f.Credential) > 0)
}

func sameFactor(f access.Factor) string {
	return f.Kind + "\x00" + string(f.Credential) + "\x00" + string(f.Secret)
}

// takeFactor adds a factor of the hub's. A passkey can be one account's only: the hub's word counts.
func (s *Service) takeFactor(tx *vault.Tx, key string, f access.Factor) (int64, error) {
	var credential any
	if f.Kind == KindPasskey {
		credential = f.Credential
		if _, err := tx.Exec(`DELETE FROM account_factor WHERE credential = ?1`, f.Credential); err != nil {
			return 0, err
		}
	}
	r, err := tx.Exec(`INSERT INTO account_factor (account, kind, secret, counter, made_at, confirmed_at, credential, flags) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7)`,
		key, f.Kind, f.Secret, int64(f.Counter), f.Made, credential, int64(f.Flags))
	return r.LastInsertID, err
}

// repeatWork makes badge, PIN and handle those that the hub says.
func (s *Service) repeatWork(tx *vault.Tx, key string, m access.Member) error {
	if _, err := tx.Exec(`DELETE FROM account_badge WHERE account = ?1 OR badge = ?2`, key, notNil(m.Badge.Hash)); err != nil {
		return err
	}
	if len(m.Badge.Hash) > 0 {
		if _, err := tx.Exec(`INSERT INTO account_badge (account, badge, public, made_at) VALUES (?1, ?2, ?3, ?4)`, key, m.Badge.Hash, m.Badge.Name, m.Badge.Made); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(`DELETE FROM account_pin WHERE account = ?1`, key); err != nil {
		return err
	}
	if m.PIN.Hash != "" {
		if _, err := tx.Exec(`INSERT INTO account_pin (account, pin, set_at) VALUES (?1, ?2, ?3)`, key, m.PIN.Hash, m.PIN.Set); err != nil {
			return err
		}
	}
	var handle any
	if len(m.Handle) > 0 {
		handle = m.Handle
	}
	_, err := tx.Exec(`UPDATE account SET handle = ?2 WHERE folded = ?1`, key, handle)
	return err
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// forget removes an account with all that it could do. The audit trail keeps its name.
func (s *Service) forget(tx *vault.Tx, key string) error {
	for _, table := range []string{"account_role", "account_warehouse", "account_password", "account_activation", "account_factor", "account_recovery", "account_notice", "account_habit",
		"account_badge", "account_pin", "account_member", "account_link"} {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE account = ?1`, key); err != nil { // #nosec G202 -- a name from the list above
			return err
		}
	}
	if err := endSessions(tx, key, ""); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM account WHERE folded = ?1`, key)
	return err
}

// Announce says that sessions may have ended or people's rights changed; it is called after the commit of Repeat.
func (s *Service) Announce() { s.announce() }

// Settle gives accounts that were made at this node, before rights were asked for, the roles and warehouses of the first account
// here. Accounts that have any warehouse, and those of the hub, stay as they are.
func (s *Service) Settle(ctx context.Context) error {
	return s.store.Update(ctx, func(tx *vault.Tx) error {
		rows, err := tx.Query(`SELECT folded FROM account WHERE folded NOT IN (SELECT account FROM account_warehouse) AND folded NOT IN (SELECT account FROM account_member) ORDER BY folded`)
		if err != nil {
			return err
		}
		var keys []string
		for rows.Next() {
			var k string
			if err := rows.Scan(&k); err != nil {
				return err
			}
			keys = append(keys, k)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, k := range keys {
			if err := grant(tx, k, s.first, s.firstAt); err != nil {
				return err
			}
			if err := s.note(tx, "account.changed", k, "ok", Person{}, map[string]string{"roles": strings.Join(s.first, " "), "warehouses": strings.Join(s.firstAt, " ")}); err != nil {
				return err
			}
		}
		return nil
	})
}

// elsewhere reports whether the hub keeps an account.
func elsewhere(tx *vault.Tx, key string) (bool, error) {
	n := 0
	err := tx.QueryRow(`SELECT count(*) FROM account_member WHERE account = ?1`, key).Scan(&n)
	return n > 0, err
}

// changesAccount reports whether an act changes what nodes know of an account.
func changesAccount(act string) bool {
	return slices.ContainsFunc([]string{"account.", "factor.", "badge.", "pin."}, func(p string) bool { return strings.HasPrefix(act, p) })
}
