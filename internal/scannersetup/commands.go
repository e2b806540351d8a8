// Package scannersetup knows how scanners are set up: what is said to a person about a proposal of package barcode, and
// the few commands that vendors document for changing a scanner over its line. Commands are sent on a person's word alone.
package scannersetup

import "slices"

// Command is a documented set-up command of a vendor.
type Command struct {
	ID      string // "vendor:what", such as "honeywell:aim-id"
	Text    Text   // what it does, and its condition
	Bytes   []byte // as sent on the line
	Barcode string // content of a plain Code 128 that does the same; empty where the vendor's symbols are special
}

// Commands returns all commands.
func Commands() []Command { return slices.Clone(commands) }

// Find returns the command of an id.
func Find(id string) (Command, bool) {
	i := slices.IndexFunc(commands, func(c Command) bool { return c.ID == id })
	if i < 0 {
		return Command{}, false
	}
	return commands[i], true
}

// honeywell frames a menu command: SYN M CR, tag, subtag and data, and "." to keep it over a power cycle (Honeywell, Serial
// Programming Commands, "Menu Command Syntax").
func honeywell(command string) []byte { return []byte("\x16M\r" + command + ".") }

// newland frames a command: "~" SOH "0000", "@" to keep it, tag, subtag and data, ";" ETX (Newland, Serial Programming
// Command Manual, "Command Syntax").
func newland(command string) []byte { return []byte("~\x010000@" + command + ";\x03") }

// ssi is a PARAM_SEND packet (Zebra, Simple Serial Interface Programmer's Guide): opcode 0xC6 from the host, status bit 3
// to keep the change, no beep, number of the parameter, value; checksum is the two's complement of the sum.
func ssi(parameter, value byte) []byte {
	p := []byte{7, 0xC6, 0x04, 0x08, 0xFF, parameter, value}
	var sum uint16
	for _, c := range p {
		sum += uint16(c)
	}
	return append(p, byte(-sum>>8), byte(-sum&0xFF)) // #nosec G115 -- the two halves
}

var commands = []Command{
	// 99 is all symbologies, 5C81 the AIM identifier, BK2 adds to the prefix that is there.
	{ID: "honeywell:aim-id", Bytes: honeywell("PREBK2995C81"), Text: Text{"霍尼韦尔：加 AIM 标识符（串口模式）", "Honeywell: add AIM identifiers (serial mode)"}},
	{ID: "honeywell:cr", Bytes: honeywell("VSUFCR"), Text: Text{"霍尼韦尔：后缀设为回车", "Honeywell: end each scan with CR"}},
	{ID: "newland:aim-id", Bytes: newland("AIDENA1"), Barcode: "@AIDENA1", Text: Text{"新大陆：加 AIM 标识符", "Newland: add AIM identifiers"}},
	// Switched on without a value it may end in nothing, so both are sent.
	{ID: "newland:cr", Bytes: append(newland("TSUENA1"), newland("TSUSET0D")...), Text: Text{"新大陆：结束符设为回车", "Newland: end each scan with CR"}},
	// Parameter 0x2D, Transmit Code ID Character: 1 is AIM.
	{ID: "zebra:aim-id", Bytes: ssi(0x2D, 1), Text: Text{"斑马 SSI：加 AIM 标识符（仅限 SSI 协议）", "Zebra SSI: add AIM identifiers (SSI lines only)"}},
}

// Barcode is a set-up symbol to be scanned from screen or paper.
type Barcode struct {
	Content string
	Text    Text
}

// Barcodes returns the symbols that belong to a command, in the order in which they are scanned; none where a vendor's
// symbols hold more than plain Code 128 (Zebra and Honeywell begin with FNC3) and have to come from its manual.
func (c Command) Barcodes() []Barcode {
	if c.Barcode == "" {
		return nil
	}
	return []Barcode{
		{"@SETUPE1", Text{"先扫：进入设置", "first: enter set-up"}},
		{c.Barcode, c.Text},
		{"@SETUPE0", Text{"最后扫：退出设置", "last: leave set-up"}},
	}
}

// Manual tells, for vendors in general, what the setting is called in their manuals.
func Manual() []Text {
	return []Text{
		{"斑马 Zebra：手册中的 Transmit Code ID Character → AIM；Scan Data Transmission Format → <DATA><SUFFIX 1>，后缀为回车", "Zebra: in the manual, Transmit Code ID Character → AIM; Scan Data Transmission Format → <DATA><SUFFIX 1> with CR"},
		{"霍尼韦尔 Honeywell：手册中的 Prefix/Suffix Selections，AIM ID 为 5C81；Add CR Suffix to All Symbologies", "Honeywell: in the manual, Prefix/Suffix Selections, AIM ID is 5C81; Add CR Suffix to All Symbologies"},
		{"得利捷 Datalogic：手册中的 AIM ID / Label ID Control；Global Suffix", "Datalogic: in the manual, AIM ID / Label ID Control; Global Suffix"},
		{"新大陆 Newland：手册中的 AIM ID Prefix；Terminating Character Suffix", "Newland: in the manual, AIM ID Prefix; Terminating Character Suffix"},
	}
}
