package barcode

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"time"
)

// typed makes the chunks of scans by hand: each scan in pieces of at most size bytes, pause apart, a second between scans.
func typed(size int, pause time.Duration, scans ...string) []Chunk {
	var out []Chunk
	for _, s := range scans {
		first := time.Second
		for piece := range slices.Chunk([]byte(s), size) {
			out = append(out, Chunk{Data: piece, Pause: first})
			first = pause
		}
	}
	return out
}

func with(prefix, suffix string, scans ...string) []string {
	out := slices.Clone(scans)
	for i := range out {
		out[i] = prefix + out[i] + suffix
	}
	return out
}

func codes(p Proposal) string {
	var out []string
	for _, f := range p.Findings {
		s := f.Code
		for _, k := range []string{"framing", "vendor", "substitute", "parity", "prefix", "with", "good"} {
			if v, ok := f.Args[k]; ok {
				s += ":" + v
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// ssiPackets makes packets as a scanner sends them.
func ssiPackets(status byte, texts ...string) []string {
	var out []string
	for _, t := range texts {
		p := append([]byte{byte(5 + len(t)), 0xF3, 0x00, status, 0x0B}, t...)
		var sum uint16
		for _, c := range p {
			sum += uint16(c)
		}
		out = append(out, string(append(p, byte(-sum>>8), byte(-sum&0xFF))))
	}
	return out
}

func parity(odd int, scans ...string) []string {
	out := slices.Clone(scans)
	for i, s := range out {
		b := []byte(s)
		for j, c := range b {
			if bits.OnesCount8(c)%2 != odd {
				b[j] = c | 0x80
			}
		}
		out[i] = string(b)
	}
	return out
}

var (
	eans  = []string{"6901234567892", "4006381333931", "6930871308957", "9780201379624", "4901234567894"}
	aims  = with("]E0", "\r", eans...)
	gs1s  = []string{"]C1010690123456789210LOT7|21SN5", "]C1010693087130895710L2|21A", "]d2010400638133393110B3|17271231", "]C10106901234567892", "]C100106141411234567897"}
	words = []string{"SHELF-A-01", "SHELF-B-02", "SHELF-C-03", "SHELF-D-04", "SHELF-E-05"}
)

func TestPropose(t *testing.T) {
	for _, tt := range []struct {
		name     string
		chunks   []Chunk
		findings string
		settings string
	}{
		{"nothing", nil, "nothing", ""},
		{"AIM and CR", typed(64, 0, aims...), "framing:cr aim readable:5", `profile = ""`},
		{"CR LF in small pieces", typed(1, time.Millisecond, with("]E0", "\r\n", eans...)...), "framing:crlf aim readable:5", `profile = ""`},
		{"LF", typed(5, 0, with("]E0", "\n", eans...)...), "framing:lf aim readable:5", `profile = ""`},
		{"tab", typed(64, 0, with("]E0", "\t", eans...)...), "framing:tab aim readable:5", `profile = ""`},
		{"STX ETX", typed(64, 0, with("\x02]E0", "\r\x03", eans...)...), "framing:stx aim readable:5", `profile = ""`},
		{"silence", typed(64, 0, with("]E0", "", eans...)...), "framing:silence silence aim readable:5", `profile = ""`},
		{"mixed", typed(64, 0, append(with("]E0", "\r", eans[:3]...), with("]E0", "", eans[3:]...)...)...), "mixed aim readable:5", `profile = ""`},
		{"slow line", typed(4, 40*time.Millisecond, aims...), "framing:cr slow aim readable:5", "profile = \"\"\nidle_gap = \"120ms\""},
		{"no identifiers", typed(64, 0, with("", "\r", eans...)...), "framing:cr aim_absent guess readable:5", `profile = ""`},
		{"some identifiers", typed(64, 0, append(slices.Clone(aims[:4]), "6901234567892\r")...), "framing:cr aim_some:4 guess readable:5", `profile = ""`},
		{"one scan", typed(64, 0, aims[0]), "framing:cr aim readable:1 few", `profile = ""`},
		// Zebra's A and Datalogic's B both stand before an EAN-13: nobody but a person can know.
		{"Code IDs of Zebra", typed(64, 0, with("A", "\r", eans...)...), "framing:cr aim_absent code_id:zebra readable:5", `profile = ""`},
		{"Code IDs of Datalogic", typed(64, 0, with("B", "\r", eans...)...), "framing:cr aim_absent code_id:datalogic readable:5", `profile = ""`},
		{"words are no Code IDs", typed(64, 0, with("", "\r", "ABC", "BOX-1", "DRILL", "KEY", "REEL")...), "framing:cr aim_absent readable:5", `profile = ""`},
		{"substitute for GS", typed(64, 0, with("", "\r", gs1s...)...), "framing:cr aim gs_instead:| readable:5", `profile = "gs=|"`},
		{"two substitutes", typed(64, 0, append(with("", "\r", gs1s...), "]C1010690123456789210LOT7{GS}21SN5\r")...), "framing:cr aim gs_instead:{GS} gs_instead:| readable:2", `profile = ""`},
		{"GS", typed(64, 0, with("", "\r", strings.ReplaceAll(strings.Join(gs1s, "\r"), "|", "\x1d"))...), "framing:cr aim gs readable:5", `profile = ""`},
		{"GS was lost", typed(64, 0, with("", "\r", "]C1010690123456789210LOT7LOT7LOT7LOT7LOT721SN5", "]C1010693087130895710ABCDEFGHIJKLMNOPQRSTUVW", gs1s[3], gs1s[4], aims[0])...), "framing:cr aim gs_lost readable:3", `profile = ""`},
		{"a prefix", typed(64, 0, with("WH1>", "\r", eans...)...), "framing:cr aim_absent prefix:WH1> readable:5", `profile = ""`},
		{"a prefix behind the identifier", typed(64, 0, with("]C0@@", "\r", words...)...), "framing:cr aim prefix:@@SHELF- readable:5", `profile = ""`},
		{"bins are no prefix", typed(64, 0, with("]C0BIN:", "\r", words...)...), "framing:cr aim readable:5", `profile = ""`},
		{"numbers of one company are no prefix", typed(64, 0, with("]E0", "\r", "6901234567892", "6901234567885", "6901234567878", "6901234567861", "6901234567854")...), "framing:cr aim readable:5", `profile = ""`},
		{"7E1 read as 8N1", typed(64, 0, parity(0, aims...)...), "seven_bits:even framing:cr aim readable:5", "profile = \"\"\ndata_bits = 7\nparity = \"even\""},
		{"7O1 read as 8N1", typed(64, 0, parity(1, aims...)...), "seven_bits:odd framing:cr aim readable:5", "profile = \"\"\ndata_bits = 7\nparity = \"odd\""},
		{"wrong speed", typed(64, 0, "\x86\x9e\xff\x00\xfe\x06\x81", "\x80\x01\xf8\xe6", "\x1e\x9f\x07"), "noise framing:silence silence", `profile = ""`},
		{"Chinese text is no noise", typed(64, 0, with("]Q1", "\r", "库位甲一", "库位乙二", "库位丙三", "货架四", "托盘五")...), "framing:cr aim readable:5", `profile = ""`},
		{"SSI", typed(3, 2*time.Millisecond, ssiPackets(0, eans...)...), "framing:ssi", `profile = "frame=ssi"`},
		{"SSI, never acknowledged", typed(64, 0, append(ssiPackets(0, eans...), ssiPackets(1, eans...)...)...), "framing:ssi resent", `profile = "frame=ssi"`},
		{"SSI with noise", typed(64, 0, append(ssiPackets(0, eans...), "\x05")...), "framing:ssi unsound", `profile = "frame=ssi"`},
	} {
		p := Propose(tt.chunks, today)
		if got := codes(p); got != tt.findings {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.findings)
		}
		if got := strings.TrimSpace(p.Settings("")); tt.settings != "" && got != tt.settings {
			t.Errorf("%s: settings %q, want %q", tt.name, got, tt.settings)
		}
	}
	p := Propose(typed(64, 0, with("A", "\r", eans...)...), today)
	if got := p.Settings(p.CodeIDs[0]); got != "profile = \"codeid=zebra\"\n" {
		t.Errorf("confirmed: %q", got)
	}
}

// What is proposed reads what it was made of: every vector of each profile, through the proposal's own profile.
func TestProposedProfileReads(t *testing.T) {
	for _, profile := range []string{"", "gs=|", "frame=ssi"} {
		var raws []string
		for _, v := range vectors(t) {
			if v.profile != ParseProfile(profile) {
				continue
			}
			s := Decode(v.profile, v.raw, today)
			if len(s) == 1 && s[0].Error == "" && (profile != "gs=|" || len(s[0].AIs) > 1 && strings.Contains(string(v.raw), "|")) {
				raws = append(raws, string(v.raw))
			}
		}
		if len(raws) == 0 {
			t.Fatalf("no vectors with profile %q", profile)
		}
		p := Propose(typed(4096, 0, raws...), today)
		if p.Profile != profile {
			t.Errorf("%d vectors of profile %q: proposed %q because of %s", len(raws), profile, p.Profile, codes(p))
		}
	}
}

func FuzzPropose(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.raw, 3, uint16(10))
	}
	f.Fuzz(func(t *testing.T, raw []byte, size int, pause uint16) {
		size = 1 + max(0, size)%64
		p := Propose(typed(size, time.Duration(pause)*time.Millisecond, string(raw), string(raw)), today)
		if len(p.Findings) == 0 || strings.Contains(p.Profile, "codeid") {
			t.Fatalf("%q: %+v", raw, p)
		}
		for _, field := range strings.Fields(p.Profile) {
			if field != "frame=ssi" && !strings.HasPrefix(field, "gs=") {
				t.Fatalf("%q: profile %q", raw, p.Profile)
			}
		}
		if fmt.Sprint(ParseProfile(p.Profile).GS) == "" && len(p.GS) == 1 {
			t.Fatalf("%q: %+v", raw, p)
		}
	})
}
