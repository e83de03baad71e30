package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"connect-provider/deploy/chaos/arena"
	"connect-provider/deploy/chaos/attack"
	"connect-provider/deploy/chaos/judge"
	"connect-provider/deploy/chaos/load"
	"connect-provider/deploy/local"
)

// attempt is one run: a system, a seed, one act after another.
type attempt struct {
	options  options
	random   *rand.Rand
	platform *load.Platform
	source   *load.Source
	judge    *judge.Judge
	journal  *arena.Journal
	arena    *arena.Arena
	acts     int
}

// result is what a run came to.
type result struct {
	act      string // in which something was found
	findings []judge.Finding
	story    string
	acts     int
	took     time.Duration
	tally    judge.Tally
	done     map[string]int // attacks
	slowest  time.Duration  // to settle
}

// attackOnce attacks the service with one seed.
func attackOnce(ctx context.Context, o options, stdout, stderr io.Writer) error {
	dir, remove, err := workingDir(o)
	if err != nil {
		return err
	}
	if o.Binary == "" {
		o.Binary = filepath.Join(dir, "connect-provider")
		if err := build(ctx, o.Binary, ""); err != nil {
			return errors.Join(err, remove())
		}
	}
	progress := stderr
	if o.Quiet {
		progress = io.Discard
	}
	r, err := attackWith(ctx, o, dir, progress)
	report(stdout, o, r)
	switch {
	case len(r.findings) > 0:
		fmt.Fprintf(stdout, "\n%s\nreplay with: go run ./deploy/chaos %s\n", r.story, o.replay())
		err = errFound
	case err != nil:
		err = fmt.Errorf("%w\nreplay with: go run ./deploy/chaos %s", err, o.replay())
	}
	return errors.Join(err, remove())
}

// workingDir makes the directory of a run, in which Postgres' account can work.
func workingDir(o options) (dir string, remove func() error, err error) {
	if o.Keep == "" {
		return local.TempDir("connect-provider-chaos")
	}
	dir, err = filepath.Abs(filepath.Join(o.Keep, fmt.Sprintf("seed-%d", o.Seed)))
	if err == nil {
		err = os.MkdirAll(filepath.Dir(dir), 0o755)
	}
	if err == nil {
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		return "", nil, fmt.Errorf("--keep needs a directory that has nothing of this seed yet: %w", err)
	}
	return dir, func() error { return nil }, nil
}

// attackWith plays acts until the options are satisfied, or something is found.
// Also with an error the result tells what was done and found until then. It
// ends what it has started.
func attackWith(ctx context.Context, o options, dir string, progress io.Writer) (r *result, err error) {
	r = &result{}
	t := &attempt{options: o, random: rand.New(rand.NewPCG(o.Seed, 1)), journal: arena.NewJournal(progress)}
	t.platform = load.NewPlatform(o.Organizations)
	t.source = load.NewSource(t.random, t.platform)
	t.judge = judge.New(t.platform, o.Lanes)
	t.journal.Say("seed %d", o.Seed)
	t.arena, err = arena.Start(ctx, t.journal, t.platform, arena.Options{
		Dir: dir, Binary: o.Binary, Workers: o.Workers, Gateways: o.Gateways, Lanes: o.Lanes, Lease: o.Lease, Intent: t.source.Intent,
	})
	if errors.Is(err, arena.ErrNoStart) {
		r.act, r.findings = "the start", []judge.Finding{{Kind: judge.Unsettled, Text: err.Error()}}
		r.story = err.Error()
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("start the system: %w", err)
	}
	defer func() { err = errors.Join(err, t.arena.Close()) }()
	kinds, err := o.kinds()
	if err != nil {
		return r, err
	}
	began := time.Now()
	defer func() { r.took, r.tally, r.done = time.Since(began), t.judge.Tally(), t.journal.Tally() }()
	for len(r.findings) == 0 && !(t.acts >= o.Rounds*len(kinds) && t.satisfied(time.Since(began))) {
		if err := t.play(ctx, t.next(kinds), r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// satisfied tells whether everything that was asked for is done.
func (t *attempt) satisfied(elapsed time.Duration) bool {
	done := t.journal.Tally()
	kills := done["kills of workers"] + done["kills of NATS"] + done["kills of Postgres"]
	return elapsed >= t.options.Duration && t.judge.Tally().Messages >= t.options.Commands && kills >= t.options.Kills &&
		done["pauses of workers for three leases"] >= t.options.Pauses && done["COMMITs in doubt that were settled"] >= t.options.Commits
}

// newNumbers is how many numbers each organization gets before an act.
const newNumbers = 24

// play plays the next act and judges it.
func (t *attempt) play(ctx context.Context, kind attack.Kind, r *result) error {
	changes := t.platform.Grow(t.random, newNumbers)
	t.judge.Changed(changes)
	if err := t.arena.Change(ctx, changes); err != nil {
		return err
	}
	act := attack.Draw(t.random, kind, t.platform, t.source, attack.Options{
		Length: t.options.Length, Attacks: t.options.Attacks, Commands: t.options.CommandsPerAct, Lease: t.options.Lease,
	})
	t.acts++
	name := fmt.Sprintf("act %d, %s", t.acts, kind.Name)
	t.journal.Say("%s: %d commands, %d at once, %d attacks", name, len(act.Commands), act.Burst, len(act.Attacks))
	played, err := t.arena.Play(ctx, act)
	if err != nil {
		return err
	}
	r.acts, r.slowest = t.acts, max(r.slowest, played.Settled)
	r.findings = append(played.Findings, t.judge.Act(played.Evidence)...)
	t.journal.Say("%s: %d messages, %d outcomes, %d events, settled in %s: %d findings", name, len(played.Stored), len(played.Rows), len(played.Events),
		played.Settled.Round(time.Millisecond), len(r.findings))
	if len(r.findings) > 0 {
		r.act = name
		r.story = t.tell(name, r.findings, played)
	}
	return nil
}

// next draws the kind of the next act: all kinds in some order, then again.
func (t *attempt) next(kinds []attack.Kind) attack.Kind {
	round := rand.New(rand.NewPCG(t.options.Seed, uint64(2+t.acts/len(kinds))))
	return kinds[round.Perm(len(kinds))[t.acts%len(kinds)]]
}
