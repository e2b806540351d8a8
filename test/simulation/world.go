package simulation

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// Fault is a mistake that the simulation plants to show that it would be caught.
type Fault int

// The faults.
const (
	None             Fault = iota
	NoDuplicateCheck       // a batch that comes twice is merged twice
	AckBeforeCommit        // the hub's messages leave before its transaction is durable
	DroppedGap             // a batch is accepted though the one before it is missing
)

const org = "acme"

type letter struct {
	node stock.NodeID
	raw  []byte
}

// World is one history.
type World struct {
	r         *rand.Rand
	keys      hubKeys
	now       time.Time
	hub       *hubDisk
	hubCopies []*hubDisk
	nodes     []*instance
	warehouse map[stock.NodeID]stock.Warehouse
	up        []letter
	down      []letter
	story     []string
	marks     int
	acked     map[string]bool // marks that a hub acknowledgement has cleared
	lossy     bool
	hubLost   bool   // this history restores the hub, not nodes
	logEpoch  uint64 // the highest ever opened
	rejected  map[string]bool
	fault     Fault
	newStore  func(delivery.Trust, delivery.SenderState) (Store, error) // nil for disks alone
}

func (w *World) tell(format string, args ...any) {
	w.story = append(w.story, fmt.Sprintf(format, args...))
}

// NewWorld makes a hub and two to five nodes, some of them in one warehouse. newStore makes the
// real store of a node; nil leaves them with a disk in memory.
func NewWorld(seed uint64, fault Fault, newStore func(delivery.Trust, delivery.SenderState) (Store, error)) (*World, error) {
	r := rand.New(rand.NewPCG(seed, 7)) // #nosec G404 -- histories are made from seeds on purpose
	keys, err := newHubKeys()
	if err != nil {
		return nil, err
	}
	w := &World{r: r, keys: keys, now: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), warehouse: map[stock.NodeID]stock.Warehouse{},
		acked: map[string]bool{}, lossy: true, fault: fault, rejected: map[string]bool{}, newStore: newStore}
	opening, err := delivery.SealOpening(keys.root, delivery.Opening{Org: org, Epoch: 1})
	if err != nil {
		return nil, err
	}
	w.hub = newHubDisk(opening)
	w.hub.fault = fault
	w.logEpoch = 1
	if _, err := w.hub.Log().Append(delivery.OpeningLeaf(opening)); err != nil {
		return nil, err
	}
	w.hubLost = r.IntN(4) == 0
	for i := range 2 + r.IntN(4) {
		id := stock.NodeID(fmt.Sprintf("node-%d", i+1))
		w.warehouse[id] = stock.Warehouse([]string{"SHA", "CTU", "SHA"}[i%3])
		key := keyFrom(string(id))
		w.hub.nodes[id] = delivery.NewNodeState(id, w.warehouse[id], public(key))
		st := delivery.SenderState{Head: delivery.Place{Epoch: 1}, Next: 1, Acked: delivery.Place{Epoch: 1}, Keys: keys.list, Log: delivery.FirstHead(1, opening)}
		in := &instance{name: string(id), disk: newDisk(id, st), trust: delivery.Trust{Org: org, Node: id, Warehouse: w.warehouse[id], Root: public(keys.root), Key: key}}
		if newStore != nil {
			if in.real, err = newStore(in.trust, st); err != nil {
				return nil, err
			}
		}
		w.nodes = append(w.nodes, in)
		if err := w.boot(in); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *World) random(b []byte) {
	for i := range b {
		b[i] = byte(w.r.Uint32()) // #nosec G115 -- any eight bits will do
	}
}

func (w *World) boot(in *instance) error {
	s, err := delivery.NewSender(in.trust, in.disk.clone().st, w.random)
	in.sender, in.online = s, false
	return err
}

// restart boots from what is on the card.
func (w *World) restart(in *instance) error {
	c, err := card{in.disk, in.real}.copy()
	if err != nil {
		return err
	}
	in.real = c.real
	return w.boot(in)
}

// Run plays a history of that many steps.
func (w *World) Run(steps int) error {
	for range steps {
		if err := w.step(); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) step() error {
	in := w.nodes[w.r.IntN(len(w.nodes))]
	w.now = w.now.Add(time.Duration(w.r.IntN(2000)) * time.Millisecond)
	switch n := w.r.IntN(100); {
	case n < 30:
		return w.scan(in)
	case n < 55:
		return w.deliverUp()
	case n < 80:
		return w.deliverDown()
	case n < 86:
		return w.connect(in, !in.online)
	case n < 90:
		return w.tick(in)
	case n < 92:
		w.tell("%s loses power", in.name)
		return w.restart(in)
	case n < 95:
		return w.publish()
	case n < 96:
		in.skew = time.Duration(w.r.IntN(3)-1) * 24 * 365 * time.Hour
		w.tell("%s: clock off by %v", in.name, in.skew)
	case n < 97:
		w.tell("backup of %s and of the hub", in.name)
		c, err := card{in.disk, in.real}.copy()
		if err != nil {
			return err
		}
		in.copies = append(in.copies, c)
		w.hubCopies = append(w.hubCopies, w.hub.clone())
	case w.hubLost:
		return w.restoreHub()
	case n < 99:
		return w.restoreNode(in)
	default:
		return w.cloneNode(in)
	}
	return nil
}

// scan commits one to three changes at a node, as a station would.
func (w *World) scan(in *instance) error {
	for range 1 + w.r.IntN(3) {
		if err := w.change(in); err != nil {
			return err
		}
	}
	if in.online {
		out, err := in.act(func(tx delivery.NodeStore) ([]delivery.Message, error) { return in.sender.Work(tx, w.now) })
		return w.nodeSays(in, out, err)
	}
	return nil
}

func (w *World) change(in *instance) error {
	d := in.disk
	w.marks++
	mark := fmt.Sprintf("m%d", w.marks)
	stamp := max(d.stamp+1, clock.StampOf(w.now.Add(in.skew)))
	d.stamp = stamp
	meta := change.Meta{Time: stamp, Actor: "w", Terminal: in.name, Day: "2026-11-24", Zone: "Asia/Shanghai"}
	wh := w.warehouse[d.node]
	key := stock.Key{SKU: stock.SKU(fmt.Sprintf("sku%d", w.r.IntN(3))), State: stock.Available}
	if w.r.IntN(4) == 0 {
		key.Serial = stock.Serial(fmt.Sprintf("s%d", w.r.IntN(3)))
	}
	bins := []stock.Location{stock.Supplier, stock.Customer, wh.Bin("A"), wh.Bin("B")}
	from := w.r.IntN(4)
	m := stock.Movement{Key: key, From: bins[from], To: bins[(from+1+w.r.IntN(3))%4], Quantity: stock.Quantity(1+w.r.IntN(3)) * stock.Unit, Cause: mark}
	id := d.next()
	var c change.Change
	var err error
	switch n := w.r.IntN(20); {
	case n == 0:
		c, err = change.OfCount(meta, stock.Count{Cell: stock.Cell{Location: bins[2+w.r.IntN(2)], Key: key}, Counted: stock.Quantity(w.r.IntN(4)) * stock.Unit, Seen: d.seen(), Cause: mark})
	case n == 1:
		c = change.Change{Meta: meta, Kind: 99, Version: 1, Payload: []byte{0x61, 'x'}}
	case n == 2 && id.Number > 1:
		if old, e := change.Decode(d.own[stock.ID{Node: id.Node, Epoch: id.Epoch, Number: id.Number - 1}]); e == nil && old.Kind == change.KindMovement {
			was, _ := old.Movement(stock.ID{Node: id.Node, Epoch: id.Epoch, Number: id.Number - 1})
			m = was.Reversal()
			m.Cause = mark
		}
		c, err = change.OfMovement(meta, m)
	default:
		c, err = change.OfMovement(meta, m)
	}
	if err != nil {
		return err
	}
	b, err := c.Encode()
	if err != nil {
		return err
	}
	d.own[id] = b
	if in.real != nil {
		if got, err := in.real.Add(c); err != nil || got != id {
			return fmt.Errorf("%s: store names a change %s, want %s: %w", in.name, got, id, errors.Join(err))
		}
	}
	w.tell("%s scans %s as %s", in.name, mark, id)
	return nil
}

// nodeSays sends what the machine returned after its commit, or crashes around it.
func (w *World) nodeSays(in *instance, out []delivery.Message, err error) error {
	var ignored *delivery.Ignored
	if err != nil && !errors.As(err, &ignored) {
		return fmt.Errorf("%s: %w", in.name, err)
	}
	w.noteAcked(in)
	if w.lossy && w.r.IntN(40) == 0 {
		w.tell("%s crashes after its commit", in.name)
		return w.boot(in)
	}
	for _, m := range out {
		raw, err := m.Encode()
		if err != nil {
			return err
		}
		w.up = append(w.up, letter{in.disk.node, raw})
	}
	return nil
}

func (w *World) noteAcked(in *instance) {
	if in.noted == in.disk.st.Acked {
		return
	}
	in.noted = in.disk.st.Acked
	for id, b := range in.disk.own {
		if id.Epoch == in.disk.st.Acked.Epoch && id.Number <= in.disk.st.Kept {
			if mark := markOf(b); mark != "" {
				w.acked[mark] = true
			}
		}
	}
}

// markOf returns the mark of a change that the ledger understands.
func markOf(b []byte) string {
	c, err := change.Decode(b)
	if err != nil {
		return ""
	}
	if m, err := c.Movement(stock.ID{}); err == nil {
		return m.Cause
	}
	if n, err := c.Count(stock.ID{}); err == nil {
		return n.Cause
	}
	return ""
}

func (w *World) connect(in *instance, on bool) error {
	w.tell("%s: connected %v", in.name, on)
	in.online = on
	if !on {
		in.sender.Disconnected()
		return nil
	}
	out, err := in.sender.Connected(w.now)
	return w.nodeSays(in, out, err)
}

func (w *World) tick(in *instance) error {
	w.now = w.now.Add(10 * time.Second)
	out, err := in.act(func(tx delivery.NodeStore) ([]delivery.Message, error) { return in.sender.Tick(tx, w.now) })
	return w.nodeSays(in, out, err)
}

// pick takes a letter from a queue: mostly the first, sometimes another, sometimes leaving it there.
func (w *World) pick(queue *[]letter) (letter, bool) {
	if len(*queue) == 0 {
		return letter{}, false
	}
	i := 0
	if w.lossy && w.r.IntN(5) == 0 {
		i = w.r.IntN(len(*queue))
	}
	l := (*queue)[i]
	if w.lossy && w.r.IntN(15) == 0 {
		return l, true // it will come again
	}
	*queue = slices.Delete(*queue, i, i+1)
	return l, !w.lossy || w.r.IntN(12) > 0
}

func (w *World) receiver() *delivery.Receiver {
	return &delivery.Receiver{Org: org, Ack: w.keys.ack, Log: w.keys.log, LogEpoch: w.hub.epoch, Opening: w.hub.opening, Keys: w.keys.list}
}

func (w *World) deliverUp() error {
	var letters []letter
	for range 1 + w.r.IntN(3) {
		if l, ok := w.pick(&w.up); ok {
			letters = append(letters, l)
		}
	}
	if len(letters) == 0 {
		return nil
	}
	if w.lossy && w.r.IntN(40) == 0 {
		w.tell("hub crashes before its commit")
		w.up = append(letters, w.up...)
		return nil
	}
	if w.fault == AckBeforeCommit && w.lossy && w.r.IntN(20) == 0 {
		lost := w.hub.clone()
		out, err := w.round(lost, letters)
		w.hubSays(out)
		w.tell("hub has answered and crashes before its commit")
		return err
	}
	out, err := w.round(w.hub, letters)
	if err != nil {
		return err
	}
	if w.lossy && w.r.IntN(40) == 0 {
		w.tell("hub crashes after its commit")
		return nil
	}
	w.hubSays(out)
	return nil
}

func (w *World) round(h *hubDisk, letters []letter) ([]delivery.Outgoing, error) {
	r := w.receiver()
	round, err := r.Begin(h)
	if err != nil {
		return nil, err
	}
	for _, l := range letters {
		s := h.nodes[l.node]
		o, err := r.Open(l.node, s.Key, l.raw)
		if err != nil {
			return nil, fmt.Errorf("a letter that nobody forged: %w", err)
		}
		w.plant(h, o)
		if o.Kind == delivery.MsgBatch {
			w.tell("hub gets %s epoch %d batch %d", o.Node, o.Header.Epoch, o.Header.Seq)
		}
		if err := round.Take(o); err != nil {
			return nil, err
		}
	}
	return round.Close(w.now)
}

// plant makes the hub's state lie where a fault would have it lie.
func (w *World) plant(h *hubDisk, o delivery.Opened) {
	s := h.nodes[o.Node]
	if o.Kind != delivery.MsgBatch || o.Header.Epoch != s.Head.Epoch {
		return
	}
	again := w.fault == NoDuplicateCheck && o.Header.Seq == s.Head.Seq
	gap := w.fault == DroppedGap && o.Header.Seq > s.Head.Seq+1
	if again || gap {
		s.Head.Seq, s.Head.Hash, s.Next = o.Header.Seq-1, o.Header.Prev, o.Header.First
		h.nodes[o.Node] = s
	}
}

func (w *World) hubSays(out []delivery.Outgoing) {
	for _, o := range out {
		if raw, err := o.Message.Encode(); err == nil {
			w.down = append(w.down, letter{o.To, raw})
		}
	}
}

func (w *World) deliverDown() error {
	l, ok := w.pick(&w.down)
	if !ok {
		return nil
	}
	var live []*instance
	for _, in := range w.nodes {
		if in.disk.node == l.node && in.online {
			live = append(live, in)
		}
	}
	if len(live) == 0 {
		return nil
	}
	in := live[w.r.IntN(len(live))]
	if w.lossy && w.r.IntN(40) == 0 {
		w.tell("%s crashes before its commit", in.name)
		return w.boot(in)
	}
	frozen, epoch := in.disk.st.Frozen, in.disk.st.Head.Epoch
	out, err := in.act(func(tx delivery.NodeStore) ([]delivery.Message, error) { return in.sender.Receive(tx, w.now, l.raw) })
	if m, e := delivery.DecodeMessage(l.raw); e == nil && m.Kind != delivery.MsgAck && m.Kind < delivery.MsgChunk {
		w.tell("%s gets message of kind %d: %v", in.name, m.Kind, err)
	}
	if in.disk.st.Frozen != frozen {
		w.tell("%s frozen: %q", in.name, in.disk.st.Frozen)
	}
	if in.disk.st.Head.Epoch != epoch {
		w.tell("%s adopts epoch %d", in.name, in.disk.st.Head.Epoch)
	}
	return w.nodeSays(in, out, err)
}

func (w *World) publish() error {
	for _, wh := range []stock.Warehouse{"SHA", "CTU"} {
		for more := true; more; more = !w.lossy && w.hub.cursor[feed.Siblings(wh)] < len(w.hub.merged) {
			if err := w.hub.publish(wh, w.warehouse, org, w.keys.feed); err != nil {
				return err
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(w.warehouse)) {
		raw, err := (delivery.Message{Kind: delivery.MsgMore, Body: []byte{}}).Encode()
		if err != nil {
			return err
		}
		w.down = append(w.down, letter{n, raw})
	}
	return nil
}

// restoreHub puts an older copy of the hub in place. Sometimes it works on like that for a
// while before somebody opens a new log epoch with the company's root key.
func (w *World) restoreHub() error {
	if len(w.hubCopies) == 0 {
		return nil
	}
	old := delivery.LogPlace{Epoch: w.hub.epoch}
	old.Size, _ = w.hub.log.Size()
	w.hub = w.hubCopies[w.r.IntN(len(w.hubCopies))].clone()
	w.tell("hub restored from a backup with %d leaves", len(w.hub.log.Leaves))
	if w.r.IntN(2) == 0 {
		return nil // settle will reopen it
	}
	return w.reopenHub(old)
}

func (w *World) reopenHub(old delivery.LogPlace) error {
	w.logEpoch++
	opening, err := delivery.SealOpening(w.keys.root, delivery.Opening{Org: org, Epoch: w.logEpoch, Old: old, Reason: "restored", Time: w.now.UnixMilli()})
	if err != nil {
		return err
	}
	w.hub.reopen(w.logEpoch, opening)
	w.tell("hub opens log epoch %d", w.hub.epoch)
	return nil
}
