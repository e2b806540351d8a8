package dashboard

import (
	"encoding/json"
	"time"

	"stockade/protocol/stock"
)

// Mode is what a station does with a scan.
type Mode string

// The modes. Their names are keys of the catalogue under "mode.".
const (
	Receive  Mode = "receive"
	Pick     Mode = "pick"
	Count    Mode = "count"
	Transfer Mode = "transfer"
	LookUp   Mode = "lookup"
	Undo     Mode = "undo"
)

// Modes returns all modes in the order in which they are offered.
func Modes() []Mode { return []Mode{Receive, Pick, Count, Transfer, LookUp, Undo} }

// Outcome is how a scan ended; it chooses colour and sound.
type Outcome string

// The outcomes.
const (
	Accepted Outcome = "accepted" // green: a movement or a count was committed
	Refused  Outcome = "refused"  // red: nothing was booked
	Info     Outcome = "info"     // blue: an answer, a changed mode, a chosen bin
)

// Feedback is what a worker is told about one scan, after the commit. It is what a station
// keeps of the scan, so that a page that comes back shows the same.
type Feedback struct {
	Number      int64             `json:"number"` // rises within the station, over restarts too
	Time        time.Time         `json:"time"`
	Station     string            `json:"station"`
	Mode        Mode              `json:"mode"`
	Outcome     Outcome           `json:"outcome"`
	Code        string            `json:"code"`           // key of the sentence in the catalogue, such as "scan.unknown_item"
	Args        map[string]string `json:"args,omitempty"` // for the sentence; a value "text:KEY" is itself looked up
	Raw         []byte            `json:"raw"`            // the bytes as they came; base64 in JSON
	Scan        json.RawMessage   `json:"scan,omitempty"` // what the decoder reported
	Movement    string            `json:"movement,omitempty"`
	Undoable    bool              `json:"undoable,omitempty"` // the movement can still be taken back
	Passable    bool              `json:"passable,omitempty"` // refused for want of stock: a lead may let it pass
	SKU         stock.SKU         `json:"sku,omitempty"`
	Item        string            `json:"item,omitempty"` // name of the item
	Lot         stock.Lot         `json:"lot,omitempty"`
	Serial      stock.Serial      `json:"serial,omitempty"`
	Expiry      stock.Date        `json:"expiry,omitempty"`
	Quantity    string            `json:"quantity,omitempty"` // with sign where stock went out
	Unit        string            `json:"unit,omitempty"`
	Location    stock.Location    `json:"location,omitempty"`
	OnHand      string            `json:"on_hand,omitempty"` // of the item at the location, after the scan
	BusinessDay stock.Date        `json:"business_day,omitempty"`
}

// Scan is a Feedback as it is sent to readers.
type Scan struct {
	Feedback
	Sentence string `json:"sentence"`
	Bin      string `json:"bin,omitempty"`   // code on the bin's label
	Clock    string `json:"clock,omitempty"` // time of day at the warehouse
}

// RefusedScan is a refused scan that somebody has yet to deal with.
type RefusedScan struct {
	Last     time.Time
	Times    int
	Code     string
	Args     map[string]string
	Raw      []byte
	Sentence string // filled in for the page
	Text     string // Raw, made printable; filled in for the page
}

// Input says where the bytes of a submitted scan come from.
type Input string

// The inputs. Without one a program or a hand speaks, as a scanner without a profile would.
const (
	ByKeyboard Input = "keyboard" // a scanner that acts as a keyboard: the station's wedge_profile says how it was set up
	ByCamera   Input = "camera"   // AIM identifier and data, exactly one scan whatever characters it has
)

// Keyboard says how the station's page reads keys: the tags keys= and end= of its wedge_profile.
type Keyboard struct {
	Keys string // "us": by their place on a US keyboard, whatever the computer's layout; empty: as the computer does
	End  string // "silence": a pause ends a scan too; empty: only Enter and Tab do
}

// StationInfo names a station.
type StationInfo struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// StationState is what a station shows beside its last scan.
type StationState struct {
	StationInfo
	Mode     Mode           `json:"mode"`
	Location stock.Location `json:"location,omitempty"` // bin that scans go to or come from
	Accepted int64          `json:"accepted"`           // today
	Refused  int64          `json:"refused"`            // today
	Day      stock.Date     `json:"day"`
	Quantity int64          `json:"quantity,omitempty"` // that the next scan of an item counts as; 0 for none set
	Trouble  string         `json:"trouble,omitempty"`  // key of why the scanner's last scan is not stored yet

	Worker     string `json:"worker,omitempty"`      // name of who works by badge
	Asked      string `json:"asked,omitempty"`       // name of whose PIN is waited for
	NeedsBadge bool   `json:"needs_badge,omitempty"` // nothing is done without a badge or a sign-in
}

// State is sent to a station's page when anything in it has changed.
type State struct {
	Station  StationState  `json:"station"`
	ModeText string        `json:"mode_text"`
	Bin      string        `json:"bin"`
	Devices  []DeviceState `json:"devices"`
	Sync     string        `json:"sync"`      // "ok", "waiting", "offline" or "held"
	SyncText string        `json:"sync_text"` // sentence
	Trouble  string        `json:"trouble"`   // sentence; empty for none
	Printing PrintState    `json:"printing"`
}

// DeviceState is a device as a station's page shows it.
type DeviceState struct {
	Kind  DeviceKind `json:"kind"`
	Name  string     `json:"name"`
	Good  bool       `json:"good"`
	Text  string     `json:"text"`
	Title string     `json:"title"`
}

// Command is a barcode for the wall: its content and the key of what it does.
type Command struct {
	Content string            // what the barcode holds, ASCII
	Text    string            // key of the catalogue: what it does
	Args    map[string]string // of the text
	Group   string            // key of the heading it stands under
}

// StockQuery asks for balances. Zero fields do not restrict.
type StockQuery struct {
	Search   string // in name, SKU, GTIN, lot, serial number
	Location stock.Location
	Limit    int
	After    string // Next of the page before
}

// AsOf says how fresh a figure is: the node knows its own acts at once, those of the other
// nodes of its warehouse as of when it heard of them.
type AsOf struct {
	Own      time.Time                  `json:"own"`
	Siblings map[stock.NodeID]time.Time `json:"siblings,omitempty"`
}

// StockRow is the balance of one cell.
type StockRow struct {
	SKU      stock.SKU      `json:"sku"`
	GTIN     stock.GTIN     `json:"gtin,omitempty"`
	Name     string         `json:"name"`
	Lot      stock.Lot      `json:"lot,omitempty"`
	Serial   stock.Serial   `json:"serial,omitempty"`
	Expiry   stock.Date     `json:"expiry,omitempty"`
	Expired  bool           `json:"expired,omitempty"`
	State    string         `json:"state"` // word of stock.State
	Location stock.Location `json:"location"`
	OnHand   stock.Quantity `json:"on_hand"`
	Unit     string         `json:"unit,omitempty"`
}

// StockPage is a part of the answer; Next asks for the following one, empty at the end.
type StockPage struct {
	Rows []StockRow `json:"rows"`
	AsOf AsOf       `json:"as_of"`
	Next string     `json:"next"`
}

// MovementQuery asks for movements, the newest first. Zero fields do not restrict.
type MovementQuery struct {
	SKU    stock.SKU
	Limit  int
	Before string // Next of the page before
}

// MovementRow is a movement as tables show it.
type MovementRow struct {
	ID        string         `json:"id"`
	Time      time.Time      `json:"time"`
	SKU       stock.SKU      `json:"sku"`
	Name      string         `json:"name"`
	Lot       stock.Lot      `json:"lot,omitempty"`
	Serial    stock.Serial   `json:"serial,omitempty"`
	Expiry    stock.Date     `json:"expiry,omitempty"`
	From      stock.Location `json:"from"`
	To        stock.Location `json:"to"`
	Quantity  stock.Quantity `json:"quantity"`
	Unit      string         `json:"unit,omitempty"`
	Actor     string         `json:"actor"`
	Terminal  string         `json:"terminal"`
	Reverses  string         `json:"reverses,omitempty"`
	Delivered bool           `json:"delivered"` // the hub has acknowledged it
}

// MovementPage is a part of the answer; Next asks for the following one, empty at the end.
type MovementPage struct {
	Rows []MovementRow `json:"movements"`
	Next string        `json:"next"`
}

// Sync is how the node stands with the hub.
type Sync struct {
	Node         stock.NodeID `json:"node"`
	Epoch        uint64       `json:"epoch"`
	Hub          string       `json:"hub"`       // address; empty while not enrolled
	Connected    bool         `json:"connected"` // to the broker, now
	Since        time.Time    `json:"since"`     // of the present state of the line
	Waiting      int64        `json:"waiting"`   // changes that the hub has not acknowledged
	Batches      int64        `json:"batches"`   // batches among them that are cut
	Acknowledged uint64       `json:"acknowledged"`
	AckTime      time.Time    `json:"ack_time"`
	LogSize      int64        `json:"log_size"`    // of the newest checkpoint that this node co-signed
	Held         string       `json:"held"`        // key of why nothing is taken from the hub; empty for nothing
	FeedVersion  uint64       `json:"feed"`        // catalogue and locations
	ClockDoubt   bool         `json:"clock_doubt"` // the hub's time differs much from ours
}

// DeviceKind says what a device does.
type DeviceKind string

// The kinds of device.
const (
	Scanner DeviceKind = "scanner"
	Printer DeviceKind = "printer"
)

// Device is a scanner or printer on a serial port. Status and Problem are keys under "device.": "ready", "absent", "busy",
// "denied", "noise", "paper_out", "ribbon_out", "head_open", "cover_open", "jam", "cutter", "paused", "hot", "silent",
// "nonsense", "fault"; "error_unplugged" and so on.
type Device struct {
	Name    string     `json:"name"`
	Station string     `json:"station"`
	Kind    DeviceKind `json:"kind"`
	Port    string     `json:"port"`
	Status  string     `json:"status"`
	Since   time.Time  `json:"since"`
	Queue   int        `json:"queue"`             // labels that wait or are on their way
	Unknown int        `json:"unknown,omitempty"` // labels that a person has to look after

	Watched   bool      `json:"watched,omitempty"`    // its scans are shown on the set-up page and not booked
	LastEvent time.Time `json:"last_event,omitzero"`  // last byte or finished job
	LastError string    `json:"last_error,omitempty"` // technical, in English; stays until the next one
	Problem   string    `json:"problem,omitempty"`    // what that means
	ErrorTime time.Time `json:"error_time,omitzero"`
}
