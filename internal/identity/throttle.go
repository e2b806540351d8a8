package identity

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"stockade/internal/vault"
)

// A brake slows guessing down: free failures cost nothing, each further one doubles the wait.
//
// Three brakes act at once. The one on account and address together is the strict one. The
// one on the account alone is mild for passwords, because it is the one that a stranger could use to keep
// somebody out: he can make them wait five minutes at most. The one on the address stops
// the trying of many accounts from one place.
//
// Codes of the second factor have counters of their own, which a right password does not
// clear. There the brake on the account is strict: who gets that far knows the password.
type brake struct {
	free  int
	first time.Duration
	most  time.Duration
	lock  int // failures from which on the longest wait holds at once; 0 for none
}

var (
	pairBrake    = brake{free: 5, first: 30 * time.Second, most: 15 * time.Minute}
	accountBrake = brake{free: 20, first: 10 * time.Second, most: 5 * time.Minute}
	addressBrake = brake{free: 20, first: 30 * time.Second, most: 15 * time.Minute}
	codeBrake    = brake{free: 5, first: 30 * time.Second, most: 15 * time.Minute}
)

// forgetAfter is how long a failure counts when no other follows it.
const forgetAfter = 12 * time.Hour

// wait returns how long nobody may try after that many failures in a row.
func (b brake) wait(failures int) time.Duration {
	if failures < b.free {
		return 0
	}
	if b.lock > 0 && failures >= b.lock {
		return b.most
	}
	w := b.first
	for i := b.free; i < failures && w < b.most; i++ {
		w *= 2
	}
	return min(w, b.most)
}

// subject is what failures are counted for, and the brake that acts on it.
type subject struct {
	name  string
	brake brake
}

// subjects returns what an attempt on account (folded; empty for a one-time code) counts for: the address first, then the pair.
func subjects(account, address string) []subject {
	network := networkOf(address)
	s := []subject{{"address " + network, addressBrake}, {"pair " + network + " " + account, pairBrake}}
	if account != "" {
		s = append(s, subject{"account " + account, accountBrake})
	}
	return s
}

// codeSubjects returns what an attempt with a code of the second factor counts for, in the same order.
func codeSubjects(account, address string) []subject {
	network := networkOf(address)
	return []subject{{"address " + network, addressBrake}, {"code pair " + network + " " + account, codeBrake}, {"code account " + account, codeBrake}}
}

// Network returns what one party can be taken to own of the addresses around one.
func Network(address string) string { return networkOf(address) }

// networkOf returns what one party can be taken to own: an IPv4 address, or the /64 of an
// IPv6 address, in which anyone can pick addresses at will.
func networkOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap(); a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// attempt counts an attempt as failed before it is judged, or refuses it with a WaitError.
func (s *Service) attempt(ctx context.Context, counted []subject) error {
	return s.store.Update(ctx, func(tx *vault.Tx) error { return s.attemptIn(tx, counted) })
}

func (s *Service) attemptIn(tx *vault.Tx, counted []subject) error {
	now, wait := s.now(), time.Duration(0)
	failures := make([]int, len(counted))
	for i, c := range counted {
		n, last, err := attempts(tx, c.name)
		if err != nil {
			return err
		}
		// A last failure that lies ahead, because the clock was set back, counts as one of just now.
		since := max(0, now.Sub(last))
		if since < forgetAfter {
			failures[i] = n
			wait = max(wait, c.brake.wait(n)-since)
		}
	}
	if wait > 0 {
		return &WaitError{wait}
	}
	for i, c := range counted {
		if _, err := tx.Exec(`INSERT INTO attempt (subject, failures, last_at) VALUES (?1, ?2, ?3) ON CONFLICT (subject) DO UPDATE SET failures = excluded.failures, last_at = excluded.last_at`,
			c.name, failures[i]+1, now.UnixMilli()); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`DELETE FROM attempt WHERE last_at < ?1`, now.Add(-forgetAfter).UnixMilli())
	return err
}

func attempts(tx *vault.Tx, subject string) (int, time.Time, error) {
	var failures int
	var last int64
	err := tx.QueryRow(`SELECT failures, last_at FROM attempt WHERE subject = ?1`, subject).Scan(&failures, &last)
	if errors.Is(err, vault.ErrNoRows) {
		return 0, time.Time{}, nil
	}
	return failures, time.UnixMilli(last), err
}

// succeeded forgets the failures of the person who now succeeded, and returns how many they were. Of the address it forgets
// those alone: who has an account of their own can not use it to guess others' from the same address for ever.
func (s *Service) succeeded(tx *vault.Tx, counted []subject) (before int, err error) {
	pair, _, err := attempts(tx, counted[1].name)
	if err != nil {
		return 0, err
	}
	for _, c := range counted[1:] {
		n, _, err := attempts(tx, c.name)
		if err != nil {
			return 0, err
		}
		before = max(before, n-1) // this attempt was counted too
		if _, err := tx.Exec(`DELETE FROM attempt WHERE subject = ?1`, c.name); err != nil {
			return 0, err
		}
	}
	return before, s.lessen(tx, counted[0].name, max(1, pair))
}

// takeBack undoes the counting of an attempt that was never judged.
func (s *Service) takeBack(ctx context.Context, counted []subject) error {
	return s.store.Update(ctx, func(tx *vault.Tx) error {
		for _, c := range counted {
			if err := s.lessen(tx, c.name, 1); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) lessen(tx *vault.Tx, subject string, by int) error {
	if _, err := tx.Exec(`UPDATE attempt SET failures = failures - ?2 WHERE subject = ?1`, subject, by); err != nil {
		return err
	}
	_, err := tx.Exec(`DELETE FROM attempt WHERE subject = ?1 AND failures <= 0`, subject)
	return err
}
