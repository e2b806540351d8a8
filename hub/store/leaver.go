package store

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

//go:embed leaver/*.sql
var leaverFiles embed.FS

func leaverMigrations() fs.FS {
	dir, err := fs.Sub(leaverFiles, "leaver")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return dir
}

// Errors about leavers.
var (
	ErrLeaving    = errors.New("a list for this person is open already")
	ErrLeaverDone = errors.New("this list is closed")
)

// Leaver is a person who leaves.
type Leaver struct {
	ID            int64
	Account       access.Account // in the form in which names are told apart
	Name, Display string
	Warehouses    []stock.Warehouse
	LastDay       stock.Date
	StartedBy     string
	StartedAt     time.Time
	EndedBy       string
	EndedAt       time.Time // zero while it goes on
	Outcome       string    // "finished" or "cancelled"
	Summary       string    // JSON
}

// LeaverStep is what was done about an item of a leaver's list.
type LeaverStep struct {
	Item, Outcome, Note, By string
	At                      time.Time
}

// LeaverNode says whether a node has heard that the account is disabled.
type LeaverNode struct {
	Node  stock.NodeID
	Heard time.Time // zero for not yet

	feed     string
	seq      int64
	logEpoch uint64
	version  uint64
}

// StartLeaver opens a list and returns its id; ErrLeaving when one is open for the account.
func (tx *Tx) StartLeaver(l Leaver) (id int64, err error) {
	open := int64(0)
	if err = tx.tx.QueryRow(`SELECT count(*) FROM leaver WHERE account = ?1 AND ended_at = 0`, string(l.Account)).Scan(&open); err == nil && open > 0 {
		return 0, ErrLeaving
	}
	places := make([]string, len(l.Warehouses))
	for i, w := range l.Warehouses {
		places[i] = string(w)
	}
	if err == nil {
		err = tx.tx.QueryRow(`INSERT INTO leaver (account, name, display, warehouses, last_day, started_by, started_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id`,
			string(l.Account), l.Name, l.Display, strings.Join(places, " "), string(l.LastDay), l.StartedBy, tx.now).Scan(&id)
	}
	if err != nil {
		return 0, fmt.Errorf("start list of %s: %w", l.Account, err)
	}
	return id, nil
}

// AddLeaverStep adds what was done about an item of an open list.
func (tx *Tx) AddLeaverStep(id int64, s LeaverStep) error {
	l, err := tx.Leaver(id)
	if err == nil && !l.EndedAt.IsZero() {
		err = ErrLeaverDone
	}
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO leaver_step (leaver, item, outcome, note, done_by, done_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`, id, s.Item, s.Outcome, s.Note, s.By, tx.now)
	}
	if err != nil {
		return fmt.Errorf("store step of list %d: %w", id, err)
	}
	return nil
}

// EndLeaver closes a list.
func (tx *Tx) EndLeaver(id int64, by, outcome, summary string) error {
	r, err := tx.tx.Exec(`UPDATE leaver SET ended_by = ?2, ended_at = ?3, outcome = ?4, summary = ?5 WHERE id = ?1 AND ended_at = 0`, id, by, tx.now, outcome, summary)
	if err == nil && r.RowsAffected == 0 {
		err = ErrLeaverDone
	}
	if err != nil {
		return fmt.Errorf("close list %d: %w", id, err)
	}
	return nil
}

// Leaver returns one list, or ErrNotFound.
func (v *View) Leaver(id int64) (Leaver, error) {
	list, err := v.leavers(`WHERE id = ?1`, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("list %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return Leaver{}, err
	}
	return list[0], nil
}

// Leavers returns lists, the newest first; of one account, or of all with an empty one.
func (v *View) Leavers(account access.Account) ([]Leaver, error) {
	return v.leavers(`WHERE ?1 = '' OR account = ?1 ORDER BY id DESC`, string(account))
}

func (v *View) leavers(where string, args ...any) (out []Leaver, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var l Leaver
		var account, places, day string
		var started, ended int64
		err := r.Scan(&l.ID, &account, &l.Name, &l.Display, &places, &day, &l.StartedBy, &started, &l.EndedBy, &ended, &l.Outcome, &l.Summary)
		for _, w := range strings.Fields(places) {
			l.Warehouses = append(l.Warehouses, stock.Warehouse(w))
		}
		l.Account, l.LastDay, l.StartedAt, l.EndedAt = access.Account(account), stock.Date(day), timeOf(started), timeOf(ended)
		out = append(out, l)
		return err
	}, `SELECT id, account, name, display, warehouses, last_day, started_by, started_at, ended_by, ended_at, outcome, summary FROM leaver `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read lists of leavers: %w", err)
	}
	return out, nil
}

// LeaverSteps returns what was done about a list, in order.
func (v *View) LeaverSteps(id int64) (out []LeaverStep, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var s LeaverStep
		var at int64
		err := r.Scan(&s.Item, &s.Outcome, &s.Note, &s.By, &at)
		s.At = timeOf(at)
		out = append(out, s)
		return err
	}, `SELECT item, outcome, note, done_by, done_at FROM leaver_step WHERE leaver = ?1 ORDER BY id`, id)
	if err != nil {
		return nil, fmt.Errorf("read steps of list %d: %w", id, err)
	}
	return out, nil
}

// LeaverNodes returns which nodes have heard of a list's disabled account. It is empty until the account is disabled.
func (v *View) LeaverNodes(id int64) (out []LeaverNode, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var n LeaverNode
		var node string
		var epoch, version, heard int64
		err := r.Scan(&node, &n.feed, &n.seq, &epoch, &version, &heard)
		n.Node, n.logEpoch, n.version, n.Heard = stock.NodeID(node), unsigned(epoch), unsigned(version), timeOf(heard)
		out = append(out, n)
		return err
	}, `SELECT node, feed, seq, log_epoch, version, heard_at FROM leaver_node WHERE leaver = ?1 ORDER BY node`, id)
	if err != nil {
		return nil, fmt.Errorf("read nodes of list %d: %w", id, err)
	}
	return out, nil
}

// NodesIn reports whether some warehouse has a node that was not revoked.
func (v *View) NodesIn(list []stock.Warehouse) (bool, error) {
	for _, w := range list {
		var n int64
		if err := v.tx.QueryRow(`SELECT count(*) FROM node WHERE warehouse = ?1 AND revoked = 0`, string(w)).Scan(&n); err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// TellNodes begins to watch which nodes of a list's warehouses hear what their feeds of rights say up to now. Where it was begun before
// nothing changes.
func (tx *Tx) TellNodes(l Leaver) error {
	had, err := tx.LeaverNodes(l.ID)
	if err != nil || len(had) > 0 {
		return err
	}
	if err := tx.flushNodes(); err != nil {
		return err
	}
	for _, w := range l.Warehouses {
		told, last, err := tx.told(w, l.Account)
		if err != nil {
			return err
		}
		for node, ok := range told {
			seq := last
			if !ok {
				seq = untold
			}
			if _, err := tx.tx.Exec(`INSERT INTO leaver_node (leaver, node, feed, seq) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING`, l.ID, string(node), feed.Rights(w), seq); err != nil {
				return fmt.Errorf("watch nodes for list %d: %w", l.ID, err)
			}
		}
	}
	return nil
}

// untold stands for the news while nothing was said to a node yet.
const untold = -1

// told returns, of each node of a warehouse, whether the last word about a person was said so that the node can read it, and the number of the last
// news of the feed. A node that has yet to tell its sealing key is told nothing; it has nothing to hear of somebody of whom its feed never spoke.
func (tx *Tx) told(w stock.Warehouse, account access.Account) (map[stock.NodeID]bool, int64, error) {
	nodes, err := tx.sealedNodes(w)
	if err != nil {
		return nil, 0, err
	}
	var last, gone int64
	if err := tx.tx.QueryRow(`SELECT coalesce(max(seq), 0) FROM master_entry WHERE feed = ?1`, feed.Rights(w)).Scan(&last); err != nil {
		return nil, 0, fmt.Errorf("read news of %s: %w", w, err)
	}
	var readers []byte
	err = tx.tx.QueryRow(`SELECT readers, gone FROM rights_word WHERE feed = ?1 AND kind = ?2 AND name = ?3`, feed.Rights(w), int64(access.KindMember), string(account)).Scan(&readers, &gone)
	spoken := !errors.Is(err, vault.ErrNoRows)
	if err != nil && spoken {
		return nil, 0, fmt.Errorf("read feed of rights of %s: %w", w, err)
	}
	out := map[stock.NodeID]bool{}
	for _, n := range nodes {
		switch {
		case !spoken, gone == 1: // that somebody is gone is said in the clear
			out[n.node] = true
		case n.how == SealingDone:
			out[n.node] = len(readers) == 0 || covers(readers, []access.ReaderID{access.IDOfReader(n.key)})
		default:
			out[n.node] = n.how == SealingNone && len(readers) == 0
		}
	}
	return out, last, nil
}

// HearNodes looks which nodes have heard meanwhile: those that have read the feed up to the version that holds the news. It reports whether some have not.
func (tx *Tx) HearNodes(l Leaver) (waiting bool, err error) {
	id := l.ID
	list, err := tx.LeaverNodes(id)
	if err != nil {
		return false, err
	}
	for _, n := range list {
		if !n.Heard.IsZero() {
			continue
		}
		if n.seq == untold {
			told, last, err := tx.told(stock.Warehouse(n.feed[len(feed.Rights("")):]), l.Account)
			if err != nil {
				return false, err
			}
			if !told[n.Node] {
				waiting = true
				continue
			}
			n.seq = last
			if _, err := tx.tx.Exec(`UPDATE leaver_node SET seq = ?3 WHERE leaver = ?1 AND node = ?2`, id, string(n.Node), last); err != nil {
				return false, fmt.Errorf("look for nodes of list %d: %w", id, err)
			}
		}
		if n.version == 0 || n.logEpoch != tx.m.logEpoch { // a feed begins anew with a log: the news is cut into it again
			var cut, at int64
			err := tx.tx.QueryRow(`SELECT version, source FROM feed WHERE name = ?1`, n.feed).Scan(&cut, &at)
			if errors.Is(err, vault.ErrNoRows) || err == nil && (at < n.seq || cut == 0) {
				waiting = true
				continue
			}
			if err == nil {
				n.logEpoch, n.version = tx.m.logEpoch, unsigned(cut)
				_, err = tx.tx.Exec(`UPDATE leaver_node SET log_epoch = ?3, version = ?4 WHERE leaver = ?1 AND node = ?2`, id, string(n.Node), signed(n.logEpoch), cut)
			}
			if err != nil {
				return false, fmt.Errorf("look for nodes of list %d: %w", id, err)
			}
		}
		r, err := tx.tx.Exec(`UPDATE leaver_node SET heard_at = ?3 WHERE leaver = ?1 AND node = ?2 AND EXISTS (SELECT 1 FROM feed_read f WHERE f.node = leaver_node.node AND f.feed = leaver_node.feed
			AND f.log_epoch = leaver_node.log_epoch AND f.version >= leaver_node.version)`, id, string(n.Node), tx.now)
		if err != nil {
			return false, fmt.Errorf("look for nodes of list %d: %w", id, err)
		}
		waiting = waiting || r.RowsAffected == 0
	}
	return waiting, nil
}

// FeedRead implements delivery.FeedReader.
func (tx *Tx) FeedRead(node stock.NodeID, at delivery.FeedPlace) error {
	_, err := tx.tx.Exec(`INSERT INTO feed_read (node, feed, log_epoch, version, read_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (node, feed) DO UPDATE SET log_epoch = excluded.log_epoch,
		version = excluded.version, read_at = excluded.read_at WHERE feed_read.log_epoch <> excluded.log_epoch OR feed_read.version <> excluded.version`,
		string(node), at.Feed, signed(at.LogEpoch), signed(at.Version), tx.now)
	if err != nil {
		return fmt.Errorf("store how far %s has read %s: %w", node, at.Feed, err)
	}
	return nil
}

// DropExports ends the exports of a person that can still be fetched and returns how many there were.
func (tx *Tx) DropExports(account access.Account) (int64, error) {
	r, err := tx.tx.Exec(`UPDATE export SET state = 'ended', body = NULL WHERE account = ?1 AND state = 'ready'`, string(account))
	if err != nil {
		return 0, fmt.Errorf("end exports of %s: %w", account, err)
	}
	return r.RowsAffected, nil
}
