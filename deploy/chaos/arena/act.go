package arena

import (
	"context"
	"fmt"
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
	before, err := a.epochs(ctx)
	if err != nil {
		return nil, err
	}
	p := &Played{Began: time.Now()}
	logs := a.markLogs()
	a.wentBack.Store(false)
	if err := a.perform(ctx, act); err != nil {
		return nil, fmt.Errorf("act %s: %w", act.Name, err)
	}
	if err := a.conclude(ctx, p); err != nil {
		return nil, fmt.Errorf("act %s: %w", act.Name, err)
	}
	// a worker that the machine kept from renewing may well lose its lanes
	p.Steady = act.Steady && logs.count("leases not renewed") == 0
	a.Journal.Count("COMMITs in doubt that were settled", logs.count("commit was in doubt and has happened")+logs.count("commit did not happen"))
	if a.wentBack.Load() {
		p.WentBack, p.CameBack = time.Unix(0, a.wentBackAt.Load()), time.Unix(0, a.cameBackAt.Load())
	}
	after, err := a.epochs(ctx)
	p.EpochsRose = map[string]int64{}
	for lane, epoch := range after {
		p.EpochsRose[lane] = epoch - before[lane]
	}
	return p, err
}

// trickle is the part of an act's commands that comes one by one for as long as
// attacks go on, so that none of them meets an idle system.
const trickle = 0.25

// perform publishes an act's commands and attacks meanwhile, and returns when
// both are done. The first attack that fails ends all of it.
func (a *Arena) perform(ctx context.Context, act Act) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	published, attacked := make(chan struct{}), make(chan struct{})
	a.published = published

	var asking, publishing, attacking sync.WaitGroup
	asked, stopAsking := context.WithCancel(ctx)
	defer stopAsking()
	asking.Go(func() { a.Producers.ask(asked) })
	publishing.Go(func() {
		kept := len(act.Commands) - int(trickle*float64(len(act.Commands)))
		err := a.Producers.Publish(ctx, act.Commands[:kept], act.Burst, act.Pause, nil)
		close(published)
		if err == nil {
			err = a.Producers.Publish(ctx, act.Commands[kept:], 1, 40*time.Millisecond, attacked)
		}
		if err != nil {
			fail(err)
		}
	})
	for _, attack := range act.Attacks {
		attacking.Go(func() {
			err := Rest(ctx, attack.After)
			if err == nil {
				err = attack.Run(ctx, a)
			}
			if err != nil {
				fail(err)
			}
		})
	}
	attacking.Wait()
	close(attacked)
	publishing.Wait()
	stopAsking()
	asking.Wait()
	return context.Cause(ctx)
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
	if len(p.Findings) == 0 {
		if err := a.Producers.askForAll(ctx); err != nil {
			p.Findings = append(p.Findings, judge.Finding{Kind: judge.Unsettled, Text: "questions for outcomes are not answered: " + err.Error()})
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	p.Findings = append(p.Findings, a.ends...)
	a.ends = nil
	a.mu.Unlock()
	var err error
	p.Evidence, err = a.evidence(ctx, p.Began)
	return err
}

// set starts the workers with other settings, unless they have them.
func (a *Arena) set(ctx context.Context, settings []string) error {
	if slices.Equal(a.settings, settings) {
		return nil
	}
	a.settings = settings
	for _, w := range a.Workers {
		w.Drain()
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
