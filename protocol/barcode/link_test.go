package barcode

import "testing"

// TestLinkQuery: what makes a GS1 Digital Link of a URI (URI Syntax standard, section 5), and what leaves it a URI.
func TestLinkQuery(t *testing.T) {
	const base = "https://example.com/01/09520123456788"
	for tail, want := range map[string]int{ // number of AIs
		"?17=261231":            2,
		"?17=261231&3103=00019": 0, // 3103 has six digits
		"?x=y&s&17=261231&":     2, // other words are not ours
		"?17":                   1, // nor is a number without a value
		"?99999=1":              0, // but a number with one has to be an AI
		"?10=ABC":               0, // a qualifier of the key stands in the path
		"/235/XYZ?10=ABC":       3, // unless no path has room for it
		"/22/V?10=ABC":          0,
		"/10/ABC?21=S1":         0,
		"/10/ABC?10=ABC":        0, // an AI stands once
		"?17=261231&17=261231":  0,
		"?17=261231;3103=1":     0, // & alone divides
		"/10/A/22/B":            0, // qualifiers have an order
		"/22/B/10/A/21/C":       4,
		"?37=5":                 0, // 37 counts what is in a package of 02
	} {
		s := Decode(Profile{}, []byte("]Q1"+base+tail), today)
		if len(s) != 1 || s[0].URL == "" || s[0].Error != "" || len(s[0].AIs) != want {
			t.Errorf("%s: %+v, want %d AIs", tail, s, want)
		}
	}
}
