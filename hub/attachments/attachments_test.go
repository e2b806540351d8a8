package attachments_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"stockade/internal/vault"
	"strings"
	"testing"
	"testing/iotest"

	"stockade/hub/attachments"
	"stockade/hub/auditlog"
	"stockade/hub/hubtest"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

type house struct {
	*hubtest.Hub
	*attachments.Service
}

var zhang = identity.Person{Account: "zhang", Session: "s1", Address: "10.0.0.9", Roles: []string{"operations"}}

func open(t *testing.T) *house {
	h := hubtest.New(t)
	party := func(_ *store.View, who identity.Person, r store.StoredApproval) (bool, error) {
		return string(r.Request.By.Account) == who.Account, nil
	}
	s := &attachments.Service{Dir: filepath.Join(t.TempDir(), "attachments"), Store: h.Store, Recorder: &auditlog.Recorder{Store: h.Store, Ring: h.Ring, Clock: h.Now},
		Kinds: attachments.Kinds(party), Limits: attachments.Limits{Size: 300_000, PerSubject: 3, PerDay: 5, BytesADay: 1_000_000}}
	if _, err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return &house{h, s}
}

func about(name string) attachments.Meta {
	return attachments.Meta{Subject: attachments.Subject{Kind: "warehouse", ID: "SHA", Warehouse: "SHA"}, Category: "contract", Number: " HT-2026-1 ", Note: "三年", Name: name}
}

// long is a text of so many bytes, of several pieces of the cipher.
func long(n int) []byte {
	return bytes.Repeat([]byte("一二三四五六七八九十\n"), n/31+1)[:n/31*31]
}

func (h *house) add(t *testing.T, name string, b []byte) store.Attachment {
	t.Helper()
	a, err := h.Add(context.Background(), zhang, about(name), bytes.NewReader(b))
	hubtest.Check(t, err)
	return a
}

func (h *house) read(id, act string) ([]byte, error) {
	_, r, err := h.Service.Open(context.Background(), zhang, id, act, nil)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// entries returns what the audit log says about files, the oldest first.
func (h *house) entries(t *testing.T) (out []change.Entry) {
	t.Helper()
	h.View(func(v *store.View) error {
		list, err := v.Entries(0)
		for _, l := range list {
			c, err := change.Decode(l.Entry)
			hubtest.Check(t, err)
			e, err := c.Entry()
			hubtest.Check(t, err)
			if strings.HasPrefix(e.Act, "attachment.") {
				out = append(out, e)
			}
		}
		return err
	})
	return out
}

func (h *house) files(t *testing.T) (names []string) {
	t.Helper()
	list, err := os.ReadDir(h.Dir)
	hubtest.Check(t, err)
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func (h *house) path(id string) string { return filepath.Join(h.Dir, id+".age") }

func TestStoryOfAFile(t *testing.T) {
	h := open(t)
	contents := long(200_000)
	a := h.add(t, "C:\\合同\\三年\u202e 合同.txt", contents)
	sum := sha256.Sum256(contents)
	if a.Name != "三年 合同.txt" || a.Number != "HT-2026-1" || a.Type != "text/plain" || a.Size != int64(len(contents)) || a.Hash != sum {
		t.Errorf("kept as %+v", a)
	}
	raw, err := os.ReadFile(h.path(a.ID))
	hubtest.Check(t, err)
	if bytes.Contains(raw, []byte("一二三")) || !bytes.HasPrefix(raw, []byte("age-encryption.org/v1\n")) {
		t.Errorf("the file lies there in the clear, or is not age: %.60q", raw)
	}
	for _, act := range []string{attachments.ActViewed, attachments.ActDownloaded} {
		if got, err := h.read(a.ID, act); err != nil || !bytes.Equal(got, contents) {
			t.Errorf("%s: %d bytes, %v", act, len(got), err)
		}
	}
	if err := h.Delete(context.Background(), zhang, a.ID, "  "); !errors.Is(err, attachments.ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	hubtest.Check(t, h.Delete(context.Background(), zhang, a.ID, "合同作废"))
	if _, err := h.read(a.ID, attachments.ActViewed); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a destroyed file: %v", err)
	}
	if err := h.Delete(context.Background(), zhang, a.ID, "again"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("destroyed twice: %v", err)
	}
	h.View(func(v *store.View) error {
		left, err := v.Attachment(a.ID)
		if !left.Deleted() || left.DeletedBy != "zhang" || left.Reason != "合同作废" || left.Hash != sum {
			t.Errorf("what is left: %+v", left)
		}
		return err
	})
	if names := h.files(t); len(names) != 0 {
		t.Errorf("files are left: %v", names)
	}
	// the ciphertext, kept by somebody, is worth nothing: no key is left
	hubtest.Check(t, os.WriteFile(h.path(a.ID), raw, 0o600))
	if _, err := h.read(a.ID, attachments.ActViewed); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("with the ciphertext put back: %v", err)
	}
	var acts []string
	for _, e := range h.entries(t) {
		acts = append(acts, e.Act)
		if e.Object != a.ID || e.Detail["sha256"] != hex.EncodeToString(sum[:]) || e.Detail["of"] != "warehouse SHA" {
			t.Errorf("entry %+v", e)
		}
	}
	if got := strings.Join(acts, " "); got != "attachment.added attachment.viewed attachment.downloaded attachment.deleted" {
		t.Errorf("the log has %s", got)
	}
	h.Audited()
}

// TestNoPlainBytesOfAnythingElse: whatever is cut off, turned or exchanged in a file, no byte of it is ever shown, and the check finds it.
func TestNoPlainBytesOfAnythingElse(t *testing.T) {
	h := open(t)
	a, b := h.add(t, "a.txt", long(200_000)), h.add(t, "b.txt", long(200_000))
	whole, err := os.ReadFile(h.path(a.ID))
	hubtest.Check(t, err)
	other, err := os.ReadFile(h.path(b.ID))
	hubtest.Check(t, err)
	const piece = 64<<10 + 16
	random := rand.New(rand.NewPCG(1, 2))
	turn := func(at int) []byte {
		c := bytes.Clone(whole)
		c[at] ^= 1 << random.IntN(8)
		return c
	}
	hurt := map[string][]byte{"nothing": {}, "the other file": other, "a byte more": append(bytes.Clone(whole), 0), "the first half": whole[:len(whole)/2], "without its last piece": whole[:len(whole)-len(whole)%piece],
		"header of the other": append(bytes.Clone(other[:200]), whole[200:]...)}
	body := bytes.Clone(whole)
	at := bytes.LastIndex(whole[:400], []byte("\n")) + 1 + 16 // behind the header's last line and the nonce
	copy(body[at:], whole[at+piece:at+2*piece])
	copy(body[at+piece:], whole[at:at+piece])
	hurt["two pieces exchanged"] = body
	for range 60 {
		n := random.IntN(len(whole))
		hurt[fmt.Sprintf("turned at %d", n)] = turn(n)
		n = random.IntN(len(whole))
		hurt[fmt.Sprintf("cut at %d", n)] = whole[:n]
	}
	for n := range 260 { // all of the header
		hurt[fmt.Sprintf("turned at %d", n)] = turn(n)
	}
	for what, c := range hurt {
		hubtest.Check(t, os.WriteFile(h.path(a.ID), c, 0o600))
		if got, err := h.read(a.ID, attachments.ActViewed); !errors.Is(err, attachments.ErrDamaged) || len(got) != 0 {
			t.Fatalf("%s: %d bytes, %v", what, len(got), err)
		}
	}
	found := func(what string, want int) {
		t.Helper()
		f, err := h.Service.Check(context.Background())
		if err != nil || len(f.Bad) != want {
			t.Errorf("%s: the check says %+v %v", what, f, err)
		}
	}
	found("damaged", 1)
	hubtest.Check(t, os.Remove(h.path(a.ID)))
	found("lost", 1)
	if _, err := h.read(a.ID, attachments.ActViewed); !errors.Is(err, attachments.ErrDamaged) {
		t.Errorf("a lost file: %v", err)
	}
	hubtest.Check(t, os.WriteFile(h.path(a.ID), whole, 0o600))
	found("whole again", 0)
	if got, err := h.read(a.ID, attachments.ActViewed); err != nil || len(got) != len(long(200_000)) {
		t.Errorf("whole again: %d bytes, %v", len(got), err)
	}
	for _, e := range h.entries(t) {
		if e.Act == attachments.ActDamaged && (e.Outcome == "ok" || e.Detail["problem"] == "") {
			t.Errorf("entry %+v", e)
		}
	}
}

// TestRowsAreHeldAgainstTheLog: whoever can write to the store, keys and all, still disagrees with the audit log.
func TestRowsAreHeldAgainstTheLog(t *testing.T) {
	h := open(t)
	a, b := h.add(t, "a.txt", long(3100)), h.add(t, "b.txt", long(6200))
	for _, c := range []struct {
		what, sql string
		want      int
	}{
		{"as it was", `UPDATE attachment SET note = note`, 0},
		{"two rows that exchange their files", `UPDATE attachment SET hash = CASE id WHEN '` + a.ID + `' THEN x'` + b.Hash.String() + `' ELSE x'` + a.Hash.String() + `' END`, 2},
		{"a row that says it was destroyed", `UPDATE attachment SET hash = CASE id WHEN '` + a.ID + `' THEN x'` + a.Hash.String() + `' ELSE x'` + b.Hash.String() + `' END, deleted_at = CASE id WHEN '` + a.ID + `' THEN 5 ELSE 0 END`, 1},
	} {
		hubtest.Check(t, h.Vault.Update(context.Background(), func(tx *vault.Tx) error { _, err := tx.Exec(c.sql); return err }))
		f, err := h.Service.Check(context.Background())
		if err != nil || len(f.Bad) != c.want {
			t.Errorf("%s: %+v %v", c.what, f.Bad, err)
		}
	}
	hubtest.Check(t, h.Vault.Update(context.Background(), func(tx *vault.Tx) error {
		if _, err := tx.Exec(`DELETE FROM attachment_key WHERE attachment = ?1`, a.ID); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM attachment WHERE id = ?1`, a.ID)
		return err
	}))
	f, err := h.Service.Check(context.Background())
	if err != nil || len(f.Bad) != 1 || f.Bad[0].ID != a.ID || len(f.Strays) != 1 {
		t.Errorf("a row that is gone: %+v %v", f, err)
	}
}

func TestWhatIsNotTaken(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	broken := errors.New("the line broke")
	for what, c := range map[string]struct {
		meta attachments.Meta
		r    io.Reader
		want error
	}{
		"too large":         {about("a.txt"), strings.NewReader(strings.Repeat("x", 300_001)), attachments.ErrTooLarge},
		"empty":             {about("a.txt"), strings.NewReader(""), attachments.ErrEmpty},
		"no name":           {about("/"), strings.NewReader("x"), attachments.ErrName},
		"no category":       {attachments.Meta{Name: "a.txt", Category: "none"}, strings.NewReader("x"), attachments.ErrCategory},
		"a long note":       {attachments.Meta{Name: "a.txt", Category: "other", Note: strings.Repeat("长", 301)}, strings.NewReader("x"), attachments.ErrLength},
		"a line that broke": {about("a.txt"), io.MultiReader(bytes.NewReader(long(100_000)), iotest.ErrReader(broken)), broken},
	} {
		if _, err := h.Add(ctx, zhang, c.meta, c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
	var refused *attachments.Refused
	if _, err := h.Add(ctx, zhang, about("a.pdf"), bytes.NewReader(pngFile())); !errors.As(err, &refused) || refused.Why != attachments.WrongEnding {
		t.Errorf("a picture as a PDF: %v", err)
	}
	if names := h.files(t); len(names) != 0 {
		t.Errorf("files are left: %v", names)
	}
	if e := h.entries(t); len(e) != 1 || e[0].Act != attachments.ActRefused || e[0].Detail["why"] != "ending" {
		t.Errorf("the log has %+v", e)
	}
}

func TestHowMany(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	for i := range 3 {
		h.add(t, fmt.Sprintf("%d.txt", i), long(310))
	}
	if _, err := h.Add(ctx, zhang, about("4.txt"), iotest.ErrReader(errors.New("it was read"))); !errors.Is(err, attachments.ErrMany) {
		t.Errorf("one more of the subject: %v", err)
	}
	other := about("a.txt")
	other.ID = "CTU"
	for range 2 {
		_, err := h.Add(ctx, zhang, other, bytes.NewReader(long(310)))
		hubtest.Check(t, err)
	}
	if _, err := h.Add(ctx, zhang, other, iotest.ErrReader(errors.New("it was read"))); !errors.Is(err, attachments.ErrQuota) {
		t.Errorf("one more of the day: %v", err)
	}
	wu := identity.Person{Account: "wu"}
	began, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	for range 2 {
		go func() {
			_, err := h.Add(ctx, wu, other, &slow{began: began, goOn: goOn, then: bytes.NewReader(long(310))})
			done <- err
		}()
	}
	<-began // both are being read
	<-began
	if _, err := h.Add(ctx, wu, other, strings.NewReader("x")); !errors.Is(err, attachments.ErrBusy) {
		t.Errorf("a third at the same time: %v", err)
	}
	close(goOn)
	errs := []error{<-done, <-done}
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), attachments.ErrMany) { // there was room for one
		t.Errorf("two at the same time: %v", errs)
	}
	if n := len(h.files(t)); n != 6 {
		t.Errorf("%d files, want 6", n)
	}
}

// slow says that it is being read, and then waits.
type slow struct {
	began, goOn chan struct{}
	then        io.Reader
	on          bool
}

func (s *slow) Read(p []byte) (int, error) {
	if !s.on {
		s.began <- struct{}{}
		<-s.goOn
		s.on = true
	}
	return s.then.Read(p)
}

func TestWhatACrashLeaves(t *testing.T) {
	h := open(t)
	a := h.add(t, "a.txt", long(310))
	for _, n := range []string{"half.upload", "norow.age"} {
		hubtest.Check(t, os.WriteFile(filepath.Join(h.Dir, n), []byte("x"), 0o600))
	}
	if f, err := h.Service.Check(context.Background()); err != nil || len(f.Bad) != 0 || len(f.Strays) != 2 {
		t.Errorf("before: %+v %v", f, err)
	}
	if n, err := h.Start(context.Background()); err != nil || n != 2 {
		t.Errorf("swept %d, %v", n, err)
	}
	if names := h.files(t); len(names) != 1 || names[0] != a.ID+".age" {
		t.Errorf("left: %v", names)
	}
}

func TestSubjects(t *testing.T) {
	h := open(t)
	n := h.Node("sha-1", "SHA")
	h.Process(n.Batch(hubtest.Receipt("SHA", 1), stock.Movement{Key: stock.Key{SKU: "X", State: stock.Available}, From: stock.Warehouse("SHA").Bin("A"), To: stock.Customer, Quantity: stock.Unit, Scanned: stock.Scanned{Count: stock.Unit, Factor: stock.Unit}}))
	h.Update(func(tx *store.Tx) error { return tx.PutItem(feed.Item{SKU: "a/b", Name: "n", Active: true}) })
	h.Update(func(tx *store.Tx) error {
		_, err := tx.AddPartner(store.Partner{Code: "C-1", Customer: true, Name: "n", Active: true}, "", "li")
		return err
	})
	cases := h.Cases(stock.NegativeStock)
	if len(cases) == 0 {
		t.Fatal("no case")
	}
	want := map[string]map[string]stock.Warehouse{"item": {"a/b": ""}, "warehouse": {"SHA": "SHA"}, "exception": {fmt.Sprint(cases[0].ID): "SHA"}, "change": {"sha-1.1.1": "SHA"}, "customer": {"C-1": ""}}
	wrong := map[string][]string{"item": {"", "A/B", "none"}, "warehouse": {"", "sha", "CTU"}, "exception": {"", "0", "999", "01", "x"}, "change": {"", "sha-1.1.99", "sha-1.1.01", "nobody.1.1"}, "request": {"", "none"}, "customer": {"", "C-2"}, "supplier": {"C-1"}, "none": {"x"}}
	h.View(func(v *store.View) error {
		for kind, ids := range want {
			for id, w := range ids {
				s, k, err := h.Find(v, zhang, kind, id)
				if err != nil || s.Kind != kind || s.ID != id || s.Warehouse != w || k.Permission == "" || s.Link == "" {
					t.Errorf("%s %s: %+v %v", kind, id, s, err)
				}
			}
		}
		for kind, ids := range wrong {
			for _, id := range ids {
				if s, _, err := h.Find(v, zhang, kind, id); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s %q: %+v %v", kind, id, s, err)
				}
			}
		}
		return nil
	})
	if len(want) == 0 {
		t.Fatal("nothing was tried")
	}
}
