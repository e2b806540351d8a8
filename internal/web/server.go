package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"

	"stockade/internal/identity"
	"stockade/protocol/access"
)

// People is what the shell needs of package identity.
type People interface {
	// Empty reports whether there is no account yet, so that the first one must be made.
	Empty(ctx context.Context) (bool, error)
	// Begin makes the first account with the one-time code and signs it in.
	Begin(ctx context.Context, code, name, password string, from identity.From) (identity.Session, error)
	// SignIn checks name and password and begins a session.
	SignIn(ctx context.Context, name, password string, from identity.From) (identity.Session, error)
	// Person returns who a session's token stands for, the zero Person when nobody. used
	// says that the person did something, which keeps the session from idling out.
	Person(ctx context.Context, token string, used bool) (identity.Person, error)
	// SignOut ends the session; a token that means nothing is no error.
	SignOut(ctx context.Context, token string, from identity.From) error
}

// Accounts is what account pages need of package identity besides. Without it there are none, and no route can be Fresh.
type Accounts interface {
	SignInCode(ctx context.Context, half, code string, from identity.From) (identity.Session, error)
	SignInPasskey(ctx context.Context, half, host string, answer []byte, from identity.From) (identity.Session, error)
	AskPasskeyOfHalf(ctx context.Context, half, host string) ([]byte, error)
	WaysOfHalf(ctx context.Context, half string) (identity.Ways, error)
	Activate(ctx context.Context, code, password string, from identity.From) (identity.Session, error)
	Rules() identity.Rules
	// PersonOf is Person by the public name of a session.
	PersonOf(ctx context.Context, session string) (identity.Person, error)
	// Touch keeps a session, by its public name, from idling out.
	Touch(ctx context.Context, session string) error
	// Ended is closed when sessions next end other than by time.
	Ended() <-chan struct{}

	StepUp(ctx context.Context, who identity.Person, given string) (identity.Session, error)
	StepUpPasskey(ctx context.Context, who identity.Person, host string, answer []byte) (identity.Session, error)
	AskPasskey(ctx context.Context, who identity.Person, host string) ([]byte, error)
	Ways(ctx context.Context, who identity.Person) (identity.Ways, error)
	// PasskeyDomain and PasskeyAt say where passkeys work.
	PasskeyDomain() string
	PasskeyAt(host string) bool
	BeginPasskey(ctx context.Context, who identity.Person, host string) ([]byte, error)
	ConfirmPasskey(ctx context.Context, who identity.Person, host, name string, answer []byte) (identity.Session, []string, error)
	RenamePasskey(ctx context.Context, who identity.Person, id int64, name string) error
	BadgeOf(ctx context.Context, name string) (identity.Badge, error)
	SetPIN(ctx context.Context, who identity.Person, pin string) error
	ChangePassword(ctx context.Context, who identity.Person, old, next string) (identity.Session, error)
	BeginFactor(ctx context.Context, who identity.Person) (identity.Enrolment, error)
	PendingFactor(ctx context.Context, who identity.Person) (identity.Enrolment, error)
	ConfirmFactor(ctx context.Context, who identity.Person, code string) (identity.Session, []string, error)
	RemoveFactor(ctx context.Context, who identity.Person, id int64) (identity.Session, error)
	NewCodes(ctx context.Context, who identity.Person) ([]string, error)
	Factors(ctx context.Context, who identity.Person) ([]identity.Factor, int, error)
	Sessions(ctx context.Context, who identity.Person) ([]identity.SessionInfo, error)
	EndSession(ctx context.Context, who identity.Person, id string) error
	EndOthers(ctx context.Context, who identity.Person) error
	Notices(ctx context.Context, who identity.Person, unseen bool) ([]identity.Notice, error)
	SeeNotices(ctx context.Context, who identity.Person, upTo int64) error

	// With the company's identity provider, see Options.Company.
	SignInCompany(ctx context.Context, p identity.Proof, from identity.From) (identity.Session, error)
	StepUpCompany(ctx context.Context, who identity.Person, p identity.Proof) (identity.Session, error)
	LinkOf(ctx context.Context, name string) (identity.Link, error)
	LinkCompany(ctx context.Context, who identity.Person, p identity.Proof) error
	UnlinkCompany(ctx context.Context, who identity.Person) (identity.Session, error)
	LinkFor(ctx context.Context, by identity.Person, name, issuer, subject string) error
	UnlinkFor(ctx context.Context, by identity.Person, name string) error

	// What administrators do, see Options.Manage.
	Accounts(ctx context.Context) ([]identity.Account, error)
	Account(ctx context.Context, name string) (identity.Account, error)
	Create(ctx context.Context, by identity.Person, a identity.Account) (string, error)
	Change(ctx context.Context, by identity.Person, a identity.Account) error
	Disable(ctx context.Context, by identity.Person, name string) error
	Enable(ctx context.Context, by identity.Person, name string) error
	ResetPassword(ctx context.Context, by identity.Person, name string) (string, error)
	ResetFactor(ctx context.Context, by identity.Person, name string) error
	EndSessions(ctx context.Context, by identity.Person, name string) error
	// EndEverybody ends all sessions but that of by, and returns how many.
	EndEverybody(ctx context.Context, by identity.Person, reason string) (int64, error)
	NewBadge(ctx context.Context, by identity.Person, name string) (string, error)
	RevokeBadge(ctx context.Context, by identity.Person, name string) error
}

// Role is a role as it is offered to whoever gives it.
type Role struct {
	ID    string
	Names map[Lang]string
}

// Limits are what one client may ask of the server. Zero values mean the defaults.
type Limits struct {
	Read  time.Duration // for a whole request, TLS handshake included; 10 s
	Write time.Duration // for an answer, for event streams each event; 15 s
	Idle  time.Duration // between requests of a connection; 60 s
	Body  int           // bytes of a request's body; 64 KiB
	Conns int           // open connections; 512, and a quarter of it per address
	Beat  time.Duration // between signs of life in an event stream; 15 s
}

func (l Limits) orDefaults() Limits {
	or := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	or(&l.Read, 10*time.Second)
	or(&l.Write, 15*time.Second)
	or(&l.Idle, time.Minute)
	or(&l.Beat, 15*time.Second)
	if l.Body <= 0 {
		l.Body = 64 << 10
	}
	if l.Conns <= 0 {
		l.Conns = 512
	}
	return l
}

// Options configure a server. TLS and People are required.
type Options struct {
	TLS      *tls.Config    // certificate; the version is raised to 1.3 in any case
	Hosts    []string       // names it may be asked under, besides those in the certificate, localhost and bare addresses
	People   People         // who may sign in
	Accounts Accounts       // of the same store as People; nil for no account pages
	Manage   bool           // whether people are administered here, with the permissions PeopleRead and PeopleWrite
	Company  *Company       // sign-in with the company's identity provider, where people are administered; nil for none
	Roles    func() []Role  // that may be given to people; the ready ones when nil
	Rights   Rights         // decides who may do what
	Allow    Allow          // decides in its place where Rights is nil; SignedIn when nil too
	Unmask   Unmask         // records who sees masked names of people; nil where nobody may
	Instance string         // tells its cookies from those of other servers on the machine: letters, digits, hyphens
	Brand    string         // key of the text beside the logo, such as "brand.edge"
	Place    string         // name of the warehouse or organisation, shown in the header
	Zone     *time.Location // of the warehouse, for times that carry none; UTC when nil
	Limits   Limits
	Log      *slog.Logger // slog.Default when nil
}

// Server serves one site.
type Server struct {
	opt     Options
	app     *fiber.App
	tls     *tls.Config
	hosts   []string
	texts   *Texts
	pages   *pages
	assets  *assets
	log     *slog.Logger
	open    chan struct{} // a place for each open event stream
	routes  []Route
	uploads map[string]int64 // routes that take files, and how large
	ctx     context.Context  // ends the event streams when Serve ends
	end     context.CancelFunc
}

// New checks the site and prepares a server for it; it opens nothing.
func New(opt Options, site Site) (*Server, error) {
	if opt.TLS == nil || opt.People == nil {
		return nil, errors.New("web: TLS and People are required")
	}
	if opt.Company != nil && (opt.Accounts == nil || !opt.Manage) {
		return nil, errors.New("web: a company's sign-in needs account pages, and people who are administered here")
	}
	opt.Limits = opt.Limits.orDefaults()
	if opt.Allow == nil {
		opt.Allow = SignedIn
	}
	if opt.Zone == nil {
		opt.Zone = time.UTC
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	s := &Server{opt: opt, log: opt.Log, tls: httpsOnly(opt.TLS), hosts: hostNames(opt.Hosts, opt.TLS), open: make(chan struct{}, opt.Limits.Conns/4+1)}
	s.ctx, s.end = context.WithCancel(context.Background())
	var err error
	if s.texts, err = LoadTexts(); err != nil {
		return nil, err
	}
	if s.assets, err = loadAssets(site.Assets); err != nil {
		return nil, err
	}
	if s.pages, err = loadPages(s, site); err != nil {
		return nil, err
	}
	s.uploads = map[string]int64{}
	for _, r := range site.Routes {
		if r.Upload > 0 {
			s.uploads[r.Method+" "+r.Path] = r.Upload
		}
	}
	s.app = s.newApp()
	return s, s.mount(site)
}

// Routes returns everything that is served: the shell's own routes and the site's. It is for those who check them.
func (s *Server) Routes() []Route { return slices.Clone(s.routes) }

// httpsOnly returns a copy of conf for TLS 1.3 and HTTP/1.1, which is what fasthttp speaks.
func httpsOnly(conf *tls.Config) *tls.Config {
	c := conf.Clone()
	c.MinVersion = tls.VersionTLS13
	c.NextProtos = []string{"http/1.1"}
	return c
}

func (s *Server) newApp() *fiber.App {
	l := s.opt.Limits
	app := fiber.New(fiber.Config{
		DisableStartupMessage: true,
		Immutable:             true, // strings may be kept after the handler has returned
		BodyLimit:             l.Body,
		Concurrency:           l.Conns,
		ReadTimeout:           l.Read,
		WriteTimeout:          l.Write,
		IdleTimeout:           l.Idle,
		ReadBufferSize:        16 << 10,
		// A file is read as it comes in. Nothing parses forms of several parts by itself: fasthttp would write files to a disk.
		StreamRequestBody:            len(s.uploads) > 0,
		DisablePreParseMultipartForm: true,
		ErrorHandler:                 s.answerError,
		// with the check on and no proxy trusted, X-Forwarded-* is never believed
		EnableTrustedProxyCheck: true,
		EnablePrintRoutes:       false,
	})
	app.Server().MaxConnsPerIP = l.Conns/4 + 1
	app.Use(recover.New(recover.Config{EnableStackTrace: true, StackTraceHandler: s.logPanic}))
	app.Use(s.guard)
	return app
}

func (s *Server) logPanic(c *fiber.Ctx, e any) {
	s.log.Error("panic in a request", "request", s.visit(c).Request, "path", printable(c.Path()), "panic", fmt.Sprint(e), "stack", stack())
}

// mount adds the site's routes after the shell's own.
func (s *Server) mount(site Site) error {
	own := s.ownRoutes()
	if s.opt.Accounts != nil {
		own = slices.Concat(own, s.accountRoutes(), s.passkeyRoutes(), s.pinRoutes())
		if s.opt.Manage {
			own = slices.Concat(own, s.peopleRoutes(), s.badgeRoutes(), s.companyRoutes())
		}
	}
	for _, r := range append(own, site.Routes...) {
		if err := r.check(); err != nil {
			return err
		}
		s.routes = append(s.routes, r)
		if r.Method == "GET" {
			s.app.Get(r.Path, s.serve(r)) // answers HEAD too
		} else {
			s.app.Post(r.Path, s.serve(r))
		}
	}
	return nil
}

// serve lets those through who have the route's permission.
func (s *Server) serve(r Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		v := s.visit(c)
		if v.upload != nil {
			defer v.upload.drain()
		}
		if v.Person.Account == "" && r.Guest != nil {
			v.Person = r.Guest(v)
			v.Person.Address = v.Address()
		}
		v.permission = r.Permission
		if v.Person.Must != "" && r.Permission != Public && !r.early {
			return leadTo(v, r)
		}
		d := s.decide(v.Person, r.Permission)
		if !d.Allowed && v.Person.Account == "" {
			return s.askToSignIn(v, r)
		}
		if d.Reason == access.StepUpNeeded || d.Allowed && r.Fresh && !v.Person.Fresh {
			if done, err := s.stepUp(v, r); err != nil || !done {
				return err
			}
			d = s.decide(v.Person, r.Permission)
		}
		if !d.Allowed && r.Method == "GET" && r.Path == "/" {
			return v.See(s.pages.home(v)) // nobody is refused for having signed in
		}
		if !d.Allowed {
			return v.refuse(access.Permission(r.Permission), d.Reason)
		}
		if d.Reason == access.GrantedForATime { // what it opens beside standing grants is noted where rows and things are asked for
			if err := v.use(r.Permission, d, v.acts()); err != nil {
				return err
			}
		}
		if r.Camera {
			v.Set("Permissions-Policy", permissions(true, ""))
		}
		return r.Handler(v)
	}
}

// Serve answers on ln until ctx ends, then gives requests under way a few seconds to finish.
// It closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		s.end()
		// An error here means that a client did not finish in time; its connection dies with the process.
		_ = s.app.ShutdownWithTimeout(5 * time.Second)
	})
	defer stop()
	defer s.end()
	if err := s.app.Listener(tls.NewListener(ln, s.tls)); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve pages on %s: %w", ln.Addr(), err)
	}
	return nil
}
