package dashboard

import (
	"slices"
	"strings"

	"stockade/hub/attachments"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

type newFileView struct {
	Kind, ID   string // of the subject as it was asked for
	Of         attachments.Subject
	Kinds      []attachments.Kind
	Categories []attachments.Category
	Warehouses []stock.Warehouse // that a file may be bound to; "" is the whole company
	Accept     string
	Limit      string // as people read it
	Bytes      int64

	Category, Number, Note string
	Warehouse              stock.Warehouse
	Problem                string
}

// Action returns the address that the form is sent to.
func (f newFileView) Action() string {
	return "/files/new?" + FileQuery{Kind: f.Kind, Subject: f.ID}.values().Encode()
}

// choices are the warehouses that the reader may bind a new file of a subject to.
func (d *dashboard) choices(v *web.Visit, k attachments.Kind, s attachments.Subject) ([]stock.Warehouse, error) {
	list := []stock.Warehouse{s.Warehouse}
	if k.CompanyWide {
		all, err := d.Warehouses(v.UserContext(), access.Places{All: true})
		if err != nil {
			return nil, err
		}
		list = append([]stock.Warehouse{""}, all...)
	}
	rights := asked(v)
	return slices.DeleteFunc(list, func(w stock.Warehouse) bool { return rights.file(filesWrite, rights.mine(k, s, w)) != nil }), nil
}

func (d *dashboard) getNewFile(v *web.Visit) error {
	return d.showNewFile(v, newFileView{Kind: v.Query("kind"), ID: v.Query("id"), Category: v.Query("category")})
}

// showNewFile shows the form; of no subject it asks for one first.
func (d *dashboard) showNewFile(v *web.Visit, view newFileView) error {
	view.Kinds, view.Categories = d.FileKinds(), attachments.Categories()
	view.Accept, view.Bytes, view.Limit = strings.Join(attachments.Endings(), ","), d.FileLimit(), Bytes(d.FileLimit())
	if view.ID != "" {
		s, k, err := d.subjectFor(v, view.Kind, view.ID)
		if err != nil {
			return err
		}
		view.Of = s
		if view.Warehouses, err = d.choices(v, k, s); err != nil {
			return err
		}
		if len(view.Warehouses) == 0 { // recorded as a refusal
			return checked(v).file(filesWrite, checked(v).mine(k, s, s.Warehouse))
		}
	}
	return v.Page("file-new", view)
}

// subjectFor finds what a file is to belong to; what the reader may not see does not exist.
func (d *dashboard) subjectFor(v *web.Visit, kind, id string) (attachments.Subject, attachments.Kind, error) {
	s, k, err := d.Subject(v.UserContext(), v.Person, kind, id)
	if err == nil {
		err = checked(v).subject(k, s, s.Warehouse)
	}
	return s, k, err
}

// postFile takes a file in. Who may add it is asked before anything of the file is read.
func (d *dashboard) postFile(v *web.Visit) error {
	view := newFileView{Kind: v.Query("kind"), ID: v.Query("id"), Category: v.Form("category"), Number: v.Form("number"), Note: v.Form("note"), Warehouse: stock.Warehouse(v.Form("warehouse"))}
	s, k, err := d.subjectFor(v, view.Kind, view.ID)
	if err != nil {
		return err
	}
	if !k.CompanyWide {
		view.Warehouse = s.Warehouse
	}
	if err := checked(v).file(filesWrite, checked(v).mine(k, s, view.Warehouse)); err != nil {
		return err
	}
	if err := d.knownWarehouse(v, view.Warehouse); err != nil {
		return err
	}
	u := v.Upload()
	switch {
	case u == nil || u.File == nil:
		view.Problem = unprocessable(v, "file.choose")
		return d.showNewFile(v, view)
	case u.Size > d.FileLimit()+1<<20: // no need to read it
		view.Problem = v.T("file.too_large", map[string]string{"limit": Bytes(d.FileLimit())})
		v.Status(413)
		return d.showNewFile(v, view)
	}
	s.Warehouse = view.Warehouse
	id, err := d.AddFile(v.UserContext(), v.Person, attachments.Meta{Subject: s, Category: attachments.Category(view.Category), Number: view.Number, Note: view.Note, Name: u.Name}, u.File)
	if err != nil {
		if view.Problem, err = problemOf(v, err); err != nil {
			return err
		}
		return d.showNewFile(v, view)
	}
	return v.See("/files/file/" + id)
}

func (d *dashboard) knownWarehouse(v *web.Visit, w stock.Warehouse) error {
	if w == "" {
		return nil
	}
	all, err := d.Warehouses(v.UserContext(), access.Places{All: true})
	if err == nil && !slices.Contains(all, w) {
		err = web.NotFound()
	}
	return err
}
