// Package barcode turns the bytes that a scanner sends into scans: frames, AIM and vendor
// identifiers, GTINs, GS1 element strings and Digital Links, and what is special to China and
// to health care.
//
// What it does is written down as data: the header of testdata/scans.tsv holds the rules (F1,
// C3, N2, …) that comments here refer to, and its lines are the examples that tests play. A Decoder
// never guesses where the rules are silent about a separator, never fails, and never
// holds more than one frame of bounded length.
//
// Sources: ISO/IEC 15424 (AIM identifiers), GS1 General Specifications, GS1 Barcode Syntax
// Dictionary release 2026-01-27, GS1 Digital Link URI Syntax 1.x, ANSI/HIBC 2.6.
package barcode

import "encoding/json"

// Scan is one thing that a scanner has read, or the reason why it can not be used.
type Scan struct {
	Symbology string            // such as "GS1-128"; empty when nothing announced it
	GTIN      string            // 14 digits
	Content   string            // AI 02: what a pallet or case contains, 14 digits
	Lot       string            // AI 10
	Serial    string            // AI 21
	SSCC      string            // AI 00, 18 digits
	Expiry    string            // AI 17 as YYYY-MM-DD
	Count     *uint64           // AI 37, else AI 30
	AIs       map[string]string // every AI with its raw value; nil unless AI data was parsed
	AddOn     string            // EAN/UPC add-on of 2 or 5 digits
	Trace     string            // Chinese drug traceability code, 20 digits
	HIBC      string            // whole HIBC string
	URL       string            // http or https URI as scanned
	Text      string            // anything else, as UTF-8
	Guess     bool              // nothing announced the symbology: the content alone looked like it
	Error     Class             // why it can not be used; then only Symbology may be set beside it

	// Raw holds the frame's bytes without framing. It is not part of the JSON form.
	Raw []byte
}

// Class says what is wrong with a scan. The words are stored, sent and shown.
type Class string

// The error classes.
const (
	ErrEmpty      Class = "empty"       // an identifier but no data
	ErrAIM        Class = "aim_id"      // "]" not followed by a known identifier
	ErrCheckDigit Class = "check_digit" // a check digit or check character pair is wrong
	ErrLength     Class = "length"      // too short or too long
	ErrCharset    Class = "charset"     // a character that may not stand there
	ErrDate       Class = "date"        // impossible date or time
	ErrUnknownAI  Class = "unknown_ai"  // its length can not be known
	ErrAIPair     Class = "ai_pair"     // AIs that exclude each other
	ErrAIRepeat   Class = "ai_repeat"   // one AI with two values
	ErrValue      Class = "value"       // another content rule of the dictionary
	ErrEncoding   Class = "encoding"    // bytes of no known character set
	ErrTruncated  Class = "truncated"   // STX without ETX, or a short SSI packet
	ErrChecksum   Class = "checksum"    // of an SSI packet
)

// MarshalJSON writes the form that the header of testdata/scans.tsv defines.
func (s Scan) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Symbology string            `json:"symbology,omitempty"`
		GTIN      string            `json:"gtin,omitempty"`
		Content   string            `json:"content,omitempty"`
		Lot       string            `json:"lot,omitempty"`
		Serial    string            `json:"serial,omitempty"`
		SSCC      string            `json:"sscc,omitempty"`
		Expiry    string            `json:"expiry,omitempty"`
		Count     *uint64           `json:"count,omitempty"`
		AIs       map[string]string `json:"ais,omitempty"`
		AddOn     string            `json:"addon,omitempty"`
		Trace     string            `json:"trace,omitempty"`
		HIBC      string            `json:"hibc,omitempty"`
		URL       string            `json:"url,omitempty"`
		Text      string            `json:"text,omitempty"`
		Guess     bool              `json:"guess,omitempty"`
		Error     Class             `json:"error,omitempty"`
	}{s.Symbology, s.GTIN, s.Content, s.Lot, s.Serial, s.SSCC, s.Expiry, s.Count, s.AIs, s.AddOn, s.Trace, s.HIBC, s.URL, s.Text, s.Guess, s.Error})
}
