package devrun

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"stockade/firmware-tools/simulate"
	"stockade/protocol/feed"
	"stockade/test/rig"
)

// hall is what the workers of a warehouse see of each other.
type hall struct {
	edge *rig.Edge

	mu       sync.Mutex
	counting string // bin that is being counted: nobody puts anything there
}

func (h *hall) count(bin string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counting = bin
}

func (h *hall) counted() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counting
}

// holding is stock in a bin.
type holding struct {
	goods
	bin string
}

// stock reads what the warehouse has.
func (h *hall) stock(ctx context.Context) (received, stored []holding, err error) {
	var list struct {
		Rows []struct{ GTIN, Lot, Serial, Expiry, Location, Quantity string }
	}
	if err := h.edge.JSON(ctx, &list, "stock", "--json"); err != nil {
		return nil, nil, err
	}
	for _, r := range list.Rows {
		n, err := strconv.Atoi(r.Quantity)
		if err != nil || n <= 0 { // a broken unit, or less than nothing: a person's case
			continue
		}
		s := holding{goods{r.GTIN, r.Lot, r.Serial, r.Expiry, n}, r.Location}
		if r.Location == receiving {
			received = append(received, s)
		} else {
			stored = append(stored, s)
		}
	}
	return received, stored, nil
}

// worker is a person with a scanner.
type worker struct {
	hall    *hall
	scanner *simulate.Scanner
	pace    time.Duration
	items   []feed.Item
	random  *rand.Rand
	round   func(*worker, context.Context) error
}

// shift works until ctx ends. Whatever was left half done at the last station is given up first.
func (w *worker) shift(ctx context.Context) error {
	if err := w.say(ctx, "STK:CANCEL"); err != nil {
		return w.end(ctx, err)
	}
	for ctx.Err() == nil {
		if err := w.round(w, ctx); err != nil {
			return w.end(ctx, err)
		}
	}
	return nil
}

func (w *worker) end(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("worker at %s: %w", w.hall.edge.Options.ID, err)
}

// say scans texts one after the other, such as command and bin labels.
func (w *worker) say(ctx context.Context, texts ...string) error {
	for _, t := range texts {
		if err := w.scan(ctx, []byte("]C0"+t+"\r")); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) scan(ctx context.Context, raw []byte) error {
	wait := w.pace/2 + time.Duration(w.random.Int64N(int64(w.pace)))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
	}
	return w.scanner.SendContext(ctx, raw, len(raw)+1, 0)
}

// oneIn is true once in n times.
func (w *worker) oneIn(n int) bool { return w.random.IntN(n) == 0 }

// limit is how many lines of stock a warehouse has before it receives no more.
const limit = 120

// receive is a round at the goods-in station: a delivery, now and then something that is not in order, and
// the way of everything to its bin.
func (w *worker) receive(ctx context.Context) error {
	received, stored, err := w.hall.stock(ctx)
	if err != nil {
		return err
	}
	if len(received)+len(stored) < limit {
		if err := w.delivery(ctx); err != nil {
			return err
		}
		if received, _, err = w.hall.stock(ctx); err != nil {
			return err
		}
	}
	return w.putAway(ctx, received)
}

func (w *worker) delivery(ctx context.Context) error {
	if err := w.say(ctx, "STK:MODE:RECEIVE"); err != nil {
		return err
	}
	for range 3 + w.random.IntN(4) {
		g := delivered(w.random, w.items[w.random.IntN(len(w.items))], time.Now())
		raw := g.scan()
		if w.oneIn(8) {
			raw = w.mistake(g)
		}
		if err := w.scan(ctx, raw); err != nil {
			return err
		}
	}
	return nil
}

// mistake makes of goods something that has to be refused.
func (w *worker) mistake(g goods) []byte {
	switch w.random.IntN(3) {
	case 0: // an item that nobody knows
		return []byte("]E06999999999997\r")
	case 1: // a wrong check digit
		return fmt.Appendf(nil, "]E0%s%c\r", g.gtin[1:13], '0'+(g.gtin[13]-'0'+1)%10)
	}
	g.expiry = time.Now().AddDate(0, 0, -3-w.random.IntN(30)).Format(time.DateOnly)
	return g.scan()
}

func (w *worker) putAway(ctx context.Context, received []holding) error {
	if len(received) == 0 {
		return w.pause(ctx)
	}
	if err := w.say(ctx, "STK:MODE:TRANSFER"); err != nil {
		return err
	}
	bins := storage()
	for _, h := range received {
		bin := bins[w.random.IntN(len(bins))]
		if bin == w.hall.counted() {
			continue // the next round finds it
		}
		if err := w.say(ctx, "BIN:"+h.bin, "BIN:"+bin); err != nil {
			return err
		}
		if err := w.scan(ctx, h.scan()); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(5 * w.pace):
		return nil
	}
}

// pick is a round at the goods-out station: an order, or a bin that is counted, or a question.
func (w *worker) pick(ctx context.Context) error {
	_, stored, err := w.hall.stock(ctx)
	if err != nil {
		return err
	}
	if len(stored) == 0 {
		return w.pause(ctx)
	}
	h := stored[w.random.IntN(len(stored))]
	switch {
	case w.oneIn(6):
		return w.countBin(ctx, h.bin)
	case w.oneIn(8):
		if err := w.say(ctx, "STK:MODE:LOOKUP"); err != nil {
			return err
		}
		return w.scan(ctx, h.scan())
	}
	return w.order(ctx, stored)
}

func (w *worker) order(ctx context.Context, stored []holding) error {
	if err := w.say(ctx, "STK:MODE:PICK"); err != nil {
		return err
	}
	w.random.Shuffle(len(stored), func(i, k int) { stored[i], stored[k] = stored[k], stored[i] })
	for _, h := range stored[:min(len(stored), 3+w.random.IntN(3))] {
		bin := h.bin
		switch {
		case w.oneIn(14):
			h.count += 50 // more than there is
		case w.oneIn(14):
			bin = storage()[w.random.IntN(24)] // the wrong shelf, most likely
		case len(stored) < limit/2 || w.oneIn(3):
			h.count = 1 + w.random.IntN(h.count)
		}
		if err := w.say(ctx, "BIN:"+bin); err != nil {
			return err
		}
		if err := w.scan(ctx, h.scan()); err != nil {
			return err
		}
	}
	if w.oneIn(6) {
		return w.say(ctx, "STK:UNDO")
	}
	return nil
}

// countBin counts a whole bin. Now and then a unit is not found.
func (w *worker) countBin(ctx context.Context, bin string) error {
	w.hall.count(bin)
	defer w.hall.count("")
	if err := w.say(ctx, "STK:MODE:COUNT", "BIN:"+bin); err != nil {
		return err
	}
	_, stored, err := w.hall.stock(ctx)
	if err != nil {
		return err
	}
	for _, h := range stored {
		if h.bin != bin {
			continue
		}
		if h.count > 1 && w.oneIn(6) {
			h.count--
		}
		if err := w.scan(ctx, h.scan()); err != nil {
			return err
		}
	}
	return w.say(ctx, "STK:CONFIRM")
}
