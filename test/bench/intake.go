package bench

import (
	"context"
	"errors"

	"stockade/hub/intake"
)

// Batches of the hub_intake measurement.
const (
	intakeNodes  = 4
	intakeChange = 100 // changes in a batch
)

// hubIntake measures changes a second from signed batches to signed acknowledgements: verified,
// merged, logged and committed. The baseline inserts the rows that this added to the hub's tables (movements,
// kinds of stock, batches, leaves and hashes of the log) into the same tables of the same engine without
// encryption, a commit for the rows of each 100 changes. Nothing is computed there, not even a balance.
func (r *run) hubIntake(ctx context.Context, dir string) (err error) {
	h, err := newHeadquarters(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.vault.Close()) }()
	var senders []*sender
	for i := range intakeNodes {
		s, err := newSender(i + 1)
		if err == nil {
			err = h.enrol(ctx, s.head.Node, s.warehouse, s.key)
		}
		if err != nil {
			return err
		}
		senders = append(senders, s)
	}
	again, err := newRepeater(ctx, h, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, again.plain.close()) }()
	var taken, inserted series
	for i := range r.Size.Rounds {
		if err := taken.measure(func() (float64, error) { return h.take(ctx, senders, r.Size.Intake) }); err != nil {
			return err
		}
		if err := inserted.measure(func() (float64, error) { return again.repeat(ctx) }); err != nil {
			return err
		}
		r.say("  round %d: intake %.0f, plain %.0f changes/s", i+1, taken[i], inserted[i])
	}
	return r.emit("hub_intake", "changes/s", taken.median(), inserted.median())
}

// take makes batches, and then measures how fast they are taken in and acknowledged.
func (h *headquarters) take(ctx context.Context, senders []*sender, batches int) (float64, error) {
	var in []intake.Incoming
	for i := range batches {
		b, err := senders[i%len(senders)].batch(intakeChange)
		if err != nil {
			return 0, err
		}
		in = append(in, b)
	}
	return h.process(ctx, in, batches*intakeChange, min(batches, len(senders)))
}
