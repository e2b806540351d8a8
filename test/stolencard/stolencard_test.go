package stolencard

import (
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stockade/edge/store"
	"stockade/firmware-tools/simulate"
	"stockade/hub/keyring"
	"stockade/internal/vault"
	"stockade/protocol/enrol"
	"stockade/protocol/topic"
	"stockade/test/play"
	"stockade/test/rig"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What people do here. None of it may be found.
const (
	item     = "明前龙井茶礼盒特级"
	itemEN   = "Longjing tea, gift box"
	sku      = "TEA-7781-GIFT"
	gtin     = "06901234567892"
	lot      = "LOT-SECRET-42"
	serial   = "SERIAL-SECRET-99"
	bin      = "VAULT-07"
	binName  = "贵重物品库区"
	user     = "wangxiaoming"
	password = "correct horse battery staple 仓"
	unknown  = "HELLO-FROM-A-STRANGER"
)

// marks are what any unencrypted store or message of ours begins with or holds.
var marks = hunt{
	"SQLite format 3\x00":          "an SQLite store",
	"\xd2\x84\x43\xa1\x01\x27\xa0": "a signed message", // COSE_Sign1 with EdDSA and no unprotected headers
	"PRIVATE KEY-----":             "a private key",
	"CREATE TABLE ":                "a table",
	"$argon2id$":                   "a password's hash",
	"scan.received":                "what a worker was told",
}

// burglar knows a site and all that is secret about it.
type burglar struct {
	*play.Site
	t    *testing.T
	hunt hunt
}

func newBurglar(t *testing.T) *burglar {
	t.Helper()
	dir := t.TempDir()
	link := filepath.Join(dir, "printer")
	printer, err := simulate.NewPrinter(link, simulate.PrinterOptions{})
	must(t, err)
	t.Cleanup(printer.Close)
	b := &burglar{t: t, hunt: maps.Clone(marks)}
	b.Site, err = play.NewSite(t.Context(), play.Options{Dir: dir, Warehouses: []string{"SHA"}, Log: t.Output(),
		Change: func(o *rig.EdgeOptions) { o.Stations[0].Printer = link }})
	t.Cleanup(b.Close)
	must(t, err)
	b.hunt.add("item", item, itemEN, sku, gtin)
	b.hunt.add("scan", lot, serial, unknown)
	b.hunt.add("bin", bin, binName)
	b.hunt.add("person", user, password)
	b.goods()
	b.work()
	if len(printer.Labels()) == 0 {
		t.Error("no label was printed")
	}
	return b
}

// goods fills the catalogue.
func (b *burglar) goods() {
	b.t.Helper()
	path := filepath.Join(b.Rig.Dir, "secret.csv")
	must(b.t, os.WriteFile(path, []byte("sku,name,name_en,unit,code\n"+strings.Join([]string{sku, item, `"` + itemEN + `"`, "盒", gtin}, ",")+"\n"), 0o600))
	for _, args := range [][]string{{"item", "import", path}, {"location", "add", "SHA/" + bin, "--name", binName}} {
		_, err := b.Hub.CLI(b.t.Context(), args...)
		must(b.t, err)
	}
	must(b.t, rig.Until(b.t.Context(), "catalogue at the node", func() (bool, error) {
		s, err := b.Edges[0].Status(b.t.Context())
		return s.Items == 1, err
	}))
}

// work is a day at the warehouse: goods come in, are moved, counted and picked, scans are refused, people sign in.
func (b *burglar) work() {
	b.t.Helper()
	goods := "]C101" + gtin + "10" + lot
	scan := func(raw, want string) {
		b.t.Helper()
		told, err := b.Players[0].Scan(b.t.Context(), raw+"\r")
		must(b.t, err)
		if len(told) != 1 || told[0].Code != want {
			b.t.Fatalf("scan %q: %+v, want %s", raw, told, want)
		}
	}
	for n := range 60 {
		scan(goods, "scan.received")
		scan(fmt.Sprintf("]C101%s21%s-%d", gtin, serial, n), "scan.received")
	}
	for _, s := range [][2]string{
		{"]C101" + gtin + "21" + serial + "-0", "scan.serial_twice"}, {"]A0" + unknown, "scan.not_an_item"}, {"]C101" + gtin + "17200101", "scan.expired"},
		{"]A0STK:MODE:TRANSFER", "scan.mode"}, {"]A0RECV", "scan.bin"}, {"]A0" + bin, "scan.target"}, {goods, "scan.transferred"},
		{"]A0STK:MODE:COUNT", "scan.mode"}, {"]A0" + bin, "scan.bin"}, {goods, "scan.counted"},
	} { // and the count is left open: its sheet is in the store
		scan(s[0], s[1])
	}
	b.people(b.Edges[0].Process, func() (string, error) { return b.Edges[0].Pages() })
	b.people(b.Hub.Process, func() (string, error) { a, err := b.Hub.Addresses(); return a.Pages, err })
	b.token()
	must(b.t, b.Quiet(b.t.Context()))
	b.Cut() // what follows waits in the node's outbox
	scan(goods, "scan.counted")
	b.keys()
}

// people signs in at a program's pages, and fails to, with one-time code and password.
func (b *burglar) people(p *rig.Process, pages func() (string, error)) {
	b.t.Helper()
	line, err := p.Line(b.t.Context(), "one-time code")
	must(b.t, err)
	code := line[strings.LastIndex(line, " ")+1:]
	at, err := pages()
	must(b.t, err)
	browser, err := rig.NewBrowser(at, "")
	must(b.t, err)
	must(b.t, browser.First(b.t.Context(), code, user, password))
	again, err := rig.NewBrowser(at, "")
	must(b.t, err)
	if err := again.SignIn(b.t.Context(), user+"x", password); err == nil {
		b.t.Error("a stranger could sign in")
	}
	must(b.t, again.SignIn(b.t.Context(), user, password))
	b.hunt.add("one-time code", code)
	for _, v := range append(browser.Cookies(), again.Cookies()...) {
		b.hunt.add("session", v)
	}
}

// token makes a token that nobody uses.
func (b *burglar) token() {
	b.t.Helper()
	out, err := b.Hub.CLI(b.t.Context(), "node", "add", "edge-9", "--warehouse", "SHA")
	must(b.t, err)
	token, err := enrol.DecodeToken(string(out))
	must(b.t, err)
	b.hunt.add("token", strings.TrimSpace(string(out))[4:60], string(token.Secret[:]))
}

// keys adds all private keys, and those that open the stores.
func (b *burglar) keys() {
	b.t.Helper()
	e := b.Edges[0]
	must(b.t, play.WithStore(b.t.Context(), e, func(s *store.Store) error {
		return s.View(b.t.Context(), func(tx *store.Tx) error {
			kept, err := tx.Enrolment()
			b.hunt.add("node key", string(kept.Seed))
			b.hunt.add("page key", string(kept.PageKey), string(kept.PageKey)[40:100])
			b.hunt.add("certificate", string(kept.Certificate[:64]), string(kept.Page[:64]))
			return err
		})
	}))
	ring, err := play.Ring(b.t.Context(), b.Hub)
	must(b.t, err)
	b.hunt.add("hub key", string(ring.Ack.Seed()), string(ring.Feed.Seed()), string(ring.Log.Seed()), string(ring.Broker))
	b.authority(ring)
	for file, dir := range map[string]string{e.KeyFile(): e.Data(), b.Hub.KeyFile(): b.Hub.Data()} {
		key, err := vault.LoadKeyFile(file, dir)
		must(b.t, err)
		b.hunt.add("store key", string(key[:]))
	}
}

func (b *burglar) authority(ring *keyring.Ring) {
	b.t.Helper()
	cert, key, err := ring.Authority.Encode()
	must(b.t, err)
	b.hunt.add("authority", string(cert[:64]), string(key[40:100]))
	var private crypto.Signer = ring.Ack
	der, err := x509.MarshalPKCS8PrivateKey(private.(ed25519.PrivateKey))
	must(b.t, err)
	b.hunt.add("hub key in DER", string(der))
}

// search holds that nothing is found in a data folder. The files that must be there are named, so that it is not an
// empty one.
func (b *burglar) search(when, dir string, want ...string) {
	b.t.Helper()
	names, found := b.find(dir)
	for _, f := range found {
		b.t.Errorf("%s: %s", when, f)
	}
	for _, w := range want {
		if !slices.ContainsFunc(names, func(n string) bool { ok, _ := filepath.Match(w, n); return ok }) {
			b.t.Errorf("%s: no file %s among %q", when, w, names)
		}
	}
}

// find looks through a folder and returns its files and what can be read in them.
func (b *burglar) find(dir string) (names, found []string) {
	b.t.Helper()
	files, err := loot(dir)
	must(b.t, err)
	for _, f := range files {
		names = append(names, f.name)
		for _, what := range b.hunt.inBytes(f.data) {
			found = append(found, f.name+" holds "+what)
		}
		if strings.HasSuffix(f.name, "-shm") {
			continue // numbers of pages
		}
		if plain := plainPages(f.name, f.data); len(plain) > 0 {
			found = append(found, fmt.Sprintf("pages %v of %s are not encrypted", plain, f.name))
		}
	}
	return names, found
}

// queue lets the broker keep messages for the node, which is away.
func (b *burglar) queue() {
	b.t.Helper()
	b.hunt.add("topic", topic.Down("demo", "edge-1"))
	for n := range 20 {
		_, err := b.Hub.CLI(b.t.Context(), "item", "add", "--sku", fmt.Sprintf("%s-%d", sku, n), "--name", item)
		must(b.t, err)
	}
	must(b.t, rig.Until(b.t.Context(), "messages in the broker's folder", func() (bool, error) {
		files, err := loot(filepath.Join(b.Hub.Data(), "broker"))
		return slices.ContainsFunc(files, func(f file) bool {
			return strings.Contains(f.name, "MQTT_msgs") && strings.HasSuffix(f.name, ".blk") && len(f.data) > 200
		}), err
	}))
}

// TestStolenCard: node and hub, while they run, after they were killed and after they have stopped.
func TestStolenCard(t *testing.T) {
	b := newBurglar(t)
	edge, hub := b.Edges[0].Data(), b.Hub.Data()
	const messages = "broker/jetstream/SYNC/streams/*MQTT_msgs/msgs/*.blk"
	b.search("while the node runs", edge, "node.db", "node.db-wal", "node.db-shm", "addresses.json", "serve.lock")
	b.search("while the hub runs", hub, "hub.db", "hub.db-wal", "hub.db-shm", "addresses.json", messages)
	b.Edges[0].Kill()
	b.queue()
	b.search("while messages wait for a node", hub, messages)
	b.Hub.Kill()
	b.search("after the node was killed", edge, "node.db", "node.db-wal")
	b.search("after the hub was killed", hub, "hub.db", "hub.db-wal", messages)
	must(t, b.Hub.Start(t.Context()))
	must(t, b.Edges[0].Start(t.Context()))
	b.Mend()
	must(t, b.Quiet(t.Context()))
	must(t, b.Stop())
	b.search("after the node has stopped", edge, "node.db")
	b.search("after the hub has stopped", hub, "hub.db", messages)

	must(t, os.WriteFile(filepath.Join(edge, "export.tmp"), []byte("lot\t"+lot+"\n"), 0o600))
	if _, found := b.find(edge); len(found) != 1 {
		t.Errorf("with one readable file in the node's folder: found %q", found)
	}
}
