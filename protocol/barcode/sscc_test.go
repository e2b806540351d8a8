package barcode

import (
	"testing"
	"time"
)

func TestSSCC(t *testing.T) {
	for _, tt := range []struct {
		prefix string
		number uint64
		want   string
	}{
		{"0614141", 1_234_567_890, "106141412345678908"}, // GS1 General Specifications, section 2.2.1, example
		{"6910420", 0, "069104200000000007"},
		{"691042012345", 99_999, "969104201234599990"},
		{"6910", 9_999_999_999_999, "969109999999999990"},
	} {
		got, err := SSCC(tt.prefix, tt.number)
		if err != nil || len(got) != 18 || got[:17] != tt.want[:17] {
			t.Errorf("SSCC(%s, %d) = %s, %v; want %s", tt.prefix, tt.number, got, err, tt.want)
		}
		if s := Decode(Profile{}, []byte("]C100"+got), time.Unix(0, 0)); len(s) != 1 || s[0].Error != "" || s[0].SSCC != got {
			t.Errorf("%s is read as %+v", got, s)
		}
	}
	for _, bad := range []struct {
		prefix string
		number uint64
	}{{"691", 0}, {"6910420123456", 0}, {"69A0420", 0}, {"6910420", SSCCs("6910420")}} {
		if got, err := SSCC(bad.prefix, bad.number); err == nil {
			t.Errorf("SSCC(%s, %d) = %s", bad.prefix, bad.number, got)
		}
	}
	seen := map[string]bool{}
	for n := range SSCCs("691042012345") {
		s, err := SSCC("691042012345", n)
		if err != nil || seen[s] {
			t.Fatalf("number %d: %s again, %v", n, s, err)
		}
		seen[s] = true
	}
}
