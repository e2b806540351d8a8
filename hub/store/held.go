package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// Held is a batch that was held for a person to decide about.
type Held struct {
	Hash      change.Hash
	Node      stock.NodeID
	Epoch     uint64
	Seq       uint64
	Reason    delivery.Reason
	Since     time.Time
	Decision  string // "accepted", "rejected", empty while it is open
	DecidedBy string
	DecidedAt time.Time
	Why       string
	Batch     change.Batch
}

// HeldBatches returns held batches, the oldest first; all says whether decided ones too.
func (v *View) HeldBatches(all bool) ([]Held, error) {
	return v.held(`?1 OR h.decision = '' ORDER BY h.since, n.name, h.epoch, h.seq`, all)
}

// HeldBatch returns the held batch with that header hash, or ErrNotFound.
func (v *View) HeldBatch(hash change.Hash) (Held, error) {
	hs, err := v.held(`h.hash = ?1`, hash[:])
	if err == nil && len(hs) == 0 {
		err = fmt.Errorf("held batch %s: %w", hash, ErrNotFound)
	}
	if err != nil {
		return Held{}, err
	}
	return hs[0], nil
}

func (v *View) held(where string, args ...any) ([]Held, error) {
	var out []Held
	err := each(v.tx, func(r *vault.Rows) error {
		var h Held
		var epoch, seq, since int64
		var decided *int64
		err := r.Scan(&h.Hash, &h.Node, &epoch, &seq, &h.Reason, &since, &h.Decision, &h.DecidedBy, &decided, &h.Why, &h.Batch.Signed, &h.Batch.Body)
		h.Epoch, h.Seq, h.Since = unsigned(epoch), unsigned(seq), timeOf(since)
		if decided != nil {
			h.DecidedAt = timeOf(*decided)
		}
		out = append(out, h)
		return err
	}, `SELECT h.hash, n.name, h.epoch, h.seq, h.reason, h.since, h.decision, h.decided_by, h.decided_at, h.why, h.signed, h.body
	      FROM held h JOIN node n ON n.id = h.node WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read held batches: %w", err)
	}
	return out, nil
}

// ErrDecided is returned for a held batch that somebody has decided about already.
var ErrDecided = errors.New("decided already")

// DecideHeld notes what a person has decided about a held batch and closes its case. It
// returns how many of the node's batches are still open.
func (tx *Tx) DecideHeld(hash change.Hash, decision, by, why string) (open int, err error) {
	r, err := tx.tx.Exec(`UPDATE held SET decision = ?2, decided_by = ?3, decided_at = ?4, why = ?5 WHERE hash = ?1 AND decision = ''`,
		hash[:], decision, by, tx.now, why)
	if err != nil {
		return 0, fmt.Errorf("decide held batch: %w", err)
	}
	if r.RowsAffected == 0 {
		return 0, fmt.Errorf("held batch %s: %w", hash, ErrDecided)
	}
	tx.Resolve(CaseHeld, hash.String())
	err = tx.tx.QueryRow(`SELECT count(*) FROM held WHERE decision = '' AND node = (SELECT node FROM held WHERE hash = ?1)`, hash[:]).Scan(&open)
	if err != nil {
		return 0, fmt.Errorf("decide held batch: %w", err)
	}
	return open, nil
}

// BatchesOfNode calls fn for the batches of a node from an epoch on, and after the batch
// with that id, in the order in which they came in.
func (v *View) BatchesOfNode(node stock.NodeID, epoch uint64, after int64, fn func(StoredBatch) error) error {
	return v.batches(fn, `n.name = ?1 AND b.epoch >= ?2 AND b.id > ?3 ORDER BY b.id`, string(node), signed(epoch), after)
}
