package web

import (
	"errors"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
)

// passkeyField is the field in which a form brings what an authenticator answered, as JSON.
const passkeyField = "passkey"

func (s *Server) passkeyRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "/api/v1/login/passkey", Permission: Public, Handler: s.askAtSignIn},
		{Method: "POST", Path: "/api/v1/session/passkey", Permission: Own, Handler: s.askInSession, early: true},
		{Method: "POST", Path: "/api/v1/account/passkey", Permission: Own, Handler: s.askForNew, Fresh: true, early: true},
		{Method: "GET", Path: "/account/passkey/new", Permission: Own, Handler: s.getPasskey, Fresh: true, early: true},
		{Method: "POST", Path: "/account/passkey/new", Permission: Own, Handler: s.postPasskey, Fresh: true, early: true},
		{Method: "POST", Path: "/account/passkey/rename", Permission: Own, Handler: s.renamePasskey, Fresh: true},
	}
}

// host returns the name and port that the browser asked for; guard has made sure that it is ours.
func (v *Visit) host() string { return string(v.Ctx.Request().Header.Host()) }

// keyOffer says how a page offers passkeys: where its script asks, and for what; or in a sentence why it does not.
type keyOffer struct {
	Ask  string // address of the question; empty for none
	Kind string // "get" or "create"
	Why  string
}

// offer lets the page ask authenticators, when passkeys work here.
func (s *Server) offer(v *Visit, kind, ask string) keyOffer {
	a := s.opt.Accounts
	switch {
	case a == nil || a.PasskeyDomain() == "":
		return keyOffer{}
	case !a.PasskeyAt(v.host()):
		return keyOffer{Why: v.T("passkey.elsewhere", map[string]string{"domain": a.PasskeyDomain(), "host": v.host()})}
	}
	v.Set("Permissions-Policy", permissions(false, kind))
	return keyOffer{Ask: ask, Kind: kind}
}

// lost says what to do for a person who has nothing but a passkey where passkeys do not work, in the place of the offer; it is empty for all others.
func (s *Server) lost(v *Visit, w identity.Ways, key *keyOffer) string {
	if !w.Any() || w.Typed() || key.Ask != "" {
		return ""
	}
	*key = keyOffer{}
	domain := s.opt.Accounts.PasskeyDomain()
	switch {
	case domain == "":
		return v.T("passkey.only", nil)
	case w.Only:
		return v.T("passkey.only_elsewhere", map[string]string{"domain": domain, "host": v.host()})
	}
	return v.T("passkey.only_domain", map[string]string{"domain": domain, "host": v.host()})
}

// only says where to go instead of offering codes, to who must use a passkey under a name where passkeys do not work.
func (k keyOffer) only(v *Visit, w identity.Ways) keyOffer {
	if k.Why != "" && w.Only {
		k.Why = v.T("passkey.only_elsewhere", map[string]string{"domain": v.server.opt.Accounts.PasskeyDomain(), "host": v.host()})
	}
	return k
}

// passkeyFailure turns what a passkey was refused for into its sentence.
func passkeyFailure(err error) (*Failure, bool) {
	for _, f := range []struct {
		err error
		key string
	}{{identity.ErrPasskey, "passkey.wrong"}, {identity.ErrStale, "passkey.stale"}, {identity.ErrCopied, "passkey.copied"}} {
		if errors.Is(err, f.err) {
			return Fail(fiber.StatusUnauthorized, f.key).Because(err), true
		}
	}
	if errors.Is(err, identity.ErrDomain) {
		return Fail(fiber.StatusConflict, "passkey.not_here").Because(err), true
	}
	return nil, false
}

// question answers a page's script with what the authenticator is asked, or why it is not.
func (s *Server) question(v *Visit, options []byte, err error) error {
	switch {
	case errors.Is(err, identity.ErrHalf):
		return Fail(fiber.StatusUnauthorized, "code.again").Because(err)
	case errors.Is(err, identity.ErrNothing):
		return Fail(fiber.StatusConflict, "passkey.none_here").Because(err)
	case err != nil:
		if f, known := s.signInFailure(err); known {
			return f.Because(err)
		}
		return staleOr(err)
	}
	v.Ctx.Type("json", "utf-8")
	return v.Send(options)
}

func (s *Server) askAtSignIn(v *Visit) error {
	options, err := s.opt.Accounts.AskPasskeyOfHalf(v.UserContext(), v.Cookies(s.own(halfCookie)), v.host())
	return s.question(v, options, err)
}

func (s *Server) askInSession(v *Visit) error {
	options, err := s.opt.Accounts.AskPasskey(v.UserContext(), v.Person, v.host())
	return s.question(v, options, err)
}

func (s *Server) askForNew(v *Visit) error {
	options, err := s.opt.Accounts.BeginPasskey(v.UserContext(), v.Person, v.host())
	return s.question(v, options, err)
}

type passkeyPage struct {
	Key     keyOffer
	Must    identity.Must // what the person has to do first
	Name    string
	Problem string
}

func (s *Server) getPasskey(v *Visit) error {
	return s.showPasskey(v, passkeyPage{Name: identity.Device(v.Get(fiber.HeaderUserAgent))})
}

func (s *Server) showPasskey(v *Visit, page passkeyPage) error {
	page.Key, page.Must = s.offer(v, "create", "/api/v1/account/passkey"), v.Person.Must
	page.Key = page.Key.only(v, identity.Ways{Only: page.Must == identity.MustPasskey})
	if page.Key == (keyOffer{}) {
		return NotFound()
	}
	return v.Page("passkey", page)
}

func (s *Server) postPasskey(v *Visit) error {
	name := v.Form("name")
	next, codes, err := s.opt.Accounts.ConfirmPasskey(v.UserContext(), v.Person, v.host(), name, []byte(v.Posted(passkeyField)))
	if err != nil {
		f, known := s.signInFailure(err)
		if !known {
			return staleOr(err)
		}
		v.Status(f.Status)
		return s.showPasskey(v, passkeyPage{Name: name, Problem: v.T(f.Key, f.Args)})
	}
	v.keep(next)
	if len(codes) == 0 {
		return v.See("/account#factors")
	}
	v.Person.Must = ""
	return v.Page("codes", codesPage{Codes: codes, First: true})
}

func (s *Server) renamePasskey(v *Visit) error {
	id, err := strconv.ParseInt(v.Form("id"), 10, 64)
	if err != nil {
		return NotFound()
	}
	if err := s.opt.Accounts.RenamePasskey(v.UserContext(), v.Person, id, v.Form("name")); err != nil {
		if f, known := s.signInFailure(err); known {
			return f.Because(err)
		}
		return staleOr(err)
	}
	return v.See("/account#factors")
}
