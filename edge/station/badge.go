package station

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stockade/protocol/barcode"
	"stockade/protocol/change"
)

// A badge that is scanned opens the PIN pad on the station's page; with the right PIN the station works in that person's name until the badge is scanned again, another badge is, or
// nothing was done for a while. Who works stands in memory alone: after a restart the badge is asked for again.
//
// What a badge says never leaves Handle: the scan is kept, told and logged without it.

// badgePrefix begins the text of a badge's barcode.
const badgePrefix = "STK:BADGE:"

// Bounds of the time after which a station that nobody uses asks for the badge again, and how long the PIN is waited for.
const (
	DefaultBadgeIdle              = 10 * time.Minute
	LeastBadgeIdle, MostBadgeIdle = time.Minute, 12 * time.Hour

	pinFor = time.Minute
)

// Badges knows whose a badge is. An error that is none of those below means that it could not be told.
type Badges interface {
	// Read returns whose badge was read; ErrBadge or ErrNoPIN.
	Read(ctx context.Context, code string) (Holder, error)
	// Enter judges a PIN and returns who works from now on. Refusals are the caller's to put into words.
	Enter(ctx context.Context, h Holder, pin, station, address string) (Worker, error)
	// Holds reports whether badge and PIN are still those that were good when h was read, and their person may still work here.
	Holds(ctx context.Context, h Holder) (bool, error)
}

// Holder is a person whose badge was read.
type Holder struct {
	Name    string // what the person is called
	Account string
	Badge   string    // public name of the badge; not what it says
	PIN     time.Time // when the PIN was chosen
}

// Conditions of badges.
var (
	ErrBadge   = errors.New("the badge is not valid")
	ErrNoPIN   = errors.New("the badge's person has no PIN")
	ErrNoBadge = errors.New("no badge was scanned just now")
)

// desk is who stands at the station.
type desk struct {
	asked   Holder // whose PIN is waited for
	askedAt time.Time

	worker  Worker // zero for nobody
	holder  Holder
	browser string // that the PIN came from: other pages do not act in this person's name
	used    time.Time
}

// AtWork is who works at a station, and whose PIN it waits for; both empty for nobody.
type AtWork struct{ Name, Asked string }

// AtWork returns who stands at the station.
func (s *Station) AtWork() AtWork {
	now := s.config.Now()
	s.deskMu.Lock()
	defer s.deskMu.Unlock()
	var w AtWork
	if s.desk.worker.Actor != "" && !s.idle(now) {
		w.Name = s.desk.holder.Name
	}
	if s.desk.asked.Badge != "" && now.Sub(s.desk.askedAt) <= pinFor {
		w.Asked = s.desk.asked.Name
	}
	return w
}

func (s *Station) idle(now time.Time) bool { return now.Sub(s.desk.used) > s.config.BadgeIdle }

func (s *Station) atDesk() desk {
	s.deskMu.Lock()
	defer s.deskMu.Unlock()
	return s.desk
}

func (s *Station) setDesk(change func(*desk)) {
	s.deskMu.Lock()
	defer s.deskMu.Unlock()
	change(&s.desk)
}

// badgeIn finds a badge in a scan. hidden is the scan without what the badge says; code is empty for one that was read in part or with other things.
func badgeIn(scan barcode.Scan) (code string, hidden barcode.Scan, found bool) {
	if !bytes.Contains(bytes.ToUpper(scan.Raw), []byte(badgePrefix)) && !strings.Contains(strings.ToUpper(scan.Text), badgePrefix) {
		return "", scan, false
	}
	if text := strings.ToUpper(scan.Text); scan.Error == "" && strings.HasPrefix(text, badgePrefix) {
		code = text
	}
	return code, barcode.Scan{Symbology: scan.Symbology, Error: scan.Error, Text: badgePrefix, Raw: []byte(badgePrefix)}, true
}

// badge deals with the scan of a badge.
func (s *Station) badge(ctx context.Context, code string, scan barcode.Scan, w Worker) (Feedback, error) {
	say := func(do func(*act) error) (Feedback, error) {
		return s.commit(ctx, scan.Raw, func(a *act) error {
			a.worker, a.f.Scan = w, &scan
			return do(a)
		})
	}
	if s.config.Badges == nil || code == "" {
		return say(func(a *act) error { return a.refuse(BadgeUnread, nil) })
	}
	h, err := s.config.Badges.Read(ctx, code)
	switch {
	case errors.Is(err, ErrBadge):
		return say(func(a *act) error { return a.refuse(BadgeUnknown, nil) })
	case errors.Is(err, ErrNoPIN):
		return say(func(a *act) error { return a.refuse(BadgeNoPIN, map[string]string{"person": h.Name}) })
	case err != nil:
		return Feedback{}, fmt.Errorf("station %s: %w", s.config.Name, err)
	}
	d := s.atDesk()
	if d.worker.Actor != "" {
		f, err := s.leave(ctx, BadgeLeft, &scan)
		if err != nil || d.holder.Badge == h.Badge {
			return f, err
		}
	}
	f, err := say(func(a *act) error { return a.inform(BadgeRead, map[string]string{"person": h.Name}) })
	if err == nil {
		s.setDesk(func(d *desk) { d.asked, d.askedAt = h, s.config.Now() })
		s.publish(Feedback{}) // the scan was told before the page could know whose PIN is asked for
	}
	return f, err
}

// leave ends somebody's work at the station.
func (s *Station) leave(ctx context.Context, code string, scan *barcode.Scan) (Feedback, error) {
	d := s.atDesk()
	var raw []byte
	if scan != nil {
		raw = scan.Raw
	}
	f, err := s.commit(ctx, raw, func(a *act) error {
		a.worker, a.f.Scan = d.worker, scan
		c, err := change.OfEntry(a.made(), change.Entry{Act: "signout.badge", Object: s.config.Name, Outcome: "ok", Detail: map[string]string{"badge": d.holder.Badge, "why": code}})
		if err != nil {
			return err
		}
		if _, err := a.tx.Add(c); err != nil {
			return err
		}
		return a.inform(code, map[string]string{"person": d.holder.Name})
	})
	if err == nil {
		s.setDesk(func(d *desk) { d.worker, d.holder, d.browser = Worker{}, Holder{}, "" })
		s.publish(Feedback{})
	}
	return f, err
}

// EnterPIN takes the PIN for the badge that was scanned last, from a browser at that address. ErrNoBadge says that none waits for one.
func (s *Station) EnterPIN(ctx context.Context, pin, browser, address string) error {
	asked, ok := s.asked()
	if !ok {
		return ErrNoBadge
	}
	// Judged outside of the station's turn: hashing takes a while, and scans go on meanwhile.
	w, err := s.config.Badges.Enter(ctx, asked, pin, s.config.Name, address)
	if errors.Is(err, ErrBadge) {
		s.Cancel()
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, ok := s.asked(); !ok || now.Badge != asked.Badge {
		return ErrNoBadge
	}
	if s.atDesk().worker.Actor != "" {
		if _, err := s.leave(ctx, BadgeLeft, nil); err != nil {
			return err
		}
	}
	if _, err := s.commit(ctx, nil, func(a *act) error {
		a.worker = w
		return a.inform(BadgeIn, map[string]string{"person": asked.Name})
	}); err != nil {
		return err
	}
	s.setDesk(func(d *desk) { *d = desk{worker: w, holder: asked, browser: browser, used: s.config.Now()} })
	s.publish(Feedback{})
	return nil
}

func (s *Station) asked() (Holder, bool) {
	d := s.atDesk()
	return d.asked, d.asked.Badge != "" && s.config.Now().Sub(d.askedAt) <= pinFor
}

// Cancel waits for no PIN any more.
func (s *Station) Cancel() {
	s.setDesk(func(d *desk) { d.asked = Holder{} })
	s.publish(Feedback{})
}

// Leave ends the work of who works here, asked for by a button in the browser that the PIN came from; ErrNoBadge for any other.
func (s *Station) Leave(ctx context.Context, browser string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.atDesk(); d.worker.Actor == "" || d.browser != browser {
		return ErrNoBadge
	}
	_, err := s.leave(ctx, BadgeLeft, nil)
	return err
}

// Sweep ends the work of who has done nothing for too long, or whose badge is no longer good.
func (s *Station) Sweep(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sweep(ctx)
}

func (s *Station) sweep(ctx context.Context) error {
	d := s.atDesk()
	if d.worker.Actor == "" {
		return nil
	}
	s.deskMu.Lock()
	code := ""
	if s.idle(s.config.Now()) {
		code = BadgeIdle
	}
	s.deskMu.Unlock()
	if code == "" {
		good, err := s.config.Badges.Holds(ctx, d.holder)
		if err != nil {
			return fmt.Errorf("station %s: %w", s.config.Name, err)
		}
		if good {
			return nil
		}
		code = BadgeVoid
	}
	_, err := s.leave(ctx, code, nil)
	return err
}

// who returns in whose name something is done: that of who works here for the station's own scanner and the browser that gave the PIN, else
// of who asked. ok is false where nobody may do anything without a badge.
func (s *Station) who(w Worker) (_ Worker, ok bool) {
	s.deskMu.Lock()
	defer s.deskMu.Unlock()
	if s.desk.worker.Actor != "" && (w.Browser == "" || w.Browser == s.desk.browser) {
		s.desk.used = s.config.Now()
		return s.desk.worker, true
	}
	itself := w.Actor == "" || w.Actor == "station/"+s.config.Name
	return w, !itself || !s.config.NeedsBadge
}

// ActsAs returns in whose name what somebody asks for is done.
func (s *Station) ActsAs(w Worker) Worker {
	now := s.config.Now()
	s.deskMu.Lock()
	defer s.deskMu.Unlock()
	if s.desk.worker.Actor != "" && w.Browser == s.desk.browser && !s.idle(now) {
		return s.desk.worker
	}
	return w
}

// inTurn runs an act in the name of who may do it, or tells them to scan their badge first.
func (s *Station) inTurn(ctx context.Context, raw []byte, w Worker, do func(*act) error) (Feedback, error) {
	if err := s.sweep(ctx); err != nil {
		return Feedback{}, err
	}
	w, ok := s.who(w)
	return s.commit(ctx, raw, func(a *act) error {
		a.worker = w
		if !ok {
			return a.refuse(BadgeFirst, nil)
		}
		return do(a)
	})
}
