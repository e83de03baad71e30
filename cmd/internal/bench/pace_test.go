package bench

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a system that answers after a millisecond, but for a while at which it
// answers nobody and takes nothing.
type slow struct {
	from, until time.Time
	answers     chan arrival
}

func newSlow(after, stall time.Duration) *slow {
	return &slow{from: time.Now().Add(after), until: time.Now().Add(after + stall), answers: make(chan arrival, 10_000)}
}

// send returns when the system has taken the command.
func (s *slow) send(n int) error {
	if now := time.Now(); now.After(s.from) && now.Before(s.until) {
		<-time.After(s.until.Sub(now))
	}
	time.AfterFunc(time.Millisecond, func() { s.answers <- arrival{n, time.Now()} })
	return nil
}

func (s *slow) next(ctx context.Context) (arrival, error) {
	select {
	case a := <-s.answers:
		return a, nil
	case <-ctx.Done():
		return arrival{}, ctx.Err()
	}
}

// onTimers is a pace in the bubble's time.
func onTimers(perSecond int) pace {
	p := paceOf(time.Now(), perSecond)
	p.sleep = func(ctx context.Context, at time.Time) error {
		select {
		case <-time.After(time.Until(at)):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return p
}

// TestAStallIsChargedToTheSystem: a stall of a second in ten holds up its sender,
// so that one command alone meets it. All that should have been sent meanwhile
// were late all the same.
func TestAStallIsChargedToTheSystem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perSecond, commands = 100, 1000
		system := newSlow(5*time.Second, time.Second)
		answers, err := onTimers(perSecond).answers(t.Context(), commands, system.send, system.next)
		if err != nil {
			t.Fatal(err)
		}
		got := answers.took.summary()
		if got.Count != commands {
			t.Errorf("%d answers, want %d", got.Count, commands)
		}
		// a tenth of all was late, evenly by up to a second
		if got.P50 > 1.1 || got.P99 < 850 || got.P99 > 950 || got.Max < 950 {
			t.Errorf("p50 %v, p99 %v, max %v ms; a tenth of the commands was late by up to a second", got.P50, got.P99, got.Max)
		}
	})
}

// TestThePaceIsKept: what is sent does not wait for answers.
func TestThePaceIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var sent []time.Duration
		err := onTimers(500).send(t.Context(), 1000, func(int) error {
			sent = append(sent, time.Since(start))
			return nil
		})
		if err != nil || len(sent) != 1000 {
			t.Fatalf("%d were sent: %v", len(sent), err)
		}
		for n, at := range sent {
			if at != time.Duration(n)*2*time.Millisecond {
				t.Fatalf("command %d was sent after %s", n, at)
			}
		}
	})
}

// TestAFailedSendEndsWaiting: nobody waits for the outcome of what was never sent.
func TestAFailedSendEndsWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		system := newSlow(time.Hour, 0)
		full := errors.New("the stream is full")
		_, err := onTimers(100).answers(t.Context(), 10, func(n int) error {
			if n == 5 {
				return full
			}
			return system.send(n)
		}, system.next)
		if !errors.Is(err, full) {
			t.Errorf("got %v, want %v", err, full)
		}
	})
}

// TestSleepsToTheTime: the real one never returns early, and ends with its context.
func TestSleepsToTheTime(t *testing.T) {
	t.Parallel()
	for range 20 {
		at := time.Now().Add(3 * time.Millisecond)
		if err := sleepUntil(t.Context(), at); err != nil || time.Now().Before(at) {
			t.Errorf("woke %s early: %v", time.Until(at), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := sleepUntil(ctx, time.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}
