package simulate

import "time"

// faults are what goes wrong on request, beside what the sensors say.
type faults struct {
	nonsense, deaf bool
	roll           int // labels left on the roll, plus 1; 0 is a roll without end
	cut            int // bytes of jobs until the cable is cut, plus 1; 0 is never
	seed           uint64
}

// SetPaper puts paper in or takes it out.
func (p *Printer) SetPaper(ok bool) {
	p.change(func() { p.state.paperOut, p.state.paperLow = !ok, p.state.paperLow && !ok })
}

// SetPaperLow brings the roll near its end, which only ESC/POS printers tell.
func (p *Printer) SetPaperLow(on bool) { p.change(func() { p.state.paperLow = on }) }

// SetRoll says how many labels the roll still holds. Paper runs out within the next one, which is spoiled.
func (p *Printer) SetRoll(labels int) { p.change(func() { p.faults.roll = max(0, labels) + 1 }) }

// SetRibbon puts a ribbon in or takes it out.
func (p *Printer) SetRibbon(ok bool) { p.change(func() { p.state.ribbonOut = !ok }) }

// SetHead closes the head or opens it.
func (p *Printer) SetHead(closed bool) { p.change(func() { p.state.headOpen = !closed }) }

// SetPaused presses the pause button. A paused printer answers ~HS, and finishes the label that is moving.
func (p *Printer) SetPaused(on bool) { p.change(func() { p.state.paused = on }) }

// SetHot heats the print head too much, or lets it cool. The label that is moving is finished.
func (p *Printer) SetHot(on bool) { p.change(func() { p.state.hot = on }) }

// SetJam jams paper or cutter, or clears it.
func (p *Printer) SetJam(on bool) { p.change(func() { p.state.jammed = on }) }

// SetNonsense makes the printer answer every question with bytes that mean nothing.
func (p *Printer) SetNonsense(on bool) { p.change(func() { p.faults.nonsense = on }) }

// SetDeaf makes the printer take no bytes from the line, as one that hangs or that holds its CTS back.
func (p *Printer) SetDeaf(on bool) { p.change(func() { p.faults.deaf = on }) }

// SetBuffer is PrinterOptions.Buffer.
func (p *Printer) SetBuffer(bytes int) { p.change(func() { p.o.Buffer = max(0, bytes) }) }

// SetXonXoff is PrinterOptions.XonXoff.
func (p *Printer) SetXonXoff(on bool) { p.change(func() { p.o.XonXoff = on }) }

// SetPrintTime is PrinterOptions.PrintTime, from the next label on.
func (p *Printer) SetPrintTime(d time.Duration) { p.change(func() { p.o.PrintTime = max(0, d) }) }

// CutAfter unplugs the printer when it has taken so many bytes more of jobs. Questions between them do not count.
func (p *Printer) CutAfter(bytes int) { p.change(func() { p.faults.cut = max(1, bytes) + 1 }) }

// SetSpeed says how many bytes a second are taken from the line; 0 or less is as fast as they
// come. What the line itself holds, some thousand bytes, a host can write at once at any speed.
func (p *Printer) SetSpeed(bytesPerSecond int) {
	p.change(func() { p.speed = max(0, bytesPerSecond) })
}
