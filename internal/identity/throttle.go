package identity

import (
	"net/netip"
	"time"
)

// A brake slows guessing down: free failures cost nothing, each further one doubles the wait.
//
// Three brakes act at once. The one on account and address together is the strict one. The
// one on the account alone is mild, because it is the one that a stranger could use to keep
// somebody out: he can make them wait five minutes at most. The one on the address stops
// the trying of many accounts from one place.
type brake struct {
	free  int
	first time.Duration
	most  time.Duration
}

var (
	pairBrake    = brake{free: 5, first: 30 * time.Second, most: 15 * time.Minute}
	accountBrake = brake{free: 20, first: 10 * time.Second, most: 5 * time.Minute}
	addressBrake = brake{free: 20, first: 30 * time.Second, most: 15 * time.Minute}
)

// forgetAfter is how long a failure counts when no other follows it.
const forgetAfter = 12 * time.Hour

// wait returns how long nobody may try after that many failures in a row.
func (b brake) wait(failures int) time.Duration {
	if failures < b.free {
		return 0
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

// subjects returns what an attempt on account (folded; empty for the one-time code) counts for.
func subjects(account, address string) []subject {
	network := networkOf(address)
	s := []subject{{"address " + network, addressBrake}, {"pair " + network + " " + account, pairBrake}}
	if account != "" {
		s = append(s, subject{"account " + account, accountBrake})
	}
	return s
}

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
