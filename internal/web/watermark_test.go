package web

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestWatermark: whatever a person or a host is called, the pattern is well-formed, says it, and holds nothing but shapes and texts.
func TestWatermark(t *testing.T) {
	for _, name := range []string{"王主管", `<script>alert(1)</script>`, `"/><image href="https://evil.example"/>`, "a&b]]>", "x\x00\xff\n", strings.Repeat("长", 300)} {
		b := watermark(name, "hub.example:8443")
		d := xml.NewDecoder(strings.NewReader(string(b)))
		var said []string
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%q: %v in %s", name, err, b)
			}
			switch token := token.(type) {
			case xml.StartElement:
				if !strings.Contains(" svg defs pattern g text rect ", " "+token.Name.Local+" ") {
					t.Errorf("%q brings <%s>", name, token.Name.Local)
				}
			case xml.CharData:
				said = append(said, string(token))
			}
		}
		if len(said) != 4 || said[0] != said[2] || said[1] != "hub.example:8443" || name == "王主管" && said[0] != name {
			t.Errorf("%q says %q", name, said)
		}
	}
}
