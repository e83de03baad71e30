package arena

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"connect-provider/deploy/chaos/judge"
	"connect-provider/deploy/chaos/load"
)

// Act is a part of a run: commands, and what is done while they are decided. It
// begins and ends with everything decided and told.
type Act struct {
	Name     string
	Commands []load.Command
	// Burst is how many are published at once, Pause the time between two bursts.
	Burst int
	Pause time.Duration
	// Settings are variables of the workers' environment, for this act.
	Settings []string
	// Steady says that nothing in it is a reason for a lane to change hands.
	Steady  bool
	Attacks []Attack
}

// Attack is something that is done to the system, and undone.
type Attack struct {
	// After is when it begins, from the beginning of the act.
	After time.Duration
	Run   func(ctx context.Context, a *Arena) error
}

// Played is what an act has come to.
type Played struct {
	*judge.Evidence
	Began time.Time
	// Settled is how long it took, after the last attack, until everything was
	// decided and told.
	Settled time.Duration
	// Findings are those that are not the judge's: what was not finished in time,
	// who ended by itself.
	Findings []judge.Finding
}

// Play plays an act. An error says that the attack itself failed, and nothing
// of the system under attack.
func (a *Arena) Play(ctx context.Context, act Act) (*Played, error) {
	if err := a.set(ctx, act.Settings); err != nil {
		return nil, err
	}
	if act.Steady {
		if err := a.awaitShares(ctx); err != nil {
			return nil, err
		}
	}
	before, err := a.epochs(ctx)
	if err != nil {
		return nil, err
	}
	p := &Played{Began: time.Now()}
	stalled := a.watchMachine(ctx)
	a.wentBack.Store(false)
	a.published = make(chan struct{})

	asking, stopAsking := context.WithCancel(ctx)
	var askers sync.WaitGroup
	askers.Go(func() { a.Producers.ask(asking) })
	failed := make(chan error, len(act.Attacks)+1)
	go func() {
		failed <- a.Producers.Publish(ctx, act.Commands, act.Burst, act.Pause)
		close(a.published)
	}()
	for _, attack := range act.Attacks {
		go func() {
			if err := Rest(ctx, attack.After); err != nil {
				failed <- err
				return
			}
			failed <- attack.Run(ctx, a)
		}()
	}
	for range len(act.Attacks) + 1 {
		err = errors.Join(err, <-failed)
	}
	stopAsking()
	askers.Wait()
	if err != nil {
		return nil, fmt.Errorf("act %s: %w", act.Name, err)
	}
	if err := a.conclude(ctx, p); err != nil {
		return nil, fmt.Errorf("act %s: %w", act.Name, err)
	}
	p.Steady = !stalled() && act.Steady
	if a.wentBack.Load() {
		p.WentBack = time.Unix(0, a.wentBackAt.Load())
	}
	after, err := a.epochs(ctx)
	p.EpochsRose = map[string]int64{}
	for lane, epoch := range after {
		p.EpochsRose[lane] = epoch - before[lane]
	}
	return p, err
}

// conclude waits until everything is decided and told, has producers send again
// what was destroyed, and takes the evidence.
func (a *Arena) conclude(ctx context.Context, p *Played) error {
	p.Settled, p.Findings = a.settle(ctx)
	if len(p.Findings) == 0 {
		again, err := a.Producers.mend(ctx, a.archive.gone())
		if err != nil {
			return fmt.Errorf("send again what was destroyed: %w", err)
		}
		if again > 0 {
			a.Journal.Say("producers have sent %d commands again, of those that were destroyed", again)
			_, p.Findings = a.settle(ctx)
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	p.Findings = append(p.Findings, a.ended...)
	a.ended = nil
	a.mu.Unlock()
	var err error
	p.Evidence, err = a.evidence(ctx, p.Began)
	return err
}

// watchMachine tells, when what it returns is called, whether this process was
// kept from running for so long that a worker's lease may have been over.
func (a *Arena) watchMachine(ctx context.Context) (stalled func() bool) {
	const interval = 20 * time.Millisecond
	ctx, stop := context.WithCancel(ctx)
	longest := make(chan time.Duration, 1)
	go func() {
		var most time.Duration
		for last := time.Now(); Rest(ctx, interval) == nil; last = time.Now() {
			most = max(most, time.Since(last)-interval)
		}
		longest <- most
	}()
	return func() bool {
		stop()
		return <-longest > a.options.Lease/4
	}
}

// set starts the workers with other settings, unless they have them.
func (a *Arena) set(ctx context.Context, settings []string) error {
	if slices.Equal(a.settings, settings) {
		return nil
	}
	a.settings = settings
	for _, w := range a.Workers {
		if err := w.Drain(); err != nil {
			return err
		}
		if err := w.Start(); err != nil {
			return err
		}
	}
	_, findings := a.settle(ctx)
	if len(findings) > 0 {
		return fmt.Errorf("workers with the settings %v do not work: %s", settings, findings[0])
	}
	return nil
}

// tail is the end of a file.
func tail(path string) []byte {
	const most = 3000
	text, err := os.ReadFile(path)
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(text[max(0, len(text)-most):])
}
