package dashboard

import (
	"html/template"

	"stockade/internal/web"
)

type commandCard struct {
	Command
	Picture template.HTML
}

// getCommands shows the sheet of command barcodes for the wall beside a station.
func (d *dashboard) getCommands(v *web.Visit) error {
	state, err := d.Station.State(v.UserContext(), v.Params("id"))
	if err != nil {
		return err
	}
	commands, err := d.Station.Commands(v.UserContext(), v.Params("id"))
	if err != nil {
		return err
	}
	cards := make([]commandCard, len(commands))
	for i, c := range commands {
		picture, err := code128Picture(c.Content)
		if err != nil {
			return err
		}
		cards[i] = commandCard{c, picture}
	}
	return v.Page("commands", map[string]any{"State": state, "Cards": cards})
}
