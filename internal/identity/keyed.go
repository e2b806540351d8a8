package identity

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"stockade/internal/vault"
)

// Roles whose people must use a passkey in particular (Options.RequiresPasskey), since a code can be talked out of somebody. Such a person enrols a passkey before
// anything else; from then on nothing else serves as second factor, recovery codes neither, at sign-in and as step-up: also under names and addresses where
// passkeys do not work. Who has lost theirs is let in again by an administrator who resets the factors.

// MustPasskey is what such a person has to do first.
const MustPasskey Must = "passkey"

// ErrNeedsPasskey refuses a code where only a passkey serves.
var ErrNeedsPasskey = errors.New("this account takes a passkey and no code")

// keyed reports whether one of the roles asks for a passkey.
func (s *Service) keyed(roles []string) bool { return s.needsKey != nil && s.needsKey(roles) }

// passkeyOnly reports whether nothing but a passkey serves as second factor of an account. One that has none yet is let in by what there is, to enrol one.
func (s *Service) passkeyOnly(tx *vault.Tx, key string) (bool, error) {
	if s.needsKey == nil {
		return false, nil
	}
	var roles string
	has := false
	err := tx.QueryRow(`SELECT coalesce((SELECT group_concat(role, char(10)) FROM account_role WHERE account = ?1), ''),
		EXISTS (SELECT 1 FROM account_factor WHERE account = ?1 AND kind = ?2 AND confirmed_at IS NOT NULL)`, key, KindPasskey).Scan(&roles, &has)
	return has && s.keyed(lines(roles)), err
}

// takesCodes returns ErrNeedsPasskey for an account of which codes are not judged at all.
func (s *Service) takesCodes(tx *vault.Tx, key string) error {
	only, err := s.passkeyOnly(tx, key)
	if err == nil && only {
		err = ErrNeedsPasskey
	}
	return err
}

// byKey notes that a passkey was shown in a session.
func byKey(tx *vault.Tx, session string) error {
	_, err := tx.Exec(`UPDATE session SET factor = CASE WHEN substr(factor, 1, length(?3)) = ?3 THEN ?3 || '_' || ?2 ELSE ?2 END WHERE public = ?1`, session, KindPasskey, KindCompany)
	return err
}

// keyless returns what a session of roles that ask for a passkey has to do first, and whether it counts at all: one that was begun with a code, before
// the roles asked for more, does not.
func (s *Service) keyless(roles []string, keys int, factor string) (must Must, void bool) {
	switch {
	case !s.keyed(roles):
		return "", false
	case keys == 0:
		return MustPasskey, false
	}
	return "", factor != KindPasskey && factor != KindCompany+"_"+KindPasskey
}

// Touch keeps a session, by its public name, from idling out: the person is at work, though the browser asks nothing. A session that has ended stays ended.
func (s *Service) Touch(ctx context.Context, session string) error {
	_, err := s.person(ctx, `s.public = ?1`, session, true)
	return err
}

// maxEndReason limits the reason of EndEverybody, in characters.
const maxEndReason = 300

// EndEverybody ends all sessions of everybody, and sign-ins that are under way, but for the session of who asks; Options.AllEnded carries it on. It returns how many ended.
func (s *Service) EndEverybody(ctx context.Context, by Person, reason string) (n int64, err error) {
	reason = strings.TrimSpace(reason)
	if reason == "" || len([]rune(reason)) > maxEndReason {
		return 0, &RuleError{"people.end_all_reason"}
	}
	err = s.ending(ctx, func(tx *vault.Tx) error {
		if n, err = endAll(tx, by.Session); err != nil {
			return err
		}
		if err := s.note(tx, "session.all_ended", "", "ok", by, map[string]string{"reason": reason, "count": strconv.FormatInt(n, 10)}); err != nil {
			return err
		}
		if s.allEnded != nil {
			return s.allEnded(tx)
		}
		return nil
	})
	return n, err
}

// EndedEverywhere ends all sessions here because the hub has ended everybody's. The hub's log has the act; the caller calls Announce after the commit.
func (s *Service) EndedEverywhere(tx *vault.Tx) error {
	_, err := endAll(tx, "")
	return err
}

func endAll(tx *vault.Tx, but string) (int64, error) {
	r, err := tx.Exec(`DELETE FROM session WHERE public <> ?1`, but)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(`DELETE FROM account_half`)
	return r.RowsAffected, err
}
