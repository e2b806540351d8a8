// Package intake takes in what nodes send: it verifies, merges, logs and acknowledges.
//
// Signatures are checked by several workers at once; everything else happens in rounds. A
// round is one transaction over as many messages as wait at the moment, so the slower the
// disk, the more share a commit; nothing waits for a timer. The order of the messages of one
// node is kept. Only after the commit are answers sent and messages acknowledged to the
// broker: whatever is lost before that comes again.
//
// What is not authentic is set aside with an alarm, and the node is told again how far the
// hub has its chain. A failing transaction is tried again; a single message that makes it
// fail is set aside, so that it can not stop the others. While the disk is full or fails, nothing is
// judged: everything waits.
package intake

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/internal/vault"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// Incoming is a message as it came under the name of a node: whoever hands it over has made
// sure that the name is the sender's (the broker by its certificate).
type Incoming struct {
	Node stock.NodeID
	Raw  []byte
	Done func() // called after the commit, may be nil; must not wait
}

// Options of an Intake. Store, Ring and Send are needed.
type Options struct {
	Store *store.Store
	Ring  *keyring.Ring
	// Send is called after a commit with what came of it; it must not wait.
	Send func(to stock.NodeID, message []byte)
	// Committed is called after each round, before what came of it is sent; it must not wait. May be nil.
	Committed func()
	Clock     func() time.Time // nil means time.Now
	Workers   int              // that check signatures; 0 means one for each processor
	Logger    *slog.Logger     // nil means none
}

// Limits of a round and of what waits for one.
const (
	roundChanges = 16000 // pages of the store that many changes touch are encrypted once; others who write still get their turn
	waiting      = 512   // messages between the broker and the round
	firstPause   = 100 * time.Millisecond
	lastPause    = 10 * time.Second
	attempts     = 5 // with a single message, before it is set aside
)

// Intake is the hub's receiver over its store.
type Intake struct {
	o        Options
	work     chan *future // for the workers
	queue    chan *future // the same, in the order of arrival
	offering sync.Mutex   // keeps the order of both the same

	mu       sync.Mutex
	keys     map[stock.NodeID]ed25519.PublicKey
	receiver *delivery.Receiver
}

// future is a message on its way through the workers.
type future struct {
	in     Incoming
	key    ed25519.PublicKey // that it was opened with
	opened delivery.Opened
	err    error
	ready  chan struct{} // closed when the worker is done
}

// New returns an intake. Call Run, or Process.
func New(o Options) *Intake {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Intake{o: o, work: make(chan *future, waiting), queue: make(chan *future, waiting), keys: map[stock.NodeID]ed25519.PublicKey{}}
}

// Offer hands a message over. It waits while too many wait before it.
func (i *Intake) Offer(ctx context.Context, in Incoming) error {
	f := &future{in: in, ready: make(chan struct{})}
	i.offering.Lock()
	defer i.offering.Unlock()
	for _, to := range []chan *future{i.queue, i.work} {
		select {
		case to <- f:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Run takes in what is offered until ctx ends. Messages in hand then are not acknowledged.
func (i *Intake) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for range i.o.Workers {
		workers.Go(func() { i.open(ctx, i.work) })
	}
	for {
		round, err := next(ctx, i.queue)
		if err != nil {
			return err
		}
		if err := i.persist(ctx, round); err != nil {
			return err
		}
	}
}

// Process takes in a number of messages and returns what is to be sent, after the last
// commit. It is for tests and measurements: Run uses the same parts. At the first failing
// transaction it stops.
func (i *Intake) Process(ctx context.Context, messages []Incoming) ([]delivery.Outgoing, error) {
	ctx, stop := context.WithCancel(ctx)
	queue, work := make(chan *future, len(messages)), make(chan *future, len(messages))
	for _, m := range messages {
		f := &future{in: m, ready: make(chan struct{})}
		queue <- f
		work <- f
	}
	close(work)
	close(queue)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	for range i.o.Workers {
		workers.Go(func() { i.open(ctx, work) })
	}
	var out []delivery.Outgoing
	for {
		round, err := next(ctx, queue)
		if err != nil {
			return nil, err
		}
		if len(round) == 0 {
			return out, nil
		}
		sent, err := i.round(ctx, round)
		if err != nil {
			return nil, err
		}
		out = append(out, sent...)
	}
}

// open is a worker: it checks signatures until its channel or ctx ends.
func (i *Intake) open(ctx context.Context, work <-chan *future) {
	for {
		select {
		case f, ok := <-work:
			if !ok {
				return
			}
			i.verify(ctx, f)
			close(f.ready)
		case <-ctx.Done():
			return
		}
	}
}

func (i *Intake) verify(ctx context.Context, f *future) {
	r, err := i.present(ctx)
	if err == nil {
		f.key, err = i.key(ctx, f.in.Node)
	}
	if err == nil {
		f.opened, err = r.Open(f.in.Node, f.key, f.in.Raw)
	}
	f.err = err
}

// next waits for a message that was checked, and returns it with those that are ready behind
// it. It returns none when the queue was closed.
func next(ctx context.Context, queue <-chan *future) ([]*future, error) {
	var round []*future
	changes := 0
	for changes < roundChanges {
		var f *future
		if len(round) == 0 {
			select {
			case f = <-queue:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		} else {
			select {
			case f = <-queue:
			default:
				return round, nil
			}
		}
		if f == nil {
			return round, nil
		}
		select {
		case <-f.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		round = append(round, f)
		changes += 1 + len(f.opened.Contents.Changes)
	}
	return round, nil
}

// persist works a round off, whatever it takes.
func (i *Intake) persist(ctx context.Context, round []*future) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		out, err := i.round(ctx, round)
		if err == nil {
			i.deliver(round, out)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		i.o.Logger.Error("intake: transaction failed, trying again", "messages", len(round), "attempt", attempt, "err", err)
		if len(round) > 1 { // find out which one it is, if it is one
			for _, f := range round {
				if err := i.persist(ctx, []*future{f}); err != nil {
					return err
				}
			}
			return nil
		}
		if attempt >= attempts && !errors.Is(err, vault.ErrFull) && !errors.Is(err, vault.ErrFailing) { // a disk's fault is no message's
			round[0].err = fmt.Errorf("can not be taken in: %w", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		pause = min(2*pause, lastPause)
	}
}

// deliver sends answers and acknowledges to the broker, after the commit.
func (i *Intake) deliver(round []*future, out []delivery.Outgoing) {
	if i.o.Committed != nil {
		i.o.Committed()
	}
	for _, o := range out {
		raw, err := o.Message.Encode()
		if err != nil {
			i.o.Logger.Error("intake: encode answer", "node", o.To, "err", err)
			continue
		}
		i.o.Send(o.To, raw)
	}
	for _, f := range round {
		if f.in.Done != nil {
			f.in.Done()
		}
	}
}

// round is one transaction over messages that were checked.
func (i *Intake) round(ctx context.Context, fs []*future) (out []delivery.Outgoing, err error) {
	defer func() {
		if p := recover(); p != nil { // one faulty message must not end the hub
			err = fmt.Errorf("take in: %v\n%s", p, debug.Stack())
		}
	}()
	for {
		out, err = i.try(ctx, fs)
		if !errors.Is(err, errReopened) {
			return out, err
		}
	}
}

// errReopened ends a round that began with the log before.
var errReopened = errors.New("another log was opened")

func (i *Intake) try(ctx context.Context, fs []*future) (out []delivery.Outgoing, err error) {
	r, err := i.present(ctx)
	if err != nil {
		return nil, err
	}
	now := i.o.Clock()
	err = i.o.Store.Update(ctx, now, func(tx *store.Tx) error {
		if tx.LogEpoch() != r.LogEpoch { // a command has opened another log meanwhile
			i.forget()
			return errReopened
		}
		round, err := r.Begin(tx)
		if err != nil {
			return err
		}
		for _, f := range fs {
			if err := i.take(tx, r, round, f); err != nil {
				return fmt.Errorf("message of %s: %w", f.in.Node, err)
			}
		}
		out, err = round.Close(now)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (i *Intake) take(tx *store.Tx, r *delivery.Receiver, round *delivery.Round, f *future) error {
	s, err := tx.Node(f.in.Node)
	if err != nil {
		return err
	}
	opened, why := f.opened, f.err
	if s != nil && !s.Key.Equal(f.key) { // enrolled anew since the worker looked
		i.learn(s.Node, s.Key)
		opened, why = r.Open(s.Node, s.Key, f.in.Raw)
	}
	switch {
	case s == nil:
		return tx.Alarm(f.in.Node, delivery.ReasonUnknownNode, "message of a node that is not enrolled")
	case why != nil:
		i.o.Logger.Warn("intake: message set aside", "node", f.in.Node, "err", why)
		round.Owe(s.Node)
		return tx.SetAside(s.Node, f.in.Raw, why.Error())
	}
	if err := tx.Heard(s.Node); err != nil {
		return err
	}
	if s.Revoked && opened.Kind != delivery.MsgBatch && opened.Kind != delivery.MsgHello && opened.Kind != delivery.MsgRejoin {
		return nil // batches are held and questions refused; it gets nothing back and vouches for nothing
	}
	return round.Take(opened)
}

// present returns the receiver for the present log.
func (i *Intake) present(ctx context.Context) (*delivery.Receiver, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.receiver != nil {
		return i.receiver, nil
	}
	err := i.o.Store.View(ctx, func(v *store.View) error {
		l, err := v.PresentLog()
		i.receiver = i.o.Ring.Receiver(l)
		return err
	})
	if err != nil {
		i.receiver = nil
		return nil, fmt.Errorf("read log: %w", err)
	}
	return i.receiver, nil
}

func (i *Intake) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.receiver = nil
}

// key returns the key of a node, nil for one that is not enrolled. A round compares it with
// the present one, so it may be an old one here.
func (i *Intake) key(ctx context.Context, node stock.NodeID) (ed25519.PublicKey, error) {
	i.mu.Lock()
	key, ok := i.keys[node]
	i.mu.Unlock()
	if ok {
		return key, nil
	}
	err := i.o.Store.View(ctx, func(v *store.View) error {
		n, err := v.NodeOf(node)
		key = n.State.Key
		return err
	})
	if err != nil {
		return nil, err
	}
	i.learn(node, key)
	return key, nil
}

func (i *Intake) learn(node stock.NodeID, key ed25519.PublicKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys[node] = key
}
