package rights_test

// requestRoutes are the routes of the hub about what has to be approved, and by whom.
var requestRoutes = map[string]entry{
	"GET /item/:sku/prices":                 {rows, "/item/06901234567892/prices", ""},
	"POST /item/:sku/prices":                {companywide, "/item/06901234567892/prices", "class=price"},
	"GET /api/v1/items/:sku/prices":         {rows, "/api/v1/items/06901234567892/prices", ""},
	"POST /api/v1/items/:sku/prices":        {companywide, "/api/v1/items/06901234567892/prices", `{"class":"price"}`},
	"GET /approvals/rules":                  {about: companywide},
	"GET /approvals/rules/edit":             {about: companywide},
	"POST /approvals/rules/edit":            {companywide, "", "kind=none"},
	"POST /approvals/rules/act":             {companywide, "", "action=discard"},
	"GET /approvals/rules/changes":          {about: companywide},
	"POST /approvals/rules/save":            {companywide, "", "base=99"},
	"GET /approvals/rules/history":          {about: companywide},
	"GET /approvals/rules/history/:version": {companywide, "/approvals/rules/history/0", ""},
}
