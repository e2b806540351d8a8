package web

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"stockade/internal/identity"
	"stockade/internal/rights"
	"stockade/protocol/access"
)

// Public is the permission of what anybody on the network may ask for: the sign-in pages,
// style sheets, the health answer.
const Public = "public"

// Own is the permission of what everybody who is signed in may do with their own account. The shell
// grants it itself.
const Own = "own"

// Allow decides whether a person has a permission where there is no Options.Rights.
type Allow func(who identity.Person, permission string) bool

// Rights is what the shell needs of package rights: the one place where it is decided who may do what.
type Rights interface {
	// Decide answers about one thing, List about rows: whether there can be any, and which.
	Decide(who identity.Person, p access.Permission, r access.Resource) access.Decision
	List(who identity.Person, p access.Permission) access.Decision
	// Changed is closed when rights next change.
	Changed() <-chan struct{}
	// Refused records a refusal in the audit trail.
	Refused(ctx context.Context, who identity.Person, r rights.Refusal) error
	// Used records a use of a temporary grant in the audit trail: every act, and readings once in a while.
	Used(ctx context.Context, who identity.Person, u rights.Use, act bool) (recorded bool, err error)
}

// SignedIn lets everybody who is signed in do everything. A station that is open (see
// Route.Guest) may do what begins with "station." and nothing else.
func SignedIn(who identity.Person, permission string) bool {
	switch {
	case permission == Public, who.Account != "":
		return true
	default:
		return who.Station != "" && strings.HasPrefix(permission, "station.")
	}
}

// Handler answers a request that the shell let through.
type Handler func(*Visit) error

// Route is one address and what it needs.
type Route struct {
	Method     string // GET, POST
	Path       string // in Fiber's form, such as "/items/:sku"
	Permission string // such as "stock.read"; Public for everybody; never empty
	Handler    Handler

	// Guest tells who asks when nobody is signed in; nil for nobody. An edge uses it for
	// stations that may work without a sign-in, a hub for nodes that show a certificate.
	Guest func(*Visit) identity.Person

	// Camera lets the page ask its reader for the camera, which no other page may.
	Camera bool
	// Fresh asks for a factor within the last five minutes: the second one, or of accounts without one the
	// password. Otherwise a page asks for it and then carries the act out with what was typed (fields for
	// secrets excepted, see kept), and the API answers 401 with the code error.step_up.
	Fresh bool

	// Upload is how large a file may be that the route takes, in bytes; 0 for routes that take none. See Visit.Upload. Its Path is an address as it is, without parameters.
	Upload int64

	// early routes are open to sessions that have to do something before anything else.
	early bool
}

// IsAPI reports whether the route answers programs with JSON rather than readers with pages.
func (r Route) IsAPI() bool { return isAPI(r.Path) }

func isAPI(path string) bool { return strings.HasPrefix(path, "/api/") }

func (r Route) check() error {
	switch {
	case r.Permission == "":
		return fmt.Errorf("route %s %s states no permission", r.Method, r.Path)
	case r.Method != "GET" && r.Method != "POST":
		return fmt.Errorf("route %s %s: only GET and POST are served", r.Method, r.Path)
	case r.Upload < 0 || r.Upload > 0 && (r.Method != "POST" || strings.ContainsAny(r.Path, ":*+?") || r.IsAPI()):
		return fmt.Errorf("route %s %s: only a POST to a plain address takes a file", r.Method, r.Path)
	case r.Handler == nil || !strings.HasPrefix(r.Path, "/"):
		return fmt.Errorf("route %s %s: want an absolute path and a handler", r.Method, r.Path)
	}
	return nil
}

// Site is what a program serves. Templates and Assets are folders of files: each template
// *.html is a page of that name that defines "title" and "content"; each asset is served
// under a name with its hash, see the template function asset.
type Site struct {
	Routes    []Route
	Menu      []Link
	Templates fs.FS
	Assets    fs.FS
	// Watermark lays a light pattern over every page of somebody who is signed in: person, time and host, on the screen and in print.
	Watermark bool
	// People are links on the page of all people, Person those on a person's page: their addresses go on with the name of the account.
	People, Person []Link
}
