package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"stockade/protocol/access"
)

const public = "public" // what package web calls the permission of everybody

// TestPermissionsAreRegistered: every permission that a route or an entry of the menu states is in the registry, or nobody could
// ever be given it.
func TestPermissionsAreRegistered(t *testing.T) {
	stated := map[string]bool{}
	for _, s := range sources(t) {
		if s.test() || s.module() != "edge" && s.module() != "hub" {
			continue
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, filepath.Join("..", filepath.FromSlash(s.file)), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			p, ok := permissionIn(n)
			if !ok {
				return true
			}
			stated[p] = true
			if _, known := access.Lookup(access.Permission(p)); !known && p != public {
				t.Errorf("%s: permission %q is not in the registry of protocol/access", files.Position(n.Pos()), p)
			}
			return true
		})
	}
	for _, p := range []string{"stock.read", "station.use", "held.decide"} { // one of each way to state it
		if !stated[p] {
			t.Errorf("%s was not found: routes are stated in a way that this test does not see", p)
		}
	}
}

// permissionIn returns the permission that n states: as a field, or as the third argument of route.
func permissionIn(n ast.Node) (string, bool) {
	var e ast.Expr
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Permission" {
			e = n.Value
		}
	case *ast.CallExpr:
		if fun, ok := n.Fun.(*ast.Ident); ok && fun.Name == "route" && len(n.Args) > 2 {
			e = n.Args[2]
		}
	}
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		p, err := strconv.Unquote(lit.Value)
		return p, err == nil
	}
	return "", false
}
