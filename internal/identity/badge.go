package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"stockade/internal/vault"
)

// A badge and a PIN let a person work at a station without a keyboard. The badge is a barcode of 90 random bits, of which the store has the SHA-256; the PIN, chosen by its person,
// is kept as Argon2id. Neither is worth anything without the other, and together they open no page: only package station's scans.

// BadgePrefix begins the text of a badge's barcode.
const BadgePrefix = "STK:BADGE:"

// Numbers of badges.
const (
	badgeLetters   = 18 // of codeLetters: 90 bits
	minPIN, maxPIN = 6, 12
)

// Brakes on PINs. A person who mistypes waits seconds; after five wrong ones nobody may try for a quarter of an hour, with this badge or at this station. A right PIN frees the
// station, since guessing with one badge is held back by that badge's own brake.
var (
	badgeBrake   = brake{free: 2, first: 2 * time.Second, most: 15 * time.Minute, lock: 5}
	stationBrake = brake{free: 2, first: 2 * time.Second, most: 15 * time.Minute, lock: 5}
)

// Conditions of badges.
var (
	ErrBadge = errors.New("the badge is not valid")
	ErrNoPIN = errors.New("the badge's person has not chosen a PIN")
	ErrPIN   = errors.New("the PIN is wrong")
)

// Badge is a badge as administrators and its person see it.
type Badge struct {
	Name string    // public name, for the audit trail; empty for no badge
	Made time.Time // of the badge
	PIN  time.Time // when the PIN was chosen; zero for none
}

// BadgeHolder is whose badge was read.
type BadgeHolder struct {
	Account string
	Display string    // what the person is called; the account's name when empty
	Badge   string    // public name of the badge
	PIN     time.Time // when the PIN was chosen: another one ends the work, see BadgeHolds
}

func badgeHash(code string) [sha256.Size]byte {
	return codeHash(strings.TrimPrefix(strings.TrimSpace(code), BadgePrefix))
}

// NewBadge makes a person's badge and returns its barcode's text, told this once. A badge made before is void.
func (s *Service) NewBadge(ctx context.Context, by Person, name string) (code string, err error) {
	err = s.on(ctx, by, name, func(tx *vault.Tx, key string, a Account) error {
		if a.Disabled {
			return ErrNothing
		}
		b := make([]byte, badgeLetters)
		_, _ = rand.Read(b) // never fails, see crypto/rand
		for i := range b {
			b[i] = codeLetters[b[i]%32]
		}
		code = BadgePrefix + string(b)
		sum, public := badgeHash(code), secret(6)
		if _, err := tx.Exec(`INSERT INTO account_badge (account, badge, public, made_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (account) DO UPDATE SET badge = excluded.badge, public = excluded.public, made_at = excluded.made_at`,
			key, sum[:], public, s.now().UnixMilli()); err != nil {
			return err
		}
		if err := s.tell(tx, key, "badge_made", map[string]string{"by": by.Account}); err != nil {
			return err
		}
		return s.note(tx, "badge.made", key, "ok", by, map[string]string{"badge": public})
	})
	if err != nil {
		return "", err
	}
	return code, nil
}

// RevokeBadge voids a person's badge, for one that was lost. The PIN stays for the next badge.
func (s *Service) RevokeBadge(ctx context.Context, by Person, name string) error {
	return s.on(ctx, by, name, func(tx *vault.Tx, key string, _ Account) error {
		var public string
		if err := tx.QueryRow(`SELECT public FROM account_badge WHERE account = ?1`, key).Scan(&public); err != nil {
			if errors.Is(err, vault.ErrNoRows) {
				return ErrNothing
			}
			return err
		}
		if _, err := tx.Exec(`DELETE FROM account_badge WHERE account = ?1`, key); err != nil {
			return err
		}
		if err := s.tell(tx, key, "badge_revoked", map[string]string{"by": by.Account}); err != nil {
			return err
		}
		return s.note(tx, "badge.revoked", key, "ok", by, map[string]string{"badge": public})
	})
}

// BadgeOf tells about a person's badge and PIN.
func (s *Service) BadgeOf(ctx context.Context, name string) (b Badge, err error) {
	err = s.store.View(ctx, func(tx *vault.Tx) error {
		var made, set int64
		err := tx.QueryRow(`SELECT coalesce(b.public, ''), coalesce(b.made_at, 0), coalesce(p.set_at, 0) FROM account a LEFT JOIN account_badge b ON b.account = a.folded LEFT JOIN account_pin p ON p.account = a.folded
			WHERE a.folded = ?1`, fold(name)).Scan(&b.Name, &made, &set)
		if errors.Is(err, vault.ErrNoRows) {
			return ErrNobody
		}
		if made > 0 {
			b.Made = time.UnixMilli(made)
		}
		if set > 0 {
			b.PIN = time.UnixMilli(set)
		}
		return err
	})
	return b, err
}

// SetPIN gives a person the PIN that they chose.
func (s *Service) SetPIN(ctx context.Context, who Person, pin string) error {
	if err := checkPIN(pin); err != nil {
		return err
	}
	var phc string
	if err := s.hashing.do(ctx, func() { phc = hashPassword(pin, present) }); err != nil {
		return err
	}
	key := fold(who.Account)
	return s.store.Update(ctx, func(tx *vault.Tx) error {
		if err := s.mayChange(tx, who); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO account_pin (account, pin, set_at) VALUES (?1, ?2, ?3) ON CONFLICT (account) DO UPDATE SET pin = excluded.pin, set_at = excluded.set_at`, key, phc, s.now().UnixMilli()); err != nil {
			return err
		}
		if err := s.tell(tx, key, "pin_set", nil); err != nil {
			return err
		}
		return s.note(tx, "badge.pin_set", key, "ok", who, nil)
	})
}

const badgeRow = ` FROM account_badge b JOIN account a ON a.folded = b.account LEFT JOIN account_pin p ON p.account = b.account WHERE b.badge = ?1 AND a.disabled_at IS NULL`

// ReadBadge returns whose badge was read. ErrBadge says that it is none of ours, was revoked, or its person is disabled; ErrNoPIN that the person has yet to choose a PIN.
// The station records what it refuses.
func (s *Service) ReadBadge(ctx context.Context, code string) (h BadgeHolder, err error) {
	sum := badgeHash(code)
	var pin string
	var set int64
	err = s.store.View(ctx, func(tx *vault.Tx) error {
		return tx.QueryRow(`SELECT a.name, a.display, b.public, coalesce(p.pin, ''), coalesce(p.set_at, 0)`+badgeRow, sum[:]).Scan(&h.Account, &h.Display, &h.Badge, &pin, &set)
	})
	switch {
	case errors.Is(err, vault.ErrNoRows):
		return BadgeHolder{}, ErrBadge
	case err != nil:
		return BadgeHolder{}, err
	case pin == "":
		return h, ErrNoPIN
	}
	if h.Display == "" {
		h.Display = h.Account
	}
	h.PIN = time.UnixMilli(set)
	return h, nil
}

// EnterPIN judges the PIN that was typed at a station for a badge that was read there, and returns who works there from now on. Attempts count before they are judged,
// for the badge, for the station and for the address; a *WaitError refuses them, right or wrong.
func (s *Service) EnterPIN(ctx context.Context, badge, pin, station, address string) (who Person, err error) {
	key, phc := "", s.decoy
	find := func(tx *vault.Tx) error {
		return tx.QueryRow(`SELECT a.folded, p.pin FROM account_badge b JOIN account a ON a.folded = b.account JOIN account_pin p ON p.account = b.account WHERE b.public = ?1 AND a.disabled_at IS NULL`, badge).Scan(&key, &phc)
	}
	counted := pinSubjects(badge, station, address)
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		if err := find(tx); err != nil {
			return err
		}
		return s.attemptIn(tx, counted)
	})
	if errors.Is(err, vault.ErrNoRows) {
		return Person{}, ErrBadge
	}
	if err != nil {
		return Person{}, err
	}
	right := false
	var checked error
	if err := s.hashing.do(ctx, func() { right, _, checked = checkPassword(phc, pin) }); err != nil {
		return Person{}, errors.Join(err, s.takeBack(ctx, counted))
	}
	if checked != nil {
		return Person{}, checked
	}
	judged := phc
	var outcome error
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		outcome = nil
		at := Person{Station: station, Address: address}
		if err := find(tx); errors.Is(err, vault.ErrNoRows) || err == nil && phc != judged {
			outcome = ErrBadge // it was revoked, or the PIN changed, meanwhile
			return nil
		} else if err != nil {
			return err
		}
		if !right {
			outcome = ErrPIN
			failed, _, err := attempts(tx, counted[1].name)
			if err != nil {
				return err
			}
			if failed == badgeBrake.lock {
				if err := s.tell(tx, key, "pin_guessed", map[string]string{"station": station}); err != nil {
					return err
				}
			}
			return s.note(tx, "signin.badge", key, "refused", at, map[string]string{"station": station, "badge": badge, "failed": strconv.Itoa(failed)})
		}
		if _, err := s.succeeded(tx, counted); err != nil {
			return err
		}
		a, err := s.account(tx, key)
		if err != nil {
			return err
		}
		who = Person{Account: a.Name, Session: secret(6), Address: address, Roles: a.Roles, Warehouses: a.Warehouses}
		if _, err := tx.Exec(`UPDATE account SET seen_at = ?2 WHERE folded = ?1`, key, s.now().UnixMilli()); err != nil {
			return err
		}
		return s.note(tx, "signin.badge", key, "ok", who, map[string]string{"station": station, "badge": badge})
	})
	if err == nil {
		err = outcome
	}
	if err != nil {
		return Person{}, err
	}
	return who, nil
}

// pinSubjects returns what an attempt with a PIN counts for: the address first, then the badge.
func pinSubjects(badge, station, address string) []subject {
	s := []subject{{"address " + networkOf(address), addressBrake}, {"pin badge " + badge, badgeBrake}, {"pin station " + station, stationBrake}}
	if address == "" {
		s[0].name = "pin station address " + station
	}
	return s
}

// BadgeHolds reports whether work with a badge by that public name may go on: it was not revoked, its person was not disabled, and the PIN is the one that was
// chosen at that time.
func (s *Service) BadgeHolds(ctx context.Context, badge string, pin time.Time) (bool, error) {
	n := 0
	err := s.store.View(ctx, func(tx *vault.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM account_badge b JOIN account a ON a.folded = b.account JOIN account_pin p ON p.account = b.account WHERE b.public = ?1 AND a.disabled_at IS NULL AND p.set_at = ?2`, badge, pin.UnixMilli()).Scan(&n)
	})
	return n > 0, err
}

// commonPINs are those that people choose most and that no rule below finds: figures of the number pad, and numbers that sound like words.
var commonPINs = []string{"147258", "258147", "147852", "159357", "357159", "147369", "369147", "258369", "741852", "852741", "963852", "159753", "753951", "159951", "131420", "520131", "1314520", "5201314", "168888", "518888",
	"201314", "147896", "789632", "125689", "142536", "102030", "112358", "314159", "141421", "271828", "110119", "110120"}

// checkPIN returns a RuleError for a PIN that is not 6 to 12 digits or that others would try first: runs, repeats, mirrored and doubled
// digits, dates of birth, and the common ones.
func checkPIN(pin string) error {
	if len(pin) < minPIN || len(pin) > maxPIN || strings.Trim(pin, "0123456789") != "" {
		return &RuleError{"pin.bad"}
	}
	seen := map[rune]bool{}
	for _, r := range pin {
		seen[r] = true
	}
	if len(seen) < 3 || isRun(pin) || isRun(squeezed(pin)) || repeats(pin) || pin == reverse(pin) || isDate(pin) || slices.Contains(commonPINs, pin) {
		return &RuleError{"pin.easy"}
	}
	return nil
}

// isRun reports whether every digit follows the one before by the same step, such as 123456, 864208 or 036925.
func isRun(pin string) bool {
	for i := 2; i < len(pin); i++ {
		if (int(pin[i])-int(pin[i-1])+10)%10 != (int(pin[1])-int(pin[0])+10)%10 {
			return false
		}
	}
	return true
}

// squeezed leaves one of equal digits that follow each other.
func squeezed(pin string) string {
	var out []byte
	for i := range len(pin) {
		if i == 0 || pin[i] != pin[i-1] {
			out = append(out, pin[i])
		}
	}
	return string(out)
}

// repeats reports whether the PIN is a shorter one several times over.
func repeats(pin string) bool { return strings.Contains((pin + pin)[1:2*len(pin)-1], pin) }

// isDate reports whether the PIN reads as a day: of 6 digits with the year first or last, of 8 with a year of this or the last century.
func isDate(pin string) bool {
	for _, layout := range []string{"060102", "020106", "010206", "20060102"} {
		if t, err := time.Parse(layout, pin); err == nil && t.Year() > 1929 && t.Year() < 2070 {
			return true
		}
	}
	return false
}
