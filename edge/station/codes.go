package station

import (
	"fmt"
	"strings"

	"stockade/protocol/barcode"
)

// Codes of what a worker is told: keys of the catalogue of texts. The arguments that each
// sentence may use stand behind it; the item's name is always {item}.
const (
	Received       = "scan.received"        // quantity, unit, bin, on_hand
	Picked         = "scan.picked"          // quantity, unit, bin, on_hand
	Transferred    = "scan.transferred"     // quantity, unit, bin, target, on_hand
	Counted        = "scan.counted"         // quantity, unit, bin, found
	CountDone      = "scan.count_done"      // bin, lines, differences
	Undone         = "scan.undone"          // quantity, unit, bin, on_hand
	LookedUp       = "scan.lookup"          // on_hand, unit, places
	BinChosen      = "scan.bin"             // bin
	TargetChosen   = "scan.target"          // bin, target
	ModeChosen     = "scan.mode"            // mode (text key)
	RepeatIgnored  = "scan.repeat"          //
	Cancelled      = "scan.cancelled"       //
	UnknownItem    = "scan.unknown_item"    // code
	InactiveItem   = "scan.inactive_item"   // code
	NotAnItem      = "scan.not_an_item"     // text
	UnknownBin     = "scan.unknown_bin"     // text
	UnknownCommand = "scan.unknown_command" // text
	NoQuantity     = "scan.no_quantity"     //
	TooMuch        = "scan.too_much"        //
	Expired        = "scan.expired"         // expiry
	SerialTwice    = "scan.serial_twice"    // serial, bin
	BinFirst       = "scan.bin_first"       //
	TargetFirst    = "scan.target_first"    // bin
	WrongBin       = "scan.wrong_bin"       // bin, places
	NotOnHand      = "scan.not_on_hand"     // bin
	MoreThanHere   = "scan.more_than_here"  // bin, on_hand, quantity
	WhichLot       = "scan.which_lot"       // bin, lots
	NothingToUndo  = "scan.nothing_to_undo" //
	UndoneBefore   = "scan.undone_before"   //
	UndoTooLate    = "scan.undo_too_late"   // bin, on_hand
	NothingCounted = "scan.nothing_counted" //
	CountOpen      = "scan.count_open"      // bin
	NoBinNow       = "scan.no_bin_now"      // bin, mode (text key), receiving
	BinLookedUp    = "scan.lookup_bin"      // bin, goods
	NothingToPass  = "scan.nothing_to_pass" //

	BadgeRead    = "scan.badge_read"    // person
	BadgeIn      = "scan.badge_in"      // person
	BadgeLeft    = "scan.badge_left"    // person
	BadgeIdle    = "scan.badge_idle"    // person
	BadgeVoid    = "scan.badge_void"    // person
	BadgeFirst   = "scan.badge_first"   //
	BadgeUnknown = "scan.badge_unknown" //
	BadgeUnread  = "scan.badge_unread"  //
	BadgeNoPIN   = "scan.badge_no_pin"  // person

	QuantitySet      = "scan.quantity_set"       // set
	NoQuantityNow    = "scan.no_quantity_now"    // mode (text key)
	QuantityZero     = "scan.quantity_zero"      //
	QuantityTooBig   = "scan.quantity_too_big"   // max
	QuantityTwice    = "scan.quantity_twice"     // count, set
	QuantityOfSerial = "scan.quantity_of_serial" // serial, set
)

// Unreadable returns the code for a scan that the decoder could not use.
func Unreadable(c barcode.Class) string { return "scan.unreadable_" + string(c) }

// Commands are the texts of command barcodes in the order of the printed sheet.
func Commands() []string {
	all := []string{"STK:MODE:RECEIVE", "STK:MODE:PICK", "STK:MODE:COUNT", "STK:MODE:TRANSFER", "STK:MODE:LOOKUP", "STK:MODE:UNDO",
		"STK:CONFIRM", "STK:UNDO", "STK:CANCEL"}
	for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 20, 24, 50, 100} {
		all = append(all, fmt.Sprintf("STK:QTY:%d", n))
	}
	for digit := range 10 {
		all = append(all, fmt.Sprintf("STK:KEY:%d", digit))
	}
	return all
}

// CommandGroup returns the key of the heading under which a command stands on the sheet.
func CommandGroup(command string) string {
	for prefix, group := range map[string]string{"STK:MODE:": "command.modes", "STK:QTY:": "command.quantities", "STK:KEY:": "command.digits"} {
		if strings.HasPrefix(command, prefix) {
			return group
		}
	}
	return "command.acts"
}

// CommandText returns the key of what a command does, such as "command.confirm", and what that text may use.
func CommandText(command string) (key string, args map[string]string) {
	if n, ok := strings.CutPrefix(command, "STK:QTY:"); ok {
		return "command.quantity", map[string]string{"n": n}
	}
	if n, ok := strings.CutPrefix(command, "STK:KEY:"); ok {
		return "command.digit", map[string]string{"n": n}
	}
	return commandTexts[command], nil
}

var commandTexts = map[string]string{
	"STK:MODE:RECEIVE": "mode.receive", "STK:MODE:PICK": "mode.pick", "STK:MODE:COUNT": "mode.count", "STK:MODE:TRANSFER": "mode.transfer",
	"STK:MODE:LOOKUP": "mode.lookup", "STK:MODE:UNDO": "mode.undo", "STK:CONFIRM": "command.confirm", "STK:UNDO": "command.undo", "STK:CANCEL": "command.cancel",
}
