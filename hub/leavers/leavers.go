// Package leavers keeps the list that is gone through when a person leaves: everything that has to be ended or handed over, with its state as
// it is at this moment, what was done about it by whom, and a summary at the end.
//
// What there is to end is told by sources, one for each part of the program that keeps something for people. A part that comes later adds its
// own (Service.Sources) and the texts of its items: leaver.item_KEY, leaver.hint_KEY, and leaver.act_KEY where it can act.
package leavers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"stockade/hub/auditlog"
	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// State is how an item stands.
type State string

// The states.
const (
	Nothing State = "nothing" // there is nothing to end
	Open    State = "open"    // something is left to be done
	Blocked State = "blocked" // it can not be done before something else was
	Done    State = "done"    // it was done
	Waits   State = "waits"   // it was done, and is not known everywhere yet
)

// Item is a thing to be ended, handed over or collected.
type Item struct {
	Key   string
	State State
	Act   bool          // the program can do it: a button
	Hand  bool          // a person says that it was handed over, and to whom
	Thing bool          // something to collect
	Count int           // how many there are
	List  []access.Text // what they are; "text:KEY" is a text of the catalogue
	Link  string        // where they are

	By, Note string // of the last step
	Outcome  string
	At       time.Time
}

// Source tells what a part of the program keeps for a person.
type Source interface {
	// Items returns items with key, state, what there is and who can end it.
	Items(ctx context.Context, who rights.Person) ([]Item, error)
	// Do ends what an item is about. ErrNoAct says that the key is none of this source's. It records what it does in the audit log.
	Do(ctx context.Context, by identity.Person, who rights.Person, key string) error
}

// KeyAccount is the item of the account itself: once it is done, nodes have to hear of it.
const KeyAccount = "account"

// Conditions that callers turn into sentences.
var (
	ErrNoAct   = errors.New("there is nothing of that kind to do")
	ErrBlocked = errors.New("something else has to be done before")
	ErrLeft    = errors.New("some items are left")
	ErrNote    = errors.New("say to whom, or why")
	ErrDay     = errors.New("that is no day to leave")
)

// Acts in the audit log.
const (
	ActStarted   = "leaver.started"
	ActStep      = "leaver.step"
	ActFinished  = "leaver.finished"
	ActCancelled = "leaver.cancelled"
)

// Outcomes of a step.
const (
	DidDone      = "done"
	DidCollected = "collected"
	DidNone      = "none"
	DidHandOver  = "handed_over"
)

// Things are what is collected of everybody: each is said to be there, or not to have been.
var Things = []string{"badge_card", "keys", "telephone", "laptop", "sticks", "papers"}

// MostNote is how many letters a note has.
const MostNote = 200

// Service keeps lists. It is safe for concurrent use.
type Service struct {
	Store    *store.Store
	Recorder *auditlog.Recorder
	Zone     *time.Location
	Sources  []Source
	// Person returns somebody with an account, by its name.
	Person func(ctx context.Context, name string) (rights.Person, error)
	// Ask makes a node say how far it has read, if it is there; nil for nothing.
	Ask func(stock.NodeID)

	mu    sync.Mutex
	asked map[asking]int
}

// asking is a node that is asked about a list.
type asking struct {
	list int64
	node stock.NodeID
}

// mostAsks is how often a node is asked about one list: one that is away answers when it is back, unasked.
const mostAsks = 3

// ask asks nodes that have not been asked often enough.
func (s *Service) ask(list []asking) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = map[asking]int{}
	}
	for _, a := range list {
		if s.Ask != nil && s.asked[a] < mostAsks {
			s.asked[a]++
			s.Ask(a.node)
		}
	}
}

// Sheet is a list as it is at this moment.
type Sheet struct {
	store.Leaver
	Items []Item // of a closed list as they were then
	Nodes []store.LeaverNode
	Left  int // open or blocked
}

// Summary is what is kept of a list that was finished.
type Summary struct {
	Items []Item
	Nodes []Heard
}

// Heard says whether a node had heard when a list was finished.
type Heard struct {
	Node stock.NodeID
	At   time.Time
}

func keyOf(name string) access.Account { return access.Account(identity.Account{Name: name}.Key()) }

func whoIs(p identity.Person) auditlog.Who {
	return auditlog.Who{Actor: p.Actor(), Session: p.Session, Terminal: p.Address}
}

func object(id int64) string { return "leaver/" + strconv.FormatInt(id, 10) }

// Start opens the list of a person. Nobody opens their own: identity.ErrSelf.
func (s *Service) Start(ctx context.Context, by identity.Person, name string, lastDay stock.Date) (id int64, err error) {
	who, err := s.Person(ctx, name)
	if err != nil {
		return 0, err
	}
	if who.Account == keyOf(by.Account) {
		return 0, identity.ErrSelf
	}
	now := s.Recorder.Clock()
	day, err := time.Parse(time.DateOnly, string(lastDay))
	if err != nil || day.Before(now.AddDate(-1, 0, 0)) || day.After(now.AddDate(1, 0, 0)) {
		return 0, ErrDay
	}
	err = s.Store.Update(ctx, now, func(tx *store.Tx) error {
		l := store.Leaver{Account: who.Account, Name: who.Name, Display: who.Display, Warehouses: who.Warehouses, LastDay: lastDay, StartedBy: by.Actor()}
		if id, err = tx.StartLeaver(l); err != nil {
			return err
		}
		return s.Recorder.Record(tx, whoIs(by), change.Entry{Act: ActStarted, Object: object(id), Detail: map[string]string{"account": string(who.Account), "last_day": string(lastDay)}})
	})
	return id, err
}

// List returns all lists, the newest first.
func (s *Service) List(ctx context.Context) (out []store.Leaver, err error) {
	err = s.Store.View(ctx, func(v *store.View) error { out, err = v.Leavers(""); return err })
	return out, err
}

// Sheet returns a list as it is now.
func (s *Service) Sheet(ctx context.Context, id int64) (sheet Sheet, err error) {
	var steps []store.LeaverStep
	err = s.Store.View(ctx, func(v *store.View) error {
		if sheet.Leaver, err = v.Leaver(id); err != nil {
			return err
		}
		if steps, err = v.LeaverSteps(id); err != nil {
			return err
		}
		sheet.Nodes, err = v.LeaverNodes(id)
		return err
	})
	if err != nil {
		return sheet, err
	}
	if !sheet.EndedAt.IsZero() && sheet.Leaver.Summary != "" {
		var kept Summary
		if err := json.Unmarshal([]byte(sheet.Leaver.Summary), &kept); err != nil {
			return sheet, fmt.Errorf("read summary of list %d: %w", id, err)
		}
		sheet.Items = kept.Items
		return sheet, nil
	}
	who, err := s.person(ctx, sheet.Leaver)
	if err != nil {
		return sheet, err
	}
	for _, src := range s.Sources {
		items, err := src.Items(ctx, who)
		if err != nil {
			return sheet, err
		}
		sheet.Items = append(sheet.Items, items...)
	}
	for _, key := range Things {
		sheet.Items = append(sheet.Items, Item{Key: key, State: Open, Thing: true})
	}
	for i := range sheet.Items {
		item := &sheet.Items[i]
		for _, step := range steps {
			if step.Item == item.Key {
				item.By, item.Note, item.Outcome, item.At = step.By, step.Note, step.Outcome, step.At
			}
		}
		switch {
		case item.Outcome == "":
		case item.State == Nothing, item.State == Open && (item.Thing || item.Hand && item.Outcome == DidHandOver):
			item.State = Done
		}
		if item.Key == KeyAccount && item.State == Done && slices.ContainsFunc(sheet.Nodes, func(n store.LeaverNode) bool { return n.Heard.IsZero() }) {
			item.State = Waits
		}
		if item.State == Open || item.State == Blocked {
			sheet.Left++
		}
	}
	return sheet, nil
}

// person returns who leaves, with the warehouses where they worked when the list was opened.
func (s *Service) person(ctx context.Context, l store.Leaver) (rights.Person, error) {
	who, err := s.Person(ctx, l.Name)
	if len(who.Warehouses) == 0 {
		who.Warehouses = l.Warehouses
	}
	return who, err
}

func (s *Service) item(ctx context.Context, id int64, key string) (Sheet, Item, error) {
	sheet, err := s.Sheet(ctx, id)
	if err != nil {
		return sheet, Item{}, err
	}
	if !sheet.EndedAt.IsZero() {
		return sheet, Item{}, store.ErrLeaverDone
	}
	for _, i := range sheet.Items {
		if i.Key == key {
			return sheet, i, nil
		}
	}
	return sheet, Item{}, ErrNoAct
}

// Do lets the program end what an item is about.
func (s *Service) Do(ctx context.Context, by identity.Person, id int64, key string) error {
	sheet, item, err := s.item(ctx, id, key)
	switch {
	case err != nil:
		return err
	case sheet.Account == keyOf(by.Account):
		return identity.ErrSelf
	case item.State == Blocked:
		return ErrBlocked
	case !item.Act || item.State != Open:
		return ErrNoAct
	}
	who, err := s.person(ctx, sheet.Leaver)
	if err != nil {
		return err
	}
	for _, src := range s.Sources {
		if err = src.Do(ctx, by, who, key); !errors.Is(err, ErrNoAct) {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := s.step(ctx, by, sheet.Leaver, store.LeaverStep{Item: key, Outcome: DidDone}, item.Count); err != nil {
		return err
	}
	return s.Due(ctx)
}

// Check lets a person say what became of an item: collected, not there, or handed over, to whom.
func (s *Service) Check(ctx context.Context, by identity.Person, id int64, key, outcome, note string) error {
	sheet, item, err := s.item(ctx, id, key)
	note = strings.TrimSpace(note)
	switch {
	case err != nil:
		return err
	case sheet.Account == keyOf(by.Account):
		return identity.ErrSelf
	case !(item.Thing && (outcome == DidCollected || outcome == DidNone) || item.Hand && outcome == DidHandOver):
		return ErrNoAct
	case utf8.RuneCountInString(note) > MostNote || !utf8.ValidString(note) || strings.ContainsFunc(note, unicode.IsControl) || item.Hand && note == "":
		return ErrNote
	}
	return s.step(ctx, by, sheet.Leaver, store.LeaverStep{Item: key, Outcome: outcome, Note: note}, item.Count)
}

func (s *Service) step(ctx context.Context, by identity.Person, l store.Leaver, step store.LeaverStep, count int) error {
	step.By = by.Actor()
	entry := change.Entry{Act: ActStep, Object: object(l.ID), Detail: map[string]string{"account": string(l.Account), "item": step.Item, "outcome": step.Outcome, "note": step.Note, "count": strconv.Itoa(count)}}
	return s.Recorder.Act(ctx, whoIs(by), entry, func(tx *store.Tx) error { return tx.AddLeaverStep(l.ID, step) })
}

// Finish closes a list of which nothing is left, with its summary. Nodes that have not heard yet do not hold it up: the summary names them.
func (s *Service) Finish(ctx context.Context, by identity.Person, id int64) error {
	if err := s.Due(ctx); err != nil {
		return err
	}
	sheet, err := s.Sheet(ctx, id)
	switch {
	case err != nil:
		return err
	case !sheet.EndedAt.IsZero():
		return store.ErrLeaverDone
	case sheet.Account == keyOf(by.Account):
		return identity.ErrSelf
	case sheet.Left > 0:
		return ErrLeft
	}
	kept := Summary{Items: sheet.Items}
	unheard := 0
	for _, n := range sheet.Nodes {
		kept.Nodes = append(kept.Nodes, Heard{n.Node, n.Heard})
		if n.Heard.IsZero() {
			unheard++
		}
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	detail := map[string]string{"account": string(sheet.Account), "last_day": string(sheet.LastDay), "summary": hex.EncodeToString(sum[:]), "nodes_not_heard": strconv.Itoa(unheard)}
	for _, i := range sheet.Items {
		if i.By != "" {
			detail["item_"+i.Key] = i.Outcome + " " + i.By
		} else {
			detail["item_"+i.Key] = string(i.State)
		}
	}
	return s.Recorder.Act(ctx, whoIs(by), change.Entry{Act: ActFinished, Object: object(id), Detail: detail}, func(tx *store.Tx) error {
		return tx.EndLeaver(id, by.Actor(), "finished", string(b))
	})
}

// Cancel closes a list because the person stays, with a reason. What was done stays done.
func (s *Service) Cancel(ctx context.Context, by identity.Person, id int64, why string) error {
	why = strings.TrimSpace(why)
	if why == "" || utf8.RuneCountInString(why) > MostNote || !utf8.ValidString(why) || strings.ContainsFunc(why, unicode.IsControl) {
		return ErrNote
	}
	sheet, err := s.Sheet(ctx, id)
	if err != nil {
		return err
	}
	if sheet.Account == keyOf(by.Account) {
		return identity.ErrSelf
	}
	b, err := json.Marshal(Summary{Items: sheet.Items})
	if err != nil {
		return err
	}
	entry := change.Entry{Act: ActCancelled, Object: object(id), Detail: map[string]string{"account": string(sheet.Account), "why": why}}
	return s.Recorder.Act(ctx, whoIs(by), entry, func(tx *store.Tx) error { return tx.EndLeaver(id, by.Actor(), "cancelled", string(b)) })
}

// Due looks which nodes have heard of accounts that were disabled. Lists that were finished are looked after until all nodes have.
func (s *Service) Due(ctx context.Context) error {
	var look []store.Leaver
	fresh := map[int64]bool{}
	var unheard []asking
	list, err := s.List(ctx)
	if err != nil {
		return err
	}
	for _, l := range list {
		if l.Outcome == "cancelled" || len(l.Warehouses) == 0 || !l.EndedAt.IsZero() && s.Recorder.Clock().Sub(l.EndedAt) > watched {
			continue
		}
		var nodes []store.LeaverNode
		if err := s.Store.View(ctx, func(v *store.View) (err error) { nodes, err = v.LeaverNodes(l.ID); return err }); err != nil {
			return err
		}
		if len(nodes) == 0 {
			who, err := s.Person(ctx, l.Name)
			if err != nil {
				return err
			}
			any := false
			if err := s.Store.View(ctx, func(v *store.View) (err error) { any, err = v.NodesIn(l.Warehouses); return err }); err != nil {
				return err
			}
			if !who.Disabled || !any {
				continue
			}
			fresh[l.ID] = true
		}
		for _, n := range nodes {
			if n.Heard.IsZero() {
				fresh[l.ID] = true
				unheard = append(unheard, asking{l.ID, n.Node})
			}
		}
		if fresh[l.ID] {
			look = append(look, l)
		}
	}
	if len(look) == 0 {
		return nil
	}
	s.ask(unheard)
	return s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		for _, l := range look {
			if err := tx.TellNodes(l); err != nil {
				return err
			}
			if _, err := tx.HearNodes(l); err != nil {
				return err
			}
		}
		return nil
	})
}

// watched is how long nodes of a finished list are looked after.
const watched = 90 * 24 * time.Hour
