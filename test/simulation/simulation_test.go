package simulation

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"stockade/protocol/delivery"
)

var (
	histories = flag.Int("histories", 2000, "number of histories")
	firstSeed = flag.Uint64("seed", 1, "first seed")
	oneSeed   = flag.Uint64("only", 0, "play only this seed")
	shown     = flag.Int("shown", 3, "how many failing histories are printed whole")
)

const steps = 160

// play returns what is wrong at the end of the history of a seed.
func play(seed uint64, fault Fault) (*World, error) { return playOn(seed, fault, nil) }

// playOn is play with real stores beside the disks.
func playOn(seed uint64, fault Fault, newStore func(delivery.Trust, delivery.SenderState) (Store, error)) (w *World, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if w, err = NewWorld(seed, fault, newStore); err != nil {
		return w, err
	}
	if err = w.Run(steps); err == nil {
		err = w.Settle()
	}
	if err == nil {
		err = w.Check()
	}
	return w, err
}

func TestHistories(t *testing.T) {
	seeds := make(chan uint64)
	go func() {
		defer close(seeds)
		if *oneSeed != 0 {
			seeds <- *oneSeed
			return
		}
		for i := range *histories {
			seeds <- *firstSeed + uint64(i)
		}
	}()
	var played, disputes, rejoins, frozen, failed atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := range seeds {
				w, err := play(seed, None)
				played.Add(1)
				if err != nil && failed.Add(1) <= int64(*shown) {
					t.Errorf("seed %d: %v\n%s\nplay it alone: go test ./test/simulation -only %d", seed, err, strings.Join(w.story, "\n"), seed)
				}
				story := strings.Join(w.story, "\n")
				count(&disputes, story, "held for fork")
				count(&rejoins, story, "adopts epoch")
				count(&frozen, story, "frozen: \"l")
			}
		})
	}
	wg.Wait()
	t.Logf("%d histories, %d failed; %d with a fork that was held, %d with a new epoch, %d with a frozen node",
		played.Load(), failed.Load(), disputes.Load(), rejoins.Load(), frozen.Load())
	if *oneSeed == 0 && *histories >= 500 && (disputes.Load() == 0 || rejoins.Load() == 0 || frozen.Load() == 0) {
		t.Error("the histories no longer reach forks, new epochs or frozen nodes: the simulation tests less than it says")
	}
}

func count(n *atomic.Int64, story, word string) {
	if strings.Contains(story, word) {
		n.Add(1)
	}
}

// TestPlantedFaults shows that the simulation would see the mistakes it is there for.
func TestPlantedFaults(t *testing.T) {
	for name, fault := range map[string]Fault{"no duplicate check": NoDuplicateCheck, "acknowledgement before commit": AckBeforeCommit, "dropped gap": DroppedGap} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(200) {
				if _, err := play(seed+1, fault); err != nil {
					t.Logf("caught at seed %d: %.200v", seed+1, err)
					return
				}
			}
			t.Error("200 histories with this fault and nothing was noticed")
		})
	}
}

// TestHistoriesRepeat: a seed that failed fails again.
func TestHistoriesRepeat(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		a, errA := play(seed, None)
		b, errB := play(seed, None)
		if fmt.Sprint(errA) != fmt.Sprint(errB) || strings.Join(a.story, "\n") != strings.Join(b.story, "\n") {
			t.Fatalf("seed %d plays differently the second time", seed)
		}
	}
}
