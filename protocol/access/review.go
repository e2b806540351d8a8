package access

import (
	"crypto"
	"crypto/ed25519"
	"fmt"

	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// TypeReview is what a signed result of an access review is signed as.
const TypeReview change.Type = "stockade/review/1"

// Verdict is what a manager said of a role that somebody has. The words are stored and signed.
type Verdict string

// The verdicts.
const (
	Undecided Verdict = "undecided"
	Confirmed Verdict = "confirmed"
	Withdrawn Verdict = "withdrawn"
)

// Review is the result of an access review: who had which role where, and who confirmed or withdrew it. Times are Unix milliseconds.
type Review struct {
	_         struct{} `cbor:",toarray"`
	Org       string
	ID        uint64
	Title     string
	Policy    uint64 // the edition of the policy when it was closed
	Started   int64
	StartedBy Account
	Due       stock.Date
	Closed    int64
	ClosedBy  Account
	Items     []ReviewItem
}

// ReviewItem is one role in one hand at one warehouse.
type ReviewItem struct {
	_         struct{} `cbor:",toarray"`
	Account   Account
	Display   string
	Role      RoleID
	Names     Text // of the role
	Warehouse stock.Warehouse
	Verdict   Verdict
	By        Account
	At        int64
	Note      string
	InEffect  bool // of a withdrawal: the person has the role no longer
}

// SealReview returns the result as a COSE_Sign1 message that key signed, see package change.
func SealReview(key crypto.Signer, r Review) ([]byte, error) {
	payload, err := change.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("seal review %d: %w", r.ID, err)
	}
	return change.Sign(key, TypeReview, payload)
}

// OpenReview verifies that key signed the result for that organisation, and returns it.
func OpenReview(key ed25519.PublicKey, org string, signed []byte) (Review, error) {
	payload, err := change.Verify(key, TypeReview, signed)
	if err != nil {
		return Review{}, err
	}
	var r Review
	if err := change.UnmarshalExact(payload, &r); err != nil {
		return Review{}, fmt.Errorf("read review: %w", err)
	}
	if r.Org != org {
		return Review{}, fmt.Errorf("read review: organisation %q, want %q", r.Org, org)
	}
	for i, item := range r.Items {
		switch item.Verdict {
		case Undecided, Confirmed, Withdrawn:
		default:
			return Review{}, fmt.Errorf("read review: item %d has verdict %q", i+1, item.Verdict)
		}
	}
	return r, nil
}
