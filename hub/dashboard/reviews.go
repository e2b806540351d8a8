package dashboard

import (
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/rights"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Review is a review of who has which role.
type Review struct {
	ID        int64
	Title     string
	Due       stock.Date
	StartedBy string
	StartedAt time.Time
	ClosedBy  string
	ClosedAt  time.Time // zero while it is open
	Result    []byte    // signed, once it is closed
	Hash      string    // SHA-256 of the result, hexadecimal

	Items, Decided, Withdrawn int
}

// Link returns the address of the review's page.
func (r Review) Link() string { return "/reviews/" + strconv.FormatInt(r.ID, 10) }

// Open reports whether it goes on.
func (r Review) Open() bool { return r.ClosedAt.IsZero() }

type reviewsPage struct {
	Rows    []Review
	May     bool
	Open    bool // one goes on, and a second one must wait
	Since   int  // days since the last one ended, when those are too many
	Problem string

	NextTitle, NextDue string // of the next one as the last one was

	Title string
	Due   string
	Today string
}

func (d *dashboard) getReviews(v *web.Visit) error { return d.showReviews(v, reviewsPage{}) }

func (d *dashboard) showReviews(v *web.Visit, page reviewsPage) error {
	var err error
	if page.Rows, err = d.Reviews(v.UserContext()); err != nil {
		return err
	}
	for _, r := range page.Rows {
		page.Open = page.Open || r.Open()
	}
	if len(page.Rows) > 0 && !page.Open {
		if days := int(d.Now().Sub(page.Rows[0].ClosedAt).Hours() / 24); days > rights.QuarterDays {
			page.Since = days
		}
		page.NextTitle, page.NextDue = d.next(v, page.Rows)
	}
	page.May, page.Today = v.May(ReviewManage), d.Now().Format(time.DateOnly)
	if page.Due == "" {
		page.Due = d.Now().AddDate(0, 0, 14).Format(time.DateOnly)
	}
	return v.Page("reviews", page)
}

// Limits of what is typed about a review.
const (
	mostReviewTitle = 60
	mostReviewNote  = 200
)

func (d *dashboard) startReview(v *web.Visit) error {
	page := reviewsPage{Title: v.Form("title"), Due: v.Form("due")}
	due, err := time.Parse(time.DateOnly, page.Due)
	switch {
	case !shows(page.Title, mostReviewTitle) || page.Title == "":
		page.Problem = v.T("reviews.bad_title", map[string]string{"most": strconv.Itoa(mostReviewTitle)})
	case err != nil || page.Due < d.Now().Format(time.DateOnly) || due.After(d.Now().AddDate(1, 0, 0)):
		page.Problem = v.T("reviews.bad_due", nil)
	default:
		id, err := d.StartReview(v.UserContext(), page.Title, stock.Date(page.Due), v.Person)
		if err != nil {
			return refused(v, err)
		}
		return v.See(Review{ID: id}.Link())
	}
	v.Status(fiber.StatusUnprocessableEntity)
	return d.showReviews(v, page)
}

func shows(s string, most int) bool {
	if utf8.RuneCountInString(s) > most || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return false
		}
	}
	return true
}

type reviewPage struct {
	Review   Review
	Mine     []questionView // that wait for the reader
	Progress []progress
	Items    []questionView // of a closed review
	Disputed int
	May      bool
	Whole    bool // the reader sees all warehouses
	Overdue  bool
	Key      string
	Left     int // withdrawals that are not in effect
	Waiting  []ReviewWait
}

type questionView struct {
	rights.Item
	RoleName string
	At       time.Time
	Left     bool // withdrawn, and the person has the role still
}

// progress is how far the answers of a warehouse are.
type progress struct {
	Warehouse                 stock.Warehouse
	Managers                  []string
	Items, Decided, Withdrawn int
	Percent                   int
}

func (d *dashboard) reviewOf(v *web.Visit) (int64, error) {
	id, err := strconv.ParseInt(v.Params("id"), 10, 64)
	if err != nil {
		return 0, web.NotFound()
	}
	return id, nil
}

func (d *dashboard) getReview(v *web.Visit) error {
	id, err := d.reviewOf(v)
	if err != nil {
		return err
	}
	r, items, err := d.Review(v.UserContext(), id)
	if err != nil {
		return err
	}
	people, err := d.Staff(v.UserContext())
	if err != nil {
		return err
	}
	headquarters, err := d.ReviewHeadquarters(v.UserContext(), v.Person)
	if err != nil {
		return err
	}
	page := reviewPage{Review: r, May: v.May(ReviewManage), Key: d.ReviewKey()}
	page.Overdue = r.Open() && string(r.Due) < d.Now().Format(time.DateOnly)
	page.Whole = headquarters || v.Uses(ReviewManage) || v.Uses(RightsReport)
	me, has := rights.Person{}, map[string]bool{}
	for _, p := range people {
		if p.Name == v.Person.Account {
			me = p
		}
		for _, role := range p.Roles {
			has[string(p.Account)+"\n"+string(role)] = true
		}
	}
	outcomes := map[string][]rights.Item{}
	for _, i := range items {
		key := string(i.Account) + "\n" + string(i.Role)
		outcomes[key] = append(outcomes[key], i)
	}
	for _, i := range items {
		if !page.Whole && !slices.Contains(me.Warehouses, i.Warehouse) {
			continue // a manager's own warehouses
		}
		key := string(i.Account) + "\n" + string(i.Role)
		one := questionView{Item: i, RoleName: i.Names.In(string(v.Lang)), At: time.UnixMilli(i.At)}
		one.Left = rights.Judge(outcomes[key]) == rights.Withdraw && has[key]
		if one.Left {
			page.Left++
		}
		page.count(i, people)
		page.Items = append(page.Items, one)
		if r.Open() && !i.Decided() && rights.MayAnswer(i, me, headquarters, people) {
			page.Mine = append(page.Mine, one)
		}
	}
	for i := range page.Progress {
		p := &page.Progress[i]
		p.Percent = 100 * p.Decided / max(1, p.Items)
	}
	if r.Open() && page.Whole {
		if page.Waiting, err = d.ReviewWaiting(v.UserContext(), id); err != nil {
			return err
		}
	}
	return v.Page("review", page)
}

func (p *reviewPage) count(i rights.Item, people []rights.Person) {
	if n := len(p.Progress); n == 0 || p.Progress[n-1].Warehouse != i.Warehouse { // items come by warehouse
		p.Progress = append(p.Progress, progress{Warehouse: i.Warehouse, Managers: names(rights.Managers(people, i.Warehouse))})
	}
	last := &p.Progress[len(p.Progress)-1]
	last.Items++
	if i.Decided() {
		last.Decided++
	}
	if i.Verdict == access.Withdrawn {
		last.Withdrawn++
	}
}

func (d *dashboard) answerReview(v *web.Visit) error {
	id, err := d.reviewOf(v)
	if err != nil {
		return err
	}
	item, err := strconv.ParseInt(v.Form("item"), 10, 64)
	verdict := access.Verdict(v.Form("verdict"))
	note := v.Form("note")
	if err != nil || verdict != access.Confirmed && verdict != access.Withdrawn {
		return web.Fail(fiber.StatusBadRequest, "error.bad_request")
	}
	if !shows(note, mostReviewNote) || verdict == access.Withdrawn && note == "" {
		return web.Fail(fiber.StatusUnprocessableEntity, "reviews.need_note", "most", strconv.Itoa(mostReviewNote))
	}
	if err := d.AnswerReview(v.UserContext(), id, item, verdict, note, v.Person); err != nil {
		return refused(v, err)
	}
	return v.See(Review{ID: id}.Link() + "#mine")
}

func (d *dashboard) closeReview(v *web.Visit) error {
	id, err := d.reviewOf(v)
	if err != nil {
		return err
	}
	if err := d.CloseReview(v.UserContext(), id, v.Person); err != nil {
		return refused(v, err)
	}
	return v.See(Review{ID: id}.Link())
}

// getResult sends the signed result, as it was signed.
func (d *dashboard) getResult(v *web.Visit) error {
	id, err := d.reviewOf(v)
	if err != nil {
		return err
	}
	r, _, err := d.Review(v.UserContext(), id)
	if err != nil {
		return err
	}
	headquarters, err := d.ReviewHeadquarters(v.UserContext(), v.Person)
	if err != nil {
		return err
	}
	if !headquarters && !v.Uses(ReviewManage) && !v.Uses(RightsReport) { // it is about all warehouses
		return web.Fail(fiber.StatusForbidden, "error.forbidden")
	}
	if r.Open() {
		return web.NotFound()
	}
	v.Set(fiber.HeaderContentDisposition, fmt.Sprintf(`attachment; filename="review-%d.cose"`, id))
	v.Set(fiber.HeaderContentType, "application/cose; cose-type=\"cose-sign1\"")
	return v.Send(r.Result)
}
