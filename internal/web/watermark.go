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

// watermark draws two lines of text, again and again, aslant. It fills whatever it is shown in.
func watermark(person, host string) []byte {
	var b bytes.Buffer
	text := func(x, y int, size int, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="%d">`, x, y, size)
		_ = xml.EscapeText(&b, []byte(printable(s))) // a buffer takes everything
		b.WriteString(`</text>`)
	}
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="100%"><defs><pattern id="w" width="360" height="170" patternUnits="userSpaceOnUse" patternTransform="rotate(-22)">` +
		`<g fill="#15232d" fill-opacity=".09" font-family="PingFang SC, Microsoft YaHei, Noto Sans CJK SC, sans-serif">`)
	text(10, 40, 15, person)
	text(10, 60, 12, host)
	text(190, 125, 15, person)
	text(190, 145, 12, host)
	b.WriteString(`</g></pattern></defs><rect width="100%" height="100%" fill="url(#w)"/></svg>`)
	return b.Bytes()
}
