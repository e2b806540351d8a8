package rights_test

// requestRoutes are the routes of the hub about what has to be approved, and by whom.
var requestRoutes = map[string]entry{
	"GET /approvals/rules":                  {about: companywide},
	"GET /approvals/rules/edit":             {about: companywide},
	"POST /approvals/rules/edit":            {companywide, "", "kind=none"},
	"POST /approvals/rules/act":             {companywide, "", "action=discard"},
	"GET /approvals/rules/changes":          {about: companywide},
	"POST /approvals/rules/save":            {companywide, "", "base=99"},
	"GET /approvals/rules/history":          {about: companywide},
	"GET /approvals/rules/history/:version": {companywide, "/approvals/rules/history/0", ""},
}
