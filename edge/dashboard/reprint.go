package dashboard

import (
	"encoding/hex"
	"time"

	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/change"
)

// Reprint is a request to print a label once more, which waits for another person.
type Reprint struct {
	ID       string      `json:"id"`
	Job      PrintJob    `json:"job"`
	By       string      `json:"by"`
	Reason   string      `json:"reason"`
	Asked    time.Time   `json:"asked"`
	Until    time.Time   `json:"until"`
	Hash     string      `json:"hash"` // of all that is approved
	Rule     access.Text `json:"-"`
	Step     int         `json:"step"` // that is waited for, from 1
	Steps    int         `json:"steps"`
	Approved []string    `json:"approved"` // who has said yes
	Own      bool        `json:"own"`      // the reader asks for it
	Answers  bool        `json:"answers"`  // the reader's answer is waited for
	Words    string      `json:"rule"`     // Rule in the reader's language
}

func (d *dashboard) reprintRoutes() []web.Route {
	route := func(method, path, permission string, h web.Handler) web.Route {
		return web.Route{Method: method, Path: path, Permission: permission, Handler: h}
	}
	// Who is asked for an answer is decided by the request's rule.
	return []web.Route{
		route("POST", "/printing/:job/ask", "print.create", d.postAskAgain),
		route("POST", "/reprint/:id/approve", "print.read", d.postReprint(true)),
		route("POST", "/reprint/:id/refuse", "print.read", d.postReprint(false)),
		route("POST", "/reprint/:id/withdraw", "print.create", d.postWithdraw),
		route("GET", "/api/v1/reprints", "print.read", d.apiReprints),
		route("POST", "/api/v1/prints/:job/ask", "print.create", d.apiAskAgain),
		route("POST", "/api/v1/reprints/:id/approve", "print.read", d.apiReprint(true)),
		route("POST", "/api/v1/reprints/:id/refuse", "print.read", d.apiReprint(false)),
	}
}

// reprints returns what waits, as the reader may see it.
func (d *dashboard) reprints(v *web.Visit) ([]Reprint, error) {
	all, err := d.Printing.Reprints(v.UserContext(), v.Person)
	if err != nil {
		return nil, err
	}
	t := textsOf(v)
	for i := range all {
		one := []PrintJob{all[i].Job}
		t.jobs(one)
		all[i].Job, all[i].Words = one[0], all[i].Rule.In(string(v.Lang))
	}
	return all, nil
}

func (d *dashboard) postAskAgain(v *web.Visit) error {
	reason := v.Form("other")
	if reason == "" {
		reason = v.Form("reason")
	}
	err := checkReason(reason)
	if err == nil {
		_, err = d.Printing.AskAgain(v.UserContext(), v.Params("job"), reason, v.Person)
	}
	if err != nil {
		return d.wrongReason(v, err)
	}
	return v.See("/printing")
}

func (d *dashboard) postReprint(yes bool) web.Handler {
	return func(v *web.Visit) error {
		if err := d.answerReprint(v, v.Form("hash"), yes, v.Form("why")); err != nil {
			return err
		}
		return v.See("/printing")
	}
}

func (d *dashboard) answerReprint(v *web.Visit, hash string, yes bool, why string) error {
	var h change.Hash
	b, err := hex.DecodeString(hash)
	if err != nil || len(b) != len(h) {
		return web.NotFound()
	}
	copy(h[:], b)
	return d.Printing.AnswerReprint(v.UserContext(), v.Params("id"), h, yes, why, v.Person)
}

func (d *dashboard) postWithdraw(v *web.Visit) error {
	if err := d.Printing.WithdrawReprint(v.UserContext(), v.Params("id"), v.Person); err != nil {
		return err
	}
	return v.See("/printing")
}

func (d *dashboard) apiReprints(v *web.Visit) error {
	all, err := d.reprints(v)
	if err != nil {
		return err
	}
	if all == nil {
		all = []Reprint{}
	}
	return v.JSON(map[string][]Reprint{"reprints": all})
}

func (d *dashboard) apiAskAgain(v *web.Visit) error {
	var body struct{ Reason string }
	if err := v.ReadJSON(&body); err != nil {
		return err
	}
	if err := checkReason(body.Reason); err != nil {
		return err
	}
	id, err := d.Printing.AskAgain(v.UserContext(), v.Params("job"), body.Reason, v.Person)
	if err != nil {
		return err
	}
	return v.JSON(map[string]string{"id": id})
}

func (d *dashboard) apiReprint(yes bool) web.Handler {
	return func(v *web.Visit) error {
		var body struct{ Hash, Reason string }
		if err := v.ReadJSON(&body); err != nil {
			return err
		}
		if err := d.answerReprint(v, body.Hash, yes, body.Reason); err != nil {
			return err
		}
		return v.JSON(map[string]string{})
	}
}
