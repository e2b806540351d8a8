package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
)

// cost is what one guess costs. The numbers are those that OWASP gives for Argon2id with
// little memory: a Raspberry Pi with 1 GiB has no more to spare beside its real work.
type cost struct {
	Memory  uint32 // KiB
	Time    uint32
	Threads uint8
}

var present = cost{Memory: 19 << 10, Time: 2, Threads: 1}

const (
	saltSize = 16
	hashSize = 32
	maxCost  = 256 << 10 // KiB; a stored hash that asks for more is not believed
)

// hashPassword returns the PHC text of password with a fresh salt.
func hashPassword(password string, c cost) string {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails, see crypto/rand
	sum := argon2.IDKey([]byte(password), salt, c.Time, c.Memory, c.Threads, hashSize)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Time, c.Threads, b64(salt), b64(sum))
}

// checkPassword reports whether password made the PHC text, and whether the text was made
// with another cost than today's and should be made anew.
func checkPassword(phc, password string) (ok, stale bool, err error) {
	parts := strings.Split(phc, "$")
	var version int
	var c cost
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, false, fmt.Errorf("stored password is not of a known form")
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, false, fmt.Errorf("stored password has version %q", parts[2])
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.Memory, &c.Time, &c.Threads); err != nil || c.Memory > maxCost || c.Time == 0 || c.Time > 100 || c.Threads == 0 {
		return false, false, fmt.Errorf("stored password has cost %q", parts[3])
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(want) != hashSize {
		return false, false, fmt.Errorf("stored password is damaged")
	}
	got := argon2.IDKey([]byte(password), salt, c.Time, c.Memory, c.Threads, hashSize)
	return subtle.ConstantTimeCompare(got, want) == 1, c != present, nil
}

// queue lets one password be hashed at a time, since each takes 19 MiB, and a few wait.
type queue struct {
	turn    chan struct{}
	waiting chan struct{}
	done    *atomic.Int64 // how many turns there were
}

const (
	maxWaiting = 16
	maxWait    = 10 * time.Second
)

func newQueue() queue {
	return queue{turn: make(chan struct{}, 1), waiting: make(chan struct{}, maxWaiting), done: new(atomic.Int64)}
}

// do runs work in its turn, or returns ErrBusy when that would take too long.
func (q queue) do(ctx context.Context, work func()) error {
	select {
	case q.waiting <- struct{}{}:
		defer func() { <-q.waiting }()
	default:
		return ErrBusy
	}
	limit := time.NewTimer(maxWait)
	defer limit.Stop()
	select {
	case q.turn <- struct{}{}:
		defer func() { <-q.turn }()
	case <-limit.C:
		return ErrBusy
	case <-ctx.Done():
		return ctx.Err()
	}
	q.done.Add(1)
	work()
	return nil
}
