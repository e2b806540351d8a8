package web

// May reports whether the reader has a permission besides the route's own, so that a page shows what can be done from it.
func (v *Visit) May(permission string) bool { return v.server.allowed(v.Person, permission) }
