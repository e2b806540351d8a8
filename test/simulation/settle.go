package simulation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// Settle ends the losses, lets a person decide what needs one, and goes on until nothing moves.
func (w *World) Settle() error {
	w.tell("-- settling")
	w.lossy = false
	if w.hubLost {
		if err := w.reopenHub(delivery.LogPlace{}); err != nil {
			return err
		}
	}
	for round := 0; ; round++ {
		if err := w.calm(); err != nil {
			return err
		}
		again, err := w.person()
		if err != nil {
			return err
		}
		if !again && w.idle() {
			return nil
		}
		if round == 10 {
			return fmt.Errorf("does not settle: %s", w.where())
		}
	}
}

// calm connects everybody and delivers until the queues are empty.
func (w *World) calm() error {
	for _, in := range w.nodes {
		if in.online {
			continue
		}
		if err := w.connect(in, true); err != nil {
			return err
		}
	}
	for range 5 {
		if err := w.publish(); err != nil {
			return err
		}
		for n := 0; len(w.up)+len(w.down) > 0; n++ {
			if n > 20000 {
				return errors.New("messages never end")
			}
			if err := w.deliverUp(); err != nil {
				return err
			}
			if err := w.deliverDown(); err != nil {
				return err
			}
		}
		for _, in := range w.nodes {
			w.now = w.now.Add(time.Minute)
			if err := w.tick(in); err != nil {
				return err
			}
		}
	}
	return nil
}

// person does what only a person may: stops one of two living clones, and decides what is held.
func (w *World) person() (bool, error) {
	did := false
	for _, in := range w.nodes {
		if twin := w.twin(in); twin != nil && in.clone {
			gone := []*instance{in, twin}[w.r.IntN(2)]
			w.tell("a person stops %s", gone.name)
			w.nodes = slices.DeleteFunc(w.nodes, func(o *instance) bool { return o == gone })
			for _, o := range w.nodes {
				o.clone = o.clone && o != in && o != twin
			}
			return true, nil
		}
	}
	hashes := slices.SortedFunc(maps.Keys(w.hub.held), func(a, b change.Hash) int { return slices.Compare(a[:], b[:]) })
	for _, hash := range hashes {
		did = true
		if err := w.decide(hash, w.hub.held[hash]); err != nil {
			return false, err
		}
		delete(w.hub.held, hash)
	}
	for _, n := range slices.Sorted(maps.Keys(w.hub.nodes)) {
		s := w.hub.nodes[n]
		if s.Dispute != "" {
			did = true
			w.tell("a person ends the dispute over %s: %s", n, s.Dispute)
			s.Decide()
			w.hub.nodes[n] = s
		}
	}
	return did, nil
}

func (w *World) decide(hash change.Hash, h held) error {
	contents, err := h.batch.Unpack(h.header)
	if err != nil {
		return err
	}
	node := h.header.Node
	merged := map[change.Hash]bool{}
	for _, m := range w.hub.merged {
		if c, err := change.Decode(m.Change); err == nil && m.ID.Node == node {
			merged[c.Fingerprint()] = true
		}
	}
	accept := w.r.IntN(2) == 0
	w.tell("a person decides: %s epoch %d batch %d held for %s: accept %v", node, h.header.Epoch, h.header.Seq, h.reason, accept)
	if accept {
		round, err := w.receiver().Begin(w.hub)
		if err != nil {
			return err
		}
		if err := round.AcceptHeld(h.header, hash, h.batch, func(f change.Hash) (bool, error) { return merged[f], nil }); err != nil {
			return err
		}
		if _, err := round.Close(w.now); err != nil {
			return err
		}
	}
	s := w.hub.nodes[node]
	if !accept {
		s.Rejected = append(s.Rejected, hash)
	}
	w.hub.nodes[node] = s
	for _, b := range contents.Changes {
		c, err := change.Decode(b)
		if err != nil {
			continue
		}
		if f := c.Fingerprint(); !merged[f] {
			w.hub.settled[decided{node, f}] = fmt.Sprintf("decided: accepted %v", accept)
			if !accept {
				w.rejected[markOf(b)] = true
			}
		}
	}
	return nil
}

// idle reports whether every node has everything acknowledged.
func (w *World) idle() bool {
	for _, in := range w.nodes {
		r := in.sender.Report()
		if r.Phase != delivery.Running || r.Acked != r.Head || in.disk.next().Number != r.Next {
			return false
		}
	}
	return true
}

func (w *World) where() string {
	s := ""
	for _, in := range w.nodes {
		r := in.sender.Report()
		s += fmt.Sprintf("%s %s%s%s head %d.%d acked %d.%d; ", in.name, r.Phase, r.Refused, r.Frozen, r.Head.Epoch, r.Head.Seq, r.Acked.Epoch, r.Acked.Seq)
	}
	return s
}

// Check looks at the settled world and returns what is wrong with it.
func (w *World) Check() error {
	return errors.Join(w.checkMarks(), w.checkFold(), w.checkNodes(), w.checkLog(), w.checkStores())
}

// checkMarks: what was acknowledged, or is on a surviving card, is in the hub's ledger exactly once.
func (w *World) checkMarks() error {
	var errs []error
	times := map[string]int{}
	for _, m := range w.hub.merged {
		if mark := markOf(m.Change); mark != "" {
			times[mark]++
		}
	}
	for mark, n := range times {
		if n > 1 {
			errs = append(errs, fmt.Errorf("%s is counted %d times", mark, n))
		}
	}
	for mark := range w.acked {
		if times[mark] == 0 && !w.rejected[mark] {
			errs = append(errs, fmt.Errorf("%s was acknowledged and is lost", mark))
		}
	}
	for _, in := range w.nodes {
		for _, b := range in.disk.own {
			if mark := markOf(b); mark != "" && times[mark] == 0 {
				errs = append(errs, fmt.Errorf("%s is on the card of %s and not at the hub", mark, in.name))
			}
		}
	}
	return errors.Join(errs...)
}

// checkFold: the hub's stock is the fold of what it has merged, in any order, and adds up to zero.
func (w *World) checkFold() error {
	book := stock.NewMemory()
	for _, i := range w.r.Perm(len(w.hub.merged)) {
		if err := post(book, "", w.hub.merged[i].ID, w.hub.merged[i].Change); err != nil {
			return err
		}
	}
	if !maps.Equal(onHand(book, ""), onHand(w.hub.book, "")) {
		return errors.New("hub stock depends on the order of arrival")
	}
	sum := map[stock.Key]stock.Quantity{}
	for c, b := range w.hub.book.Balances {
		sum[c.Key] += b.OnHand()
	}
	for k, q := range sum {
		if q != 0 {
			return fmt.Errorf("%v adds up to %s", k, q)
		}
	}
	return nil
}

func onHand(book *stock.Memory, w stock.Warehouse) map[stock.Cell]stock.Quantity {
	out := map[stock.Cell]stock.Quantity{}
	for c, b := range book.Balances {
		if q := b.OnHand(); q != 0 && !c.Location.Outside() && (w == "" || c.Location.Warehouse() == w) {
			out[c] = q
		}
	}
	return out
}

// checkNodes: every node has the stock of its warehouse that the hub has.
func (w *World) checkNodes() error {
	for _, in := range w.nodes {
		wh := w.warehouse[in.disk.node]
		book, err := in.disk.fold(wh)
		if err != nil {
			return err
		}
		if got, want := onHand(book, wh), onHand(w.hub.book, wh); !maps.Equal(got, want) {
			return fmt.Errorf("%s differs from the hub: %s", in.name, differences(got, want))
		}
	}
	return nil
}

func differences(got, want map[stock.Cell]stock.Quantity) string {
	s := ""
	for c := range want {
		if got[c] != want[c] {
			s += fmt.Sprintf("%v holds %s, hub says %s; ", c, got[c], want[c])
		}
	}
	for c := range got {
		if _, ok := want[c]; !ok {
			s += fmt.Sprintf("%v holds %s, hub says nothing; ", c, got[c])
		}
	}
	return s
}

// checkLog: the log holds every merged batch, and extends what every node has co-signed.
func (w *World) checkLog() error {
	again := audit.Log{Store: &audit.Memory{}}
	leaves := map[audit.Leaf]bool{}
	for _, l := range w.hub.log.Leaves {
		leaves[l] = true
		if _, err := again.Append(l); err != nil {
			return err
		}
	}
	head, err := w.hub.Log().Head()
	if err != nil {
		return err
	}
	if h, err := again.Head(); err != nil || h != head {
		return fmt.Errorf("log does not add up: %w", err)
	}
	for at, k := range w.hub.batches {
		if !leaves[audit.Leaf{Kind: audit.LeafBatch, Hash: k.hash}] {
			return fmt.Errorf("batch %v has no leaf", at)
		}
	}
	for _, in := range w.nodes {
		p := in.disk.st.Log
		proof, err := w.hub.Log().Consistency(head.N, p.Size)
		if err != nil || p.Epoch != w.hub.epoch {
			return fmt.Errorf("%s has co-signed log %d of %d leaves: %w", in.name, p.Epoch, p.Size, err)
		}
		if err := audit.CheckConsistency(head, tlog.Tree{N: p.Size, Hash: tlog.Hash(p.Root)}, proof); err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
	}
	return nil
}
