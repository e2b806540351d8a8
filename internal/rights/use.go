package rights

import (
	"context"
	"time"

	"stockade/internal/identity"
	"stockade/protocol/access"
)

// Use is something that a temporary grant lets a person do or see. In the audit trail it is change.ActGrantUsed with the grant as its object.
type Use struct {
	Grant      access.TemporaryID
	Permission access.Permission
	Request    string // method and path, or what else was done
	Address    string
}

// Detail is what the audit trail says besides who, what and when.
func (u Use) Detail() map[string]string {
	return map[string]string{"permission": string(u.Permission), "request": u.Request, "address": u.Address}
}

// usedFor is how long reading on stands for one use: in it a session reads by the same grant and permission, page after page.
const usedFor = 10 * time.Minute

// Used records that a temporary grant was used, before what it is used for. Every act is recorded, and of reading one entry for each session, grant and permission in
// ten minutes. recorded tells whether an entry was made now. When it could not be made, what was asked for must not be done.
func (d *Desk) Used(ctx context.Context, who identity.Person, u Use, act bool) (recorded bool, err error) {
	if d.o.Used == nil {
		return false, nil // New has made sure that nothing is lent
	}
	key := who.Actor() + "\x00" + who.Session + "\x00" + string(u.Grant) + "\x00" + string(u.Permission)
	if !act && d.readOn(key) {
		return false, nil
	}
	who.Lent = nil // the entry names the grant as its object
	if err := d.o.Used(ctx, who, u); err != nil {
		return false, err
	}
	if !act {
		d.remember(key)
	}
	return true, nil
}

// readOn reports whether an entry stands for a reading now.
func (d *Desk) readOn(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, ok := d.read[key]
	return ok && d.o.Now().Sub(last).Abs() < usedFor
}

// remember keeps when a reading was recorded. What there is no room for is recorded every time.
func (d *Desk) remember(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.o.Now()
	if len(d.read) >= mostNoted {
		for k, at := range d.read {
			if now.Sub(at).Abs() >= usedFor {
				delete(d.read, k)
			}
		}
	}
	if len(d.read) < mostNoted {
		d.read[key] = now
	}
}
