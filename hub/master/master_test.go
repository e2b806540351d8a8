package master_test

import (
	"context"
	"crypto/ed25519"
	"encoding/csv"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"stockade/hub/hubtest"
	"stockade/hub/master"
	"stockade/hub/store"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// reader follows feeds as a node does: in order, by hash, signed.
type reader struct {
	h    *hubtest.Hub
	at   map[string]delivery.FeedPlace
	prev map[string]change.Hash
}

func newReader(h *hubtest.Hub) *reader {
	return &reader{h: h, at: map[string]delivery.FeedPlace{}, prev: map[string]change.Hash{}}
}

// read returns the entries of the chunks that are new.
func (r *reader) read(name string) []any {
	t := r.h.T
	t.Helper()
	var out []any
	for more := true; more; {
		var chunks [][]byte
		p := r.at[name]
		p.Feed = name
		r.h.Update(func(tx *store.Tx) (err error) { chunks, more, err = tx.Chunks(p, 2); return err })
		for _, signed := range chunks {
			c, hash, err := feed.Open(r.h.Ring.Feed.Public().(ed25519.PublicKey), signed)
			hubtest.Check(t, err)
			if p = r.at[name]; p.LogEpoch != c.LogEpoch {
				p, r.prev[name] = delivery.FeedPlace{}, change.Hash{}
			}
			if c.Feed != name || c.Version != p.Version+1 || c.Prev != r.prev[name] || c.Org != hubtest.Org {
				t.Fatalf("chunk %d of %s does not follow %d", c.Version, c.Feed, p.Version)
			}
			r.at[name], r.prev[name] = delivery.FeedPlace{Feed: name, LogEpoch: c.LogEpoch, Version: c.Version}, hash
			size := 0
			for _, e := range c.Entries {
				v, err := e.Unpack()
				hubtest.Check(t, err)
				out = append(out, v)
				size += len(e.Payload)
			}
			if size > feed.MaxChunk {
				t.Errorf("chunk of %d bytes, at most %d", size, feed.MaxChunk)
			}
		}
	}
	return out
}

// publisher returns one that notes whom it told, after it has granted the nodes their numbers.
func publisher(h *hubtest.Hub) (*master.Publisher, map[stock.NodeID]int) {
	told := map[stock.NodeID]int{}
	p := master.NewPublisher(master.Publisher{Store: h.Store, Ring: h.Ring, Clock: h.Now, Logger: slog.New(slog.DiscardHandler), Prefix: "6910420",
		More: func(n stock.NodeID) { told[n]++ }})
	hubtest.Check(h.T, p.Publish(context.Background()))
	clear(told)
	return p, told
}

// withoutNumbers leaves out what TestNumbers looks at.
func withoutNumbers(all []any) []any {
	return slices.DeleteFunc(all, func(v any) bool { _, is := v.(feed.Numbers); return is })
}

func TestMasterDataFlowsDown(t *testing.T) {
	h := hubtest.New(t)
	h.Node("sh-1", "SHA")
	h.Node("cd-1", "CTU")
	p, told := publisher(h)
	for i := range 1500 {
		h.Update(func(tx *store.Tx) error {
			item, err := master.ItemRow{SKU: fmt.Sprint("SKU-", i), Name: strings.Repeat("货", 20), Unit: "个", Code: fmt.Sprint("code ", i)}.Item()
			if err != nil {
				return err
			}
			return tx.PutItem(item)
		})
	}
	hubtest.Check(t, p.Publish(context.Background()))
	r := newReader(h)
	if got := r.read(feed.Catalogue); len(got) != 1500 || got[7].(feed.Item).SKU != "SKU-7" || r.at[feed.Catalogue].Version < 2 {
		t.Errorf("read %d items in %d chunks", len(got), r.at[feed.Catalogue].Version)
	}
	if told["sh-1"] != 1 || told["cd-1"] != 1 {
		t.Errorf("told %v", told)
	}
	h.Update(func(tx *store.Tx) error {
		return tx.PutLocation(feed.Location{ID: "SHA/A-01", Use: feed.UseReceiving, Active: true})
	})
	hubtest.Check(t, p.Publish(context.Background()))
	if got := withoutNumbers(r.read(feed.Locations("SHA"))); len(got) != 1 || told["sh-1"] != 2 || told["cd-1"] != 1 {
		t.Errorf("read %v, told %v", got, told)
	}
	if got := r.read(feed.Catalogue); len(got) != 0 {
		t.Errorf("%d items came twice", len(got))
	}
}

func TestSiblings(t *testing.T) {
	h := hubtest.New(t)
	a, c := h.Node("sh-1", "SHA"), h.Node("cd-1", "CTU")
	p, told := publisher(h)
	h.Process(a.Batch(hubtest.Receipt("SHA", 1)), c.Batch(hubtest.Receipt("CTU", 1)))
	hubtest.Check(t, p.Publish(context.Background()))
	r := newReader(h)
	if got := r.read(feed.Siblings("SHA")); len(got) != 0 || len(told) != 0 {
		t.Errorf("a node alone in its warehouse was sent %v", got)
	}
	b := h.Node("sh-2", "SHA") // from now on they are two, and hear of all that was before
	hubtest.Check(t, p.Publish(context.Background()))
	clear(told)
	unknown := change.Change{Meta: hubtest.Meta(), Kind: 900, Version: 1, Payload: []byte{0xf6}}
	entry, err := change.OfEntry(hubtest.Meta(), change.Entry{Act: "scan.refused", Detail: map[string]string{}})
	hubtest.Check(t, err)
	known, err := change.OfMovement(hubtest.Meta(), hubtest.Receipt("SHA", 3))
	hubtest.Check(t, err)
	var many []stock.Movement
	for i := range 900 {
		many = append(many, hubtest.Receipt("SHA", i))
	}
	h.Process(b.Cut(unknown, entry, known), b.Batch(many...), a.Batch(many...))
	hubtest.Check(t, p.Publish(context.Background()))
	got := r.read(feed.Siblings("SHA"))
	ids := map[stock.ID]bool{}
	for _, v := range got {
		s := v.(feed.Sibling)
		ids[stock.ID{Node: s.Node, Epoch: s.Epoch, Number: s.Number}] = true
	}
	if len(got) != 1802 || len(ids) != 1802 || !ids[stock.ID{Node: "sh-1", Epoch: 1, Number: 1}] || !ids[stock.ID{Node: "sh-2", Epoch: 1, Number: 3}] {
		t.Errorf("%d changes of %d names", len(got), len(ids))
	}
	if told["sh-1"] != 1 || told["sh-2"] != 1 || told["cd-1"] != 0 {
		t.Errorf("told %v", told)
	}
	if got := newReader(h).read(feed.Siblings("CTU")); len(got) != 0 {
		t.Errorf("the other warehouse was sent %v", got)
	}
}

// TestFeedsBeginAnew: in a log that was opened anew every feed starts again and says the same.
func TestFeedsBeginAnew(t *testing.T) {
	h := hubtest.New(t)
	n := h.Node("sh-1", "SHA")
	h.Node("sh-2", "SHA")
	p, _ := publisher(h)
	h.Process(n.Batch(hubtest.Receipt("SHA", 1), hubtest.Receipt("SHA", 2)))
	h.Update(func(tx *store.Tx) error { return tx.PutLocation(feed.Location{ID: "SHA/A-01", Use: feed.UseStorage}) })
	hubtest.Check(t, p.Publish(context.Background()))
	r := newReader(h)
	before := len(r.read(feed.Siblings("SHA"))) + len(withoutNumbers(r.read(feed.Locations("SHA"))))
	h.Update(func(tx *store.Tx) error {
		return h.Ring.Open(tx, h.Root, delivery.Opening{Epoch: 2, Reason: "test"})
	})
	hubtest.Check(t, p.Publish(context.Background()))
	if after := len(r.read(feed.Siblings("SHA"))) + len(withoutNumbers(r.read(feed.Locations("SHA")))); before != 3 || after != 3 {
		t.Errorf("%d entries before, %d after, want 3 each", before, after)
	}
	if r.at[feed.Siblings("SHA")].LogEpoch != 2 {
		t.Errorf("read up to %+v", r.at[feed.Siblings("SHA")])
	}
}

// TestNumbers: no range is granted twice, a node that has used half of its range gets another, and so does one in
// a new epoch; after a restore the hub leaves out what it may have granted.
func TestNumbers(t *testing.T) {
	h := hubtest.New(t)
	a, b := h.Node("sh-1", "SHA"), h.Node("sh-2", "SHA")
	p, told := publisher(h)
	r := newReader(h)
	var all []feed.Numbers
	more := func() []feed.Numbers {
		t.Helper()
		hubtest.Check(t, p.Publish(context.Background()))
		var got []feed.Numbers
		for _, v := range r.read(feed.Locations("SHA")) {
			if n, ok := v.(feed.Numbers); ok {
				got = append(got, n)
			}
		}
		for _, n := range got {
			for _, m := range all {
				if n.Prefix == m.Prefix && n.First < m.First+m.Count && m.First < n.First+n.Count {
					t.Errorf("%+v overlaps %+v", n, m)
				}
			}
			all = append(all, n)
		}
		return got
	}
	if got := more(); len(got) != 2 || got[0].Node == got[1].Node || got[0].Prefix != "6910420" || got[0].Count != 10_000 {
		t.Fatalf("granted %+v", got)
	}
	used := func(n *hubtest.Node, f feed.Numbers, part uint64) {
		t.Helper()
		e, err := change.OfEntry(hubtest.Meta(), change.Entry{Act: change.ActNumbered, Object: "sscc", Outcome: "ok",
			Detail: map[string]string{"prefix": f.Prefix, "first": fmt.Sprint(f.First), "last": fmt.Sprint(f.First + part - 1)}})
		hubtest.Check(t, err)
		h.Process(n.Cut(e))
	}
	mine := all[0]
	if mine.Node != "sh-1" {
		mine = all[1]
	}
	used(a, mine, mine.Count/2-1)
	used(b, mine, mine.Count) // says nothing of its own
	if got := more(); len(got) != 0 {
		t.Errorf("granted %+v before half was used", got)
	}
	used(a, mine, mine.Count/2)
	if got := more(); len(got) != 1 || got[0].Node != "sh-1" || told["sh-1"] == 0 {
		t.Errorf("granted %+v", got)
	}
	p.Prefix = "691042099"
	if got := more(); len(got) != 2 || got[0].Prefix != "691042099" || got[0].Count != 1000 {
		t.Errorf("under another prefix %+v", got)
	}
	p.Prefix = "6910420"
	h.Update(func(tx *store.Tx) error {
		return h.Ring.Open(tx, h.Root, delivery.Opening{Epoch: 2, Reason: "restored"})
	})
	all = nil // the feed begins anew and says everything again
	again := more()
	last := again[len(again)-1]
	if last.Prefix != "6910420" || last.First < 1000*10_000 {
		t.Errorf("after a restore %+v", again)
	}
}

func TestRowsOfItems(t *testing.T) {
	for _, tt := range []struct {
		name, text, want, fails string
	}{
		{"plain", "sku,name\nA,苹果\n", "A 个 []", ""},
		{"any order", "name,unit,sku\n苹果,kg,A\n", "A kg []", ""},
		{"codes", "sku,name,codes\nA,a,6901234567892 16901234567899:箱:12 ABC\n", "A 个 [06901234567892  1 16901234567899 箱 12 ABC  1]", ""},
		{"exact code", "sku,name,code\nA,a,\" x:y 1\"\n", "A 个 [ x:y 1  1]", ""},
		{"exact code stays short", "sku,name,code\nA,a,6901234567892\n", "A 个 [6901234567892  1]", ""},
		{"no name", "sku,name\nA,\n", "", "line 2"},
		{"wrong check digit", "sku,name,codes\nB,b,\nA,a,16901234567890\n", "", "line 3"},
		{"unknown column", "sku,name,price\nA,a,1\n", "", "price"},
		{"missing column", "sku\nA\n", "", "name"},
		{"factor zero", "sku,name,codes\nA,a,X:箱:0\n", "", "factor"},
		{"ragged", "sku,name\nA\n", "", "line 2"},
		{"empty", "", "", "column names"},
	} {
		items, err := master.ReadItems(csv.NewReader(strings.NewReader(tt.text)))
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s: error %v, want one about %q", tt.name, err, tt.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		i := items[len(items)-1]
		var codes []string
		for _, c := range i.Codes {
			codes = append(codes, fmt.Sprintf("%s %s %s", c.GTIN, c.Unit, c.Factor))
		}
		if got := fmt.Sprintf("%s %s %v", i.SKU, i.Unit, codes); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func FuzzReadItems(f *testing.F) {
	f.Add("sku,name,codes\nA,a,6901234567892 X:箱:12\n")
	f.Fuzz(func(t *testing.T, s string) {
		items, err := master.ReadItems(csv.NewReader(strings.NewReader(s)))
		if err != nil {
			return
		}
		for _, i := range items {
			if i.SKU == "" || i.Name == "" || len(i.SKU) > stock.MaxSKU {
				t.Errorf("accepted %+v", i)
			}
		}
	})
}

func FuzzReadLocations(f *testing.F) {
	f.Add("warehouse,bin,name,use\nSHA,RECV,收货区,receiving\n")
	f.Add("bin,warehouse,active\nA-01,CTU,0\n")
	f.Fuzz(func(t *testing.T, s string) {
		bins, err := master.ReadLocations(csv.NewReader(strings.NewReader(s)))
		if err != nil {
			return
		}
		for _, l := range bins {
			if err := master.CheckLocation(l); err != nil || l.ID.Outside() {
				t.Errorf("accepted %+v: %v", l, err)
			}
		}
	})
}
