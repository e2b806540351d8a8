package web

import (
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
	"stockade/internal/symbol"
)

// accountRoutes are the pages of one's own account, the same at hub and edge.
func (s *Server) accountRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/login/code", Permission: Public, Handler: s.getCode},
		{Method: "POST", Path: "/login/code", Permission: Public, Handler: s.postCode},
		{Method: "GET", Path: "/activate", Permission: Public, Handler: s.getActivate},
		{Method: "POST", Path: "/activate", Permission: Public, Handler: s.postActivate},
		{Method: "GET", Path: "/account", Permission: Own, Handler: s.getAccount},
		{Method: "POST", Path: "/account/notices", Permission: Own, Handler: s.postNotices, early: true},
		{Method: "GET", Path: "/account/confirm", Permission: Own, Handler: s.getConfirm, early: true},
		{Method: "POST", Path: "/account/confirm", Permission: Own, Handler: s.postConfirm, early: true},
		{Method: "POST", Path: "/api/v1/session/confirm", Permission: Own, Handler: s.apiConfirm, early: true},
		{Method: "GET", Path: "/account/password", Permission: Own, Handler: s.getPassword, Fresh: true, early: true},
		{Method: "POST", Path: "/account/password", Permission: Own, Handler: s.postPassword, Fresh: true, early: true},
		{Method: "GET", Path: "/account/factor/new", Permission: Own, Handler: s.getFactor, Fresh: true, early: true},
		{Method: "POST", Path: "/account/factor/begin", Permission: Own, Handler: s.beginFactor, Fresh: true, early: true},
		{Method: "POST", Path: "/account/factor/new", Permission: Own, Handler: s.postFactor, Fresh: true, early: true},
		{Method: "POST", Path: "/account/factor/remove", Permission: Own, Handler: s.removeFactor, Fresh: true},
		{Method: "POST", Path: "/account/codes", Permission: Own, Handler: s.postCodes, Fresh: true},
		{Method: "POST", Path: "/account/sessions/end", Permission: Own, Handler: s.endSession},
		{Method: "POST", Path: "/account/sessions/end-others", Permission: Own, Handler: s.endOthers},
	}
}

// Notice is something that the reader is told about their account.
type Notice struct {
	ID   int64
	At   time.Time
	Text string
	Seen bool
	Link string // where the reader can do something about it; empty for what is only to be known
}

// notices puts notices into words.
func (v *Visit) notices(list []identity.Notice) (out []Notice) {
	for _, n := range list {
		args := map[string]string{}
		for k, a := range n.Args {
			args[k] = a
		}
		if d, ok := args["device"]; ok && d == "" {
			args["device"] = v.T("session.unknown", nil)
		}
		one := Notice{ID: n.ID, At: n.At, Text: v.T("notice."+n.Kind, args), Seen: n.Seen}
		if args["link"] != "" {
			one.Link = localPath(args["link"])
		}
		out = append(out, one)
	}
	return out
}

type accountPage struct {
	Factors  []identity.Factor
	Codes    int
	Sessions []identity.SessionInfo
	Others   bool // whether there are sessions besides the present one
	History  []Notice
	Roles    []string
	Key      keyOffer
	Badge    identity.Badge
	Link     identity.Link
}

func (s *Server) getAccount(v *Visit) error {
	a, ctx := s.opt.Accounts, v.UserContext()
	var page accountPage
	var err error
	if page.Factors, page.Codes, err = a.Factors(ctx, v.Person); err != nil {
		return err
	}
	if page.Sessions, err = a.Sessions(ctx, v.Person); err != nil {
		return err
	}
	if page.Badge, err = a.BadgeOf(ctx, v.Person.Account); err != nil {
		return staleOr(err)
	}
	if page.Link, err = a.LinkOf(ctx, v.Person.Account); err != nil {
		return err
	}
	if d := a.PasskeyDomain(); d != "" {
		page.Key = keyOffer{Ask: "/account/passkey/new"}
		if !a.PasskeyAt(v.host()) {
			page.Key = keyOffer{Why: v.T("passkey.elsewhere", map[string]string{"domain": d, "host": v.host()})}
		}
	}
	list, err := a.Notices(ctx, v.Person, false)
	if err != nil {
		return err
	}
	page.History, page.Others, page.Roles = v.notices(list), len(page.Sessions) > 1, s.roleNames(v, v.Person.Roles)
	return v.Page("account", page)
}

func (s *Server) postNotices(v *Visit) error {
	upTo, err := strconv.ParseInt(v.Form("upto"), 10, 64)
	if err != nil {
		return Fail(fiber.StatusBadRequest, "error.bad_request")
	}
	if err := s.opt.Accounts.SeeNotices(v.UserContext(), v.Person, upTo); err != nil {
		return err
	}
	return v.See(localPath(v.Posted("next")))
}

// field is one of a form that is kept.
type field struct{ Name, Value string }

type confirmPage struct {
	Action  string        // where the form goes
	Ways    identity.Ways // without any, the password is asked for
	Key     keyOffer
	Lost    string        // why nothing that the person has serves here
	Link    identity.Link // by which the company's provider can be asked instead of the password
	Next    string
	Keep    []field
	Problem string
}

// confirmField is the field in which a factor is given again.
const confirmField = "confirm"

// unkept are the fields of forms that are never shown again.
var unkept = []string{"csrf", confirmField, passkeyField, "password", "old", "new", "code", "pin", "pin_again"}

// kept returns what was typed into the form that the reader sent, but for secrets.
func (v *Visit) kept() (out []field) {
	for name, value := range v.Context().PostArgs().All() {
		if !slices.Contains(unkept, string(name)) {
			out = append(out, field{string(name), string(value)})
		}
	}
	return out
}

// stepUp asks for a factor before a fresh route. done says that one was given with this request: the act may go on.
func (s *Server) stepUp(v *Visit, r Route) (done bool, err error) {
	if s.opt.Accounts == nil || v.Person.Account == "" || r.IsAPI() || strings.Contains(v.Get(fiber.HeaderAccept), "text/event-stream") {
		return false, Fail(fiber.StatusUnauthorized, "error.step_up")
	}
	if v.Get("HX-Request") != "" {
		at := "/"
		if u, err := url.Parse(v.Get("HX-Current-URL")); err == nil {
			at = localPath(u.RequestURI())
		}
		v.Set("HX-Redirect", "/account/confirm?next="+url.QueryEscape(at))
		return false, v.SendStatus(fiber.StatusUnauthorized)
	}
	if r.Method == "GET" {
		return false, s.askConfirm(v, confirmPage{Action: "/account/confirm", Next: localPath(v.OriginalURL())}, fiber.StatusUnauthorized)
	}
	page := confirmPage{Action: localPath(v.OriginalURL()), Keep: v.kept()}
	if v.Posted(confirmField) == "" && v.Posted(passkeyField) == "" {
		return false, s.askConfirm(v, page, fiber.StatusUnauthorized)
	}
	if err := s.confirm(v); err != nil {
		return false, s.confirmProblem(v, page, err)
	}
	return true, nil
}

// confirm takes the factor that was given.
func (s *Server) confirm(v *Visit) error {
	var next identity.Session
	var err error
	if answer := v.Posted(passkeyField); answer != "" {
		next, err = s.opt.Accounts.StepUpPasskey(v.UserContext(), v.Person, v.host(), []byte(answer))
	} else {
		next, err = s.opt.Accounts.StepUp(v.UserContext(), v.Person, v.Posted(confirmField))
	}
	if err == nil {
		v.keep(next)
	}
	return err
}

func (s *Server) askConfirm(v *Visit, page confirmPage, status int) error {
	var err error
	if page.Ways, err = s.opt.Accounts.Ways(v.UserContext(), v.Person); err != nil {
		return err
	}
	if page.Ways.Passkey {
		page.Key = s.offer(v, "get", "/api/v1/session/passkey")
	}
	page.Lost = s.lost(v, page.Ways, &page.Key)
	if s.opt.Company != nil && !page.Ways.Any() {
		if page.Link, err = s.opt.Accounts.LinkOf(v.UserContext(), v.Person.Account); err != nil {
			return err
		}
	}
	v.Status(status)
	return v.Page("confirm", page)
}

func (s *Server) confirmProblem(v *Visit, page confirmPage, err error) error {
	f, known := s.signInFailure(err)
	if errors.Is(err, identity.ErrFactor) || errors.Is(err, identity.ErrWrong) {
		f, known = Fail(fiber.StatusUnauthorized, "confirm.wrong"), true
	}
	if !known {
		return staleOr(err)
	}
	page.Problem = v.T(f.Key, f.Args)
	return s.askConfirm(v, page, f.Status)
}

// staleOr turns the conditions of package identity that pages do not expect into what the reader may know.
func staleOr(err error) error {
	switch {
	case errors.Is(err, identity.ErrNotFresh):
		return Fail(fiber.StatusUnauthorized, "error.step_up").Because(err)
	case errors.Is(err, identity.ErrElsewhere):
		return Fail(fiber.StatusConflict, "account.elsewhere").Because(err)
	case errors.Is(err, identity.ErrNothing), errors.Is(err, identity.ErrNobody):
		return NotFound().Because(err)
	}
	return err
}

func (s *Server) getConfirm(v *Visit) error {
	next := localPath(v.Query("next"))
	if v.Person.Fresh {
		return v.See(next)
	}
	return s.askConfirm(v, confirmPage{Action: "/account/confirm", Next: next}, fiber.StatusOK)
}

func (s *Server) postConfirm(v *Visit) error {
	next := localPath(v.Posted("next"))
	if err := s.confirm(v); err != nil {
		return s.confirmProblem(v, confirmPage{Action: "/account/confirm", Next: next}, err)
	}
	return v.See(next)
}

// apiConfirm is POST /api/v1/session/confirm {"confirm":"..."} -> {"csrf":"..."}: the session has a new cookie, and changes need the
// new token.
func (s *Server) apiConfirm(v *Visit) error {
	var body struct {
		Confirm string `json:"confirm"`
	}
	if err := v.ReadJSON(&body); err != nil {
		return err
	}
	next, err := s.opt.Accounts.StepUp(v.UserContext(), v.Person, body.Confirm)
	if err != nil {
		if f, known := s.signInFailure(err); known {
			return f.Because(err)
		}
		return staleOr(err)
	}
	v.keep(next)
	return v.JSON(map[string]string{"csrf": v.CSRF()})
}

type passwordPage struct {
	Rules   identity.Rules
	Must    bool
	Problem string
}

func (s *Server) getPassword(v *Visit) error {
	if v.Person.Elsewhere {
		return Fail(fiber.StatusConflict, "account.elsewhere")
	}
	return v.Page("password", passwordPage{Rules: s.rules(), Must: v.Person.Must == identity.MustChange})
}

func (s *Server) postPassword(v *Visit) error {
	next, err := s.opt.Accounts.ChangePassword(v.UserContext(), v.Person, v.Posted("old"), v.Posted("new"))
	if err != nil {
		f, known := s.signInFailure(err)
		if !known {
			return staleOr(err)
		}
		v.Status(f.Status)
		return v.Page("password", passwordPage{Rules: s.rules(), Must: v.Person.Must == identity.MustChange, Problem: v.T(f.Key, f.Args)})
	}
	v.keep(next)
	return v.See("/account")
}

type factorPage struct {
	Begun   bool
	Must    bool
	Passkey bool   // whether one can be added instead
	Secret  string // in groups of four, as people type it
	QR      template.HTML
	Problem string
}

func (s *Server) getFactor(v *Visit) error { return s.showFactor(v, "") }

func (s *Server) showFactor(v *Visit, problem string) error {
	page := factorPage{Must: v.Person.Must == identity.MustEnrol, Passkey: s.opt.Accounts.PasskeyAt(v.host()), Problem: problem}
	e, err := s.opt.Accounts.PendingFactor(v.UserContext(), v.Person)
	switch {
	case errors.Is(err, identity.ErrNothing):
		return v.Page("factor", page)
	case err != nil:
		return staleOr(err)
	}
	page.Begun, page.Secret = true, grouped(e.Secret)
	if page.QR, err = drawn(symbol.QR, e.URI, v.T("factor.qr", nil), "qr"); err != nil {
		return err
	}
	return v.Page("factor", page)
}

// grouped puts a space after every four letters.
func grouped(s string) string {
	var out strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			out.WriteByte(' ')
		}
		out.WriteRune(r)
	}
	return out.String()
}

// barHeight is how many modules high the bars of a linear barcode are drawn.
const barHeight = 40

// drawn draws a message as a picture one unit per module wide, quiet zone included.
func drawn(kind symbol.Kind, message, label, class string) (template.HTML, error) {
	code, err := symbol.Make(kind, message)
	if err != nil {
		return "", err
	}
	quietY, high, height := code.Quiet, 1, code.Height
	if kind.Linear() {
		quietY, high, height = 0, barHeight, barHeight
	}
	var path strings.Builder
	code.Runs(func(x, y, n int) { fmt.Fprintf(&path, "M%d %dh%dv%dh-%dz", x+code.Quiet, y+quietY, n, high, n) })
	return template.HTML(fmt.Sprintf(`<svg class="%s" viewBox="0 0 %d %d" role="img" aria-label="%s" shape-rendering="crispEdges"><path d="%s"/></svg>`,
		class, code.Width+2*code.Quiet, height+2*quietY, template.HTMLEscapeString(label), path.String())), nil // #nosec G203 -- numbers, a fixed frame and an escaped text
}

func (s *Server) beginFactor(v *Visit) error {
	if _, err := s.opt.Accounts.BeginFactor(v.UserContext(), v.Person); err != nil {
		if f, known := s.signInFailure(err); known {
			return f.Because(err)
		}
		return staleOr(err)
	}
	return v.See("/account/factor/new")
}

type codesPage struct {
	Codes []string
	First bool // made together with the first factor
}

func (s *Server) postFactor(v *Visit) error {
	next, codes, err := s.opt.Accounts.ConfirmFactor(v.UserContext(), v.Person, v.Form("code"))
	if errors.Is(err, identity.ErrNothing) {
		return v.See("/account/factor/new")
	}
	if err != nil {
		f, known := s.signInFailure(err)
		if !known {
			return staleOr(err)
		}
		v.Status(f.Status)
		return s.showFactor(v, v.T(f.Key, f.Args))
	}
	v.keep(next)
	if len(codes) == 0 {
		return v.See("/account")
	}
	v.Person.Must = ""
	return v.Page("codes", codesPage{Codes: codes, First: true})
}

func (s *Server) removeFactor(v *Visit) error {
	id, err := strconv.ParseInt(v.Form("id"), 10, 64)
	if err != nil {
		return NotFound()
	}
	next, err := s.opt.Accounts.RemoveFactor(v.UserContext(), v.Person, id)
	if err != nil {
		return staleOr(err)
	}
	v.keep(next)
	return v.See("/account")
}

func (s *Server) postCodes(v *Visit) error {
	codes, err := s.opt.Accounts.NewCodes(v.UserContext(), v.Person)
	if err != nil {
		return staleOr(err)
	}
	return v.Page("codes", codesPage{Codes: codes})
}

func (s *Server) endSession(v *Visit) error {
	if err := s.opt.Accounts.EndSession(v.UserContext(), v.Person, v.Form("id")); err != nil {
		return staleOr(err)
	}
	return v.See("/account#sessions")
}

func (s *Server) endOthers(v *Visit) error {
	if err := s.opt.Accounts.EndOthers(v.UserContext(), v.Person); err != nil {
		return err
	}
	return v.See("/account#sessions")
}
