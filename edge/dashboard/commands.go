package dashboard

import (
	"errors"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/paper"
	"stockade/internal/symbol"
	"stockade/internal/web"
)

// commandGroup is a heading with its cards.
type commandGroup struct {
	Title string // key of the catalogue
	Cards []commandCard
}

type commandCard struct {
	Command
	Symbol symbol.Symbol
}

// Picture returns the card's barcode.
func (c commandCard) Picture() template.HTML { return barsPicture(c.Symbol) }

// barsPicture draws bars as SVG, one unit per module wide.
func barsPicture(s symbol.Symbol) template.HTML {
	var bars strings.Builder
	s.Runs(func(x, _, n int) { fmt.Fprintf(&bars, "M%d 0h%dv40h-%dz", x+s.Quiet, n, n) })
	svg := fmt.Sprintf(`<svg class="barcode" viewBox="0 0 %d 40" preserveAspectRatio="none" aria-hidden="true" shape-rendering="crispEdges"><path d="%s"/></svg>`,
		s.Width+2*s.Quiet, bars.String())
	return template.HTML(svg) // #nosec G203 -- numbers and a fixed frame, nothing of text
}

// commandGroups returns the cards of a station's sheet under their headings, in order.
func (d *dashboard) commandGroups(v *web.Visit) (groups []commandGroup, err error) {
	commands, err := d.Station.Commands(v.UserContext(), v.Params("id"))
	if err != nil {
		return nil, err
	}
	for _, c := range commands {
		s, err := symbol.Make(symbol.Code128, c.Content)
		if err != nil {
			return nil, err
		}
		if len(groups) == 0 || groups[len(groups)-1].Title != c.Group {
			groups = append(groups, commandGroup{Title: c.Group})
		}
		g := &groups[len(groups)-1]
		g.Cards = append(g.Cards, commandCard{c, s})
	}
	return groups, nil
}

// getCommands shows the sheet of command barcodes for the wall beside a station.
func (d *dashboard) getCommands(v *web.Visit) error {
	state, err := d.Station.State(v.UserContext(), v.Params("id"))
	if err != nil {
		return err
	}
	groups, err := d.commandGroups(v)
	if err != nil {
		return err
	}
	return v.Page("commands", map[string]any{"State": state, "Groups": groups})
}

// getCommandsPDF returns the sheet for the printer.
func (d *dashboard) getCommandsPDF(v *web.Visit) error {
	state, err := d.Station.State(v.UserContext(), v.Params("id"))
	if err != nil {
		return err
	}
	groups, err := d.commandGroups(v)
	if err != nil {
		return err
	}
	day, err := time.Parse(time.DateOnly, string(state.Day))
	if err != nil {
		return fmt.Errorf("business day: %w", err)
	}
	s := &sheet{face: d.Face, say: v.In, station: state.Name, version: d.Version, day: string(state.Day)}
	file, err := s.file(groups, day)
	if errors.Is(err, paper.ErrNoFont) {
		return web.Fail(fiber.StatusServiceUnavailable, "commands.no_font").Because(err)
	}
	if err != nil {
		return err
	}
	v.Set(fiber.HeaderContentType, "application/pdf")
	v.Attachment("commands-" + state.ID + ".pdf")
	return v.Send(file)
}
