package web

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
)

// Provider is what the shell needs of a company's identity provider. Package hub/oidc is one; an edge has none.
type Provider interface {
	// Begin returns the address of the provider to send a browser to, and the secret that the browser keeps for the way back.
	Begin(ctx context.Context, r identity.Referral) (address, browser string, err error)
	// Finish judges what the browser brought back and returns the referral's errand, with an error too; nil when there is no such referral.
	Finish(ctx context.Context, browser string, query url.Values) (identity.Proof, any, error)
	// SignOut is where people sign out of the provider itself; empty when they can not.
	SignOut() string
}

// Company is the sign-in with the company's identity provider.
type Company struct {
	Provider Provider
	Issuer   string
	Names    map[Lang]string // what people call it
	Origin   string          // https://host[:port] of ours, under which alone the provider sends people back
}

// companyCookie keeps the secret of a browser that was sent to the provider. Unlike all others it is sent along when another site leads here,
// which is what coming back from the provider is. It is good for nothing but that.
const companyCookie = "__Host-company"

// unlinkedCookie keeps the provider's name of who could not sign in, to be read out to an administrator.
const unlinkedCookie = "__Host-unlinked"

// atProvider is how long the cookies last; the provider's package counts by itself.
const atProvider = 5 * time.Minute

func (s *Server) companyRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "/login/company", Permission: Public, Handler: s.postCompany},
		{Method: "GET", Path: "/login/company/return", Permission: Public, Handler: s.getReturn},
		{Method: "GET", Path: "/login/company/problem", Permission: Public, Handler: s.getCompanyProblem},
		{Method: "POST", Path: "/account/company/link", Permission: Own, Handler: s.linkCompany, Fresh: true},
		{Method: "POST", Path: "/account/company/unlink", Permission: Own, Handler: s.unlinkCompany, Fresh: true},
		{Method: "POST", Path: "/account/company/confirm", Permission: Own, Handler: s.confirmCompany, early: true},
		{Method: "POST", Path: "/people/company/link", Permission: PeopleWrite, Handler: s.linkPerson, Fresh: true},
		{Method: "POST", Path: "/people/company/unlink", Permission: PeopleWrite, Handler: s.unlinkPerson, Fresh: true},
	}
}

// companyOffer says how a page offers the provider. At is where, when it can not be done under the name that the reader has opened.
type companyOffer struct{ Name, At string }

// companyOffer returns the zero offer where there is no provider.
func (v *Visit) companyOffer() companyOffer {
	c := v.server.opt.Company
	if c == nil {
		return companyOffer{}
	}
	o := companyOffer{Name: c.Names[v.Lang]}
	if "https://"+v.host() != c.Origin {
		o.At = c.Origin
	}
	return o
}

// errand is what somebody was sent to the provider for.
type errand struct {
	do   string // "signin", "link", "confirm"
	lang Lang   // the cookie that says it does not come along from another site
	next string
	who  identity.Person // of link and confirm; of signin the session that the browser had
	act  string          // what was confirmed: a form of ours, with what was typed
	keep []field
}

// size returns about how many bytes an errand takes.
func (e errand) size() int {
	n := len(e.next) + len(e.act)
	for _, f := range e.keep {
		n += len(f.Name) + len(f.Value)
	}
	return n
}

type leavePage struct{ Address, Name string }

// refer sends the browser to the provider. It goes by a page that is left at once, and not by a redirect: browsers hold redirects after a form
// against the content policy of its page, at every host that the provider goes on to.
func (s *Server) refer(v *Visit, e errand, again bool) error {
	c := s.opt.Company
	if c == nil {
		return NotFound()
	}
	if o := v.companyOffer(); o.At != "" {
		return Fail(fiber.StatusConflict, "company.elsewhere", "address", o.At)
	}
	e.lang = v.Lang
	address, browser, err := c.Provider.Begin(v.UserContext(), identity.Referral{Browser: v.Cookies(s.own(companyCookie)), Address: v.Address(), Again: again, Errand: e, Size: e.size()})
	if err != nil {
		if f, known := companyFailure(err); known {
			return f
		}
		return err
	}
	v.laxCookie(s.own(companyCookie), browser)
	v.Set("Refresh", "0; url="+address)
	return v.Page("company-leave", leavePage{address, c.Names[v.Lang]})
}

// laxCookie sets a cookie that comes along when another site leads here.
func (v *Visit) laxCookie(name, value string) {
	v.Cookie(&fiber.Cookie{Name: name, Value: value, Path: "/", Secure: true, HTTPOnly: true, SameSite: fiber.CookieSameSiteLaxMode,
		Expires: time.Now().Add(atProvider), MaxAge: int(atProvider / time.Second)})
}

// whyNot returns the end of the text's key of why the provider was of no use; empty when it was not about that.
func whyNot(err error) string {
	var r *identity.ReferralError
	if errors.As(err, &r) {
		return r.Why
	}
	for _, w := range []struct {
		err error
		why string
	}{{identity.ErrUnlinked, "unlinked"}, {identity.ErrOtherPerson, "other_person"}, {identity.ErrNotRecent, "not_recent"}, {identity.ErrLinkTaken, "taken"},
		{identity.ErrNotFresh, "stale"}, {identity.ErrElsewhere, "stale"}} {
		if errors.Is(err, w.err) {
			return w.why
		}
	}
	return ""
}

// companyFailure turns why the provider was of no use into its sentence.
func companyFailure(err error) (*Failure, bool) {
	why := whyNot(err)
	if why == "" {
		return nil, false
	}
	return Fail(companyStatus(why), "company.problem_"+why).Because(err), true
}

func companyStatus(why string) int {
	switch why {
	case "unreachable", "misconfigured", "busy", "clock":
		return fiber.StatusServiceUnavailable
	case "wait":
		return fiber.StatusTooManyRequests
	}
	return fiber.StatusUnauthorized
}

// postCompany begins a sign-in at the provider. It is a form with a token, so that nobody is signed in by a link that they followed.
func (s *Server) postCompany(v *Visit) error {
	next := localPath(v.Posted("next"))
	err := s.refer(v, errand{do: "signin", next: next, who: v.Person}, false)
	var f *Failure
	if errors.As(err, &f) && f.Status != fiber.StatusNotFound {
		s.logFailure(v, f)
		v.Status(f.Status)
		return v.Page("login", loginPage{Next: next, Problem: v.T(f.Key, f.Args)})
	}
	return err
}

// getReturn takes what the provider sent the browser back with. The request comes from another site, so that the browser keeps our other cookies to itself:
// whose session it is about says the errand, and the page that answers leads on from here.
func (s *Server) getReturn(v *Visit) error {
	c := s.opt.Company
	if c == nil {
		return NotFound()
	}
	query, err := url.ParseQuery(string(v.Context().QueryArgs().QueryString()))
	if err != nil {
		return Fail(fiber.StatusBadRequest, "error.bad_request").Because(err)
	}
	proof, what, err := c.Provider.Finish(v.UserContext(), v.Cookies(s.own(companyCookie)), query)
	e, _ := what.(errand)
	if e.lang != "" {
		v.Lang = e.lang
	}
	if err != nil {
		return s.companyProblem(v, proof, err)
	}
	if e.do == "signin" {
		session, err := s.opt.Accounts.SignInCompany(v.UserContext(), proof, identity.From{Address: v.Address(), Session: e.who.Session, Agent: v.Get(fiber.HeaderUserAgent)})
		if err != nil {
			return s.companyProblem(v, proof, err)
		}
		return v.leadOn(v.take(session, e.next))
	}
	who, err := s.opt.Accounts.PersonOf(v.UserContext(), e.who.Session)
	if err == nil && (who.Account == "" || who.Account != e.who.Account) {
		err = identity.ErrNotFresh // it ended meanwhile
	}
	if err != nil {
		return s.companyProblem(v, proof, err)
	}
	who.Address = v.Address()
	if e.do == "link" {
		if err := s.opt.Accounts.LinkCompany(v.UserContext(), who, proof); err != nil {
			return s.companyProblem(v, proof, err)
		}
		return v.leadOn("/account#company")
	}
	next, err := s.opt.Accounts.StepUpCompany(v.UserContext(), who, proof)
	if err != nil {
		return s.companyProblem(v, proof, err)
	}
	v.keep(next)
	if e.act == "" {
		return v.leadOn(e.next)
	}
	return v.Page("company-go", confirmPage{Action: e.act, Keep: e.keep})
}

// leadOn leads to another page of ours from one that another site has led to. A redirect would still count as coming from there.
func (v *Visit) leadOn(path string) error {
	v.Set("Refresh", "0; url="+path)
	return v.Page("company-back", leavePage{Address: path})
}

// companyProblem leads to the page that says what to do.
func (s *Server) companyProblem(v *Visit, p identity.Proof, err error) error {
	why, query := whyNot(err), url.Values{}
	var wait *identity.WaitError
	switch {
	case errors.As(err, &wait):
		why = "wait"
		query.Set("seconds", strconv.Itoa(int(max(time.Second, wait.For).Round(time.Second)/time.Second)))
	case why == "":
		return err
	case why == "unlinked":
		v.laxCookie(s.own(unlinkedCookie), base64.RawURLEncoding.EncodeToString([]byte(p.Subject)))
	}
	s.logFailure(v, Fail(companyStatus(why), "company.problem_"+why).Because(err))
	query.Set("why", why)
	return v.leadOn("/login/company/problem?" + query.Encode())
}

type companyProblemPage struct {
	Sentence string
	Subject  string // by which an administrator can link the account; empty for none
}

var whyOf = regexp.MustCompile(`^[a-z_]{1,40}$`)

func (s *Server) getCompanyProblem(v *Visit) error {
	why := v.Query("why")
	key := "company.problem_" + why
	if s.opt.Company == nil || !whyOf.MatchString(why) || !s.texts.Has(key) {
		return NotFound()
	}
	seconds, err := strconv.Atoi(v.Query("seconds", "0"))
	if err != nil || seconds < 0 {
		return NotFound()
	}
	page := companyProblemPage{Sentence: v.T(key, map[string]string{"seconds": strconv.Itoa(seconds)})}
	if why == "unlinked" {
		if b, err := base64.RawURLEncoding.DecodeString(v.Cookies(s.own(unlinkedCookie))); err == nil && len(b) <= identity.MaxSubject {
			page.Subject = strings.ToValidUTF8(string(b), "�")
		}
	}
	v.Status(companyStatus(why))
	return v.Page("company-problem", page)
}

func (s *Server) linkCompany(v *Visit) error {
	return s.refer(v, errand{do: "link", who: v.Person}, true)
}

func (s *Server) unlinkCompany(v *Visit) error {
	next, err := s.opt.Accounts.UnlinkCompany(v.UserContext(), v.Person)
	if errors.Is(err, identity.ErrOnlyWay) {
		return Fail(fiber.StatusConflict, "company.only_way").Because(err)
	}
	if err != nil {
		return staleOr(err)
	}
	v.keep(next)
	return v.See("/account#company")
}

// companyAction is the field of the page that asks for a factor which says where its form goes.
const companyAction = "company_action"

// confirmCompany lets the provider ask the person anew in the place of a password. What was typed into the form that waits is kept meanwhile, but for secrets.
func (s *Server) confirmCompany(v *Visit) error {
	e := errand{do: "confirm", who: v.Person, act: localPath(v.Posted(companyAction))}
	if e.act == "/account/confirm" || e.act == "/" {
		e.act, e.next = "", localPath(v.Posted("next"))
	} else {
		e.keep = slices.DeleteFunc(v.kept(), func(f field) bool { return f.Name == companyAction })
	}
	err := s.refer(v, e, true)
	var f *Failure
	if errors.As(err, &f) && f.Status != fiber.StatusNotFound {
		s.logFailure(v, f)
		page := confirmPage{Action: e.act, Keep: e.keep, Problem: v.T(f.Key, f.Args)}
		if e.act == "" {
			page.Action, page.Next = "/account/confirm", e.next
		}
		return s.askConfirm(v, page, f.Status)
	}
	return err
}

// linkPerson links somebody else's account to the provider's account that was typed.
func (s *Server) linkPerson(v *Visit) error {
	a, err := s.within(v, PeopleWrite, v.Form("name"))
	if err != nil {
		return err
	}
	if s.opt.Company == nil {
		return NotFound()
	}
	subject := v.Form("subject")
	if err := s.opt.Accounts.LinkFor(v.UserContext(), v.Person, a.Name, s.opt.Company.Issuer, subject); err != nil {
		if errors.Is(err, identity.ErrLinkTaken) {
			err = &identity.RuleError{Rule: "company.taken_by_other"}
		}
		return s.refusePerson(v, personPage{Account: a, Subject: subject}, err)
	}
	return v.See(personLink(a.Name) + "#company")
}

func (s *Server) unlinkPerson(v *Visit) error {
	a, err := s.within(v, PeopleWrite, v.Form("name"))
	if err != nil {
		return err
	}
	if err := s.opt.Accounts.UnlinkFor(v.UserContext(), v.Person, a.Name); err != nil {
		return s.peopleProblem(err)
	}
	return v.See(personLink(a.Name) + "#company")
}
