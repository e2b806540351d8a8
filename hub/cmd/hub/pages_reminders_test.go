package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/internal/identity"
	"stockade/protocol/access"
)

// notices are what a person was told of a kind that begins with prefix, the oldest first.
func notices(t *testing.T, p pages, who identity.Person, prefix string) (out []string) {
	t.Helper()
	list, err := p.accounts.Notices(t.Context(), who, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list {
		if strings.HasPrefix(n.Kind, prefix) {
			out = append([]string{n.Kind + " " + n.Args["count"] + " " + n.Args["link"]}, out...)
		}
	}
	return out
}

// TestReviewReminders: who is asked is told when a review starts, a week and a day before it is due and when it is overdue, once each, and no longer once they have answered.
func TestReviewReminders(t *testing.T) {
	p := openRights(t)
	ctx := t.Context()
	now := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	p.recorder.Clock = func() time.Time { return now }
	sec := p.hire(t, "sec", []access.RoleID{access.SecurityAdmin})
	hq := p.hire(t, "hq", []access.RoleID{access.Operations})
	sha := p.hire(t, "Sha", []access.RoleID{access.Manager}, "SHA")
	li := p.hire(t, "li", []access.RoleID{access.Worker}, "SHA")
	tick := func(date string) {
		t.Helper()
		day, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		now = day.Add(9 * time.Hour)
		for range 2 { // the second time there is nothing new
			if err := p.remindReviews(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	tick("2026-12-01")
	if got := notices(t, p, sec, "review_"); len(got) != 0 {
		t.Errorf("told %q before there was a review", got)
	}
	id, err := p.StartReview(ctx, "Q4", "2026-12-31", sec)
	if err != nil {
		t.Fatal(err)
	}
	link := reviewLink(id)
	want := map[string][]string{}
	told := func(who identity.Person, added ...string) {
		t.Helper()
		want[who.Account] = append(want[who.Account], added...)
		if got := notices(t, p, who, "review_"); !slices.Equal(got, want[who.Account]) {
			t.Errorf("%s on %s was told %q, want %q", who.Account, now.Format(time.DateOnly), got, want[who.Account])
		}
	}
	// sec and hq answer for headquarters about each other, and about the manager who is alone in SHA; the manager about li.
	tick("2026-12-02")
	told(sha, "review_started 1 "+link)
	told(sec, "review_started 2 "+link)
	told(hq, "review_started 2 "+link)
	told(li)
	tick("2026-12-23")
	told(sha)
	tick("2026-12-24")
	told(sha, "review_week 1 "+link)
	_, items, err := p.Review(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if i.Account == "sha" {
			if err := p.AnswerReview(ctx, id, i.ID, access.Confirmed, "", sec); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n, err := p.ReviewsWaiting(ctx, hq); err != nil || n != 1 {
		t.Errorf("%d wait for hq, %v", n, err)
	}
	tick("2026-12-30")
	told(hq, "review_week 2 "+link, "review_day 1 "+link)
	told(sha, "review_day 1 "+link)
	for _, i := range items {
		if i.Account == "li" {
			if err := p.AnswerReview(ctx, id, i.ID, access.Confirmed, "", sha); err != nil {
				t.Fatal(err)
			}
		}
	}
	tick("2026-12-31") // the day itself is in time
	told(hq)
	tick("2027-01-01")
	told(hq, "review_overdue 1 "+link)
	told(sha) // has answered
	list, err := p.ReviewWaiting(ctx, id)
	if err != nil || len(list) != 2 || list[0].Who != "hq" || list[0].Count != 1 || list[0].Told.IsZero() {
		t.Errorf("waits for %+v, %v", list, err)
	}

	// Ninety days after its end the next one is due; the security administrator is told once.
	if err := p.CloseReview(ctx, id, sec); err != nil {
		t.Fatal(err)
	}
	if n, err := p.ReviewsWaiting(ctx, hq); err != nil || n != 0 {
		t.Errorf("%d wait for hq in a closed review, %v", n, err)
	}
	before := len(want[sec.Account])
	tick("2027-04-01")
	if got := notices(t, p, sec, "review_quarter"); len(got) != 0 || before == 0 {
		t.Errorf("told %q after 90 days", got)
	}
	tick("2027-04-02")
	if got := notices(t, p, sec, "review_quarter"); !slices.Equal(got, []string{"review_quarter  /reviews"}) {
		t.Errorf("told %q after 91 days", got)
	}
	if got := notices(t, p, hq, "review_quarter"); len(got) != 0 {
		t.Errorf("hq, who starts none, was told %q", got)
	}
}
