package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"stockade/edge/store"
	"stockade/protocol/stock"
)

// scanners are how many scan at once in the second edge_commit.
const scanners = 8

// edgeCommit measures goods receipts a second, from a scanner's bytes to the commit after which
// the worker sees green: one station, then eight at once. The baseline inserts what each of these scans
// left in the store (its change, what was scanned, what the worker was told) as one row of a plain
// database, one by one: eight writers at once would only wait for each other there.
func (r *run) edgeCommit(ctx context.Context, dir string) (err error) {
	p, err := openPlain(filepath.Join(dir, "plain.sqlite"), `CREATE TABLE scan (id INTEGER PRIMARY KEY, payload BLOB NOT NULL)`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	took, err := flush(filepath.Join(dir, "flush"), r.Size.Scans)
	if err != nil {
		return err
	}
	r.say("  the disk takes %.2f ms to flush a page: the slower, the less a scan's own work counts", took)
	return withNode(ctx, dir, time.Now, func(n *node) error {
		places, err := n.places(1 + scanners)
		if err != nil {
			return err
		}
		c := &commits{run: r, node: n, plain: p, places: places}
		if err := c.warmUp(ctx); err != nil {
			return err
		}
		return c.measure(ctx)
	})
}

// flush returns how many milliseconds the disk takes to make a written page durable. Both sides of the
// comparison wait that long for every commit.
func flush(path string, times int) (float64, error) {
	page := make([]byte, 4096)
	if err := os.WriteFile(path, page, 0o600); err != nil {
		return 0, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0) // #nosec G304 -- made above
	if err != nil {
		return 0, err
	}
	var took series
	for range times {
		began := time.Now()
		if _, err = f.WriteAt(page, 0); err == nil {
			err = f.Sync()
		}
		if err != nil {
			break
		}
		took = append(took, millis(began))
	}
	return took.median(), errors.Join(err, f.Close())
}

// commits compares the commits of scans with those of rows.
type commits struct {
	*run
	node   *node
	plain  *plain
	places []place // the first works alone, the others at once
}

// warmUp fills the log of both databases once. What follows writes over it, as in the years to come:
// a log that still grows costs the file system more than the commit itself.
func (c *commits) warmUp(ctx context.Context) error {
	if _, err := receive(ctx, c.places, c.Size.WarmUp/len(c.places)); err != nil {
		return err
	}
	for done := 0; done < c.Size.WarmUp; done += c.Size.Scans {
		if _, err := c.singles(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *commits) measure(ctx context.Context) error {
	var one, eight, plain series
	turns := []func() error{
		func() error {
			return one.measure(func() (float64, error) { return receive(ctx, c.places[:1], c.Size.Scans) })
		},
		func() error { return plain.measure(func() (float64, error) { return c.singles(ctx) }) },
		func() error {
			return eight.measure(func() (float64, error) { return receive(ctx, c.places[1:], c.Size.Scans) })
		},
	}
	for i := range c.Size.Rounds {
		for j := range turns { // another one begins every time
			if err := turns[(i+j)%len(turns)](); err != nil {
				return err
			}
		}
		c.say("  round %d: one %.0f, eight %.0f, plain %.0f scans/s", i+1, one[i], eight[i], plain[i])
	}
	if err := c.emit("edge_commit/1", "scans/s", one.median(), plain.median()); err != nil {
		return err
	}
	return c.emit(fmt.Sprintf("edge_commit/%d", scanners), "scans/s", eight.median(), plain.median())
}

// receive lets all places receive goods at once, and returns scans a second.
func receive(ctx context.Context, places []place, each int) (float64, error) {
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for _, p := range places {
		group.Go(func() error {
			for range each {
				if err := handle(ctx, p.station, p.worker.receipt()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return rate(each*len(places), began), err
}

// singles inserts what the last scans of the first place have left in the store as rows of the plain database.
func (c *commits) singles(ctx context.Context) (float64, error) {
	var payloads [][]byte
	if err := c.node.store.View(ctx, func(tx *store.Tx) error {
		scans, err := tx.LastScans(stationName(0), c.Size.Scans)
		if err != nil {
			return err
		}
		for _, s := range scans {
			b, err := payload(tx, s)
			if err != nil {
				return err
			}
			payloads = append(payloads, b)
		}
		return nil
	}); err != nil {
		return 0, err
	}
	return c.plain.singles(payloads)
}

// payload is all bytes that a scan brought into the store.
func payload(tx *store.Tx, s store.Scan) ([]byte, error) {
	b := append(append(append([]byte{}, s.Raw...), s.Told...), s.State...)
	if s.Movement == (stock.ID{}) {
		return b, nil
	}
	c, err := tx.Change(s.Movement)
	if err != nil {
		return nil, err
	}
	encoded, err := c.Encode()
	return append(b, encoded...), err
}
