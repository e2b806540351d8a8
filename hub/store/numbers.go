package store

import (
	"errors"
	"fmt"
	"strconv"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/barcode"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// ErrNumbers is returned when there are no more numbers under a prefix.
var ErrNumbers = errors.New("the numbers under this company prefix are used up")

// Sizes of ranges. A hub that was restored from an older copy does not know what it has granted since: it leaves
// out more than it can have.
const (
	withoutPrefix = 1_000_000_000_000 // serial numbers of a company without prefix
	blocks        = 100_000           // that a prefix is divided into
	leastBlock    = 10
	mostBlock     = 10_000
	afterRestore  = 1000 // blocks
)

// space returns how many numbers there are under a prefix and how many a node is granted at once.
func space(prefix string) (all, block uint64) {
	all = withoutPrefix
	if prefix != "" {
		all = barcode.SSCCs(prefix)
	}
	return all, min(mostBlock, max(leastBlock, all/blocks))
}

// NumbersWanted returns the nodes that need a range of numbers: those that have none in their epoch under that prefix,
// and those that have used half of their last.
func (v *View) NumbersWanted(prefix string) ([]stock.NodeID, error) {
	nodes, err := v.Nodes()
	if err != nil {
		return nil, err
	}
	var wanted []stock.NodeID
	for _, n := range nodes {
		if n.State.Revoked || len(n.State.Key) == 0 {
			continue
		}
		var epoch, count, used int64
		var under string
		err := v.tx.QueryRow(`SELECT epoch, prefix, count, used FROM number_block WHERE node = ?1 ORDER BY id DESC LIMIT 1`, string(n.State.Node)).Scan(&epoch, &under, &count, &used)
		if err != nil && !errors.Is(err, vault.ErrNoRows) {
			return nil, fmt.Errorf("read numbers of %s: %w", n.State.Node, err)
		}
		if err != nil || unsigned(epoch) != n.State.Head.Epoch || under != prefix || used*2 >= count {
			wanted = append(wanted, n.State.Node)
		}
	}
	return wanted, nil
}

// GrantNumbers grants a node the next range and tells it through the feed of its warehouse.
func (tx *Tx) GrantNumbers(name stock.NodeID, prefix string) error {
	n, err := tx.mustNode(name)
	if err != nil {
		return err
	}
	all, size := space(prefix)
	var end, logEpoch int64
	err = tx.tx.QueryRow(`SELECT first + count, log_epoch FROM number_block WHERE prefix = ?1 ORDER BY first DESC LIMIT 1`, prefix).Scan(&end, &logEpoch)
	if err != nil && !errors.Is(err, vault.ErrNoRows) {
		return fmt.Errorf("read numbers: %w", err)
	}
	last := unsigned(logEpoch)
	if err != nil { // it may have granted some under every log before this one
		last = 1
	}
	// Once for each log that was opened since: a hub that is restored twice from the same copy has forgotten what it granted
	// under the log between.
	first := unsigned(end)
	if now := tx.LogEpoch(); now > last {
		first += min(now-last, blocks) * afterRestore * size
	}
	if first+size > all {
		return fmt.Errorf("grant numbers to %s: %w", name, ErrNumbers)
	}
	if _, err := tx.tx.Exec(`INSERT INTO number_block (node, epoch, log_epoch, prefix, first, count, used) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)`,
		string(name), signed(n.state.Head.Epoch), signed(tx.LogEpoch()), prefix, signed(first), signed(size)); err != nil {
		return fmt.Errorf("grant numbers to %s: %w", name, err)
	}
	return tx.putNews(feed.Locations(n.state.Warehouse), feed.Numbers{Node: name, Epoch: n.state.Head.Epoch, Prefix: prefix, First: first, Count: size})
}

// Posted implements delivery.HubStore: it tells of entries, and notes which numbers a node says to have used, so that it is granted more in time, to which key
// people are sealed for it, and the uses of temporary grants.
func (tx *Tx) Posted(id stock.ID, _ []byte, c change.Change) error {
	if c.Kind != change.KindEntry {
		return nil
	}
	e, err := c.Entry()
	if err != nil {
		return nil //nolint:nilerr // it was posted: an entry that can be read
	}
	if err := tx.tellEntry(id, c, e); err != nil {
		return err
	}
	switch e.Act {
	case change.ActSealing:
		return tx.noteSealing(id.Node, e)
	case change.ActGrantUsed:
		return tx.CountUse(access.TemporaryID(e.Object), c.Meta.Time.Time(), e.Detail["request"], string(id.Node))
	case change.ActNumbered:
	default:
		return nil
	}
	last, err := strconv.ParseUint(e.Detail["last"], 10, 62)
	if err != nil {
		return nil //nolint:nilerr // of a node that says it in another way
	}
	_, err = tx.tx.Exec(`UPDATE number_block SET used = max(used, ?1 - first + 1) WHERE node = ?2 AND epoch = ?3 AND prefix = ?4 AND ?1 BETWEEN first AND first + count - 1`,
		signed(last), string(id.Node), signed(id.Epoch), e.Detail["prefix"])
	if err != nil {
		return fmt.Errorf("note used numbers of %s: %w", id.Node, err)
	}
	return nil
}
