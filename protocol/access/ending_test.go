package access

import (
	"encoding/hex"
	"reflect"
	"testing"

	"stockade/protocol/feed"
)

// TestEnding is said and read as it was published.
func TestEnding(t *testing.T) {
	const published = "826873657373696f6e731b0000019ac0000000"
	want := Ending{ID: SessionsEnd, At: 0x19ac0000000}
	e, err := Pack(want)
	if err != nil || e.Kind != 21 || e.Version != 1 || hex.EncodeToString(e.Payload) != published {
		t.Errorf("%+v, %x, %v", e, []byte(e.Payload), err)
	}
	if v, err := Unpack(e); err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("read as %+v, %v", v, err)
	}
	if id, err := IDOf(feed.Entry{Kind: KindEnding, Version: 9, Payload: e.Payload}); err != nil || id != SessionsEnd {
		t.Errorf("of a later version: %q, %v", id, err)
	}
	for _, e := range []Ending{{}, {ID: "else", At: 1}, {ID: SessionsEnd}} {
		if _, err := Pack(e); err == nil {
			t.Errorf("%+v was packed", e)
		}
	}
}

// TestFieldsOf: what can be asked for is of resources and classes that there are, each once.
func TestFieldsOf(t *testing.T) {
	found := map[string]bool{}
	for _, g := range Groups() {
		for _, p := range g.Permissions {
			seen := map[FieldClass]bool{}
			for _, c := range FieldsOf(p.Permission) {
				if c == 0 || c >= classes || seen[c] {
					t.Errorf("%s: class %d", p.Permission, c)
				}
				seen[c] = true
			}
			for resource := range fieldsOf {
				found[resource] = found[resource] || len(p.Permission) > len(resource) && string(p.Permission[:len(resource)+1]) == resource+"."
			}
		}
	}
	for resource, known := range found {
		if !known {
			t.Errorf("there is no permission of %q", resource)
		}
	}
	if len(FieldsOf("case.read"))+len(FieldsOf("moon.land"))+len(FieldsOf("")) > 0 {
		t.Error("fields of what has none")
	}
}
