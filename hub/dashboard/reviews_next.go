package dashboard

import (
	"context"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/stock"
)

// ReviewWait is somebody for whose answers a review waits.
type ReviewWait struct {
	Who   string
	Count int
	Told  time.Time // last reminder, zero for none
}

// reviewCount is what the menu shows.
func (d *dashboard) reviewCount(ctx context.Context, who identity.Person) (int, error) {
	return d.ReviewsWaiting(ctx, who)
}

// Days that a review takes which is started as the one before was.
const (
	leastReviewDays = 3
	mostReviewDays  = 90
)

// next returns title and due date of a review like the last one: named after the present quarter, with as many days to answer.
func (d *dashboard) next(v *web.Visit, rows []Review) (title, due string) {
	now, last := d.Now(), rows[0]
	title = v.T("reviews.quarter_title", map[string]string{"year": strconv.Itoa(now.Year()), "quarter": strconv.Itoa((int(now.Month()) + 2) / 3)})
	same := 0
	for _, r := range rows {
		if len(r.Title) >= len(title) && r.Title[:len(title)] == title {
			same++
		}
	}
	if same > 0 {
		title += " (" + strconv.Itoa(same+1) + ")"
	}
	days := 14
	if end, err := time.ParseInLocation(time.DateOnly, string(last.Due), now.Location()); err == nil {
		days = min(max(int(end.Sub(last.StartedAt).Hours()/24+0.99), leastReviewDays), mostReviewDays)
	}
	return title, now.AddDate(0, 0, days).Format(time.DateOnly)
}

// nextReview starts a review like the last one.
func (d *dashboard) nextReview(v *web.Visit) error {
	rows, err := d.Reviews(v.UserContext())
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return web.Fail(fiber.StatusConflict, "reviews.none")
	}
	title, due := d.next(v, rows)
	id, err := d.StartReview(v.UserContext(), title, stock.Date(due), v.Person)
	if err != nil {
		return refused(v, err)
	}
	return v.See(Review{ID: id}.Link())
}
