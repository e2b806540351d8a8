package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
)

// Bounds and defaults of a session.
const (
	DefaultIdle = 15 * time.Minute
	DefaultMax  = 12 * time.Hour

	leastIdle, mostIdle = time.Minute, time.Hour
	leastMax, mostMax   = 15 * time.Minute, 24 * time.Hour

	touchPeriod  = time.Minute // how exactly idleness is measured
	mostSessions = 10          // of an account; the one that was used longest ago ends
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options describe a Service.
type Options struct {
	// Now is the program's trusted time, by which codes, limits and sessions are judged; time.Now when nil.
	Now func() time.Time
	// Audit records an entry in the transaction of the act. It is required.
	Audit func(tx *vault.Tx, e change.Entry, p Person) error

	Rules          Rules                                    // of passwords; ASVS when zero
	Guessable      func(password string, own []string) bool // calls a password too easy to guess, beside the rules; nil for nothing more
	Words          func() []string                          // context words that a password may not be made of: company, warehouses; nil for none
	Issuer         string                                   // what authenticators show beside the account; "Stockade" when empty
	PasskeyDomain  string                                   // RP ID: a domain under which this program is reached by name; empty for no passkeys
	Zone           *time.Location                           // by whose clock an hour is odd; UTC when nil
	Idle           time.Duration                            // after which an unused session ends; DefaultIdle when zero
	Max            time.Duration                            // after which every session ends; DefaultMax when zero
	FirstRoles     []string                                 // roles of the account that the one-time code makes; DefaultFirst when nil
	FirstAt        []string                                 // its warehouses
	RequiresFactor func(roles []string) bool                // whether one of the roles requires a second factor; nil for no
	// RequiresPasskey says whether one of the roles requires a passkey and takes nothing else; nil for no. RequiresFactor says yes to them too.
	RequiresPasskey func(roles []string) bool
	// AllEnded is told in the transaction in which all sessions end, see EndEverybody.
	AllEnded func(tx *vault.Tx) error
	// Changed is told in the transaction of every change of an account that nodes have to know, after it was written; see Service.Member.
	Changed    func(tx *vault.Tx, account string) error
	CheckRoles func(roles []string) error // refuses roles that do not exist or exclude each other, with a *RuleError; nil accepts all
}

// DefaultFirst returns the roles of the first account: it makes accounts and gives roles, also those of the system administrator and of
// the auditor, whom the ready policy wants to be other people. The two together are what that policy gives to nobody later: while there
// is only one person, there is nobody to keep them apart from.
func DefaultFirst() []string {
	return []string{string(access.Operations), string(access.SecurityAdmin)}
}

// CheckLimits returns an error for limits of a session that are outside the bounds. Zero means the default.
func CheckLimits(idle, most time.Duration) error {
	if idle != 0 && (idle < leastIdle || idle > mostIdle) {
		return fmt.Errorf("a session may be idle %s to %s, not %s", leastIdle, mostIdle, idle)
	}
	if most != 0 && (most < leastMax || most > mostMax) {
		return fmt.Errorf("a session may last %s to %s, not %s", leastMax, mostMax, most)
	}
	return nil
}

// Service knows the accounts of one store.
type Service struct {
	store     *vault.Store
	now       func() time.Time
	audit     func(*vault.Tx, change.Entry, Person) error
	rules     Rules
	judge     func(string, []string) bool
	words     func() []string
	issuer    string
	domain    string // of passkeys
	zone      *time.Location
	idle, max time.Duration
	first     []string
	firstAt   []string
	changed   func(*vault.Tx, string) error
	needs     func([]string) bool
	needsKey  func([]string) bool
	allEnded  func(*vault.Tx) error
	roles     func([]string) error
	hashing   queue
	decoy     string // a password's hash that nobody knows, so that a wrong name takes the same work

	mu    sync.Mutex
	code  [sha256.Size]byte // of the one-time code; zero when there is none
	ended chan struct{}     // closed when sessions end, see Ended
}

// Open brings the tables into the store.
func Open(ctx context.Context, v *vault.Store, o Options) (*Service, error) {
	if o.Audit == nil {
		return nil, errors.New("identity: an audit trail is required")
	}
	if err := CheckLimits(o.Idle, o.Max); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if err := CheckPasskeyDomain(o.PasskeyDomain); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := vault.MigrateSet(ctx, v, "identity", files); err != nil {
		return nil, fmt.Errorf("open accounts: %w", err)
	}
	if err := migrateMembers(ctx, v); err != nil {
		return nil, fmt.Errorf("open accounts: %w", err)
	}
	s := &Service{firstAt: o.FirstAt, changed: o.Changed, store: v, now: o.Now, audit: o.Audit, rules: o.Rules, judge: o.Guessable, words: o.Words, issuer: o.Issuer, domain: o.PasskeyDomain, zone: o.Zone, idle: o.Idle, max: o.Max, first: o.FirstRoles,
		needs: o.RequiresFactor, needsKey: o.RequiresPasskey, allEnded: o.AllEnded, roles: o.CheckRoles, hashing: newQueue(), decoy: hashPassword(secret(16), present), ended: make(chan struct{})}
	if s.now == nil {
		s.now = time.Now
	}
	if s.rules == (Rules{}) {
		s.rules = ASVS
	}
	if s.issuer == "" {
		s.issuer = "Stockade"
	}
	if s.zone == nil {
		s.zone = time.UTC
	}
	if s.idle == 0 {
		s.idle = DefaultIdle
	}
	if s.max == 0 {
		s.max = DefaultMax
	}
	if s.first == nil {
		s.first = DefaultFirst()
	}
	return s, nil
}

// Rules returns what passwords must be.
func (s *Service) Rules() Rules { return s.rules }

// secret returns n random bytes as text.
func secret(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

// contextWords returns what a password of the person may not be made of.
func (s *Service) contextWords(names ...string) []string {
	if s.words != nil {
		names = append(names, s.words()...)
	}
	return names
}

// SignIn checks name and password and begins a session, or the wait for the second factor of an account that has one. Whether
// there is no such account, it is disabled, has no password yet, or the password was wrong shows neither
// in the answer nor in the time that it takes.
func (s *Service) SignIn(ctx context.Context, name, password string, from From) (Session, error) {
	key := fold(name)
	counted := subjects(key, from.Address)
	if err := s.attempt(ctx, counted); err != nil {
		return Session{}, err
	}
	right, phc, err := s.rightPassword(ctx, key, password)
	if err != nil {
		return Session{}, errors.Join(err, s.takeBack(ctx, counted))
	}
	if !right {
		return Session{}, errors.Join(s.refused(ctx, "signin.password", key, from), ErrWrong)
	}
	var session Session
	err = s.store.Update(ctx, func(tx *vault.Tx) (err error) {
		if err := unchanged(tx, key, phc); err != nil {
			return err
		}
		before, err := s.succeeded(tx, counted)
		if err != nil {
			return err
		}
		session, err = s.enter(tx, key, before, from)
		return err
	})
	return session, err
}

// enter begins a session after the right password, or the wait for the second factor.
func (s *Service) enter(tx *vault.Tx, key string, before int, from From) (Session, error) {
	has, err := hasFactor(tx, key)
	if err != nil {
		return Session{}, err
	}
	if has {
		return s.beginHalf(tx, key, KindPassword, from)
	}
	var name string
	if err := tx.QueryRow(`SELECT name FROM account WHERE folded = ?1`, key).Scan(&name); err != nil {
		return Session{}, err
	}
	return s.begin(tx, key, name, KindPassword, before, from)
}

// rightPassword judges a password and returns the hash that it was judged by. An account that is not there, is disabled
// or has no password takes the same work and is never right. A hash of an older cost is made anew.
func (s *Service) rightPassword(ctx context.Context, key, password string) (right bool, phc string, err error) {
	phc, found := s.decoy, true
	err = s.store.View(ctx, func(tx *vault.Tx) error {
		return tx.QueryRow(`SELECT password FROM account WHERE folded = ?1 AND disabled_at IS NULL AND password <> ''`, key).Scan(&phc)
	})
	if errors.Is(err, vault.ErrNoRows) {
		found, err = false, nil
	}
	if err != nil {
		return false, "", err
	}
	stale, fresh := false, ""
	var checked error
	if err := s.hashing.do(ctx, func() {
		if right, stale, checked = checkPassword(phc, password); right && stale {
			fresh = hashPassword(password, present)
		}
	}); err != nil {
		return false, "", err
	}
	if checked != nil || !right || !found {
		return false, "", checked
	}
	if fresh == "" {
		return true, phc, nil
	}
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		_, err := tx.Exec(`UPDATE account SET password = ?3 WHERE folded = ?1 AND password = ?2`, key, phc, fresh)
		return err
	})
	return true, fresh, err
}

// unchanged returns ErrWrong when the account was disabled or got another password since a password was judged.
func unchanged(tx *vault.Tx, key, phc string) error {
	n := 0
	if err := tx.QueryRow(`SELECT count(*) FROM account WHERE folded = ?1 AND password = ?2 AND disabled_at IS NULL`, key, phc).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return ErrWrong
	}
	return nil
}

// begin makes a session, remembers where it came from and tells the person when that is unusual. before is how many
// attempts had failed since the last sign-in.
func (s *Service) begin(tx *vault.Tx, key, name, factor string, before int, from From) (Session, error) {
	token := secret(32)
	sum := sha256.Sum256([]byte(token))
	p := Person{Account: name, Session: secret(6), Address: from.Address, Fresh: true, FactorAt: s.now()}
	now := s.now().UnixMilli()
	fresh := now
	if factor == KindCompany || factor == KindCompanyFactor { // the provider may have remembered the person for days
		fresh, p.Fresh, p.FactorAt = 0, false, time.UnixMilli(0)
	}
	if _, err := tx.Exec(`DELETE FROM session WHERE used_at < ?1 OR made_at < ?2`, now-s.idle.Milliseconds(), now-s.max.Milliseconds()); err != nil {
		return Session{}, err
	}
	if from.Session != "" { // the browser's former session dies with the new sign-in
		if _, err := tx.Exec(`DELETE FROM session WHERE public = ?1`, from.Session); err != nil {
			return Session{}, err
		}
	}
	if _, err := tx.Exec(`DELETE FROM session WHERE account = ?1 AND token NOT IN (SELECT token FROM session WHERE account = ?1 ORDER BY used_at DESC LIMIT ?2)`, key, mostSessions-1); err != nil {
		return Session{}, err
	}
	if _, err := tx.Exec(`INSERT INTO session (token, public, account, address, device, factor, made_at, used_at, fresh_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)`,
		sum[:], p.Session, key, from.Address, Device(from.Agent), factor, now, fresh); err != nil {
		return Session{}, err
	}
	if _, err := tx.Exec(`UPDATE account SET seen_at = ?2 WHERE folded = ?1`, key, now); err != nil {
		return Session{}, err
	}
	if err := s.note(tx, "signin.ok", key, "ok", p, map[string]string{"factor": factor}); err != nil {
		return Session{}, err
	}
	return Session{Token: token, Person: p}, s.watch(tx, key, before, from, p)
}

// renew gives a session a new token because a factor was given again, and ends the person's other sessions when asked to.
func (s *Service) renew(tx *vault.Tx, who Person, endOthers bool) (Session, error) {
	key, token := fold(who.Account), secret(32)
	sum := sha256.Sum256([]byte(token))
	r, err := tx.Exec(`UPDATE session SET token = ?3, fresh_at = ?4, used_at = ?4 WHERE public = ?1 AND account = ?2`, who.Session, key, sum[:], s.now().UnixMilli())
	if err != nil {
		return Session{}, err
	}
	if r.RowsAffected == 0 {
		return Session{}, ErrNotFresh // it ended meanwhile
	}
	if endOthers {
		if err := endSessions(tx, key, who.Session); err != nil {
			return Session{}, err
		}
	}
	who.Fresh, who.FactorAt = true, s.now()
	return Session{Token: token, Person: who}, nil
}

// endSessions ends all sessions of an account but one, and sign-ins that are under way, with what was asked of passkeys in them.
func endSessions(tx *vault.Tx, key, but string) error {
	if _, err := tx.Exec(`DELETE FROM session WHERE account = ?1 AND public <> ?2`, key, but); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM account_half WHERE account = ?1`, key); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM account_challenge WHERE account = ?1 AND bound <> ?2`, key, boundToSession(but))
	return err
}

// Ended returns a channel that is closed when sessions next end other than by time. Whoever serves a session
// for long then asks Person whether it goes on.
func (s *Service) Ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// announce closes the channel of Ended; it is called after the commit.
func (s *Service) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ended)
	s.ended = make(chan struct{})
}

// refused records an attempt that was wrong. Who it claimed to be is the object, kept short; nobody is the actor.
func (s *Service) refused(ctx context.Context, act, key string, from From) error {
	return s.store.Update(ctx, func(tx *vault.Tx) error {
		return s.note(tx, act, clipped(key), "refused", Person{Address: from.Address}, nil)
	})
}

// note records an entry; where it came from stands in every one. It is called after what it tells of was written: of changes of an
// account it tells Options.Changed.
func (s *Service) note(tx *vault.Tx, act, object, outcome string, who Person, detail map[string]string) error {
	d := map[string]string{"address": who.Address}
	for k, v := range detail {
		d[k] = v
	}
	if err := s.audit(tx, change.Entry{Act: act, Object: object, Outcome: outcome, Detail: d}, who); err != nil {
		return err
	}
	if s.changed != nil && outcome == "ok" && changesAccount(act) {
		return s.changed(tx, object)
	}
	return nil
}

// clipped keeps what a stranger typed short.
func clipped(s string) string {
	if len(s) > maxName {
		s = s[:maxName]
	}
	return strings.ToValidUTF8(s, "�")
}

// Person returns who a session's token stands for, the zero Person when nobody. used says
// that the person did something, which keeps the session from idling out.
func (s *Service) Person(ctx context.Context, token string, used bool) (Person, error) {
	sum := sha256.Sum256([]byte(token))
	return s.person(ctx, `s.token = ?1`, sum[:], used)
}

// PersonOf is Person for the public name of a session, for those who have served it before and must know whether it goes on.
func (s *Service) PersonOf(ctx context.Context, session string) (Person, error) {
	return s.person(ctx, `s.public = ?1`, session, false)
}

func (s *Service) person(ctx context.Context, which string, key any, used bool) (Person, error) {
	var p Person
	now := s.now() // before the session is read: however long that takes, what was used meanwhile was not idle
	var made, last, fresh, chosen int64
	var needs bool
	var roles, warehouses, factor string
	var factors, keys int
	err := s.store.View(ctx, func(tx *vault.Tx) error {
		return tx.QueryRow(`SELECT a.name, s.public, s.address, s.made_at, s.used_at, s.fresh_at, s.factor, a.password_at, a.needs_factor, (SELECT count(*) FROM account_member WHERE account = a.folded) > 0,
			(SELECT coalesce(group_concat(role, char(10)), '') FROM account_role WHERE account = a.folded),
			(SELECT coalesce(group_concat(warehouse, char(10)), '') FROM account_warehouse WHERE account = a.folded),
			(SELECT count(*) FROM account_factor WHERE account = a.folded AND confirmed_at IS NOT NULL),
			(SELECT count(*) FROM account_factor WHERE account = a.folded AND confirmed_at IS NOT NULL AND kind = '`+KindPasskey+`'),
			(SELECT count(*) FROM account_notice WHERE account = a.folded AND seen_at IS NULL)
			FROM session s JOIN account a ON a.folded = s.account WHERE a.disabled_at IS NULL AND `+which, key).Scan(
			&p.Account, &p.Session, &p.Address, &made, &last, &fresh, &factor, &chosen, &needs, &p.Elsewhere, &roles, &warehouses, &factors, &keys, &p.Notices)
	})
	if errors.Is(err, vault.ErrNoRows) {
		return Person{}, nil
	}
	if err != nil {
		return Person{}, err
	}
	first, void := s.keyless(lines(roles), keys, factor)
	if void || !s.alive(now, made, last) {
		return Person{}, nil
	}
	if used && now.Sub(time.UnixMilli(last)) > touchPeriod {
		err = s.store.Update(ctx, func(tx *vault.Tx) error {
			_, err := tx.Exec(`UPDATE session SET used_at = ?2 WHERE public = ?1`, p.Session, now.UnixMilli())
			return err
		})
	}
	p.Roles, p.Warehouses = lines(roles), lines(warehouses)
	p.FactorAt, p.Fresh = time.UnixMilli(fresh), s.fresh(time.UnixMilli(fresh))
	p.Company = strings.HasPrefix(factor, KindCompany)
	if p.Must = first; first != "" {
		return p, err
	}
	if factors == 0 && factor != KindCompanyFactor && (needs || s.needs != nil && s.needs(p.Roles)) {
		p.Must = MustEnrol
	} else if p.Company {
		return p, err // no password was given: whether it is overdue is asked when one is
	} else if _, must := s.rules.overdue(time.UnixMilli(chosen), now); must && !p.Elsewhere { // a node can not change it: the hub insists
		p.Must = MustChange
	}
	return p, err
}

// maxAhead is how far a session's times may lie in the future; beyond that the clock was set back, and nobody knows its age.
const maxAhead = 5 * time.Minute

func (s *Service) alive(now time.Time, made, last int64) bool {
	age, idle := now.Sub(time.UnixMilli(made)), now.Sub(time.UnixMilli(last))
	return age >= -maxAhead && age <= s.max && idle <= s.idle
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// SignOut ends the session; a token that means nothing is no error.
func (s *Service) SignOut(ctx context.Context, token string, from From) error {
	p, err := s.Person(ctx, token, false)
	if err != nil || p.Account == "" {
		return err
	}
	sum := sha256.Sum256([]byte(token))
	err = s.store.Update(ctx, func(tx *vault.Tx) error {
		if _, err := tx.Exec(`DELETE FROM session WHERE token = ?1`, sum[:]); err != nil {
			return err
		}
		p.Address = from.Address
		return s.note(tx, "signout", fold(p.Account), "ok", p, nil)
	})
	if err == nil {
		s.announce()
	}
	return err
}

// tell leaves a notice for the person. The oldest of more than 50 go.
func (s *Service) tell(tx *vault.Tx, key, kind string, args map[string]string) error {
	if args == nil {
		args = map[string]string{}
	}
	b, err := json.Marshal(args)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO account_notice (account, at, kind, args) VALUES (?1, ?2, ?3, ?4)`, key, s.now().UnixMilli(), kind, string(b)); err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM account_notice WHERE account = ?1 AND id NOT IN (SELECT id FROM account_notice WHERE account = ?1 ORDER BY id DESC LIMIT 50)`, key)
	return err
}
