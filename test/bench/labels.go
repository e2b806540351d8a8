package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"stockade/internal/label"
	"stockade/internal/raster"
)

// chineseFont is where Debian's fonts-noto-cjk puts its font.
const chineseFont = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"

// labels measures how long a label of each template takes from its values to the printer's bytes, beside a bare
// pseudo-terminal that carries the same bytes.
func (r *run) labels(_ context.Context, _ string) error {
	face, err := raster.OpenTypeface(chineseFont)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("install fonts-noto-cjk: %w", err)
	}
	if err != nil {
		return err
	}
	defer face.Close()
	for _, t := range label.Standard() {
		values, printer := t.Kind.Sample(), label.Printer{}
		var ours, bare series
		for range r.Size.Rounds {
			began := time.Now()
			var data []byte
			for range r.Size.Labels {
				l, err := t.Layout(values, printer, face)
				if err != nil {
					return err
				}
				data = l.Commands()
			}
			ours = append(ours, time.Since(began).Seconds()*1000/float64(r.Size.Labels))
			took, err := throughTerminal(data, r.Size.Labels)
			if err != nil {
				return err
			}
			bare = append(bare, took.Seconds()*1000/float64(r.Size.Labels))
		}
		if err := r.emit("label_render/"+t.ID, "ms", ours.median(), bare.median()); err != nil {
			return err
		}
	}
	return nil
}

// throughTerminal sends data so many times through a raw pseudo-terminal and returns how long it took.
func throughTerminal(data []byte, times int) (time.Duration, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return 0, err
	}
	defer master.Close()
	defer slave.Close()
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil { // #nosec G115 -- a descriptor
		return 0, err
	}
	began := time.Now()
	wrote := make(chan error, 1)
	go func() {
		for range times {
			if _, err := slave.Write(data); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	if _, err := io.CopyN(io.Discard, master, int64(len(data))*int64(times)); err != nil && !errors.Is(err, os.ErrClosed) {
		return 0, err
	}
	return time.Since(began), <-wrote
}
