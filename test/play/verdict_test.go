package play

import (
	"maps"
	"slices"
	"testing"
	"time"

	"stockade/protocol/barcode"
)

// site starts a site that ends with the test.
func site(t *testing.T, o Options) *Site {
	t.Helper()
	o.Dir, o.Log = t.TempDir(), t.Output()
	s, err := NewSite(t.Context(), o)
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func playLines(t *testing.T, s *Site, lines ...string) {
	t.Helper()
	raw := make([][]byte, len(lines))
	for i, l := range lines {
		raw[i] = []byte(l)
	}
	must(t, s.Catalogue(t.Context(), raw))
	for i, l := range raw {
		must(t, s.Players[i%2].Play(t.Context(), l))
	}
}

func judged(t *testing.T, s *Site) Verdict {
	t.Helper()
	v, err := s.Judge(t.Context())
	must(t, err)
	return v
}

// TestFaultsAreSeen plays a few scans and then spoils the player's record: whatever differs from what
// the hub has must be called by its name.
func TestFaultsAreSeen(t *testing.T) {
	t.Parallel()
	s := site(t, Options{})
	playLines(t, s, "]E06901234567892\r", "]C1010690123456789221A1\r", "]C102069012345678923712\r]E06901234567892\r", "nothing\r")
	must(t, s.Quiet(t.Context()))
	v := judged(t, s)
	must(t, v.Good())
	if v.Scans != 5 || v.Accepted != 4 || v.Refused != 1 || v.Movements != 4 {
		t.Fatalf("%+v", v)
	}
	p := s.Players[0]
	honest, stock := slices.Clone(p.confirmed), maps.Clone(p.judge.stock)
	for _, tt := range []struct {
		name          string
		spoil         func()
		lost, surplus int
		differs       bool
	}{
		{name: "a lost scan", spoil: func() {
			p.confirmed = append(p.confirmed, confirmed{"edge-1.1.99", Row{Warehouse: "SHA", GTIN: "06901234567892"}})
		}, lost: 1},
		{name: "the same scan twice at the worker, once at the hub", spoil: func() { p.confirmed = append(p.confirmed, p.confirmed[0]) }, lost: 1},
		{name: "a doubled scan", spoil: func() { p.confirmed = p.confirmed[1:] }, surplus: 1},
		{name: "another quantity", spoil: func() { p.confirmed[1].row.Quantity = "7" }, lost: 1, surplus: 1},
		{name: "another serial number", spoil: func() { p.confirmed[0].row.Serial = "B2" }, lost: 1, surplus: 1},
		{name: "one more in stock", spoil: func() { addOne(p.judge) }, differs: true},
		{name: "an empty stock", spoil: func() { p.judge.stock = nil }, differs: true},
		{name: "a scan neither accepted nor refused", spoil: func() { p.refused-- }},
	} {
		tt.spoil()
		v := judged(t, s)
		if v.Lost != tt.lost || v.Duplicated != tt.surplus || (v.ExpectedDigest != v.HubDigest) != tt.differs || v.EdgeDigest != v.HubDigest {
			t.Errorf("%s: %+v", tt.name, v)
		}
		if v.Good() == nil {
			t.Errorf("%s passes for good", tt.name)
		}
		p.confirmed, p.judge.stock, p.refused = slices.Clone(honest), maps.Clone(stock), 0
	}
	must(t, judged(t, s).Good())
	s.Cut()
	must(t, p.Play(t.Context(), []byte("]E06901234567892\r")))
	if v := judged(t, s); v.Good() == nil || v.Lost != 1 || v.EdgeDigest == v.HubDigest || v.EdgeDigest != v.ExpectedDigest {
		t.Errorf("a scan that has not reached the hub: %+v", v)
	}
}

func addOne(j *judge) {
	for r, n := range j.stock {
		j.stock[r] = n + 1
		return
	}
}

// TestGood: every field that can be wrong is looked at.
func TestGood(t *testing.T) {
	good := Verdict{Scans: 2, Accepted: 1, Refused: 1, Movements: 1, Batches: 3, Acknowledged: 3, EdgeDigest: "a", HubDigest: "a", ExpectedDigest: "a", Verified: true}
	must(t, good.Good())
	for name, spoil := range map[string]func(*Verdict){
		"edge digest": func(v *Verdict) { v.EdgeDigest = "b" }, "hub digest": func(v *Verdict) { v.HubDigest = "b" }, "expected digest": func(v *Verdict) { v.ExpectedDigest = "b" },
		"acknowledged": func(v *Verdict) { v.Acknowledged-- }, "lost": func(v *Verdict) { v.Lost++ }, "doubled": func(v *Verdict) { v.Duplicated++ },
		"verified": func(v *Verdict) { v.Verified = false }, "scans": func(v *Verdict) { v.Scans++ }, "movements": func(v *Verdict) { v.Movements++ },
	} {
		v := good
		if spoil(&v); v.Good() == nil {
			t.Errorf("%s is wrong and passes for good", name)
		}
	}
}

// TestDigest holds the digest against one that was written down by hand.
func TestDigest(t *testing.T) {
	rows := []Row{
		{"SHA", "06901234567892", "", "", "", "RECV", "available", "10"},
		{"CTU", "06901234567892", "L1", "S1", "2030-01-31", "RECV", "available", "1"},
		{"CTU", "06901234567892", "", "", "", "A-01", "available", "0"},
	}
	// printf 'CTU\t06901234567892\tL1\tS1\t2030-01-31\tRECV\tavailable\t1\nSHA\t06901234567892\t\t\t\tRECV\tavailable\t10\n' | sha256sum
	const want = "b194a3b36cacfa3cbc4c277176e084980995569e6fb2369c7592d921f60fd1f8"
	if got := Digest(rows); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	slices.Reverse(rows)
	if got := Digest(rows); got != want {
		t.Errorf("in another order %s, want %s", got, want)
	}
}

var testNow = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

func decoded(line string) []barcode.Scan {
	return barcode.Decode(barcode.Profile{}, []byte(line), testNow)
}

// TestMissing: whatever a line holds, its rest after some scans gives exactly the others.
func TestMissing(t *testing.T) {
	for _, line := range []string{"a\rb\rc", "\x02a\r\x03\x02b\x03c", "\x02a\x02b\x03", "a\r\n\r\nb\tc\n", "]E06901234567892\r\x00]E06901234567892\r\xff"} {
		all := decoded(line)
		for n := range len(all) {
			rest, err := missing([]byte(line), n, testNow)
			if err != nil || !sameAll(decoded(string(rest)), all[n:]) {
				t.Errorf("%q after %d scans: %q, %v", line, n, rest, err)
			}
		}
	}
}
