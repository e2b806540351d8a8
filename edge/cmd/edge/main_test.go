package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stockade/edge/enrolment"
	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/internal/label"
	"stockade/internal/vault"
	"stockade/protocol/change"
	wire "stockade/protocol/enrol"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

func writeConfig(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "edge.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const folders = "data_dir = \"data\"\nkey_file = \"edge.key\"\n"

func TestConfig(t *testing.T) {
	printer := "[[devices]]\nname = \"zebra\"\nkind = \"printer\"\npath = \"/dev/y\"\n"
	scanner := "[[devices]]\nname = \"gun\"\nkind = \"scanner\"\npath = \"/dev/x\"\n"
	tests := []struct {
		name, text string
		want       string // part of the error, empty for none
	}{
		{"the least", folders, ""},
		{"a station", folders + scanner + "[[stations]]\nname = \"desk\"\nscanner = \"gun\"\nrepeat = \"0s\"\n", ""},
		{"no folders", "", "data_dir and key_file are needed"},
		{"a slip", folders + "data_dri = \"x\"\n", "unknown setting"},
		{"not TOML", "data_dir", "read configuration"},
		{"language", folders + "lang = \"fr\"\n", "want zh or en"},
		{"zone", folders + "zone = \"Mars/Base\"\n", "zone"},
		{"listen", folders + "listen = \"8443\"\n", "listen"},
		{"device without path", folders + "[[devices]]\nname = \"gun\"\nkind = \"scanner\"\n", "device \"gun\""},
		{"device of unknown kind", folders + "[[devices]]\nname = \"gun\"\nkind = \"camera\"\npath = \"/dev/x\"\n", "device \"gun\""},
		{"a line of a Zebra variant", folders + scanner + "driver = \"tarm\"\nbaud = 19200\ndata_bits = 7\nparity = \"even\"\nstop_bits = 2\nflow = \"rtscts\"\nprofile = \"codeid=zebra beep=zebra\"\n", ""},
		{"unknown driver", folders + scanner + "driver = \"pyserial\"\n", "device gun: driver \"pyserial\": want bugst or tarm"},
		{"unknown flow control", folders + scanner + "flow = \"dtr\"\n", "flow \"dtr\": want none, xonxoff or rtscts"},
		{"unknown parity", folders + scanner + "parity = \"mark\"\n", "parity \"mark\": want none, odd or even"},
		{"data bits", folders + scanner + "data_bits = 9\n", "data_bits 9: want 7 or 8"},
		{"speed", folders + scanner + "baud = 9601\n", "baud 9601"},
		{"negative speed", folders + scanner + "baud = -1\n", "baud -1"},
		{"idle gap in another unit", folders + scanner + "idle_gap = \"50s\"\n", "idle_gap 50s"},
		{"a slip in the profile", folders + scanner + "profile = \"codeid=zebr\"\n", "codeid= wants one of datalogic, zebra"},
		{"an unknown tag", folders + scanner + "profile = \"aim\"\n", "\"aim\" is unknown"},
		{"no substitute", folders + scanner + "profile = \"gs=\"\n", "gs= wants"},
		{"SSI with XON/XOFF", folders + scanner + "profile = \"frame=ssi\"\nflow = \"xonxoff\"\n", "takes bytes out of SSI packets"},
		{"SSI with Code IDs", folders + scanner + "profile = \"frame=ssi codeid=zebra\"\n", "leave out codeid"},
		{"a TSPL printer", folders + printer + "language = \"tspl\"\ndpi = 300\nchinese = \"TSS24.BF2\"\ninvert = true\n", ""},
		{"unknown language", folders + printer + "language = \"epl\"\n", "device zebra: language \"epl\": want zpl, tspl or escpos"},
		{"dots", folders + printer + "dpi = 204\n", "dpi 204: want 203, 300 or 600"},
		{"a font of another language", folders + printer + "chinese = \"TSS24.BF2\"\n", "chinese \"TSS24.BF2\" is no font of a zpl printer"},
		{"inverted ZPL", folders + printer + "invert = true\n", "invert is a setting of TSPL printers"},
		{"a scanner with a language", folders + scanner + "language = \"zpl\"\n", "settings of printers, not of a scanner"},
		{"two devices of a name", folders + scanner + scanner, "device \"gun\""},
		{"station without name", folders + "[[stations]]\nlabel = \"x\"\n", "name of its own"},
		{"two stations of a name", folders + "[[stations]]\nname = \"desk\"\n[[stations]]\nname = \"desk\"\n", "name of its own"},
		{"station with a scanner that is none", folders + scanner + "[[stations]]\nname = \"desk\"\nprinter = \"gun\"\n", "no printer \"gun\""},
		{"station with unknown mode", folders + "[[stations]]\nname = \"desk\"\nmode = \"dance\"\n", "mode \"dance\""},
		{"keyboard scanner", folders + "[[stations]]\nname = \"desk\"\nwedge_profile = \"codeid=zebra gs=| keys=us end=silence\"\n", ""},
		{"keyboard scanner with packets", folders + "[[stations]]\nname = \"desk\"\nwedge_profile = \"frame=ssi\"\n", "station desk: wedge_profile: \"frame=ssi\" is unknown"},
		{"rules and limits", folders + "password_rules = \"dengbao\"\nsession_idle = \"10m\"\nsession_max = \"8h\"\nsecond_factor_roles = [\"warehouse-lead\"]\n", ""},
		{"passkeys", folders + "passkey_domain = \"stock.example.cn\"\n", ""},
		{"passkeys alone", folders + "passkey_domain = \"stock.example.cn\"\npasskey_roles = [\"auditor\"]\n", ""},
		{"passkeys alone, and nowhere", folders + "passkey_roles = [\"auditor\"]\n", "passkey_domain"},
		{"passkeys at an address", folders + "passkey_domain = \"192.0.2.1\"\n", "passkey_domain"},
		{"a station by badge", folders + "[[stations]]\nname = \"desk\"\nbadge = true\nbadge_idle = \"30m\"\n", ""},
		{"open and by badge", folders + "[[stations]]\nname = \"desk\"\nbadge = true\nopen = true\n", "leave out open or badge"},
		{"an endless badge", folders + "[[stations]]\nname = \"desk\"\nbadge_idle = \"24h\"\n", "badge_idle"},
		{"password rules", folders + "password_rules = \"none\"\n", "password_rules"},
		{"endless sessions", folders + "session_max = \"1000h\"\n", "session_max"},
		{"repeat window", folders + "[[stations]]\nname = \"desk\"\nrepeat = \"soon\"\n", "duration"},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		c, err := loadConfig(writeConfig(t, dir, tt.text))
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		case tt.want == "" && (c.DataDir != filepath.Join(dir, "data") || c.Zone != "Asia/Shanghai" || c.Listen != ":8443"):
			t.Errorf("%s: defaults are %+v", tt.name, c)
		}
	}
}

// TestPrinterSettings: what is read is what a label is laid out for.
func TestPrinterSettings(t *testing.T) {
	text := folders + "label_font = \"E:SIMSUN.TTF\"\n[[devices]]\nname = \"a\"\nkind = \"printer\"\npath = \"/dev/y\"\nlanguage = \"tspl\"\ndpi = 300\ninvert = true\n" +
		"[[devices]]\nname = \"b\"\nkind = \"printer\"\npath = \"/dev/z\"\n"
	c, err := loadConfig(writeConfig(t, t.TempDir(), text))
	if err != nil {
		t.Fatal(err)
	}
	n := &node{config: c}
	if got, want := n.labelPrinter(c.Devices[0]), (label.Printer{Language: label.TSPL, DPI: 300, Invert: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := n.labelPrinter(c.Devices[1]), (label.Printer{Language: label.ZPL, Font: "E:SIMSUN.TTF"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for language, ok := range map[string]bool{"": true, "zpl": true, "tspl": false, "escpos": false} {
		if err := (printerConfig{Language: language}).check("printer", "xonxoff"); (err == nil) != ok {
			t.Errorf("%q with XON/XOFF: %v", language, err)
		}
	}
}

// call runs a command and returns what it printed.
func call(args ...string) (string, error) {
	var out, errOut bytes.Buffer
	err := run(context.Background(), args, &out, &errOut)
	return out.String(), err
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"dance"}, {"serve"}, {"serve", "--config"}, {"stock", "--config", "x", "more"}} {
		if _, err := call(args...); !errors.Is(err, errUsage) {
			t.Errorf("edge %v: %v, want %v", args, err, errUsage)
		}
	}
}

// TestBeforeEnrolment: a machine that is no node yet says what to do, and nothing is made by asking.
func TestBeforeEnrolment(t *testing.T) {
	dir := t.TempDir()
	config := writeConfig(t, dir, folders)
	for _, command := range []string{"serve", "stock", "status", "scans", "prints"} {
		_, err := call(command, "--config", config)
		if !errors.Is(err, store.ErrNotEnrolled) || !strings.Contains(explain(err), "edge enrol") {
			t.Errorf("edge %s: %v", command, err)
		}
	}
	if _, err := call("enrol", "--config", config, "--token", "sk1.nonsense"); !errors.Is(err, wire.ErrToken) {
		t.Errorf("enrol with nonsense: %v, want %v", err, wire.ErrToken)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("files made without an enrolment: %v, %v", files, err)
	}
	if got := explain(&enrolment.Problem{Word: wire.ProblemUsed}); !strings.Contains(got, "--replace") {
		t.Errorf("hint for a used token: %s", got)
	}
}

// TestReports: stock, status and scans of a node that was used, printed while another program has
// the store open.
func TestReports(t *testing.T) {
	dir := t.TempDir()
	config := writeConfig(t, dir, folders)
	c, err := loadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	key, err := vault.LoadOrCreateKeyFile(c.KeyFile, c.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(t.Context(), vault.Options{Path: c.storePath(), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	s, err := store.Open(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Update(t, s, func(tx *store.Tx) error { return tx.PutEnrolment(storetest.Enrolment("sh-1")) })
	storetest.Feed(t, s, feed.Catalogue, storetest.Item("TEA", "06901234567892"))
	storetest.Update(t, s, func(tx *store.Tx) error {
		m := stock.Movement{Key: stock.Key{SKU: "TEA", Lot: "L1", Expiry: "2027-01-01", State: stock.Available}, From: stock.Supplier, To: "SHA/RECV", Quantity: 2500000}
		ch, err := change.OfMovement(change.Meta{Day: "2026-01-01"}, m)
		if err == nil {
			_, err = tx.Add(ch)
		}
		return errors.Join(err, tx.PutScan(store.Scan{Station: "desk", Outcome: "refused", Code: "scan.unknown_item", Raw: []byte("x"), Told: []byte(`{"mode":"receive"}`), State: []byte(`{}`)}))
	})
	var stockList struct {
		Warehouse string
		Rows      []map[string]string
	}
	report(t, &stockList, "stock", "--json", "--config", config)
	want := map[string]string{"warehouse": "SHA", "sku": "TEA", "gtin": "06901234567892", "lot": "L1", "serial": "", "expiry": "2027-01-01", "location": "RECV", "state": "available", "quantity": "2.5"}
	if len(stockList.Rows) != 1 || stockList.Warehouse != "SHA" {
		t.Fatalf("stock: %+v", stockList)
	}
	for k, v := range want {
		if got := stockList.Rows[0][k]; got != v {
			t.Errorf("stock: %s is %q, want %q", k, got, v)
		}
	}
	var status struct {
		Node                        string
		Changes, Movements, Refused int
	}
	report(t, &status, "status", "--config", config)
	if status.Node != "sh-1" || status.Changes != 1 || status.Movements != 1 || status.Refused != 1 {
		t.Errorf("status: %+v", status)
	}
	storetest.Update(t, s, func(tx *store.Tx) error {
		_, err := tx.QueuePrint(store.NewPrint{Printer: "zebra", Title: "TEA", Data: []byte("^XA^XZ")}, time.Now())
		return err
	})
	var prints struct{ Prints []map[string]any }
	report(t, &prints, "prints", "--config", config)
	if len(prints.Prints) != 1 || prints.Prints[0]["state"] != "queued" || prints.Prints[0]["title"] != "TEA" {
		t.Errorf("prints: %+v", prints)
	}
	var scans struct{ Scans []map[string]any }
	report(t, &scans, "scans", "--station", "desk", "--after", "0", "--config", config)
	if len(scans.Scans) != 1 || scans.Scans[0]["code"] != "scan.unknown_item" || scans.Scans[0]["raw"] != "eA==" {
		t.Errorf("scans: %+v", scans)
	}
}

func report(t *testing.T, to any, args ...string) {
	t.Helper()
	out, err := call(args...)
	if err == nil {
		err = json.Unmarshal([]byte(out), to)
	}
	if err != nil {
		t.Fatalf("edge %v: %v\n%s", args, err, out)
	}
}

// TestOneServer: two programs must not serve one data folder.
func TestOneServer(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockServer(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockServer(dir); !errors.Is(err, errServing) {
		t.Errorf("second server: %v, want %v", err, errServing)
	}
	unlock()
	if unlock, err = lockServer(dir); err != nil {
		t.Errorf("after the first has ended: %v", err)
	} else {
		unlock()
	}
}
