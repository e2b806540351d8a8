package intake_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stockade/hub/hubtest"
	"stockade/hub/intake"
	"stockade/hub/store"
	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// TestManyNodes delivers batches of many nodes doubled and mixed, and compares the stock with
// a book in memory that got each once.
func TestManyNodes(t *testing.T) {
	h := hubtest.New(t)
	rng := rand.New(rand.NewPCG(1, 2))
	want := stock.NewMemory()
	var nodes []*hubtest.Node
	queues := map[*hubtest.Node][]intake.Incoming{}
	for i := range 6 {
		n := h.Node(stock.NodeID(fmt.Sprint("n-", i)), stock.Warehouse(fmt.Sprint("W", i/2)))
		nodes = append(nodes, n)
		for range 15 {
			var ms []stock.Movement
			for range 1 + rng.IntN(30) {
				m := hubtest.Receipt(n.W, rng.IntN(60))
				if rng.IntN(5) == 0 {
					m.Key.Serial = stock.Serial(fmt.Sprint("S", rng.IntN(40)))
				}
				if rng.IntN(4) == 0 {
					m.From, m.To = m.To, stock.Customer
				}
				m.ID, m.Time = stock.ID{Node: n.ID, Epoch: 1, Number: n.Next + uint64(len(ms))}, uint64(hubtest.Meta().Time)
				ms = append(ms, m)
				_, err := (stock.Ledger{Book: want}).Post(m)
				hubtest.Check(t, err)
			}
			queues[n] = append(queues[n], n.Batch(ms...))
		}
	}
	var out []delivery.Outgoing
	for len(queues) > 0 {
		var in []intake.Incoming
		for range 1 + rng.IntN(12) {
			n := nodes[rng.IntN(len(nodes))]
			if q := queues[n]; len(q) > 0 {
				in = append(in, q[0])
				if rng.IntN(3) > 0 { // else it comes again
					queues[n] = q[1:]
				}
				if len(q) > 1 && rng.IntN(6) == 0 {
					in = append(in, q[1]) // too early: ignored, asked for by the acknowledgement
				}
			} else {
				delete(queues, n)
			}
		}
		out = append(out, h.Process(in...)...)
	}
	for _, n := range nodes {
		if a := h.Acked(n, out); a.Head != (delivery.Place{Epoch: 1, Seq: n.Seq, Hash: n.Head}) {
			t.Errorf("%s is acknowledged up to %+v, want batch %d", n.ID, a.Head, n.Seq)
		}
	}
	hubtest.Check(t, h.Store.View(context.Background(), func(v *store.View) error {
		n := 0
		err := v.Balances(func(at stock.Cell, b stock.Balance) error {
			if b != want.Balances[at] {
				t.Errorf("balance of %v = %+v, want %+v", at, b, want.Balances[at])
			}
			n++
			return nil
		})
		if n != len(want.Balances) {
			t.Errorf("%d balances, want %d", n, len(want.Balances))
		}
		return err
	}))
	if f := h.Audited(); f.Batches != 90 || f.Keys != 6 {
		t.Errorf("audit found %+v", f)
	}
}

func TestWhatIsNotAuthentic(t *testing.T) {
	h := hubtest.New(t)
	n := h.Node("sh-1", "SHA")
	first := n.Batch(hubtest.Receipt(n.W, 1))
	h.Process(first)
	thief := n.Clone()
	_, thief.Key, _ = ed25519.GenerateKey(nil)
	out := h.Process(thief.Batch(hubtest.Receipt(n.W, 2)), intake.Incoming{Node: "sh-1", Raw: []byte("rubbish")}, intake.Incoming{Node: "nobody", Raw: first.Raw},
		intake.Incoming{Node: "nobody", Raw: []byte("rubbish")})
	if a := h.Acked(n, out); a.Head.Seq != 1 {
		t.Errorf("acknowledged batch %d, want 1 again: that asks for the right one", a.Head.Seq)
	}
	hubtest.Check(t, h.Store.View(context.Background(), func(v *store.View) error {
		c, err := v.Counts()
		if c.SetAside != 2 || c.Batches != 1 {
			t.Errorf("%d set aside and %d batches, want 2 and 1", c.SetAside, c.Batches)
		}
		return err
	}))
	want := map[string]bool{"sh-1|not_authentic": true, "nobody|unknown_node": true}
	for _, c := range h.Cases(store.CaseAlarm) {
		delete(want, c.Case.Subject)
	}
	if len(want) > 0 {
		t.Errorf("no alarm for %v", want)
	}
	h.Audited()
}

// TestUnknownKindInMidStream: a change of a kind from the future is kept, logged, and blocks nothing.
func TestUnknownKindInMidStream(t *testing.T) {
	h := hubtest.New(t)
	n := h.Node("sh-1", "SHA")
	known, err := change.OfMovement(hubtest.Meta(), hubtest.Receipt(n.W, 1))
	hubtest.Check(t, err)
	future := change.Change{Meta: hubtest.Meta(), Kind: 900, Version: 1, Payload: []byte{0xf6}}
	foreign, err := change.OfMovement(hubtest.Meta(), hubtest.Receipt("CTU", 1))
	hubtest.Check(t, err)
	out := h.Process(n.Cut(known, future, foreign, known))
	if a := h.Acked(n, out); a.Head.Seq != 1 {
		t.Errorf("acknowledged up to %d, want 1", a.Head.Seq)
	}
	parked := h.Cases(store.CaseParked)
	if len(parked) != 2 || parked[1].Case.Subject != "sh-1.1.2" || parked[0].Case.Subject != "sh-1.1.3" || !strings.Contains(parked[0].Case.Detail, "outside") {
		t.Errorf("parked: %+v", parked)
	}
	if f := h.Audited(); f.Changes != 4 || f.Balances != 2 {
		t.Errorf("audit found %+v", f)
	}
}

// failures counts transactions that failed, by what the intake says about them.
type failures struct {
	slog.Handler
	seen chan struct{}
}

func (f failures) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelError {
		select {
		case f.seen <- struct{}{}:
		default:
		}
	}
	return nil
}

func (f failures) Enabled(context.Context, slog.Level) bool { return true }

// TestTransactionsThatFail: while another program holds the store nothing is acknowledged to
// the broker, and nothing is lost.
func TestTransactionsThatFail(t *testing.T) {
	h := hubtest.New(t, func(o *vault.Options) { o.Busy = 50 * time.Millisecond })
	n := h.Node("sh-1", "SHA")
	failed := failures{slog.DiscardHandler, make(chan struct{}, 1)}
	h.Intake = intake.New(intake.Options{Store: h.Store, Ring: h.Ring, Send: func(stock.NodeID, []byte) {}, Logger: slog.New(failed)})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Intake.Run(ctx) }()
	defer func() { stop(); <-ended }()

	other, err := vault.Open(ctx, vault.Options{Path: h.Path, Key: vault.Key{1}})
	hubtest.Check(t, err)
	defer other.Close()
	locked, release, released := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		released <- other.Update(ctx, func(*vault.Tx) error { close(locked); <-release; return nil })
	}()
	<-locked
	done := make(chan int, 2)
	for i := range 2 {
		in := n.Batch(hubtest.Receipt(n.W, i))
		in.Done = func() { done <- i }
		hubtest.Check(t, h.Intake.Offer(ctx, in))
	}
	within(t, failed.seen, "a failed transaction")
	if len(done) > 0 {
		t.Error("acknowledged to the broker before the commit")
	}
	close(release)
	hubtest.Check(t, <-released)
	for want := range 2 {
		if got := within(t, done, "acknowledgement to the broker"); got != want {
			t.Errorf("acknowledged message %d, want %d", got, want)
		}
	}
	if f := h.Audited(); f.Batches != 2 {
		t.Errorf("audit found %+v", f)
	}
}

// TestAFaultEndsOneRound: a fault of the program in the middle of a round ends that round and not the hub, and what was on the way is taken in after it.
func TestAFaultEndsOneRound(t *testing.T) {
	h := hubtest.New(t)
	n := h.Node("sh-1", "SHA")
	failed := failures{slog.DiscardHandler, make(chan struct{}, 1)}
	var faults atomic.Int32
	h.Intake = intake.New(intake.Options{Store: h.Store, Ring: h.Ring, Send: func(stock.NodeID, []byte) {}, Logger: slog.New(failed), Clock: func() time.Time {
		if faults.Add(1) <= 2 {
			panic("a fault")
		}
		return time.Now()
	}})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Intake.Run(ctx) }()
	defer func() { stop(); <-ended }()
	done := make(chan struct{})
	in := n.Batch(hubtest.Receipt(n.W, 1))
	in.Done = func() { close(done) }
	hubtest.Check(t, h.Intake.Offer(ctx, in))
	within(t, failed.seen, "a failed round")
	within(t, done, "acknowledgement to the broker")
	if f := h.Audited(); f.Batches != 1 {
		t.Errorf("audit found %+v", f)
	}
}

func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: not within 30 s", what)
		panic("not reached")
	}
}
