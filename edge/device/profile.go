package device

import (
	"fmt"
	"slices"
	"strings"

	"stockade/protocol/barcode"
)

// CheckProfile tells what is wrong with a scanner's profile: a slip such as "codeid=zebr" would make plain data of
// what carries Code IDs, and book the wrong goods.
func CheckProfile(profile string) error {
	seen := map[string]bool{}
	for tag := range strings.FieldsSeq(profile) {
		name, value, _ := strings.Cut(tag, "=")
		known := map[string][]string{"frame": {"ssi"}, "codeid": barcode.Vendors(), "beep": {"zebra", "honeywell", "datalogic", "ssi"}}[name]
		switch {
		case seen[name]:
			return fmt.Errorf("profile %q: %s stands there twice", profile, name)
		case name == "gs":
			if value == "" {
				return fmt.Errorf("profile %q: gs= wants the text that the scanner sends in place of GS, such as gs=|", profile)
			}
		case known == nil:
			return fmt.Errorf("profile %q: %q is unknown; there are frame=ssi, codeid=, gs= and beep=", profile, tag)
		case !slices.Contains(known, value):
			return fmt.Errorf("profile %q: %s= wants one of %s", profile, name, strings.Join(known, ", "))
		}
		seen[name] = true
	}
	if seen["frame"] && seen["codeid"] {
		return fmt.Errorf("profile %q: SSI packets say the kind of code themselves; leave out codeid", profile)
	}
	return nil
}
