package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/attachments"
	"stockade/hub/dashboard"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
)

// openFiles makes what keeps files.
func (h *hub) openFiles() *attachments.Service {
	c := h.cfg.Attachments
	return &attachments.Service{Dir: h.cfg.attachmentsPath(), Store: h.store, Recorder: h.recorder, Zone: h.cfg.zone(), Kinds: attachments.Kinds(h.isParty),
		Limits: attachments.Limits{Size: int64(c.MaxSize), PerSubject: c.PerSubject, PerDay: c.PerDay, BytesADay: int64(c.DaySize)}}
}

// isParty reports whether somebody has to do with a request: who asks, who is asked, and who has answered.
func (h *hub) isParty(v *store.View, who identity.Person, a store.StoredApproval) (bool, error) {
	me := access.Account(who.Account)
	if me == "" {
		return false, nil
	}
	events, err := v.ApprovalEvents(a.Request.ID)
	had := slices.ContainsFunc(events, func(e store.ApprovalEvent) bool { return e.By == me })
	return had || a.Request.By.Account == me || a.Asks(approvals.PersonOf(who), h.recorder.Clock().UnixMilli()), err
}

func (p pages) FileLimit() int64 { return p.files.Limits.Size }

func (p pages) FileKinds() []attachments.Kind { return p.files.Kinds }

func (p pages) Subject(ctx context.Context, who identity.Person, kind, id string) (s attachments.Subject, k attachments.Kind, err error) {
	err = p.store.View(ctx, func(v *store.View) error { s, k, err = p.files.Find(v, who, kind, id); return err })
	return s, k, shown(err)
}

// fileRow shows a file. Of kinds with parties the subject is looked up, as who sees it.
func (p pages) fileRow(v *store.View, who identity.Person, a store.Attachment) (dashboard.FileRow, error) {
	k, known := p.files.KindNamed(a.Kind)
	if !known { // of a newer program: nobody has its permission
		k = attachments.Kind{Name: a.Kind}
	}
	f := dashboard.FileRow{ID: a.ID, Of: k, Subject: attachments.Subject{Kind: a.Kind, ID: a.Subject, Warehouse: a.Warehouse}, Warehouse: a.Warehouse, Category: attachments.Category(a.Category),
		Number: a.Number, Note: a.Note, Name: a.Name, Type: a.Type, Look: attachments.LookOf(a.Type), Size: a.Size, Hash: a.Hash.String(), Account: a.Account, AddedAt: a.AddedAt,
		DeletedAt: a.DeletedAt, DeletedBy: a.DeletedBy, Why: a.Reason}
	if !k.Parties {
		return f, nil
	}
	s, _, err := p.files.Find(v, who, a.Kind, a.Subject)
	if errors.Is(err, store.ErrNotFound) {
		return f, nil
	}
	f.Subject.Party = s.Party
	return f, err
}

// fileMark writes where a list of files goes on; a made-up one begins anew.
func fileMark(a store.Attachment) string {
	return strconv.FormatInt(a.AddedAt.UnixMilli(), 10) + "." + a.ID
}

func parseFileMark(s string) (at int64, id string) {
	ms, id, _ := strings.Cut(s, ".")
	at, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return 0, ""
	}
	return at, id
}

func (p pages) Files(ctx context.Context, who identity.Person, q dashboard.FileQuery, see func(dashboard.FileRow) bool) (page dashboard.FilePage, err error) {
	_, most := window("", q.Limit)
	f := store.AttachmentFilter{Kind: q.Kind, Subject: q.Subject, Category: q.Category, Warehouse: q.Warehouse, Account: access.Account(q.Account), From: q.From, To: q.To, In: q.Rows.Any}
	f.BeforeAt, f.BeforeID = parseFileMark(q.Before)
	if !q.Rows.Own.Empty() || !q.Rows.Customers.Empty() { // see tells whose they are
		f.In = access.Places{All: true}
	}
	err = p.store.View(ctx, func(v *store.View) error {
		var last store.Attachment
		err := v.Attachments(f, func(a store.Attachment) error {
			row, err := p.fileRow(v, who, a)
			if err != nil || !see(row) {
				return err
			}
			if len(page.Rows) == most {
				page.Next = fileMark(last)
				return errEnough
			}
			page.Rows, last = append(page.Rows, row), a
			return nil
		})
		if errors.Is(err, errEnough) {
			err = nil
		}
		return err
	})
	return page, err
}

func (p pages) File(ctx context.Context, who identity.Person, id string) (f dashboard.FileRow, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		a, err := v.Attachment(id)
		if err != nil {
			return err
		}
		if f, err = p.fileRow(v, who, a); err != nil {
			return err
		}
		s, _, err := p.files.Find(v, who, a.Kind, a.Subject)
		if errors.Is(err, store.ErrNotFound) {
			err = nil // an item that left the catalogue: its files stay
		}
		f.Subject.Link = s.Link
		return err
	})
	return f, shown(err)
}

func (p pages) AddFile(ctx context.Context, who identity.Person, m attachments.Meta, r io.Reader) (string, error) {
	a, err := p.files.Add(ctx, who, m, r)
	return a.ID, p.fileRefusal(err)
}

func (p pages) OpenFile(ctx context.Context, who identity.Person, id, act string, lent []access.TemporaryID) (io.ReadCloser, error) {
	_, body, err := p.files.Open(ctx, who, id, act, lent)
	return body, p.fileRefusal(err)
}

func (p pages) DeleteFile(ctx context.Context, who identity.Person, id, reason string) error {
	return p.fileRefusal(p.files.Delete(ctx, who, id, reason))
}

// fileRefusal turns what a file was refused for into what the reader is told.
func (p pages) fileRefusal(err error) error {
	var refused *attachments.Refused
	if errors.As(err, &refused) {
		return web.Fail(http.StatusUnprocessableEntity, "file.refused_"+string(refused.Why)).Because(err)
	}
	for _, r := range []struct {
		is     error
		status int
		key    string
	}{
		{attachments.ErrTooLarge, http.StatusRequestEntityTooLarge, "file.too_large"},
		{attachments.ErrEmpty, http.StatusUnprocessableEntity, "file.empty"},
		{attachments.ErrMany, http.StatusConflict, "file.many"},
		{attachments.ErrQuota, http.StatusTooManyRequests, "file.quota"},
		{attachments.ErrBusy, http.StatusTooManyRequests, "file.busy"},
		{attachments.ErrCategory, http.StatusUnprocessableEntity, "file.need_category"},
		{attachments.ErrLength, http.StatusUnprocessableEntity, "file.too_long"},
		{attachments.ErrName, http.StatusUnprocessableEntity, "file.no_name"},
		{attachments.ErrReason, http.StatusUnprocessableEntity, "file.need_reason"},
		{attachments.ErrDamaged, http.StatusConflict, "file.damaged"},
	} {
		if errors.Is(err, r.is) {
			l := p.files.Limits
			return web.Fail(r.status, r.key, "limit", dashboard.Bytes(l.Size), "files", strconv.FormatInt(l.PerDay, 10), "each", strconv.FormatInt(l.PerSubject, 10), "bytes", dashboard.Bytes(l.BytesADay)).Because(err)
		}
	}
	return shown(err)
}

// attachmentCheck verifies all files.
func (c *command) attachmentCheck(ctx context.Context, args []string) error {
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		began := time.Now()
		f, err := h.openFiles().Check(ctx)
		if err != nil {
			return err
		}
		for _, b := range f.Bad {
			c.say("✗ %s %s：%s（%s %s，%s 于 %s 添加，SHA-256 %s）\n", "✗ %s %s: %s (%s %s, added by %s on %s, SHA-256 %s)\n", b.ID, b.Name, c.explain(b.Problem), b.Kind, b.Subject, b.Account, b.Day, b.Hash)
		}
		for _, s := range f.Strays {
			c.say("  %s：不属于任何附件：正在上传，或断电时留下的（总部服务下次启动时清除）\n", "  %s belongs to no file: it is being added, or a crash has left it, and then the server takes it away when it starts next\n", s)
		}
		if len(f.Bad) > 0 {
			return &usageError{zh: fmt.Sprintf("%d 个附件与审计日志不符、损坏或缺失。请从备份取回 %s 中的同名文件，再运行一次。", len(f.Bad), h.cfg.attachmentsPath()),
				en: fmt.Sprintf("%d files are damaged, missing or other than the audit log says. Fetch those of the same name for %s from a backup, then run this again.", len(f.Bad), h.cfg.attachmentsPath())}
		}
		c.say("附件完好：%d 个文件，共 %s，内容、登记和审计日志三者一致；另有 %d 个已销毁。用时 %s。\n", "all files hold: %d files of %s; contents, rows and audit log agree; %d were destroyed. It took %s.\n",
			f.Files, dashboard.Bytes(f.Bytes), f.Deleted, time.Since(began).Round(time.Millisecond))
		return nil
	})
}

// startFiles prepares the folder of files and says what a crash had left in it.
func (s *server) startFiles(ctx context.Context) error {
	s.files = s.openFiles()
	n, err := s.files.Start(ctx)
	if n > 0 {
		s.log.Warn("files that a crash had left were taken away", "count", n)
	}
	return err
}
