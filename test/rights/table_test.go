// Package rights_test asks the real programs, over HTTPS, what each ready role may do: every route and every operation of the
// API, at the hub and at a node without uplink, in the person's own warehouse and in another.
package rights_test

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	edgepages "stockade/edge/dashboard"
	hubpages "stockade/hub/dashboard"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
)

// holders says by hand which ready roles have the permissions that routes state, and whether everywhere or at home. It is not taken from
// access.Ready: a change there has to be meant.
var holders = map[string]struct{ everywhere, home string }{
	"stock.read":       {"purchaser seller finance operations", "warehouse-worker warehouse-lead branch-manager"},
	"movement.read":    {"finance operations", "warehouse-worker warehouse-lead branch-manager"},
	"case.read":        {"operations", "warehouse-lead branch-manager"},
	"node.read":        {"operations system-administrator", ""},
	"held.decide":      {"system-administrator", ""},
	"audit.read":       {"auditor", ""},
	"master.read":      {"warehouse-worker warehouse-lead branch-manager purchaser seller finance operations", ""},
	"master.write":     {"operations", ""},
	"label.read":       {"operations", "warehouse-lead branch-manager"},
	"label.write":      {"operations", ""},
	"role.read":        {"security-administrator", ""},
	"role.write":       {"security-administrator", ""},
	"access.report":    {"security-administrator", ""},
	"access.review":    {"operations security-administrator", "branch-manager"},
	"access.campaign":  {"security-administrator", ""},
	"person.read":      {"security-administrator", "branch-manager"},
	"person.write":     {"security-administrator", ""},
	"station.use":      {"", "warehouse-worker warehouse-lead"},
	"station.read":     {"operations system-administrator", "warehouse-worker warehouse-lead branch-manager"},
	"station.override": {"", "warehouse-lead branch-manager"},
	"device.read":      {"operations system-administrator", "warehouse-lead branch-manager"},
	"device.setup":     {"system-administrator", "warehouse-lead"},
	"sync.read":        {"operations system-administrator", "warehouse-lead branch-manager"},
	"print.read":       {"operations system-administrator", "warehouse-worker warehouse-lead branch-manager"},
	"print.create":     {"", "warehouse-worker warehouse-lead"},
	"print.decide":     {"", "warehouse-lead"},
	"grant.request":    {"operations", "warehouse-worker warehouse-lead branch-manager"},
	"approval.decide":  {"finance operations security-administrator", "branch-manager"},
	"price.read":       {"purchaser seller finance operations", ""},
	"price.write":      {"operations", ""},
	"approval.read":    {"security-administrator auditor", ""},
	"approval.rules":   {"security-administrator", ""},
	"lesson.take":      {"warehouse-worker warehouse-lead branch-manager purchaser seller finance operations system-administrator security-administrator auditor", ""},
	"lesson.report":    {"security-administrator auditor", "branch-manager"},
	"lesson.assign":    {"security-administrator", ""},
	"export.create":    {"operations", "branch-manager"},
	"export.read":      {"security-administrator auditor", ""},
	"supplier.read":    {"purchaser finance operations", ""},
	"supplier.write":   {"purchaser operations", ""},
	"customer.read":    {"seller finance operations", ""},
	"customer.write":   {"seller operations", ""},
	"partner.erase":    {"operations", ""},
	"field.unmask":     {"seller finance operations", "branch-manager"},

	"attachment.read":     {"purchaser seller finance operations", "branch-manager"}, // sellers: own documents and customers, see files_test.go
	"attachment.view":     {"purchaser seller finance operations", "branch-manager"},
	"attachment.write":    {"purchaser seller operations", "branch-manager"},
	"attachment.download": {"purchaser seller finance operations", ""},
	"attachment.delete":   {"operations", ""},
}

// roles are the ready roles that people are given.
var roles = strings.Fields("warehouse-worker warehouse-lead branch-manager purchaser seller finance operations system-administrator security-administrator auditor")

// entry says what a route is about.
type entry struct {
	about about
	try   string // address to ask; of an object with %[1]s for its warehouse's node. Empty: the route's path
	form  string // what is posted: nothing that would change anything if it were taken
}

type about int

const (
	anybody     about = iota + 1 // open to all
	self                         // one's own account
	rows                         // a list, restricted to what the person may see
	companywide                  // what belongs to no warehouse
	object                       // something of one warehouse
	local                        // at a node: what is there is of the warehouse
)

// hubRoutes and edgeRoutes have every route of the two programs. One that is missing here fails the test.
var hubRoutes = with(shell, requestRoutes, map[string]entry{
	"GET /":                                {about: rows},
	"GET /item/:sku":                       {rows, "/item/06901234567892", ""},
	"GET /batch/:node/:epoch/:seq":         {object, "/batch/%[1]s/1/1", ""},
	"GET /nodes":                           {about: rows},
	"POST /held/:hash/accept":              {rows, "/held/00/accept", ""},
	"POST /held/:hash/reject":              {rows, "/held/00/reject", ""},
	"POST /node/:node/settle":              {rows, "/node/edge-1/settle", ""},
	"GET /exceptions":                      {about: rows},
	"GET /approvals":                       {about: self},
	"GET /approvals/waiting":               {about: rows},
	"GET /approvals/all":                   {about: companywide},
	"GET /approvals/new":                   {about: rows},
	"POST /approvals/new":                  {rows, "", "permission=none"},
	"GET /approvals/request/:id":           {self, "/approvals/request/none", ""},
	"GET /approvals/request/:id/edit":      {rows, "/approvals/request/none/edit", ""},
	"POST /approvals/request/:id/edit":     {rows, "/approvals/request/none/edit", "permission=none"},
	"POST /approvals/request/:id/approve":  {rows, "/approvals/request/none/approve", "hash=00"},
	"POST /approvals/request/:id/refuse":   {rows, "/approvals/request/none/refuse", "hash=00"},
	"POST /approvals/request/:id/withdraw": {self, "/approvals/request/none/withdraw", ""},
	"POST /approvals/request/:id/end":      {self, "/approvals/request/none/end", ""},
	"GET /exports":                         {about: rows},
	"GET /exports/all":                     {about: companywide},
	"POST /exports/new":                    {rows, "", "kind=none"},
	"POST /exports/file/:id":               {rows, "/exports/file/none", "format=none"},
	"GET /files":                           {about: rows},
	"GET /files/new":                       {about: rows}, // of a subject: files_test.go
	"POST /files/new":                      {rows, "", "note=x"},
	"GET /files/file/:id":                  {rows, "/files/file/none", ""},
	"GET /files/view/:id":                  {rows, "/files/view/none", ""},
	"GET /files/content/:id":               {rows, "/files/content/none", ""},
	"POST /files/download/:id":             {rows, "/files/download/none", ""},
	"POST /files/delete/:id":               {rows, "/files/delete/none", ""},
	"GET /lessons":                         {about: rows},
	"GET /lessons/read/:id":                {rows, "/lessons/read/passwords", ""},
	"POST /lessons/read/:id/try":           {rows, "/lessons/read/none/try", ""},
	"GET /lessons/try/:try":                {rows, "/lessons/try/99", ""},
	"POST /lessons/try/:try":               {rows, "/lessons/try/99", ""},
	"GET /lessons/report":                  {about: rows},
	"GET /lessons/report.csv":              {about: rows},
	"GET /lessons/manage":                  {about: companywide},
	"POST /lessons/assign":                 {companywide, "", "lesson=none&days=3"},
	"POST /lessons/assignment/:id/end":     {companywide, "/lessons/assignment/99/end", ""},
	"GET /lessons/own":                     {about: companywide},
	"POST /lessons/own":                    {companywide, "", "title_zh="},
	"POST /lessons/own/withdraw":           {companywide, "", "id=none&version=1"},
	"GET /audit":                           {about: companywide},
	"GET /catalogue":                       {about: rows},
	"POST /catalogue/item":                 {about: companywide},
	"POST /catalogue/bin":                  {rows, "", "warehouse=SHA"},
	"GET /api/v1/stock":                    {about: rows},
	"GET /api/v1/items/:sku/movements":     {rows, "/api/v1/items/06901234567892/movements", ""},
	"GET /api/v1/nodes":                    {about: rows},
	"GET /api/v1/exceptions":               {about: rows},
	"GET /api/v1/audit/head":               {about: companywide},
	"GET /labels":                          {about: rows},
	"GET /labels/-/new":                    {about: rows},
	"GET /labels/:id":                      {rows, "/labels/item", ""},
	"GET /labels/:id/file":                 {rows, "/labels/item/file", ""},
	"GET /labels/:id/picture":              {rows, "/labels/item/picture", ""},
	"POST /labels/:id/withdraw":            {companywide, "/labels/none/withdraw", ""},
	"GET /api/v1/labels":                   {about: rows},
	"GET /api/v1/labels/:id":               {rows, "/api/v1/labels/item", ""},
	"POST /api/v1/labels":                  {companywide, "", "{}"},
	"POST /api/v1/labels/preview":          {rows, "", "{}"},
	"GET /rights":                          {about: companywide},
	"POST /api/v1/rights/draft":            {companywide, "", "{}"},
	"GET /rights/rules":                    {about: companywide},
	"GET /rights/rules/edit":               {about: companywide},
	"POST /rights/rules/edit":              {companywide, "", "zh="},
	"POST /rights/rules/remove":            {companywide, "", "id=none"},
	"POST /rights/rules/restore":           {companywide, "", "id=none"},
	"GET /rights/changes":                  {about: companywide},
	"POST /rights/discard":                 {about: companywide},
	"POST /rights/rebase":                  {about: companywide},
	"POST /rights/save":                    {about: companywide},
	"GET /rights/history":                  {about: companywide},
	"GET /rights/history/:version":         {companywide, "/rights/history/0", ""},
	"POST /rights/return":                  {companywide, "", "version=0"},
	"GET /rights/see":                      {about: companywide},
	"GET /rights/why":                      {about: companywide},
	"GET /rights/report":                   {about: companywide},
	"GET /rights/report.csv":               {about: companywide},
	"GET /reviews":                         {about: rows},
	"POST /reviews":                        {companywide, "", "title="},
	"POST /reviews/again":                  {about: companywide},
	"GET /reviews/:id":                     {rows, "/reviews/99", ""},
	"POST /reviews/:id/answer":             {rows, "/reviews/99/answer", ""},
	"POST /reviews/:id/close":              {companywide, "/reviews/99/close", ""},
	"GET /reviews/:id/result":              {rows, "/reviews/99/result", ""},
	"GET /suppliers":                       {about: rows},
	"POST /suppliers":                      {about: rows},
	"GET /suppliers/-/new":                 {about: rows},
	"GET /suppliers/:id":                   {rows, "/suppliers/NONE", ""},
	"POST /suppliers/:id":                  {rows, "/suppliers/NONE", ""},
	"GET /suppliers/:id/edit":              {rows, "/suppliers/NONE/edit", ""},
	"GET /suppliers/:id/history":           {rows, "/suppliers/NONE/history", ""},
	"POST /suppliers/:id/erase":            {rows, "/suppliers/NONE/erase", ""},
	"POST /suppliers/:id/unmask":           {rows, "/suppliers/NONE/unmask", "field=phone&purpose=delivery"},
	"GET /api/v1/suppliers":                {about: rows},
	"POST /api/v1/suppliers":               {rows, "", "{}"},
	"GET /api/v1/suppliers/:id":            {rows, "/api/v1/suppliers/NONE", ""},
	"POST /api/v1/suppliers/:id":           {rows, "/api/v1/suppliers/NONE", "{}"},
	"GET /api/v1/suppliers/:id/history":    {rows, "/api/v1/suppliers/NONE/history", ""},
	"POST /api/v1/suppliers/:id/unmask":    {rows, "/api/v1/suppliers/NONE/unmask", `{"field":"phone","purpose":"delivery"}`},
	"GET /customers":                       {about: rows},
	"POST /customers":                      {about: rows},
	"GET /customers/-/new":                 {about: rows},
	"GET /customers/:id":                   {rows, "/customers/NONE", ""},
	"POST /customers/:id":                  {rows, "/customers/NONE", ""},
	"GET /customers/:id/edit":              {rows, "/customers/NONE/edit", ""},
	"GET /customers/:id/history":           {rows, "/customers/NONE/history", ""},
	"POST /customers/:id/erase":            {rows, "/customers/NONE/erase", ""},
	"POST /customers/:id/unmask":           {rows, "/customers/NONE/unmask", "field=phone&purpose=delivery"},
	"GET /api/v1/customers":                {about: rows},
	"POST /api/v1/customers":               {rows, "", "{}"},
	"GET /api/v1/customers/:id":            {rows, "/api/v1/customers/NONE", ""},
	"POST /api/v1/customers/:id":           {rows, "/api/v1/customers/NONE", "{}"},
	"GET /api/v1/customers/:id/history":    {rows, "/api/v1/customers/NONE/history", ""},
	"POST /api/v1/customers/:id/unmask":    {rows, "/api/v1/customers/NONE/unmask", `{"field":"phone","purpose":"delivery"}`},
	"GET /unmaskings":                      {about: companywide},
	"GET /api/v1/unmaskings":               {about: companywide},
	"GET /people":                          {about: rows},
	"GET /leavers":                         {about: rows},
	"GET /leavers/person/:name":            {object, "/leavers/person/warehouse-worker-%[2]s", ""},
	"POST /leavers/start":                  {rows, "", "name=nobody"},
	"GET /leavers/list/:id":                {rows, "/leavers/list/99", ""},
	"POST /leavers/list/:id/do":            {rows, "/leavers/list/99/do", ""},
	"POST /leavers/list/:id/check":         {rows, "/leavers/list/99/check", ""},
	"POST /leavers/list/:id/finish":        {rows, "/leavers/list/99/finish", ""},
	"POST /leavers/list/:id/cancel":        {rows, "/leavers/list/99/cancel", ""},
	"GET /people/new":                      {about: rows},
	"POST /people/new":                     {about: rows},
	"GET /people/person/:name":             {object, "/people/person/warehouse-worker-%[2]s", ""},
	"POST /people/change":                  {rows, "", "name=nobody"},
	"POST /people/disable":                 {rows, "", "name=nobody"},
	"POST /people/enable":                  {rows, "", "name=nobody"},
	"POST /people/reset-factor":            {rows, "", "name=nobody"},
	"POST /people/end-sessions":            {rows, "", "name=nobody"},
	"POST /people/end-all":                 {rows, "", "reason="},
	"POST /people/reset-password":          {rows, "", "name=nobody"},
	"POST /people/unmask":                  {rows, "", "name=nobody"},
	"POST /people/badge":                   {rows, "", "name=nobody"},
	"POST /people/badge/revoke":            {rows, "", "name=nobody"},
	"POST /people/company/link":            {rows, "", "name=nobody&subject=1"},
	"POST /people/company/unlink":          {rows, "", "name=nobody"},
	"POST /login/company":                  {about: anybody},
	"GET /login/company/return":            {about: anybody},
	"GET /login/company/problem":           {about: anybody},
	"POST /account/company/link":           {about: self},
	"POST /account/company/unlink":         {about: self},
	"POST /account/company/confirm":        {about: self},
})

var edgeRoutes = with(shell, map[string]entry{
	"GET /":                                {about: local},
	"GET /stock":                           {about: local},
	"GET /movements":                       {about: local},
	"GET /events":                          {about: local},
	"GET /api/v1/stock":                    {about: local},
	"GET /api/v1/movements":                {about: local},
	"GET /api/v1/devices":                  {about: local},
	"GET /api/v1/sync":                     {about: local},
	"GET /stations":                        {about: local},
	"GET /station/:id":                     {local, "/station/dock-1", ""},
	"GET /station/:id/events":              {local, "/station/dock-1/events", ""},
	"GET /station/:id/refused":             {local, "/station/dock-1/refused", ""},
	"GET /station/:id/commands":            {local, "/station/dock-1/commands", ""},
	"GET /station/:id/commands.pdf":        {local, "/station/dock-1/commands.pdf", ""},
	"GET /api/v1/stations":                 {about: local},
	"GET /api/v1/stations/:id":             {local, "/api/v1/stations/dock-1", ""},
	"GET /api/v1/stations/:id/scans":       {local, "/api/v1/stations/dock-1/scans", ""},
	"POST /api/v1/stations/:id/mode":       {local, "/api/v1/stations/dock-1/mode", `{"mode":"none"}`},
	"POST /api/v1/stations/:id/scan":       {local, "/api/v1/stations/dock-1/scan", `{"raw":1}`},
	"POST /api/v1/stations/:id/undo":       {local, "/api/v1/stations/dock-1/undo", `{"movement":1}`},
	"POST /api/v1/stations/:id/pin":        {local, "/api/v1/stations/dock-1/pin", `{"pin":1}`},
	"POST /api/v1/stations/:id/pin/cancel": {local, "/api/v1/stations/dock-1/pin/cancel", "[]"},
	"POST /api/v1/stations/:id/leave":      {local, "/api/v1/stations/dock-1/leave", "[]"},
	"GET /station/:id/pass/:number":        {local, "/station/dock-1/pass/99", ""},
	"POST /station/:id/pass/:number":       {local, "/station/dock-1/pass/99", ""},
	"POST /api/v1/stations/:id/pass":       {local, "/api/v1/stations/dock-1/pass", `{"scan":99}`},
	"GET /devices/:name/setup":             {local, "/devices/none/setup", ""},
	"POST /api/v1/devices/:name/watch":     {local, "/api/v1/devices/none/watch", "{}"},
	"POST /api/v1/devices/:name/unwatch":   {local, "/api/v1/devices/none/unwatch", "{}"},
	"POST /api/v1/devices/:name/command":   {local, "/api/v1/devices/none/command", "{}"},
	"GET /printing":                        {about: local},
	"GET /printing/:job":                   {local, "/printing/99", ""},
	"GET /printing/:job/picture":           {local, "/printing/99/picture", ""},
	"POST /printing/:job/printed":          {local, "/printing/99/printed", ""},
	"POST /printing/:job/cancel":           {local, "/printing/99/cancel", ""},
	"POST /printing/:job/again":            {local, "/printing/99/again", ""},
	"POST /printing/:job/ask":              {local, "/printing/99/ask", ""},
	"POST /reprint/:id/approve":            {local, "/reprint/none/approve", ""},
	"POST /reprint/:id/refuse":             {local, "/reprint/none/refuse", ""},
	"POST /reprint/:id/withdraw":           {local, "/reprint/none/withdraw", ""},
	"GET /api/v1/reprints":                 {about: local},
	"POST /api/v1/prints/:job/ask":         {local, "/api/v1/prints/99/ask", "{}"},
	"POST /api/v1/reprints/:id/approve":    {local, "/api/v1/reprints/none/approve", "{}"},
	"POST /api/v1/reprints/:id/refuse":     {local, "/api/v1/reprints/none/refuse", "{}"},
	"GET /api/v1/prints":                   {about: local},
	"GET /api/v1/prints/:job":              {local, "/api/v1/prints/99", ""},
	"POST /api/v1/prints/:job/printed":     {local, "/api/v1/prints/99/printed", "{}"},
	"POST /api/v1/prints/:job/cancel":      {local, "/api/v1/prints/99/cancel", "{}"},
	"POST /api/v1/prints/:job/again":       {local, "/api/v1/prints/99/again", "{}"},
	"GET /labels":                          {about: local},
	"GET /labels/:template":                {local, "/labels/item", ""},
	"POST /labels/:template":               {local, "/labels/none", ""},
	"POST /labels/:template/pdf":           {local, "/labels/none/pdf", ""},
	"POST /api/v1/labels/preview":          {local, "", "{}"},
	"POST /api/v1/labels/print":            {local, "", "{}"},
})

// shell has what package web serves at both.
var shell = map[string]entry{
	"GET /watermark.svg": {about: self},
	"GET /assets/:name":  {about: anybody}, "GET /healthz": {about: anybody}, "GET /login": {about: anybody}, "POST /login": {about: anybody}, "GET /first": {about: anybody},
	"POST /first": {about: anybody}, "POST /logout": {about: anybody}, "POST /language": {about: anybody}, "GET /api/v1/session": {about: anybody}, "GET /login/code": {about: anybody},
	"POST /login/code": {about: anybody}, "GET /activate": {about: anybody}, "POST /activate": {about: anybody},
	"GET /account": {about: self}, "POST /account/notices": {about: self}, "GET /account/confirm": {about: self}, "POST /account/confirm": {about: self}, "POST /api/v1/session/confirm": {about: self},
	"GET /account/password": {about: self}, "POST /account/password": {about: self}, "GET /account/factor/new": {about: self}, "POST /account/factor/begin": {about: self},
	"POST /account/factor/new": {about: self}, "POST /account/factor/remove": {about: self}, "POST /account/codes": {about: self}, "POST /account/sessions/end": {about: self},
	"POST /account/sessions/end-others": {about: self},
	"POST /api/v1/login/passkey":        {anybody, "", "{}"}, "POST /api/v1/session/passkey": {self, "", "{}"}, "POST /api/v1/account/passkey": {self, "", "{}"}, "GET /account/passkey/new": {about: self},
	"POST /account/passkey/new": {about: self}, "POST /account/passkey/rename": {about: self}, "GET /account/pin": {about: self}, "POST /account/pin": {about: self},
}

func with(maps ...map[string]entry) map[string]entry {
	out := map[string]entry{}
	for _, m := range maps {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// served returns the routes that a program serves, as its own code states them.
func served(t *testing.T, site web.Site, manage bool) []web.Route {
	t.Helper()
	var nobody *identity.Service // nothing is asked of it
	s, err := web.New(web.Options{TLS: &tls.Config{MinVersion: tls.VersionTLS13}, People: nobody, Accounts: nobody, Manage: manage}, site)
	if err != nil {
		t.Fatal(err)
	}
	return s.Routes()
}

func routesOf(t *testing.T) (hub, edge []web.Route) {
	t.Helper()
	h, err := hubpages.Site(nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := edgepages.Site(edgepages.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	return served(t, h, true), served(t, e, false)
}

// TestEveryRouteHasAnEntry: a route that nobody has thought about is a fault, and so is an entry for none.
func TestEveryRouteHasAnEntry(t *testing.T) {
	hub, edge := routesOf(t)
	for _, c := range []struct {
		where  string
		routes []web.Route
		table  map[string]entry
	}{{"hub", hub, hubRoutes}, {"edge", edge, edgeRoutes}} {
		seen := map[string]bool{}
		for _, r := range c.routes {
			name := r.Method + " " + r.Path
			seen[name] = true
			e, ok := c.table[name]
			if !ok {
				t.Errorf("%s: %s has no entry: say who may do it", c.where, name)
				continue
			}
			if (r.Permission == web.Public) != (e.about == anybody) || (r.Permission == web.Own) != (e.about == self) {
				t.Errorf("%s: %s asks for %s, its entry says otherwise", c.where, name, r.Permission)
			}
			if _, known := holders[r.Permission]; e.about > self && !known {
				t.Errorf("%s: %s asks for %s, of which nobody has said who holds it", c.where, name, r.Permission)
			}
		}
		for name := range c.table {
			if !seen[name] {
				t.Errorf("%s: there is no route %s", c.where, name)
			}
		}
	}
}

// TestReadyRolesAreAsSaid: the table above and access.Ready agree, permission by permission.
func TestReadyRolesAreAsSaid(t *testing.T) {
	for _, r := range access.Ready().Roles {
		if r.ID == access.OpenStation {
			continue
		}
		if !slices.Contains(roles, string(r.ID)) {
			t.Errorf("the ready role %s is not tried", r.ID)
		}
		for p := range holders {
			reach := reachOf(string(r.ID), p)
			got := ""
			for _, g := range r.Grants {
				if string(g.Permission) == p {
					got = map[access.Reach]string{access.Everywhere: "everywhere", access.Home: "home"}[g.Scope.Reach]
				}
			}
			if got != reach {
				t.Errorf("%s has %s %q, want %q", r.ID, p, got, reach)
			}
		}
	}
}

// reachOf returns where a role holds a permission: "everywhere", "home" or "".
func reachOf(role, permission string) string {
	h := holders[permission]
	switch {
	case slices.Contains(strings.Fields(h.everywhere), role):
		return "everywhere"
	case slices.Contains(strings.Fields(h.home), role):
		return "home"
	}
	return ""
}

// want returns whether a person with a role may do what a route does, to something of their own warehouse or of another.
func want(e entry, role, permission string, foreign bool) string {
	reach := reachOf(role, permission)
	switch {
	case e.about == self:
		return "allow"
	case reach == "":
		return "deny"
	case reach == "home" && e.about == companywide:
		return "deny"
	case reach == "home" && e.about == object && foreign:
		return "nothing" // as if it did not exist
	}
	return "allow"
}

func (e entry) address(r web.Route, node, warehouse string) string {
	if e.try == "" {
		return r.Path
	}
	if !strings.Contains(e.try, "%[") {
		return e.try
	}
	s := fmt.Sprintf(e.try, node, warehouse)
	s, _, _ = strings.Cut(s, "%!") // an argument that the address has no use for
	return s
}
