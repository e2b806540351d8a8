package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"os"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Bounds of forms that bring a file.
const (
	formFields = 32
	formBytes  = 64 << 10         // of all fields, and of what frames them
	uploadTime = 15 * time.Minute // for the whole; between two pieces Limits.Read counts
	drainBytes = 64 << 20         // of what is read and dropped so that the reader's browser listens to the answer
	passed     = 1 << 20          // the same, of other bodies that are too large
)

// Upload is a form that brings a file. Its fields stand before the file and are known; the file is read by the handler as it comes in, and nothing of it
// is kept in memory or on a disk by this package.
type Upload struct {
	Name string    // of the file as the browser gives it: anything
	File io.Reader // nil when none was chosen
	Size int64     // of the whole form as announced; -1 when it was not
	rest *pieces   // of the form
}

// Upload returns the form with a file that the request brings, nil when it is none.
func (v *Visit) Upload() *Upload { return v.upload }

// pieces reads a request's body as it comes in and gives each piece its time.
type pieces struct {
	io.Reader
	conn  net.Conn
	each  time.Duration
	until time.Time
	left  int64
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, Fail(fiber.StatusRequestEntityTooLarge, "error.too_large")
	}
	at := time.Now().Add(p.each)
	if at.After(p.until) {
		at = p.until
	}
	if err := p.conn.SetReadDeadline(at); err != nil {
		return 0, err
	}
	n, err := p.Reader.Read(b[:min(int64(len(b)), p.left)])
	p.left -= int64(n)
	return n, readFailure(err)
}

// readFailure tells a line that is too slow from one that broke.
func readFailure(err error) error {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Fail(fiber.StatusRequestTimeout, "error.too_slow").Because(err)
	}
	return Fail(fiber.StatusBadRequest, "error.bad_request").Because(err)
}

// takeBody reads the body of a request before anything looks at it: as it is for servers without uploads, of which fasthttp reads the body itself. With uploads all
// bodies come as streams, and whoever asked for one's contents would read without end.
func (s *Server) takeBody(v *Visit) error {
	r := v.Context().RequestBodyStream()
	if r == nil {
		return nil
	}
	limit := s.opt.Limits.Body
	var body []byte
	var err error
	if v.Ctx.Request().Header.ContentLength() <= limit { // -1 in chunks
		if body, err = io.ReadAll(io.LimitReader(r, int64(limit)+1)); err != nil {
			return readFailure(err)
		}
	}
	if len(body) > limit || v.Ctx.Request().Header.ContentLength() > limit {
		_, _ = io.CopyN(io.Discard, r, passed) // a line that breaks here does not matter
		return Fail(fiber.StatusRequestEntityTooLarge, "error.too_large")
	}
	v.Ctx.Request().SetBody(body)
	return nil
}

// receive makes the request's body ready: at the address of an upload, from somebody who is signed in, the fields of the form up to its file.
func (s *Server) receive(v *Visit) error {
	most, here := s.uploads[v.Method()+" "+v.Path()]
	kind, params, err := mime.ParseMediaType(v.Get(fiber.HeaderContentType))
	if !here || v.Person.Account == "" || err != nil || kind != fiber.MIMEMultipartForm || v.Context().RequestBodyStream() == nil {
		return s.takeBody(v)
	}
	body := &pieces{Reader: v.Context().RequestBodyStream(), conn: v.Context().Conn(), each: s.opt.Limits.Read, until: time.Now().Add(uploadTime), left: most + formBytes}
	v.upload = &Upload{Size: int64(v.Ctx.Request().Header.ContentLength()), rest: body}
	v.fields = map[string]string{}
	if err := v.upload.begin(multipart.NewReader(body, params["boundary"]), v.fields); err != nil {
		v.upload.drain()
		return err
	}
	return nil
}

// begin reads fields until the file comes.
func (u *Upload) begin(form *multipart.Reader, fields map[string]string) error {
	left := int64(formBytes)
	for range formFields {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return badForm(err)
		}
		if name := part.FileName(); name != "" {
			u.Name, u.File = name, part
			return nil
		}
		value, err := io.ReadAll(io.LimitReader(part, left+1))
		if err != nil {
			return badForm(err)
		}
		if left -= int64(len(value)); left < 0 {
			return Fail(fiber.StatusRequestEntityTooLarge, "error.too_large")
		}
		if name := part.FormName(); name != "" && fields[name] == "" {
			fields[name] = string(value)
		}
	}
	return badForm(fmt.Errorf("more than %d fields", formFields))
}

func badForm(err error) error {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return Fail(fiber.StatusBadRequest, "error.bad_request").Because(err)
}

// drain reads and drops what is left, within bounds: a browser that is still sending hears no answer. Past them the connection is closed.
func (u *Upload) drain() {
	u.rest.left = drainBytes
	_, _ = io.Copy(io.Discard, u.rest) // nothing can be done about a line that breaks here
}
