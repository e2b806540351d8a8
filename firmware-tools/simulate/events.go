package simulate

import "context"

// EventKind says what happened to a printer.
type EventKind string

// The kinds of events.
const (
	EventLabel     EventKind = "label"     // a label was printed
	EventSpoiled   EventKind = "spoiled"   // a label was begun and stopped by the end of the paper or another fault
	EventWarning   EventKind = "warning"   // something that a printer ignores in silence: see Text
	EventCancelled EventKind = "cancelled" // the host took waiting jobs back
	EventFlow      EventKind = "flow"      // XOFF or XON was sent
	EventCut       EventKind = "cut"       // the cable was cut on request
)

// Event is something that happened to a printer.
type Event struct {
	Kind  EventKind
	Text  string // in Chinese and English
	Label *Label // of EventLabel and EventSpoiled, shared: not to be changed
}

// event keeps an event. The caller holds mu, so that events stand in the order of what happened.
func (p *Printer) event(e Event) { p.events.add(e) }

// WaitEvents returns what happened behind the first from events, and the position behind that, as soon as
// there is anything. It fails only when ctx ends.
func (p *Printer) WaitEvents(ctx context.Context, from int) (events []Event, next int, err error) {
	return p.events.wait(ctx, from)
}

// Events returns what happened, oldest first: at least the last 4096 events.
func (p *Printer) Events() []Event { return p.events.all() }
