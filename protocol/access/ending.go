package access

import "errors"

// SessionsEnd is the one id of an Ending.
const SessionsEnd = "sessions"

// Ending says that all sessions of everybody have ended. A node that hears it ends the sessions that it has then, whoever's and whatever form a later hub says it in.
type Ending struct {
	_  struct{} `cbor:",toarray"`
	ID string   // SessionsEnd; the first field in every version
	At int64    // when the hub ended them, Unix milliseconds; tells one ending from the next
}

// Check returns an error that says what is malformed in e.
func (e Ending) Check() error {
	if e.ID != SessionsEnd || e.At <= 0 {
		return errors.New("an end of sessions of no kind or time")
	}
	return nil
}
