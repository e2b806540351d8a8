package oidc

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"sync"
	"time"

	"stockade/internal/identity"
)

// Bounds of what is kept in memory for people who are at the provider. A restart forgets them: they begin again.
const (
	mostReferrals   = 20_000
	mostOfOnePlace  = 256
	mostErrandBytes = 16 << 20
)

// referral is a person on the way to the provider and back.
type referral struct {
	nonce    string
	verifier string // PKCE
	place    string // network address
	again    bool
	errand   any
	size     int
	at       time.Time
}

// pending are all referrals, each under the hash of its browser's secret and its state.
type pending struct {
	now func() time.Time

	mu     sync.Mutex
	all    map[[sha256.Size]byte]*referral
	bytes  int
	places map[string]int
}

// secret returns 256 random bits as text.
func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func keyOf(browser, state string) [sha256.Size]byte {
	return sha256.Sum256([]byte("referral\x00" + browser + "\x00" + state))
}

// add keeps a referral. A browser that has a secret keeps it, so that two of its windows can be on their way at once.
func (p *pending) add(browser string, r *referral) (known, state string, err error) {
	if len(browser) != len(secret()) { // made up, or none
		browser = secret()
	}
	state = secret()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.places == nil {
		p.places = map[string]int{}
	}
	r.place = identity.Network(r.place)
	if p.full(r) {
		p.sweep()
	}
	if p.full(r) {
		return "", "", problem("busy", nil)
	}
	p.all[keyOf(browser, state)] = r
	p.bytes += r.size
	p.places[r.place]++
	return browser, state, nil
}

func (p *pending) full(r *referral) bool {
	return len(p.all) >= mostReferrals || p.places[r.place] >= mostOfOnePlace || p.bytes+r.size > mostErrandBytes
}

// sweep forgets who did not come back in time.
func (p *pending) sweep() {
	now := p.now()
	for k, r := range p.all {
		if !within(now, r.at, ReferralFor) {
			p.drop(k, r)
		}
	}
}

func (p *pending) drop(k [sha256.Size]byte, r *referral) {
	delete(p.all, k)
	p.bytes -= r.size
	if p.places[r.place]--; p.places[r.place] <= 0 {
		delete(p.places, r.place)
	}
}

// take returns a browser's referral and forgets it; nil when there is none, or it took too long.
func (p *pending) take(browser, state string) *referral {
	k := keyOf(browser, state)
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.all[k]
	if r == nil {
		return nil
	}
	p.drop(k, r)
	if !within(p.now(), r.at, ReferralFor) {
		return nil
	}
	return r
}
