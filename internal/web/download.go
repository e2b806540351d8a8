package web

import (
	"bufio"
	"errors"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Local returns t by the clock of the place, as pages show it.
func (v *Visit) Local(t time.Time) time.Time { return v.server.local(t) }

// disposition writes how a file is to be treated, with its name (RFC 6266).
func disposition(how, name string) string {
	plain := strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && !strings.ContainsRune(`"\/%;`, r) {
			return r
		}
		return '-'
	}, name)
	return how + `; filename="` + plain + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// Download answers with a file to be kept. The name may have any letters (RFC 6266, RFC 8187). The server's write limit holds for each
// piece of it and not for the whole, so that a slow line gets a large file too.
func (v *Visit) Download(name, mime string, body []byte) error {
	v.Set(fiber.HeaderContentType, mime)
	v.Set(fiber.HeaderContentDisposition, disposition("attachment", name))
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

// filePolicy is for files that people have brought: nothing in them runs or is fetched, and they stand in no frame.
const filePolicy = "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// File is a file that somebody has brought.
type File struct {
	Name   string
	Type   string // media type; one that is harmless, chosen by the server
	Inline bool   // to be shown, not kept
	Body   io.ReadCloser
}

// File answers with such a file as it is read, and closes it. When it can not be read to its end the connection is closed, so that
// nobody takes a part for the whole.
func (v *Visit) File(f File) error {
	how := "attachment"
	if f.Inline {
		how = "inline"
	}
	v.Set(fiber.HeaderContentType, f.Type)
	v.Set(fiber.HeaderContentDisposition, disposition(how, f.Name))
	v.Set(fiber.HeaderContentSecurityPolicy, filePolicy)
	conn, limit, log, request := v.Context().Conn(), v.server.opt.Limits.Write, v.server.log, v.Request
	v.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		defer func() { _ = f.Body.Close() }() // it was only read
		piece := make([]byte, 64<<10)
		for {
			n, err := f.Body.Read(piece)
			if n > 0 {
				if conn.SetWriteDeadline(time.Now().Add(limit)) != nil {
					return
				}
				if _, err := w.Write(piece[:n]); err != nil || w.Flush() != nil {
					return // the reader has gone away
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				log.Error("a file could not be read to its end", "request", request, "cause", err)
				_ = conn.Close()
				return
			}
		}
	})
	return nil
}
