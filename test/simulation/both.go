package simulation

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"

	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// both is a disk and the open transaction of the real store beside it. Every call goes to both,
// and where they answer differently the history fails.
type both struct {
	disk *disk
	tx   delivery.NodeStore
}

func differ(what string, got, want any) error {
	return fmt.Errorf("store answers %s with %+v, want %+v", what, got, want)
}

func (b *both) BatchAt(epoch, seq uint64) (change.Batch, change.Header, change.Hash, bool, error) {
	batch, h, hash, ok, err := b.disk.BatchAt(epoch, seq)
	got, gh, ghash, gok, gerr := b.tx.BatchAt(epoch, seq)
	if err = errors.Join(err, gerr); err == nil && (gok != ok || ghash != hash || gh.First != h.First || gh.Count != h.Count || !bytes.Equal(got.Body, batch.Body) || !bytes.Equal(got.Signed, batch.Signed)) {
		err = differ(fmt.Sprintf("batch %d.%d", epoch, seq), gok, ok)
	}
	return got, gh, ghash, gok, err
}

func (b *both) Uncut(first uint64, most, size int) ([][]byte, error) {
	want, err := b.disk.Uncut(first, most, size)
	got, gerr := b.tx.Uncut(first, most, size)
	if err = errors.Join(err, gerr); err == nil && (len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want)) {
		err = differ(fmt.Sprintf("changes from %d on", first), len(got), len(want))
	}
	return got, err
}

func (b *both) PutBatch(p delivery.Place, h change.Header, batch change.Batch, next uint64) error {
	return errors.Join(b.disk.PutBatch(p, h, batch, next), b.tx.PutBatch(p, h, batch, next))
}

func (b *both) PutAcked(acked, covered delivery.Place) error {
	return errors.Join(b.disk.PutAcked(acked, covered), b.tx.PutAcked(acked, covered))
}

func (b *both) PutLog(at delivery.LogPlace, note []byte) error {
	return errors.Join(b.disk.PutLog(at, note), b.tx.PutLog(at, note))
}

func (b *both) PutKeys(signed []byte) error {
	return errors.Join(b.disk.PutKeys(signed), b.tx.PutKeys(signed))
}

func (b *both) PutFrozen(why string, evidence []byte) error {
	return errors.Join(b.disk.PutFrozen(why, evidence), b.tx.PutFrozen(why, evidence))
}

func (b *both) PutRejoin(asked delivery.Nonce, grant []byte) error {
	return errors.Join(b.disk.PutRejoin(asked, grant), b.tx.PutRejoin(asked, grant))
}

func (b *both) PutReturned(p delivery.Place, h change.Header, batch change.Batch, parked []uint64) error {
	return errors.Join(b.disk.PutReturned(p, h, batch, parked), b.tx.PutReturned(p, h, batch, parked))
}

func (b *both) Returned(epoch uint64) (delivery.Place, bool, error) {
	want, ok, err := b.disk.Returned(epoch)
	got, gok, gerr := b.tx.Returned(epoch)
	if err = errors.Join(err, gerr); err == nil && (gok != ok || ok && got != want) {
		err = differ(fmt.Sprintf("returned batches of epoch %d", epoch), got, want)
	}
	return got, gok, err
}

func (b *both) Adopt(g delivery.Grant, grant []byte, kept stock.ID) error {
	return errors.Join(b.disk.Adopt(g, grant, kept), b.tx.Adopt(g, grant, kept))
}

func (b *both) Grant(epoch uint64) ([]byte, bool, error) {
	want, ok, err := b.disk.Grant(epoch)
	got, gok, gerr := b.tx.Grant(epoch)
	if err = errors.Join(err, gerr); err == nil && (gok != ok || !bytes.Equal(got, want)) {
		err = differ(fmt.Sprintf("grant of epoch %d", epoch), gok, ok)
	}
	return got, gok, err
}

func (b *both) PutChunk(at delivery.FeedPlace, hash change.Hash, entries []feed.Entry) error {
	return errors.Join(b.disk.PutChunk(at, hash, entries), b.tx.PutChunk(at, hash, entries))
}

// compareState holds what a restart would begin with against the disk.
func (in *instance) compareState() error {
	got, err := in.real.State()
	if err != nil {
		return err
	}
	want := in.disk.st
	got.Feeds, want.Feeds = emptyAsNil(got.Feeds), emptyAsNil(want.Feeds)
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s: state of the store is\n%+v\nwant\n%+v", in.name, got, want)
	}
	return nil
}

func emptyAsNil(m map[string]delivery.FeedHead) map[string]delivery.FeedHead {
	if len(m) == 0 {
		return nil
	}
	return m
}

// checkStores holds what the real stores keep, and the stock in them, against the disks.
func (w *World) checkStores() error {
	for _, in := range w.nodes {
		if in.real == nil {
			continue
		}
		got, err := in.real.Changes()
		if err != nil {
			return err
		}
		want := maps.Clone(in.disk.own)
		maps.Copy(want, in.disk.others)
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("%s: store keeps %d changes, want %d", in.name, len(got), len(want))
		}
		wh := w.warehouse[in.disk.node]
		book, err := in.disk.fold(wh)
		if err != nil {
			return err
		}
		stored, err := in.real.OnHand()
		if err != nil {
			return err
		}
		if want := onHand(book, wh); !maps.Equal(stored, want) {
			return fmt.Errorf("%s: stock in the store differs from its changes: %s", in.name, differences(stored, want))
		}
	}
	return nil
}
