package dashboard

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/attachments"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Files is what the pages need of attachments. Whether the reader may see a file is for the pages to ask, see fileRights.
type Files interface {
	// Subject finds what a file is to belong to, as who sees it.
	Subject(ctx context.Context, who identity.Person, kind, id string) (attachments.Subject, attachments.Kind, error)
	FileKinds() []attachments.Kind
	// Files returns the files that q chooses and see lets pass, the newest first.
	Files(ctx context.Context, who identity.Person, q FileQuery, see func(FileRow) bool) (FilePage, error)
	File(ctx context.Context, who identity.Person, id string) (FileRow, error)
	AddFile(ctx context.Context, who identity.Person, m attachments.Meta, r io.Reader) (id string, err error)
	// OpenFile records the act, a word of package attachments, and returns what there is to read.
	OpenFile(ctx context.Context, who identity.Person, id, act string, lent []access.TemporaryID) (io.ReadCloser, error)
	DeleteFile(ctx context.Context, who identity.Person, id, reason string) error
	// FileLimit is how large a file may be, in bytes.
	FileLimit() int64
}

// Permissions for files. Each asks for seeing the file's subject besides.
const (
	filesRead     = "attachment.read"
	filesView     = "attachment.view"
	filesDownload = "attachment.download"
	filesWrite    = "attachment.write"
	filesDelete   = "attachment.delete"
)

// FileQuery asks for files. Zero fields do not restrict.
type FileQuery struct {
	Kind, Subject, Category, Account string
	Warehouse                        stock.Warehouse
	From, To                         string      // business days
	Rows                             access.Rows // of the reader
	Limit                            int
	Before                           string // Next of the page before
}

// FileRow is what is known of a file.
type FileRow struct {
	ID             string
	Of             attachments.Kind
	Subject        attachments.Subject // Party is set for kinds with parties
	Warehouse      stock.Warehouse
	Category       attachments.Category
	Number, Note   string
	Name, Type     string
	Look           attachments.Look
	Size           int64
	Hash           string
	Account        access.Account
	AddedAt        time.Time
	DeletedAt      time.Time // zero while it is there
	DeletedBy, Why string
}

// Link returns the address of the file's page.
func (f FileRow) Link() string { return "/files/file/" + f.ID }

// ViewLink returns the address where it is looked at, empty when it can only be downloaded.
func (f FileRow) ViewLink() string {
	if f.Look == attachments.Nothing {
		return ""
	}
	return "/files/view/" + f.ID
}

// ContentLink returns the address of its contents.
func (f FileRow) ContentLink() string { return "/files/content/" + f.ID }

// Gone reports whether it was destroyed.
func (f FileRow) Gone() bool { return !f.DeletedAt.IsZero() }

// Bytes writes the size as people do.
func (f FileRow) Bytes() string { return Bytes(f.Size) }

// Bytes writes a size as people do.
func Bytes(n int64) string {
	switch {
	case n < 1<<10:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1<<20:
		return strconv.FormatInt((n+1<<9)>>10, 10) + " KB"
	}
	return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MB"
}

// FilePage is a part of the answer; Next asks for the following one, empty at the end.
type FilePage struct {
	Rows []FileRow
	Next string
}

func (d *dashboard) fileRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/files", Permission: filesRead, Handler: d.getFiles},
		{Method: "GET", Path: "/files/new", Permission: filesWrite, Handler: d.getNewFile},
		{Method: "POST", Path: "/files/new", Permission: filesWrite, Handler: d.postFile, Upload: attachments.MaxSize},
		{Method: "GET", Path: "/files/file/:id", Permission: filesRead, Handler: d.getFile},
		{Method: "GET", Path: "/files/view/:id", Permission: filesView, Handler: d.viewFile},
		{Method: "GET", Path: "/files/content/:id", Permission: filesView, Handler: d.fileContent},
		{Method: "POST", Path: "/files/download/:id", Permission: filesDownload, Handler: d.downloadFile},
		{Method: "POST", Path: "/files/delete/:id", Permission: filesDelete, Handler: d.deleteFile, Fresh: true},
	}
}

// fileRights answers what one reader may do with files. Refusals are recorded when check is Visit.Check, and not for lists and buttons.
type fileRights struct {
	v     *web.Visit
	check func(permission string, r access.Resource) error
}

func checked(v *web.Visit) fileRights { return fileRights{v, v.Check} }

var errRefused = errors.New("refused")

// asked is for lists and buttons: a button is shown too where a factor is asked for first.
func asked(v *web.Visit) fileRights {
	return fileRights{v, func(permission string, r access.Resource) error {
		if d := v.Decide(permission, r); !d.Allowed && d.Reason != access.StepUpNeeded {
			return errRefused
		}
		return nil
	}}
}

// subject returns an error unless the reader may see what files belong to. What may not be seen does not exist.
func (r fileRights) subject(k attachments.Kind, s attachments.Subject, w stock.Warehouse) error {
	of := access.Resource{Warehouse: w}
	if k.CompanyWide {
		of.Warehouse = ""
		if !r.v.Rows(string(k.Permission)).Any.Empty() {
			return nil
		}
	}
	if k.Customers {
		of.Customer = access.Customer(s.ID)
	}
	if s.Party {
		return nil
	}
	if err := r.check(string(k.Permission), of); err != nil {
		return web.NotFound().Because(err)
	}
	return nil
}

// file returns an error unless the reader may see a file's subject and has a permission for the file. A file of no warehouse is read by whoever has
// the permission for anybody's rows in any: its subject alone decides.
func (r fileRights) file(permission string, f FileRow) error {
	if err := r.subject(f.Of, f.Subject, f.Warehouse); err != nil {
		return err
	}
	of := access.Resource{Warehouse: f.Warehouse, Owner: access.Account(access.Fold(string(f.Account)))}
	if f.Of.Customers {
		of.Customer = access.Customer(f.Subject.ID)
	}
	reads := permission == filesRead || permission == filesView || permission == filesDownload
	if f.Warehouse == "" && (reads || permission == filesWrite && f.Of.Parties) && !r.v.Rows(permission).Any.Empty() {
		return nil
	}
	return r.check(permission, of)
}

// mine is a file that the reader is about to add.
func (r fileRights) mine(k attachments.Kind, s attachments.Subject, w stock.Warehouse) FileRow {
	return FileRow{Of: k, Subject: s, Warehouse: w, Account: access.Account(r.v.Person.Account)}
}

type filesPage struct {
	FilePage
	Query      FileQuery
	Of         attachments.Subject // when the list is of one subject
	Add        string              // address where a file is added, empty for who may not
	Kinds      []attachments.Kind
	Categories []attachments.Category
	Warehouses []stock.Warehouse
	More       string
}

func fileQuery(v *web.Visit) FileQuery {
	return FileQuery{Kind: v.Query("kind"), Subject: v.Query("id"), Category: v.Query("category"), Account: v.Query("account"), Warehouse: stock.Warehouse(v.Query("warehouse")),
		From: v.Query("from"), To: v.Query("to"), Rows: v.Rows(filesRead), Limit: pageRows, Before: v.Query("before")}
}

func (q FileQuery) values() url.Values {
	out := url.Values{}
	for k, s := range map[string]string{"kind": q.Kind, "id": q.Subject, "category": q.Category, "account": q.Account, "warehouse": string(q.Warehouse), "from": q.From, "to": q.To} {
		if s != "" {
			out.Set(k, s)
		}
	}
	return out
}

func (d *dashboard) getFiles(v *web.Visit) (err error) {
	view := filesPage{Query: fileQuery(v), Categories: attachments.Categories(), Kinds: d.FileKinds()}
	rights := asked(v)
	if view.FilePage, err = d.Files(v.UserContext(), v.Person, view.Query, func(f FileRow) bool { return rights.file(filesRead, f) == nil }); err != nil {
		return err
	}
	if view.Warehouses, err = d.Warehouses(v.UserContext(), places(v.Rows(filesRead))); err != nil {
		return err
	}
	if v.May(filesWrite) {
		view.Add = "/files/new"
	}
	if view.Query.Kind != "" && view.Query.Subject != "" {
		s, k, err := d.Subject(v.UserContext(), v.Person, view.Query.Kind, view.Query.Subject)
		if err == nil && rights.subject(k, s, s.Warehouse) == nil {
			view.Of, view.Add = s, d.addLink(v, k, s)
		}
	}
	if view.Next != "" {
		args := view.Query.values()
		args.Set("before", view.Next)
		view.More = "/files?" + args.Encode()
	}
	return v.Page("files", view)
}

// places are all that rows may lie in.
func places(r access.Rows) access.Places {
	if r.Own.All || r.Customers.All {
		return access.Places{All: true}
	}
	return r.Any
}

// addLink returns where a file of a subject is added, empty for who may not anywhere.
func (d *dashboard) addLink(v *web.Visit, k attachments.Kind, s attachments.Subject) string {
	if !v.May(filesWrite) {
		return ""
	}
	if list, err := d.choices(v, k, s); err != nil || len(list) == 0 {
		return ""
	}
	return "/files/new?" + url.Values{"kind": {k.Name}, "id": {s.ID}}.Encode()
}

// filesOf are the files of something, for its own page.
type filesOf struct {
	Rows []FileRow
	All  string // address of all of them
	Add  string
}

// filesOf returns the newest files of something that the reader sees anyway; nil for who may not see files.
func (d *dashboard) filesOf(v *web.Visit, kind, id string) (*filesOf, error) {
	if !v.May(filesRead) {
		return nil, nil //nolint:nilnil // nothing to show is no error
	}
	s, k, err := d.Subject(v.UserContext(), v.Person, kind, id)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // not in the catalogue: nothing can be added
	}
	rights := asked(v)
	page, err := d.Files(v.UserContext(), v.Person, FileQuery{Kind: kind, Subject: id, Rows: v.Rows(filesRead), Limit: 5}, func(f FileRow) bool { return rights.file(filesRead, f) == nil })
	return &filesOf{Rows: page.Rows, All: filesLink(kind, id), Add: d.addLink(v, k, s)}, err
}

func filesLink(kind, id string) string {
	return "/files?" + url.Values{"kind": {kind}, "id": {id}}.Encode()
}

// fileFor returns a file for which the reader has a permission.
func (d *dashboard) fileFor(v *web.Visit, permission string) (FileRow, error) {
	f, err := d.File(v.UserContext(), v.Person, v.Params("id"))
	if err != nil {
		return f, err
	}
	return f, checked(v).file(permission, f)
}

type fileView struct {
	FileRow
	MayView, MayDownload, MayDelete bool
	Reason, Problem                 string
}

func (d *dashboard) getFile(v *web.Visit) error {
	f, err := d.fileFor(v, filesRead)
	if err != nil {
		return err
	}
	return showFile(v, fileView{FileRow: f})
}

func showFile(v *web.Visit, view fileView) error {
	if rights := asked(v); !view.Gone() {
		view.MayView = view.ViewLink() != "" && rights.file(filesView, view.FileRow) == nil
		view.MayDownload = rights.file(filesDownload, view.FileRow) == nil
		view.MayDelete = rights.file(filesDelete, view.FileRow) == nil
	}
	return v.Page("file", view)
}

// shownText is how much of a text is shown.
const shownText = 200 << 10

type lookView struct {
	FileRow
	Text        string
	Cut         bool // there is more of it
	MayDownload bool
	Parts       []string // names of what the library for PDF files may want
}

// documentParts are assets that the library for PDF files fetches by their names.
func documentParts() (names []string, err error) {
	for _, ending := range []string{"bcmap", "pfb", "wasm"} {
		found, err := fs.Glob(assets, "assets/dist/*."+ending)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			names = append(names, path.Base(f))
		}
	}
	return names, nil
}

// viewFile shows a file on a page. A picture or a document is fetched by the page, and recorded then; a text is on the page itself.
func (d *dashboard) viewFile(v *web.Visit) error {
	f, err := d.fileFor(v, filesView)
	if err == nil && (f.Gone() || f.Look == attachments.Nothing) {
		err = web.NotFound()
	}
	if err != nil {
		return err
	}
	view := lookView{FileRow: f, MayDownload: asked(v).file(filesDownload, f) == nil}
	if f.Look == attachments.Document {
		if view.Parts, err = documentParts(); err != nil {
			return err
		}
	}
	if f.Look == attachments.Text {
		body, err := d.OpenFile(v.UserContext(), v.Person, f.ID, attachments.ActViewed, lent(v, filesView, f))
		if err != nil {
			return err
		}
		view.Text, view.Cut, err = attachments.ReadText(body, shownText)
		if err = errors.Join(err, body.Close()); err != nil {
			return err
		}
	}
	return v.Page("file-view", view)
}

// fileContent gives a picture or a document to the page that shows it.
func (d *dashboard) fileContent(v *web.Visit) error {
	f, err := d.fileFor(v, filesView)
	if err == nil && (f.Gone() || f.Look != attachments.Picture && f.Look != attachments.Document) {
		err = web.NotFound()
	}
	if err != nil {
		return err
	}
	return d.send(v, f, attachments.ActViewed, filesView, true)
}

// lent names the permissions for a time that let the reader see a file, for the audit log.
func lent(v *web.Visit, permission string, f FileRow) []access.TemporaryID {
	if d := v.Decide(permission, access.Resource{Warehouse: f.Warehouse}); d.Allowed {
		return d.Temporary
	}
	return v.List(permission).Temporary
}

func (d *dashboard) send(v *web.Visit, f FileRow, act, permission string, inline bool) error {
	body, err := d.OpenFile(v.UserContext(), v.Person, f.ID, act, lent(v, permission, f))
	if err != nil {
		return err
	}
	return v.File(web.File{Name: f.Name, Type: f.Type, Inline: inline, Body: body})
}

func (d *dashboard) downloadFile(v *web.Visit) error {
	f, err := d.fileFor(v, filesDownload)
	if err == nil && f.Gone() {
		err = web.NotFound()
	}
	if err != nil {
		return err
	}
	return d.send(v, f, attachments.ActDownloaded, filesDownload, false)
}

func (d *dashboard) deleteFile(v *web.Visit) error {
	f, err := d.fileFor(v, filesDelete)
	if err != nil {
		return err
	}
	if err := d.DeleteFile(v.UserContext(), v.Person, f.ID, v.Form("reason")); err != nil {
		problem, err := problemOf(v, err)
		if err != nil {
			return err
		}
		return showFile(v, fileView{FileRow: f, Reason: v.Form("reason"), Problem: problem})
	}
	return v.See(f.Link())
}

// unprocessable shows a form again with what is wrong with it.
func unprocessable(v *web.Visit, key string) string {
	v.Status(fiber.StatusUnprocessableEntity)
	return v.T(key, nil)
}
