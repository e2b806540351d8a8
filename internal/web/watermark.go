package web

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"
)

// getWatermark sends the pattern that lies over pages with data where Site.Watermark is set: who looks at them, when, and at which host,
// so that a photograph or a print tells where it comes from. It is a picture of its own, so that nobody's reader speaks it
// and nobody's search finds it, and it needs neither inline styles nor a data: address.
func (s *Server) getWatermark(v *Visit) error {
	told := v.Person.Account + " · " + s.local(time.Now()).Format("2006-01-02 15:04")
	v.Set(fiber.HeaderContentType, "image/svg+xml")
	return v.Send(watermark(told, string(v.Ctx.Request().Header.Host())))
}

// width reckons how wide a text is, in the units of its size: letters of Chinese are as wide as they are high, others less.
func width(s string, size int) (w int) {
	for _, r := range s {
		if r < 0x2e80 {
			w += 6
		} else {
			w += 10
		}
	}
	return w * size / 10
}

// watermark draws two lines of text, again and again, aslant. It fills whatever it is shown in.
func watermark(person, host string) []byte {
	var b bytes.Buffer
	text := func(x, y int, size int, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="%d">`, x, y, size)
		_ = xml.EscapeText(&b, []byte(printable(s))) // a buffer takes everything
		b.WriteString(`</text>`)
	}
	long := max(width(person, 15), width(host, 12))
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="100%%" height="100%%"><defs><pattern id="w" width="%d" height="150" patternUnits="userSpaceOnUse" patternTransform="rotate(-22)">`, 2*long+80)
	b.WriteString(`<g fill="#15232d" fill-opacity=".09" font-family="PingFang SC, Microsoft YaHei, Noto Sans CJK SC, sans-serif">`)
	for i := range 2 { // the second half a tile further on, so that no straight path between them is free
		text(10+i*(long+40), 30+i*75, 15, person)
		text(10+i*(long+40), 50+i*75, 12, host)
	}
	b.WriteString(`</g></pattern></defs><rect width="100%" height="100%" fill="url(#w)"/></svg>`)
	return b.Bytes()
}
