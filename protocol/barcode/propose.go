package barcode

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Chunk is what one read of a line brought, and how long the line was silent before it.
type Chunk struct {
	Data  []byte
	Pause time.Duration
}

// Proposal is how a scanner seems to be set up, as far as what it sent can tell. It decides nothing: a person reads
// the reasons, confirms what only a person can know, and writes the settings into the configuration.
type Proposal struct {
	Scans    int           // frames seen
	Profile  string        // tags for Profile, "" for plain data
	Framing  Framing       // how a scan ends
	IdleGap  time.Duration // 0 when the usual one fits
	DataBits int           // 0 when the present ones fit
	Parity   string        // "odd" or "even" when DataBits is 7
	CodeIDs  []string      // vendors whose Code IDs would fit; never chosen here: they contradict each other
	GS       []string      // texts that seem to stand for GS; the first is in Profile when it is the only one
	Findings []Finding     // the reasons, the most important first
}

// Framing is how scans are told apart on the line.
type Framing string

// The framings.
const (
	FrameCR      Framing = "cr"
	FrameLF      Framing = "lf"
	FrameCRLF    Framing = "crlf"
	FrameTab     Framing = "tab"
	FrameSTX     Framing = "stx" // STX ... ETX
	FrameSSI     Framing = "ssi"
	FrameSilence Framing = "silence"
	FrameMixed   Framing = "mixed"
)

// Finding is one thing that was seen. Code is a word for a text, Args are its values.
type Finding struct {
	Code string
	Args map[string]string
}

// The codes of findings.
const (
	FoundNothing   = "nothing"    // no byte came
	FoundFraming   = "framing"    // framing
	FoundMixed     = "mixed"      // scans end in different ways
	FoundSilence   = "silence"    // switch a terminator on
	FoundSlow      = "slow"       // pauses inside scans: longest, gap
	FoundAIM       = "aim"        // AIM identifiers are there
	FoundSomeAIM   = "aim_some"   // with, of
	FoundNoAIM     = "aim_absent" // switch them on
	FoundCodeID    = "code_id"    // vendor, fits, of: a person has to confirm it
	FoundGS        = "gs"         // GS arrives
	FoundGSLost    = "gs_lost"    // GS1 data that can not be read: GS may be missing
	FoundGSInstead = "gs_instead" // substitute
	FoundPrefix    = "prefix"     // prefix: switch it off
	FoundSevenBits = "seven_bits" // parity
	FoundNoise     = "noise"      // unreadable bytes: speed or parity
	FoundUnsound   = "unsound"    // damaged SSI packets
	FoundResent    = "resent"     // SSI packets are sent again: nobody acknowledges
	FoundFew       = "few"        // scans: more of different kinds are wanted
	FoundGuess     = "guess"      // bare numbers: guessed
	FoundReadable  = "readable"   // good, of: with the proposed profile
)

const (
	// betweenScans is a silence that no scanner makes inside a scan, and every worker between two.
	betweenScans = 150 * time.Millisecond
	// usualGap is the silence that ends a frame when nothing else is configured.
	usualGap = 50 * time.Millisecond
	// enoughScans is how many a proposal should rest on.
	enoughScans = 5
	// maxWatched limits what is looked at: the newest counts.
	maxWatched = 64 << 10
)

// substitutes are what scanners send in place of GS where a keyboard could not type it (page of facts, section 4).
var substitutes = []string{"{GS}", "<GS>", "[GS]", "^]", "|", "~"}

// Propose looks at what a scanner sent. now tells the century of dates. It can not fail: of nothing, and of noise, it
// says so.
func Propose(chunks []Chunk, now time.Time) Proposal {
	chunks = newest(chunks)
	p := &Proposal{}
	bursts, longest := split(chunks)
	all := bytes.Join(bursts, nil)
	if len(all) == 0 {
		p.find(FoundNothing)
		return *p
	}
	if p.ssi(all) {
		p.few()
		return *p
	}
	if parity, ok := sevenBits(all); ok {
		p.DataBits, p.Parity = 7, parity
		p.find(FoundSevenBits, "parity", parity)
		for i := range bursts {
			bursts[i] = bytes.Clone(bursts[i])
			for j := range bursts[i] {
				bursts[i][j] &= 0x7F
			}
		}
	}
	frames := p.frames(bursts)
	p.Scans = len(frames)
	if len(frames) == 0 {
		p.find(FoundNothing)
		return *p
	}
	if noisy(frames) {
		p.Findings = append([]Finding{{Code: FoundNoise}}, p.Findings...)
		return *p // whatever else was found in noise would be chance
	}
	if longest > usualGap/2 {
		p.IdleGap = (3*longest + 9*time.Millisecond) / (10 * time.Millisecond) * (10 * time.Millisecond)
		p.find(FoundSlow, "longest", longest.Round(time.Millisecond).String(), "gap", p.IdleGap.String())
	}
	p.identifiers(frames, now)
	p.separators(frames, now)
	p.prefix(frames)
	p.judge(frames, now)
	p.few()
	return *p
}

func (p *Proposal) find(code string, args ...string) {
	f := Finding{Code: code}
	for i := 0; i+1 < len(args); i += 2 {
		if f.Args == nil {
			f.Args = map[string]string{}
		}
		f.Args[args[i]] = args[i+1]
	}
	p.Findings = append(p.Findings, f)
}

func (p *Proposal) few() {
	if p.Scans < enoughScans {
		p.find(FoundFew, "scans", fmt.Sprint(p.Scans))
	}
}

// newest cuts old chunks off.
func newest(chunks []Chunk) []Chunk {
	n := 0
	for i := len(chunks) - 1; i >= 0; i-- {
		if n += len(chunks[i].Data); n > maxWatched {
			return chunks[i+1:]
		}
	}
	return chunks
}

// split joins the chunks between long silences. longest is the longest pause within such a burst, behind which the scan
// went on: one behind a terminator is none.
func split(chunks []Chunk) (bursts [][]byte, longest time.Duration) {
	for _, c := range chunks {
		if len(c.Data) == 0 {
			continue
		}
		if len(bursts) == 0 || c.Pause >= betweenScans {
			bursts = append(bursts, nil)
		}
		last := &bursts[len(bursts)-1]
		if n := len(*last); n > 0 && !slices.Contains([]byte{'\r', '\n', '\t', etx}, (*last)[n-1]) {
			longest = max(longest, c.Pause)
		}
		*last = append(*last, c.Data...)
	}
	return bursts, longest
}

// ssi finds Zebra SSI packets: only what has a right checksum counts.
func (p *Proposal) ssi(all []byte) bool {
	good, bad, resent, scans := 0, 0, 0, 0
	for i := 0; i < len(all); {
		n := int(all[i])
		if n < ssiOverhead || i+n+2 > len(all) {
			i, bad = i+1, bad+1
			continue
		}
		sum := uint16(0)
		for _, c := range all[i : i+n] {
			sum += uint16(c)
		}
		if -sum != uint16(all[i+n])<<8|uint16(all[i+n+1]) || all[i+2] != 0 { // source 0 is the scanner
			i, bad = i+1, bad+1
			continue
		}
		if all[i+1] == ssiDecodeData {
			scans++
			if all[i+3]&1 != 0 {
				resent++
			}
		}
		good += n + 2
		i += n + 2
	}
	if scans == 0 || good < 4*bad {
		return false
	}
	p.Framing, p.Profile, p.Scans = FrameSSI, "frame=ssi", scans
	p.find(FoundFraming, "framing", string(FrameSSI))
	if resent > 0 {
		p.find(FoundResent, "count", fmt.Sprint(resent))
	}
	if bad > 0 {
		p.find(FoundUnsound, "bytes", fmt.Sprint(bad))
	}
	return true
}

// sevenBits tells whether the top bit of every byte is a parity bit: text that was sent as 7 bits with parity and is read
// as 8 bits without. Text of 7 bits alone never has it set.
func sevenBits(all []byte) (parity string, ok bool) {
	odd, even, set := 0, 0, 0
	for _, c := range all {
		low := c & 0x7F
		if low < ' ' && !slices.Contains([]byte{'\r', '\n', '\t', stx, etx, gs}, low) || low == 0x7F {
			return "", false
		}
		if c >= 0x80 {
			set++
		}
		if bits.OnesCount8(c)%2 == 0 {
			even++
		} else {
			odd++
		}
	}
	switch {
	case len(all) < 12 || set == 0:
		return "", false
	case odd == 0:
		return "even", true
	case even == 0:
		return "odd", true
	}
	return "", false
}

// frames finds out how scans end, and takes the bursts apart.
func (p *Proposal) frames(bursts [][]byte) [][]byte {
	ends := map[Framing]int{}
	kinds := 0
	for _, b := range bursts {
		f := FrameSilence
		switch {
		case bytes.IndexByte(b, stx) >= 0 && bytes.HasSuffix(b, []byte{etx}):
			f = FrameSTX
		case bytes.HasSuffix(b, []byte("\r\n")):
			f = FrameCRLF
		case bytes.HasSuffix(b, []byte("\r")):
			f = FrameCR
		case bytes.HasSuffix(b, []byte("\n")):
			f = FrameLF
		case bytes.HasSuffix(b, []byte("\t")):
			f = FrameTab
		}
		if ends[f]++; ends[f] == 1 {
			kinds++
			p.Framing = f
		}
	}
	if kinds > 1 {
		p.Framing = FrameMixed
		p.find(FoundMixed)
	} else {
		p.find(FoundFraming, "framing", string(p.Framing))
		if p.Framing == FrameSilence {
			p.find(FoundSilence)
		}
	}
	var out [][]byte
	for _, b := range bursts {
		d := NewDecoder(Profile{}, time.Now)
		for _, s := range append(d.Feed(b), d.Idle()...) {
			if len(s.Raw) > 0 {
				out = append(out, s.Raw)
			}
		}
	}
	return out
}

// noisy tells whether most frames are no text at all.
func noisy(frames [][]byte) bool {
	bad := 0
	for _, f := range frames {
		text, class := decodeText(f)
		if class != "" || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && (r < 0x1C || r > 0x1F) && r != 0x04 || r >= 0x7F && r < 0xA0 }) {
			bad++
		}
	}
	return 2*bad > len(frames)
}

// identifiers looks for AIM identifiers, and without them for vendors' Code IDs.
func (p *Proposal) identifiers(frames [][]byte, now time.Time) {
	with := 0
	for _, f := range frames {
		if _, _, ok := aimID(f); ok {
			with++
		}
	}
	switch {
	case with == len(frames):
		p.find(FoundAIM)
		return
	case with > 0:
		p.find(FoundSomeAIM, "with", fmt.Sprint(with), "of", fmt.Sprint(len(frames)))
		return
	}
	p.find(FoundNoAIM)
	for _, vendor := range Vendors() {
		profile := Profile{CodeID: vendor}
		fits, strong := 0, 0
		for _, f := range frames {
			what, rest, ok := profile.codeID(f)
			if !ok {
				continue
			}
			d := NewDecoder(profile, func() time.Time { return now })
			if s := d.announced(what, bytes.Clone(rest)); s.Error == "" {
				fits++
				// A check digit, or AIs that are whole, are more than a letter that happens to stand in front.
				if s.GTIN != "" || s.AIs != nil {
					strong++
				}
			}
		}
		if strong > 0 && fits == len(frames) {
			p.CodeIDs = append(p.CodeIDs, vendor)
			p.find(FoundCodeID, "vendor", vendor, "fits", fmt.Sprint(fits), "of", fmt.Sprint(len(frames)))
		}
	}
}

// separators finds out what became of GS in GS1 data.
func (p *Proposal) separators(frames [][]byte, now time.Time) {
	helps, lost := map[string]int{}, 0
	for _, f := range frames {
		if bytes.IndexByte(f, gs) >= 0 {
			p.once(FoundGS)
			continue
		}
		what, _, ok := aimID(f)
		if ok && what.family != gs1Family {
			continue
		}
		plain := one(Profile{}, f, now)
		if ok && plain.Error == "" && !slices.ContainsFunc(substitutes, func(s string) bool { return bytes.Contains(f, []byte(s)) }) || !ok && plain.AIs != nil {
			continue
		}
		helped := false
		for _, sub := range substitutes {
			if !bytes.Contains(f, []byte(sub)) {
				continue
			}
			if s := one(Profile{GS: sub}, f, now); s.Error == "" && len(s.AIs) > max(1, len(plain.AIs)) {
				helps[sub]++
				helped = true
			}
		}
		if ok && !helped && plain.Error != "" {
			lost++
		}
	}
	for _, sub := range substitutes {
		if helps[sub] > 0 {
			p.GS = append(p.GS, sub)
			p.find(FoundGSInstead, "substitute", sub, "scans", fmt.Sprint(helps[sub]))
		}
	}
	if len(p.GS) == 1 {
		p.Profile = strings.TrimSpace(p.Profile + " gs=" + p.GS[0])
	}
	if lost > 0 {
		p.find(FoundGSLost, "scans", fmt.Sprint(lost))
	}
}

// one decodes a frame.
func one(profile Profile, f []byte, now time.Time) Scan {
	d := NewDecoder(profile, func() time.Time { return now })
	return d.frame(bytes.Clone(f))
}

func (p *Proposal) once(code string) {
	if !slices.ContainsFunc(p.Findings, func(f Finding) bool { return f.Code == code }) {
		p.find(code)
	}
}

// prefix looks for the same text before every scan's data. There is no profile for one: it is switched off.
func (p *Proposal) prefix(frames [][]byte) {
	different := map[string]bool{}
	common := ""
	for i, f := range frames {
		if _, rest, ok := aimID(f); ok {
			f = rest
		}
		different[string(f)] = true
		if i == 0 {
			common = string(f)
			continue
		}
		n := 0
		for n < len(common) && n < len(f) && common[n] == f[n] {
			n++
		}
		common = common[:n]
	}
	if len(different) < 3 || len(p.CodeIDs) > 0 {
		return
	}
	common = strings.TrimRight(common, "0123456789") // numbers of one company begin alike
	switch {
	case common == "", strings.HasPrefix(common, "BIN:"), strings.HasPrefix(common, "STK:"), strings.HasPrefix(common, "http"), strings.HasPrefix(common, "("), strings.HasPrefix(common, "+"), strings.HasPrefix(common, "[)>"):
		return // our own codes, and forms that begin so
	}
	p.find(FoundPrefix, "prefix", common)
}

// judge says how much can be read with what is proposed.
func (p *Proposal) judge(frames [][]byte, now time.Time) {
	good, guessed := 0, 0
	for _, f := range frames {
		s := one(ParseProfile(p.Profile), f, now)
		if s.Error == "" {
			good++
		}
		if s.Guess {
			guessed++
		}
	}
	if guessed > 0 && len(p.CodeIDs) == 0 {
		p.find(FoundGuess, "scans", fmt.Sprint(guessed))
	}
	p.find(FoundReadable, "good", fmt.Sprint(good), "of", fmt.Sprint(len(frames)))
}

// Settings returns the lines of the configuration that the proposal comes to, in TOML. A vendor that a
// person has confirmed stands in codeID, else "".
func (p Proposal) Settings(codeID string) string {
	profile := p.Profile
	if codeID != "" {
		profile = strings.TrimSpace("codeid=" + codeID + " " + profile)
	}
	out := fmt.Sprintf("profile = %q\n", profile)
	if p.IdleGap > 0 {
		out += fmt.Sprintf("idle_gap = %q\n", p.IdleGap)
	}
	if p.DataBits > 0 {
		out += fmt.Sprintf("data_bits = %d\nparity = %q\n", p.DataBits, p.Parity)
	}
	return out
}
