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

// Scan is one thing that a scanner has read, or the reason why it can not be used. Its JSON
// form is the one that the header of testdata/scans.tsv defines.
type Scan struct {
	Symbology string            `json:"symbology,omitempty"` // such as "GS1-128"; empty when nothing announced it
	GTIN      string            `json:"gtin,omitempty"`      // 14 digits
	Content   string            `json:"content,omitempty"`   // AI 02: what a pallet or case contains, 14 digits
	Lot       string            `json:"lot,omitempty"`       // AI 10
	Serial    string            `json:"serial,omitempty"`    // AI 21
	SSCC      string            `json:"sscc,omitempty"`      // AI 00, 18 digits
	Expiry    string            `json:"expiry,omitempty"`    // AI 17 as YYYY-MM-DD
	Count     *uint64           `json:"count,omitempty"`     // AI 37, else AI 30
	AIs       map[string]string `json:"ais,omitempty"`       // every AI with its raw value; nil unless AI data was parsed
	AddOn     string            `json:"addon,omitempty"`     // EAN/UPC add-on of 2 or 5 digits
	Trace     string            `json:"trace,omitempty"`     // Chinese drug traceability code, 20 digits
	HIBC      string            `json:"hibc,omitempty"`      // whole HIBC string
	URL       string            `json:"url,omitempty"`       // http or https URI as scanned
	Text      string            `json:"text,omitempty"`      // anything else, as UTF-8
	Guess     bool              `json:"guess,omitempty"`     // nothing announced the symbology: the content alone looked like it
	Error     Class             `json:"error,omitempty"`     // why it can not be used; then only Symbology may be set beside it

	// Raw holds the frame's bytes without framing. It is not part of the JSON form.
	Raw []byte `json:"-"`
	// Part marks an SSI packet whose scan goes on in the next one: it says nothing yet, and is to be acknowledged.
	Part bool `json:"-"`
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
	ErrNoise      Class = "noise"       // no scan: unreadable bytes that do not stop
)
