package station_test

import (
	"context"
	"testing"

	"stockade/edge/station"
)

// TestQuantity: a quantity that was set is for the next scan of an item and for no other.
func TestQuantity(t *testing.T) {
	unit := gs1("01"+tea, "21S1")
	for name, story := range map[string][]string{
		"for one scan": {
			"STK:QTY:12 => scan.quantity_set set=12",
			tea + " => scan.received quantity=12 on_hand=12",
			tea + " => scan.received quantity=1 on_hand=13",
			"STK:QTY:2 => scan.quantity_set",
			crate + " => scan.received quantity=24 on_hand=37", // of crates
		},
		"the last one set counts": {
			"STK:QTY:12 => scan.quantity_set set=12",
			"STK:QTY:5 => scan.quantity_set set=5",
			tea + " => scan.received quantity=5",
		},
		"digit by digit": {
			"STK:KEY:3 => scan.quantity_set set=3",
			"STK:KEY:0 => scan.quantity_set set=30",
			"STK:KEY:7 => scan.quantity_set set=307",
			tea + " => scan.received quantity=307",
			"STK:KEY:4 => scan.quantity_set set=4", // begins anew
			"STK:QTY:12 => scan.quantity_set set=12",
			"STK:KEY:4 => scan.quantity_set set=4", // a set one gets no digits
			"A-01 => scan.no_bin_now",
			"STK:KEY:5 => scan.quantity_set set=5", // nor does one that another scan came behind
			tea + " => scan.received quantity=5",
		},
		"what is no quantity": {
			"STK:KEY:0 => scan.quantity_zero",
			"STK:KEY:12 => scan.unknown_command",
			"STK:KEY: => scan.unknown_command",
			"STK:QTY:0 => scan.unknown_command",
			"STK:QTY:007 => scan.unknown_command",
			"STK:QTY:-1 => scan.unknown_command",
			"STK:QTY:99999 => scan.quantity_set set=99999",
			"STK:QTY:100000 => scan.unknown_command",
			"STK:CANCEL => scan.cancelled",
			"STK:KEY:9 => scan.quantity_set", "STK:KEY:9 => scan.quantity_set", "STK:KEY:9 => scan.quantity_set", "STK:KEY:9 => scan.quantity_set",
			"STK:KEY:9 => scan.quantity_set set=99999",
			"STK:KEY:1 => scan.quantity_too_big max=99999",
			tea + " => scan.received quantity=1",
		},
		"used up by a refusal": {
			"STK:QTY:12 => scan.quantity_set",
			"06922222222227 => scan.unknown_item",
			tea + " => scan.received quantity=1",
			"STK:QTY:12 => scan.quantity_set",
			"hello => scan.not_an_item", // names no item
			tea + " => scan.received quantity=12",
		},
		"a bin may come between": {
			"STK:QTY:20 => scan.quantity_set",
			tea + " => scan.received on_hand=20",
			"STK:MODE:PICK => scan.mode",
			"STK:QTY:3 => scan.quantity_set",
			tea + " => scan.bin_first",
			"RECV => scan.bin",
			tea + " => scan.picked quantity=3 on_hand=17",
			"STK:MODE:TRANSFER => scan.mode",
			"STK:QTY:4 => scan.quantity_set",
			"RECV => scan.bin",
			tea + " => scan.target_first",
			"A-01 => scan.target",
			tea + " => scan.transferred quantity=4 on_hand=4",
			"STK:MODE:COUNT => scan.mode",
			"A-01 => scan.bin",
			"STK:QTY:4 => scan.quantity_set",
			tea + " => scan.counted found=4",
			"STK:QTY:9 => scan.quantity_set",
			"STK:CONFIRM => scan.count_done differences=0",
			"A-01 => scan.bin",
			tea + " => scan.counted found=1",
		},
		"forgotten with the mode and by cancel": {
			"STK:QTY:12 => scan.quantity_set",
			"STK:MODE:RECEIVE => scan.mode",
			tea + " => scan.received quantity=1",
			"STK:QTY:12 => scan.quantity_set",
			"STK:CANCEL => scan.cancelled",
			tea + " => scan.received quantity=1",
			"STK:MODE:LOOKUP => scan.mode",
			"STK:QTY:12 => scan.no_quantity_now mode=text:mode.lookup",
			"STK:MODE:UNDO => scan.mode",
			"STK:KEY:1 => scan.no_quantity_now mode=text:mode.undo",
			"STK:MODE:RECEIVE => scan.mode",
			tea + " => scan.received quantity=1",
		},
		"not of what there is one of, nor against the label": {
			"STK:QTY:2 => scan.quantity_set",
			unit + " => scan.quantity_of_serial serial=S1 set=2",
			"STK:QTY:1 => scan.quantity_set",
			unit + " => scan.received quantity=1",
			"STK:QTY:2 => scan.quantity_set",
			gs1("02"+tea+"3724") + " => scan.quantity_twice count=24 set=2",
			gs1("02"+tea+"3724", "10A") + " => scan.received quantity=24",
			"STK:MODE:COUNT => scan.mode",
			"RECV => scan.bin",
			"STK:QTY:2 => scan.quantity_set",
			gs1("01"+tea, "21S1") + " => scan.quantity_of_serial",
		},
		"a label without its serial number hides none": {
			unit + " => scan.received",
			"STK:MODE:PICK => scan.mode",
			"RECV => scan.bin",
			"STK:QTY:2 => scan.quantity_set",
			tea + " => scan.quantity_of_serial serial=S1",
			"STK:MODE:COUNT => scan.mode",
			"RECV => scan.bin",
			"STK:QTY:2 => scan.quantity_set",
			tea + " => scan.quantity_of_serial serial=S1",
		},
		"more than there is": {
			"STK:QTY:5 => scan.quantity_set",
			tea + " => scan.received",
			"STK:MODE:PICK => scan.mode",
			"RECV => scan.bin",
			"STK:QTY:6 => scan.quantity_set",
			tea + " => scan.more_than_here on_hand=5 quantity=6",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			for _, line := range story {
				b.tell(line)
			}
		})
		t.Run(name+", with the power cut after every scan", func(t *testing.T) {
			b := newBench(t)
			for _, line := range story {
				b.tell(line)
				b.start()
			}
		})
	}
}

// TestQuantityOfALead: what a lead lets pass is what was scanned, the set quantity included.
func TestQuantityOfALead(t *testing.T) {
	b := newBench(t)
	b.tell("STK:MODE:PICK => scan.mode")
	b.tell("RECV => scan.bin")
	b.tell("STK:QTY:12 => scan.quantity_set")
	b.tell(tea + " => scan.not_on_hand")
	b.start()
	f, err := b.st.LetPass(context.Background(), 4, station.Lead{Worker: station.Worker{Actor: "chen"}, Reason: "seen with own eyes"})
	if err != nil || f.Code != station.Picked || f.OnHand != "-12" {
		t.Fatalf("%s, on hand %s, %v; want picked and -12", f.Code, f.OnHand, err)
	}
	if st, err := b.st.State(context.Background()); err != nil || st.Quantity != 0 {
		t.Errorf("%d is still set, %v", st.Quantity, err)
	}
}
