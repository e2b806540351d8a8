package web

import (
	"bufio"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Local returns t by the clock of the place, as pages show it.
func (v *Visit) Local(t time.Time) time.Time { return v.server.local(t) }

// Download answers with a file to be kept. The name may have any letters (RFC 6266, RFC 8187). The server's write limit holds for each
// piece of it and not for the whole, so that a slow line gets a large file too.
func (v *Visit) Download(name, mime string, body []byte) error {
	plain := strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && !strings.ContainsRune(`"\/%;`, r) {
			return r
		}
		return '-'
	}, name)
	v.Set(fiber.HeaderContentType, mime)
	v.Set(fiber.HeaderContentDisposition, `attachment; filename="`+plain+`"; filename*=UTF-8''`+strings.ReplaceAll(url.QueryEscape(name), "+", "%20"))
	conn, limit := v.Context().Conn(), v.server.opt.Limits.Write
	v.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		for len(body) > 0 {
			n := min(len(body), 64<<10)
			if conn.SetWriteDeadline(time.Now().Add(limit)) != nil {
				return
			}
			if _, err := w.Write(body[:n]); err != nil || w.Flush() != nil {
				return // the reader has gone away
			}
			body = body[n:]
		}
	})
	return nil
}
