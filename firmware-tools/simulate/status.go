package simulate

import "fmt"

// printerState is what a printer's own sensors and buttons say.
type printerState struct {
	paperOut, ribbonOut, headOpen, paused bool
}

// inError tells whether the printer is in one of the states in which real ones stay silent.
func (s printerState) inError() bool { return s.paperOut || s.ribbonOut || s.headOpen }

// prints tells whether formats become labels.
func (s printerState) prints() bool { return !s.inError() && !s.paused }

// hostStatus is the answer to ~HS (ZPL II Programming Guide, "~HS Host Status Return"): three
// lines, each between STX and ETX and ended by CR LF.
func hostStatus(s printerState, waiting int, partial bool) []byte {
	one := fmt.Sprintf("030,%d,%d,0000,%03d,0,0,%d,000,0,0,0", flag(s.paperOut), flag(s.paused), min(waiting, 999), flag(partial))
	two := fmt.Sprintf("000,0,%d,%d,0,2,0,0,00000000,1,000", flag(s.headOpen), flag(s.ribbonOut))
	three := "1234,0"
	var answer []byte
	for _, text := range []string{one, two, three} {
		answer = append(answer, "\x02"+text+"\x03\r\n"...)
	}
	return answer
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}
