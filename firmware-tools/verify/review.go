package verify

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"stockade/protocol/access"
)

// maxReview limits the signed result of an access review, in bytes.
const maxReview = 32 << 20

// Review checks the signed result of an access review against the keys that t gives, and returns it with the log whose
// key signed it.
func Review(signed []byte, t Trust) (r access.Review, log string, err error) {
	if len(signed) > maxReview {
		return access.Review{}, "", fmt.Errorf("%d bytes: a review has %d at most", len(signed), maxReview)
	}
	var faults []error
	for _, origin := range slices.Sorted(maps.Keys(t.Logs)) {
		org, _, err := parseOrigin(origin)
		if err == nil {
			if r, err = access.OpenReview(t.Logs[origin], org, signed); err == nil {
				return r, origin, nil
			}
		}
		faults = append(faults, fmt.Errorf("%s: %w", origin, err))
	}
	return access.Review{}, "", errors.Join(faults...)
}
