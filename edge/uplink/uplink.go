// Package uplink delivers what the store's outbox holds, and brings back what the hub says.
//
// It gives the sync core (delivery.Sender) a transaction, a clock and a line: what the core
// writes is committed before anything it wants sent is sent. After a failed commit the core is
// made again from the store. Without a line, or without a hub, it waits for ever and costs nothing.
package uplink

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"stockade/edge/store"
	"stockade/internal/mqtt"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/topic"
)

// Line is the connection to the broker.
type Line interface {
	Run(ctx context.Context) error
	Messages() <-chan mqtt.Message
	// Send hands a message to the network; it returns nil for a line that has nothing to wait for.
	Send(ctx context.Context, topic string, payload []byte) (*mqtt.Pending, error)
}

// Options describe an uplink. All fields but Now are needed.
type Options struct {
	Store *store.Store
	Trust delivery.Trust
	Clock *clock.Clock
	// Line makes the connection; changed must be told nil for every connect and the reason of every end.
	Line   func(changed func(reason error)) (Line, error)
	Logger *slog.Logger
	Now    func() time.Time // what the machine's clock shows; time.Now when nil
}

// Uplink is a node's end of the line to the hub.
type Uplink struct {
	o      Options
	line   Line
	states chan error
	sender *delivery.Sender
	up     bool            // the core was told that there is a line
	sent   []*mqtt.Pending // on their way to the broker
	said   string          // the last failure that was logged
	saidAt time.Time

	mu     sync.Mutex
	status Status
}

// Status is how delivery stands.
type Status struct {
	delivery.Report
	Connected bool
	Since     time.Time // of Connected
	Trouble   string    // why there is no line, when there is none
	LastWord  time.Time // when the hub was last believed
	HubTime   time.Time // the hub's own clock then; zero before that
	AckTime   time.Time // when the acknowledged place last moved
}

// New makes the uplink; Run works it.
func New(o Options) (*Uplink, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	u := &Uplink{o: o, states: make(chan error, 1), status: Status{Since: time.Now()}}
	line, err := o.Line(u.changed)
	if err != nil {
		return nil, fmt.Errorf("uplink: %w", err)
	}
	u.line = line
	return u, nil
}

// changed keeps only the newest state of the line for the loop.
func (u *Uplink) changed(reason error) {
	for {
		select {
		case u.states <- reason:
			return
		case <-u.states:
		}
	}
}

// Status returns how delivery stands.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status
}

// Run delivers until ctx ends.
func (u *Uplink) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return u.line.Run(ctx) })
	group.Go(func() error { return u.loop(ctx) })
	err := group.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (u *Uplink) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		if u.sender == nil { // at the start, and after every step that failed: also one of load's own
			if err := u.load(ctx); err != nil {
				u.trouble(ctx, err)
			}
			timer.Reset(0)
			continue
		}
		select {
		case <-ctx.Done():
		case reason := <-u.states:
			u.connected(ctx, reason)
		case <-u.o.Store.Changed():
			u.step(ctx, func(tx *store.Tx, now time.Time) ([]delivery.Message, error) { return u.sender.Work(tx, now) })
		case m := <-u.line.Messages():
			if u.step(ctx, func(tx *store.Tx, now time.Time) ([]delivery.Message, error) {
				return u.sender.Receive(tx, now, m.Payload)
			}) {
				m.Ack()
			}
		case <-timer.C:
			u.step(ctx, func(tx *store.Tx, now time.Time) ([]delivery.Message, error) { return u.sender.Tick(tx, now) })
		}
		timer.Reset(u.untilWake())
	}
	return ctx.Err()
}

// trouble waits after the core could not be made: scanning goes on meanwhile.
func (u *Uplink) trouble(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	u.complain("delivery can not begin, trying again", err)
	u.mu.Lock()
	u.status.Trouble = err.Error()
	u.mu.Unlock()
	_ = pause(ctx, loadAgain)
}

const loadAgain = 10 * time.Second

// complain logs a failure, the same one loudly only now and then: a disk may stay full for weeks.
func (u *Uplink) complain(what string, err error) {
	level := slog.LevelDebug
	if u.said != err.Error() || time.Since(u.saidAt) >= complainAgain {
		level, u.said, u.saidAt = slog.LevelError, err.Error(), time.Now()
	}
	u.o.Logger.Log(context.Background(), level, what, "error", err)
}

const complainAgain = 10 * time.Minute

// untilWake returns how long the core can be left alone.
func (u *Uplink) untilWake() time.Duration {
	const idle = time.Hour
	if u.sender == nil || u.sender.Wake().IsZero() {
		return idle
	}
	return max(10*time.Millisecond, min(idle, u.sender.Wake().Sub(u.o.Now())))
}

// load makes the core from the store.
func (u *Uplink) load(ctx context.Context) error {
	var st delivery.SenderState
	err := u.o.Store.View(ctx, func(tx *store.Tx) (err error) {
		st, err = tx.SenderState()
		return err
	})
	if err != nil {
		return fmt.Errorf("uplink: %w", err)
	}
	u.sender, err = delivery.NewSender(u.o.Trust, st, func(b []byte) { _, _ = rand.Read(b) }) // Read never fails (crypto/rand)
	if err != nil {
		return fmt.Errorf("uplink: %w", err)
	}
	if u.up {
		u.greet(ctx)
	}
	return nil
}

// connected tells the core that a line is there, or is not.
func (u *Uplink) connected(ctx context.Context, reason error) {
	u.note(reason)
	u.sent = nil
	if reason != nil {
		u.up = false
		u.sender.Disconnected()
		u.report()
		return
	}
	u.up = true
	u.greet(ctx)
}

// greet tells the core that there is a line.
func (u *Uplink) greet(ctx context.Context) {
	u.step(ctx, func(_ *store.Tx, now time.Time) ([]delivery.Message, error) { return u.sender.Connected(now) })
}

// note keeps and logs the state of the line: loudly only when it changes, since it may be
// away for weeks.
func (u *Uplink) note(reason error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	up, level := reason == nil, slog.LevelDebug
	if u.status.Connected != up {
		u.status.Connected, u.status.Since, level = up, time.Now(), slog.LevelInfo
	}
	u.status.Trouble = ""
	if up {
		u.o.Logger.Info("line to the hub is up")
		return
	}
	u.status.Trouble = reason.Error()
	u.o.Logger.Log(context.Background(), level, "no line to the hub", "reason", reason)
}

// step lets the core act in a transaction, and sends after the commit what it wants sent. It reports
// whether the act is done with: a message then need not come again.
func (u *Uplink) step(ctx context.Context, do func(*store.Tx, time.Time) ([]delivery.Message, error)) bool {
	var out []delivery.Message
	var ignored *delivery.Ignored
	var heard clock.Stamp
	err := u.o.Store.Update(ctx, func(tx *store.Tx) (err error) {
		out, err = do(tx, u.o.Now())
		heard = tx.Heard()
		if errors.As(err, &ignored) {
			err = nil // nothing was written but, perhaps, a newer list of keys
		}
		if t, ok := u.sender.HubTime(); ok && err == nil {
			err = tx.PutHubTime(t)
		}
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			u.complain("delivery step failed, starting it again from the store", err)
		}
		u.sender = nil
		_ = pause(ctx, time.Second)
		return false
	}
	if ignored != nil {
		u.o.Logger.Debug("message from the hub was ignored", "reason", ignored.Err)
	}
	u.o.Clock.Follow(heard)
	if t, ok := u.sender.HubTime(); ok {
		u.o.Clock.HubTime(t)
		u.mu.Lock()
		u.status.LastWord, u.status.HubTime = time.Now(), t
		u.mu.Unlock()
	}
	u.report()
	u.send(ctx, out)
	return true
}

func (u *Uplink) report() {
	r := u.sender.Report()
	u.mu.Lock()
	defer u.mu.Unlock()
	if r.Acked != u.status.Acked {
		u.status.AckTime = time.Now()
	}
	if r.Frozen != "" && u.status.Frozen == "" {
		u.o.Logger.Error("the hub's log contradicts what it had signed; scanning goes on, nothing is taken from the hub", "seen", r.Frozen)
	}
	u.status.Report = r
}

// maxSent is how many messages may be on their way before we wait for the broker.
const maxSent = 32

// send hands messages to the broker. What does not get through the core sends again.
func (u *Uplink) send(ctx context.Context, out []delivery.Message) {
	up := topic.Up(topic.Org(u.o.Trust.Org), u.o.Trust.Node)
	for _, m := range out {
		raw, err := m.Encode()
		if err == nil {
			err = u.hand(ctx, up, raw)
		}
		if err != nil {
			u.o.Logger.Debug("message not sent", "error", err)
			return
		}
	}
}

// hand sends one message. The broker's answer means nothing to the core, it only keeps us from
// flooding a slow line.
func (u *Uplink) hand(ctx context.Context, name string, raw []byte) error {
	if len(u.sent) >= maxSent {
		first := u.sent[0]
		u.sent = u.sent[1:]
		if err := first.Wait(ctx); err != nil {
			return err
		}
	}
	p, err := u.line.Send(ctx, name, raw)
	if err == nil && p != nil {
		u.sent = append(u.sent, p)
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
