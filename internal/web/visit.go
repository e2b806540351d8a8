package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
)

// Visit is one request: Fiber's context together with who asks and in which language.
type Visit struct {
	*fiber.Ctx
	Person  identity.Person // zero when nobody is signed in
	Lang    Lang
	Request string // id of the request, short enough to be read out over the telephone

	server *Server
	token  string // session token or, before sign-in, the visitor's cookie

	permission string // of the route
	lent       map[lentFor]bool

	upload *Upload           // that the request brings
	fields map[string]string // of its form
}

const visitKey = "visit"

// visit returns the request's Visit, making it the first time.
func (s *Server) visit(c *fiber.Ctx) *Visit {
	if v, ok := c.Locals(visitKey).(*Visit); ok {
		return v
	}
	v := &Visit{Ctx: c, server: s, Lang: guessLang(c.Get(fiber.HeaderAcceptLanguage)), Request: requestID()}
	if l, ok := parseLang(c.Cookies(languageCookie)); ok {
		v.Lang = l
	}
	c.Locals(visitKey, v)
	return v
}

// T returns a text in the reader's language.
func (v *Visit) T(key string, args map[string]string) string {
	return v.server.texts.Text(v.Lang, key, args)
}

// In returns a text in a given language, for what is read by others than who asked for it.
func (v *Visit) In(l Lang, key string, args map[string]string) string {
	return v.server.texts.Text(l, key, args)
}

// Sentence is T for arguments that may be texts themselves, see Texts.Sentence.
func (v *Visit) Sentence(key string, args map[string]string) string {
	return v.server.texts.Sentence(v.Lang, key, args)
}

// Word returns the text that "text:KEY" names in the reader's language, and everything else as it is.
func (v *Visit) Word(value string) string { return v.server.texts.word(v.Lang, value) }

// Address returns the network address that the request came from. Headers that claim
// another one are not believed.
func (v *Visit) Address() string { return v.Context().RemoteIP().String() }

// CSRF returns the token that a change must come with, see the package comment.
func (v *Visit) CSRF() string {
	if v.token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("stockade csrf\x00" + v.token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Posted returns a field of a posted form as it is. Unlike Fiber's FormValue it does not
// take it from the address, where secrets would end up in logs.
func (v *Visit) Posted(name string) string {
	if v.upload != nil {
		return v.fields[name]
	}
	return string(v.Context().PostArgs().Peek(name))
}

// Form returns a field of a posted form without space around it.
func (v *Visit) Form(name string) string { return strings.TrimSpace(v.Posted(name)) }

// See sends the reader to another page of this site after a change.
func (v *Visit) See(path string) error { return v.Redirect(path, fiber.StatusSeeOther) }

// Page shows a page of the site.
func (v *Visit) Page(name string, data any) error {
	v.greet() // for the forms on it, that of the language at least
	body, err := v.server.pages.render(v, name, data)
	if err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	v.Ctx.Type("html", "utf-8")
	return v.Send(body)
}

// person finds out who asks. Guests are asked for by the route alone.
func (v *Visit) identify(ctx context.Context) error {
	token := v.Cookies(v.server.own(sessionCookie))
	if token == "" {
		return nil
	}
	p, err := v.server.opt.People.Person(ctx, token, true)
	if err != nil {
		return err
	}
	if p.Account != "" {
		v.Person, v.token = p, token
		v.Person.Address = v.Address()
	}
	return nil
}

// requestID returns 40 random bits in letters that are hard to mistake for each other.
func requestID() string {
	const letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	for i := range b {
		b[i] = letters[b[i]%32]
	}
	return string(b[:4]) + "-" + string(b[4:])
}

// ReadJSON reads the body into to. Unknown fields are refused, so that nobody believes to
// have set what was not.
func (v *Visit) ReadJSON(to any) error {
	d := json.NewDecoder(bytes.NewReader(v.BodyRaw()))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return Fail(fiber.StatusBadRequest, "error.bad_json").Because(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Fail(fiber.StatusBadRequest, "error.bad_json")
	}
	return nil
}

// Speaker returns T bound to the reader's language. Unlike the Visit it may be kept.
func (v *Visit) Speaker() func(key string, args map[string]string) string {
	texts, lang := v.server.texts, v.Lang
	return func(key string, args map[string]string) string { return texts.Text(lang, key, args) }
}

// Clock returns a function that writes the time of day at the warehouse. It may be kept.
func (v *Visit) Clock() func(time.Time) string {
	s := v.server
	return func(t time.Time) string { return s.local(t).Format("15:04:05") }
}
