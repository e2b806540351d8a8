package web

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
)

// Cookies. The prefix makes browsers insist on Secure, no Domain and the whole path, so
// that no other host of the domain can plant one.
const (
	sessionCookie  = "__Host-session"
	visitorCookie  = "__Host-visitor" // only to tie a form to its reader before sign-in
	languageCookie = "__Host-language"
	halfCookie     = "__Host-signin" // of a sign-in that waits for its second factor
)

// own returns the name under which this server keeps a cookie. Browsers do not tell ports of a
// host apart: without a name of its own, a hub and a node on one machine would sign each
// other's readers out.
func (s *Server) own(cookie string) string {
	if s.opt.Instance == "" {
		return cookie
	}
	return cookie + "-" + s.opt.Instance
}

func (s *Server) ownRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/assets/:name", Permission: Public, Handler: s.getAsset},
		{Method: "GET", Path: "/watermark.svg", Permission: Own, Handler: s.getWatermark, early: true},
		{Method: "GET", Path: "/healthz", Permission: Public, Handler: getHealth},
		{Method: "GET", Path: "/login", Permission: Public, Handler: s.getLogin},
		{Method: "POST", Path: "/login", Permission: Public, Handler: s.postLogin},
		{Method: "GET", Path: "/first", Permission: Public, Handler: s.getFirst},
		{Method: "POST", Path: "/first", Permission: Public, Handler: s.postFirst},
		{Method: "POST", Path: "/logout", Permission: Public, Handler: s.postLogout},
		{Method: "POST", Path: "/language", Permission: Public, Handler: postLanguage},
		{Method: "GET", Path: "/api/v1/session", Permission: Public, Handler: getSession},
	}
}

func getHealth(v *Visit) error { return v.JSON(map[string]string{"status": "ok"}) }

// getSession tells a program who it is signed in as and the token that its changes need.
func getSession(v *Visit) error {
	if v.Person.Account == "" {
		return Fail(fiber.StatusUnauthorized, "error.sign_in")
	}
	return v.JSON(map[string]string{"account": v.Person.Account, "csrf": v.CSRF()})
}

type loginPage struct {
	Next, Name, Problem string
	Rules               identity.Rules
	Ways                identity.Ways // of the second factor
	Key                 keyOffer
	Lost                string // why nothing that the person has serves here
	Left                string // where the reader, who has just signed out here, signs out of the company's provider; empty for nowhere
}

func (s *Server) getLogin(v *Visit) error {
	empty, err := s.opt.People.Empty(v.UserContext())
	if err != nil {
		return err
	}
	if empty {
		return v.See("/first")
	}
	next := localPath(v.Query("next"))
	if v.Person.Account != "" {
		return v.See(next)
	}
	page := loginPage{Next: next}
	if s.opt.Company != nil && v.Query("left") == "company" {
		page.Left = s.opt.Company.Provider.SignOut()
	}
	return v.Page("login", page)
}

func (s *Server) postLogin(v *Visit) error {
	name, next := v.Form("username"), localPath(v.Posted("next"))
	session, err := s.opt.People.SignIn(v.UserContext(), name, v.Posted("password"), v.from())
	if err != nil {
		f, known := s.signInFailure(err)
		if !known {
			return err
		}
		v.Status(f.Status)
		return v.Page("login", loginPage{Next: next, Name: name, Problem: v.T(f.Key, f.Args)})
	}
	return v.enter(session, next)
}

// getCode asks for the second factor of a sign-in whose password was right.
func (s *Server) getCode(v *Visit) error {
	next := localPath(v.Query("next"))
	return s.showCode(v, fiber.StatusOK, loginPage{Next: next})
}

// showCode asks for the second factor, in the ways that the person has.
func (s *Server) showCode(v *Visit, status int, page loginPage) (err error) {
	page.Ways, err = s.opt.Accounts.WaysOfHalf(v.UserContext(), v.Cookies(s.own(halfCookie)))
	if errors.Is(err, identity.ErrHalf) {
		return v.See("/login")
	}
	if err != nil {
		return err
	}
	if page.Ways.Passkey {
		page.Key = s.offer(v, "get", "/api/v1/login/passkey")
	}
	page.Lost = s.lost(v, page.Ways, &page.Key)
	v.Status(status)
	return v.Page("code", page)
}

func (s *Server) postCode(v *Visit) error {
	next := localPath(v.Posted("next"))
	half := v.Cookies(s.own(halfCookie))
	var session identity.Session
	var err error
	if answer := v.Posted(passkeyField); answer != "" {
		session, err = s.opt.Accounts.SignInPasskey(v.UserContext(), half, v.host(), []byte(answer), v.from())
	} else {
		session, err = s.opt.Accounts.SignInCode(v.UserContext(), half, v.Form("code"), v.from())
	}
	if errors.Is(err, identity.ErrHalf) {
		v.setCookie(s.own(halfCookie), "", -time.Hour)
		v.Status(fiber.StatusUnauthorized)
		return v.Page("login", loginPage{Next: next, Problem: v.T("code.again", nil)})
	}
	if err != nil {
		f, known := s.signInFailure(err)
		if !known {
			return err
		}
		return s.showCode(v, f.Status, loginPage{Next: next, Problem: v.T(f.Key, f.Args)})
	}
	return v.enter(session, next)
}

func (s *Server) getActivate(v *Visit) error {
	return v.Page("activate", loginPage{Rules: s.rules()})
}

// postActivate lets a person choose a password with the code that an administrator gave them.
func (s *Server) postActivate(v *Visit) error {
	session, err := s.opt.Accounts.Activate(v.UserContext(), v.Form("code"), v.Posted("password"), v.from())
	if err != nil {
		f, known := s.signInFailure(err)
		if !known {
			return err
		}
		if errors.Is(err, identity.ErrCode) {
			f.Key = "activate.wrong_code"
		}
		v.Status(f.Status)
		return v.Page("activate", loginPage{Problem: v.T(f.Key, f.Args), Rules: s.rules()})
	}
	return v.enter(session, s.toPIN(v, session.Person.Account))
}

// rules returns what passwords must be.
func (s *Server) rules() identity.Rules {
	if s.opt.Accounts == nil {
		return identity.ASVS
	}
	return s.opt.Accounts.Rules()
}

func (s *Server) getFirst(v *Visit) error {
	empty, err := s.opt.People.Empty(v.UserContext())
	if err != nil {
		return err
	}
	if !empty {
		return v.See("/login")
	}
	return v.Page("first", loginPage{Rules: s.rules()})
}

func (s *Server) postFirst(v *Visit) error {
	name := v.Form("username")
	session, err := s.opt.People.Begin(v.UserContext(), v.Form("code"), name, v.Posted("password"), v.from())
	if errors.Is(err, identity.ErrNotEmpty) {
		return v.See("/login")
	}
	if err != nil {
		f, known := s.signInFailure(err)
		if !known {
			return err
		}
		v.Status(f.Status)
		return v.Page("first", loginPage{Name: name, Problem: v.T(f.Key, f.Args), Rules: s.rules()})
	}
	return v.enter(session, "/")
}

func (s *Server) postLogout(v *Visit) error {
	if token := v.sessionToken(); token != "" {
		if err := s.opt.People.SignOut(v.UserContext(), token, v.from()); err != nil {
			return err
		}
	}
	v.setCookie(v.server.own(sessionCookie), "", -time.Hour)
	v.Set("Clear-Site-Data", `"cache", "storage"`)
	if s.opt.Company != nil && v.Person.Company && s.opt.Company.Provider.SignOut() != "" {
		return v.See("/login?left=company")
	}
	return v.See("/login")
}

func postLanguage(v *Visit) error {
	l, ok := parseLang(v.Form("language"))
	if !ok {
		return Fail(fiber.StatusBadRequest, "error.bad_request")
	}
	v.setCookie(languageCookie, string(l), 365*24*time.Hour)
	return v.See(localPath(v.Posted("next")))
}

// leadTo sends a session that has to do something first there.
func leadTo(v *Visit, r Route) error {
	key, path := "error.must_enrol", "/account/factor/new"
	elsewhere := "account.must_elsewhere"
	switch v.Person.Must {
	case identity.MustChange:
		key, path = "error.must_change", "/account/password"
	case identity.MustPasskey:
		key, path, elsewhere = "error.must_passkey", "/account/passkey/new", "account.must_elsewhere_passkey"
	}
	if v.Person.Elsewhere {
		return Fail(fiber.StatusForbidden, elsewhere)
	}
	if r.IsAPI() || strings.Contains(v.Get(fiber.HeaderAccept), "text/event-stream") {
		return Fail(fiber.StatusForbidden, key)
	}
	if v.Get("HX-Request") != "" {
		v.Set("HX-Redirect", path)
		return v.SendStatus(fiber.StatusForbidden)
	}
	return v.See(path)
}

// askToSignIn sends a reader to the sign-in page and tells a program that it must sign in.
func (s *Server) askToSignIn(v *Visit, r Route) error {
	if r.IsAPI() || r.Method != "GET" || strings.Contains(v.Get(fiber.HeaderAccept), "text/event-stream") {
		return Fail(fiber.StatusUnauthorized, "error.sign_in")
	}
	if v.Get("HX-Request") != "" {
		v.Set("HX-Redirect", "/login")
		return v.SendStatus(fiber.StatusUnauthorized)
	}
	if v.OriginalURL() == "/" {
		return v.See("/login")
	}
	return v.See("/login?next=" + url.QueryEscape(v.OriginalURL()))
}

// signInFailure turns a refusal of package identity into its sentence.
func (s *Server) signInFailure(err error) (*Failure, bool) {
	var wait *identity.WaitError
	var rule *identity.RuleError
	switch {
	case errors.As(err, &wait):
		seconds := int(max(time.Second, wait.For).Round(time.Second) / time.Second)
		return Fail(fiber.StatusTooManyRequests, "login.wait", "seconds", strconv.Itoa(seconds)), true
	case errors.As(err, &rule):
		r := s.rules()
		return Fail(fiber.StatusUnprocessableEntity, rule.Rule, "min", strconv.Itoa(r.Min), "max", strconv.Itoa(identity.MaxPassword), "kinds", strconv.Itoa(r.Classes), "last", strconv.Itoa(max(1, r.History))), true
	case errors.Is(err, identity.ErrWrong):
		return Fail(fiber.StatusUnauthorized, "login.wrong"), true
	case errors.Is(err, identity.ErrCode):
		return Fail(fiber.StatusUnauthorized, "first.wrong_code"), true
	case errors.Is(err, identity.ErrNeedsPasskey):
		return Fail(fiber.StatusUnauthorized, "code.only_passkey"), true
	case errors.Is(err, identity.ErrFactor):
		return Fail(fiber.StatusUnauthorized, "code.wrong"), true
	case errors.Is(err, identity.ErrOld):
		return Fail(fiber.StatusUnprocessableEntity, "password.old_wrong"), true
	case errors.Is(err, identity.ErrElsewhere):
		return Fail(fiber.StatusConflict, "account.elsewhere"), true
	case errors.Is(err, identity.ErrTaken):
		return Fail(fiber.StatusConflict, "people.taken"), true
	case errors.Is(err, identity.ErrSelf):
		return Fail(fiber.StatusConflict, "people.self"), true
	case errors.Is(err, identity.ErrTooMany):
		return Fail(fiber.StatusConflict, "factor.enough"), true
	case errors.Is(err, identity.ErrBusy):
		return Fail(fiber.StatusServiceUnavailable, "error.busy"), true
	}
	return passkeyFailure(err)
}

func (v *Visit) from() identity.From {
	return identity.From{Address: v.Address(), Session: v.Person.Session, Agent: v.Get(fiber.HeaderUserAgent)}
}

// enter gives the browser its session and goes on to next, or to the page that asks for the second factor.
func (v *Visit) enter(s identity.Session, next string) error { return v.See(v.take(s, next)) }

// take is enter without the going on: it returns where to.
func (v *Visit) take(s identity.Session, next string) string {
	if s.Half != "" {
		v.setCookie(v.server.own(halfCookie), s.Half, 0)
		if next == "/" {
			return "/login/code"
		}
		return "/login/code?next=" + url.QueryEscape(next)
	}
	v.keep(s)
	if v.Cookies(v.server.own(halfCookie)) != "" {
		v.setCookie(v.server.own(halfCookie), "", -time.Hour)
	}
	v.setCookie(v.server.own(visitorCookie), "", -time.Hour)
	return next
}

// keep gives the browser the session's token, also when it changed.
func (v *Visit) keep(s identity.Session) {
	v.setCookie(v.server.own(sessionCookie), s.Token, 0)
	v.token, v.Person.Fresh, v.Person.FactorAt = s.Token, true, s.Person.FactorAt
}

// greet gives a reader who is not signed in the cookie that the token of forms, and of an open
// station's buttons, is made from.
func (v *Visit) greet() {
	if v.token != "" {
		return
	}
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	v.token = base64.RawURLEncoding.EncodeToString(b)
	v.setCookie(v.server.own(visitorCookie), v.token, 0)
}

// setCookie sets a cookie for life; zero is until the browser closes, below zero removes it.
func (v *Visit) setCookie(name, value string, life time.Duration) {
	c := &fiber.Cookie{Name: name, Value: value, Path: "/", Secure: true, HTTPOnly: true, SameSite: fiber.CookieSameSiteStrictMode}
	if life != 0 {
		c.Expires, c.MaxAge = time.Now().Add(life), int(life/time.Second)
	} else {
		c.SessionOnly = true
	}
	v.Cookie(c)
}

// localPath returns next when it is a place on this site, else the front page: nobody may
// be sent elsewhere by a link to the sign-in page.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\r\n\t") || u.Path == "/login" || u.Path == "/login/code" || u.Path == "/login/company/return" || u.Path == "/logout" {
		return "/"
	}
	return next
}
