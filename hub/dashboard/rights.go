package dashboard

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/rights"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Permissions of the pages about rights.
const (
	RolesRead    = "role.read"
	RolesWrite   = "role.write"
	RightsReport = "access.report"
	ReviewAnswer = "access.review"
	ReviewManage = "access.campaign"
)

// PolicyEdition is an edition of the policy. Version 0 is what a company begins with.
type PolicyEdition struct {
	access.Policy
	By   string
	At   time.Time
	Note string
}

// Link returns the address of the edition's page.
func (e PolicyEdition) Link() string { return "/rights/history/" + strconv.FormatUint(e.Version, 10) }

// Errors of Rights.
var (
	ErrPolicyChanged = errors.New("somebody else has saved the policy meanwhile")
	ErrDraftChanged  = errors.New("the draft was changed in another window meanwhile")
)

// Rights is what the pages about roles and rights read and do. What must not be saved is a *rights.Refusal.
type Rights interface {
	// Now returns the present time, in the company's time zone.
	Now() time.Time
	// Policy returns an edition of the policy: 0 is the one that a company begins with.
	Policy(ctx context.Context, version uint64) (PolicyEdition, error)
	PolicyNow(ctx context.Context) (PolicyEdition, error)
	// Policies returns editions, the newest first, at most so many.
	Policies(ctx context.Context, most int) ([]PolicyEdition, error)
	// SavePolicy makes p, which was made of the edition p.Version, the one that counts. With drafted it empties the draft of by too.
	// ErrPolicyChanged says that there is a newer one.
	SavePolicy(ctx context.Context, p access.Policy, note string, drafted bool, by identity.Person) (uint64, error)
	// Places returns the warehouses that there are, for a form to choose from.
	Places(ctx context.Context) ([]stock.Warehouse, error)
	// Staff returns everybody with an account.
	Staff(ctx context.Context) ([]rights.Person, error)
	// StaffNow returns the same with what people have for a time.
	StaffNow(ctx context.Context) ([]rights.Person, error)

	Draft(ctx context.Context, by identity.Person) (rights.Draft, error)
	// PutDraft keeps a draft and returns its revision. ErrDraftChanged says that d.Rev is not the one that is kept.
	PutDraft(ctx context.Context, d rights.Draft, by identity.Person) (uint64, error)
	// ReportTaken records that somebody has taken the report of who can do what out of the house.
	ReportTaken(ctx context.Context, what map[string]string, by identity.Person) error

	Reviews(ctx context.Context) ([]Review, error)
	Review(ctx context.Context, id int64) (Review, []rights.Item, error)
	StartReview(ctx context.Context, title string, due stock.Date, by identity.Person) (int64, error)
	AnswerReview(ctx context.Context, review, item int64, verdict access.Verdict, note string, by identity.Person) error
	CloseReview(ctx context.Context, review int64, by identity.Person) error
	// ReviewHeadquarters reports whether somebody answers for headquarters.
	ReviewHeadquarters(ctx context.Context, by identity.Person) (bool, error)
	// ReviewsWaiting returns how many questions of an open review wait for somebody, ReviewWaiting for whom those of a review wait.
	ReviewsWaiting(ctx context.Context, who identity.Person) (int, error)
	ReviewWaiting(ctx context.Context, review int64) ([]ReviewWait, error)
	// ReviewKey returns the key that signs results, as base64.
	ReviewKey() string
}

func (d *dashboard) rightsRoutes() []web.Route {
	// A draft has no effect, so that it asks for no factor; only those who may save one have it, see mayDraft.
	return []web.Route{
		{Method: "GET", Path: "/rights", Permission: RolesRead, Handler: d.getRights},
		{Method: "POST", Path: "/api/v1/rights/draft", Permission: RolesRead, Handler: mayDraft(d.apiDraft)},
		{Method: "GET", Path: "/rights/rules", Permission: RolesRead, Handler: d.getExclusions},
		{Method: "GET", Path: "/rights/rules/edit", Permission: RolesRead, Handler: mayDraft(d.getExclusion)},
		{Method: "POST", Path: "/rights/rules/edit", Permission: RolesRead, Handler: mayDraft(d.postExclusion)},
		{Method: "POST", Path: "/rights/rules/remove", Permission: RolesRead, Handler: mayDraft(d.removeExclusion)},
		{Method: "POST", Path: "/rights/rules/restore", Permission: RolesRead, Handler: mayDraft(d.restoreExclusion)},
		{Method: "GET", Path: "/rights/changes", Permission: RolesRead, Handler: mayDraft(d.getChanges)},
		{Method: "POST", Path: "/rights/discard", Permission: RolesRead, Handler: mayDraft(d.discardDraft)},
		{Method: "POST", Path: "/rights/rebase", Permission: RolesRead, Handler: mayDraft(d.rebaseDraft)},
		{Method: "POST", Path: "/rights/save", Permission: RolesWrite, Handler: d.saveRights, Fresh: true},
		{Method: "GET", Path: "/rights/history", Permission: RolesRead, Handler: d.getHistory},
		{Method: "GET", Path: "/rights/history/:version", Permission: RolesRead, Handler: d.getEdition},
		{Method: "POST", Path: "/rights/return", Permission: RolesWrite, Handler: d.returnTo, Fresh: true},
		{Method: "GET", Path: "/rights/see", Permission: RightsReport, Handler: d.getSee},
		{Method: "GET", Path: "/rights/why", Permission: RightsReport, Handler: d.getWhy},
		{Method: "GET", Path: "/rights/report", Permission: RightsReport, Handler: d.getReport},
		{Method: "GET", Path: "/rights/report.csv", Permission: RightsReport, Handler: d.getReportCSV},
		{Method: "GET", Path: "/reviews", Permission: ReviewAnswer, Handler: d.getReviews},
		{Method: "POST", Path: "/reviews", Permission: ReviewManage, Handler: d.startReview, Fresh: true},
		{Method: "POST", Path: "/reviews/again", Permission: ReviewManage, Handler: d.nextReview, Fresh: true},
		{Method: "GET", Path: "/reviews/:id", Permission: ReviewAnswer, Handler: d.getReview},
		{Method: "POST", Path: "/reviews/:id/answer", Permission: ReviewAnswer, Handler: d.answerReview},
		{Method: "POST", Path: "/reviews/:id/close", Permission: ReviewManage, Handler: d.closeReview, Fresh: true},
		{Method: "GET", Path: "/reviews/:id/result", Permission: ReviewAnswer, Handler: d.getResult},
	}
}

// mayDraft lets those through who may save what they draft, once they have given a factor again.
func mayDraft(h web.Handler) web.Handler {
	return func(v *web.Visit) error {
		if !v.Uses(RolesWrite) {
			return web.Fail(fiber.StatusForbidden, "error.forbidden")
		}
		return h(v)
	}
}
