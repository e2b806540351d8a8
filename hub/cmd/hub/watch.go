package main

import (
	"context"
	"time"

	"stockade/hub/store"
	"stockade/protocol/stock"
)

// watchEvery is how often the server looks whether a command has left word.
const watchEvery = 250 * time.Millisecond

// watch carries out what commands and pages have decided and only the running server can do.
func (s *server) watch(ctx context.Context) error {
	last := s.noticed
	s.publisher.Wake() // for what was written while the server was away
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		var notices []store.Notice
		err := s.store.View(ctx, func(v *store.View) (err error) { notices, err = v.NoticesAfter(last); return err })
		if err != nil {
			if ctx.Err() == nil {
				s.log.Error("look for notices", "err", err)
			}
			continue
		}
		for _, n := range notices {
			last = n.Seq
			s.notice(n)
		}
	}
}

func (s *server) notice(n store.Notice) {
	s.log.Info("noticed", "kind", n.Kind, "node", n.Node)
	switch n.Kind {
	case store.NoticeRevoked:
		s.disconnect(stock.NodeID(n.Node))
	case store.NoticeDecided:
		s.sessions.More(stock.NodeID(n.Node)) // it waits, and may ask again now
		s.publisher.Wake()
	case store.NoticePolicy:
		if err := s.loadRights(context.Background()); err != nil {
			s.log.Error("the policy could not be read; the one before goes on", "err", err)
		}
		s.publisher.Wake()
	case store.NoticeEnrolled:
		if s.accounts != nil { // it may have told its key: people are sealed to it
			if err := s.sayRights(context.Background(), s.accounts); err != nil {
				s.log.Error("people could not be told to a node; the next start tries again", "node", n.Node, "err", err)
			}
		}
		s.publisher.Wake()
	case store.NoticeMaster:
		s.publisher.Wake()
	}
}
