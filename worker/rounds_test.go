package worker

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestRoundsThatOthersAskForAreBounded floods a worker with nudges for a
// minute of a clock that does not depend on this machine.
func TestRoundsThatOthersAskForAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const length, interval = time.Minute, time.Second
		ctx, cancel := context.WithTimeout(t.Context(), length)
		defer cancel()
		asked := make(chan struct{}, 1)
		var flood sync.WaitGroup
		defer flood.Wait()
		flood.Go(func() {
			for ctx.Err() == nil {
				tell(asked)
				time.Sleep(time.Millisecond) //nolint:forbidigo // of synctest's clock
			}
		})
		r := newRounds(asked)
		defer r.stop()
		count := 0
		for r.next(ctx) {
			count++
			r.after(interval)
		}
		if most := int(length/nudgePause + length/interval); count > most+1 {
			t.Errorf("%d rounds in %s, want at most %d", count, length, most)
		}
		if least := int(length / nudgePause / 2); count < least {
			t.Errorf("%d rounds in %s: nudges are lost", count, length)
		}
	})
}

// TestRoundsComeAtOnceAndInTime: the first nudge is answered at once, one that
// comes in the pause after it when the pause is over, and without any the
// regular round comes.
func TestRoundsComeAtOnceAndInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		asked := make(chan struct{}, 1)
		r := newRounds(asked)
		defer r.stop()
		begun := time.Now()
		due := func(what string, want time.Duration) {
			t.Helper()
			if !r.next(ctx) {
				t.Fatalf("%s: the rounds have ended", what)
			}
			if took := time.Since(begun); took != want {
				t.Errorf("%s: a round after %s, want %s", what, took, want)
			}
			r.after(time.Second)
		}
		due("the first round", 0)
		tell(asked)
		due("a nudge", 0)
		tell(asked)
		tell(asked)
		due("a nudge in the pause", nudgePause)
		due("the regular round", nudgePause+time.Second)
		tell(asked)
		due("a nudge long after the last", nudgePause+time.Second)
		cancel()
		if r.next(ctx) {
			t.Error("a round after the end")
		}
	})
}
