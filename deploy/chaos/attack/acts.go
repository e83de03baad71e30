package attack

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"connect-provider/deploy/chaos/arena"
	"connect-provider/deploy/chaos/load"
)

// Kind is a kind of act: what is done in it.
type Kind struct {
	Name string
	// About says what it does, for people.
	About string
	// each are attacks of which several are drawn; once those that come once.
	each, once []func(r *rand.Rand, lease time.Duration) attack
	// most is how many are drawn of each, at most; 0: as many as Options say.
	most int
	// steady says that no lane has a reason to change hands.
	steady   bool
	settings []string
	paused   bool
}

type drawn = func(r *rand.Rand, lease time.Duration) attack

var kinds = []Kind{
	{Name: "calm", About: "nothing is done", steady: true},
	{Name: "kills", About: "kill -9 of workers, gateways, NATS and Postgres", each: []drawn{killWorker, isolate, killGateway, killNATS, killPostgres}},
	{Name: "pauses", About: "workers, gateways, NATS and Postgres stopped for shorter and longer than a lease", each: []drawn{pauseWorker, pauseWorker, pauseWorker, delayBeyondLease, pauseGateway, pauseNATS, pausePostgres}},
	{Name: "restarts", About: "orderly restarts", each: []drawn{restartWorker, restartWorker, restartGateway, restartNATS, restartPostgres}},
	{Name: "lines", About: "lines cut, blocked, half open, slow", each: []drawn{cutLine, blockLine, holdLine, slowLine, delayBeyondLease, isolate, harmGatewayLine}},
	{Name: "commits", About: "COMMITs and their replies lost", each: []drawn{loseCommits}, steady: true},
	{Name: "acks", About: "acknowledgements of events, and of commands to gateways, lost", each: []drawn{loseAcks, loseGatewayAcks}},
	{Name: "consumers", About: "lanes' consumers deleted", each: []drawn{deleteConsumers}, steady: true},
	{Name: "restore", About: "the database restored from a backup", each: []drawn{killWorker, loseAcks}, most: 2, once: []drawn{restore}},
	{Name: "failover", About: "a standby that lags promoted", each: []drawn{pauseWorker, cutLine}, most: 2, once: []drawn{failOver}},
	{Name: "commands-lost", About: "a command stream purged, replaced or cut back", each: []drawn{killWorker, pauseWorker}, most: 2, once: []drawn{loseCommands}},
	{Name: "events-lost", About: "the events stream purged, replaced or cut back", each: []drawn{killWorker, cutLine}, most: 2, once: []drawn{loseEvents}},
	{Name: "purges", About: "decided commands purged at once, while an organization waits", each: []drawn{killWorker, restartWorker}, most: 3, paused: true,
		settings: []string{"CONNECT_PROVIDER_REPLAY_WINDOW=1s", "CONNECT_PROVIDER_UPKEEP_INTERVAL=200ms"}},
	{Name: "storm", About: "everything that can be undone, at once", each: []drawn{killWorker, pauseWorker, restartWorker, killNATS, pauseNATS, killPostgres, pausePostgres,
		cutLine, blockLine, holdLine, slowLine, delayBeyondLease, isolate, loseCommits, loseAcks, deleteConsumers,
		killGateway, pauseGateway, restartGateway, harmGatewayLine, loseGatewayAcks}},
}

// Kinds returns every kind of act.
func Kinds() []Kind { return slices.Clone(kinds) }

// Find returns the kinds with these names, separated by commas.
func Find(names string) ([]Kind, error) {
	var found []Kind
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
		if i < 0 {
			var all []string
			for _, k := range kinds {
				all = append(all, k.Name)
			}
			return nil, fmt.Errorf("there is no act %q; there are %s", name, strings.Join(all, ", "))
		}
		found = append(found, kinds[i])
	}
	return found, nil
}

// Options say how hard the attacks are.
type Options struct {
	// Length is how long attacks may begin, in one act.
	Length time.Duration
	// Attacks is how many there are in an act, about.
	Attacks int
	// Commands is how many commands an act has.
	Commands int
	Lease    time.Duration
}

// Draw draws one act of a kind.
func Draw(r *rand.Rand, k Kind, p *load.Platform, s *load.Source, o Options) arena.Act {
	act := arena.Act{Name: k.Name, Commands: s.Draw(o.Commands), Settings: k.settings, Steady: k.steady}
	// the commands come over the whole length: one by one, or in heaps that wait
	act.Burst = []int{max(1, o.Commands/200), max(1, o.Commands/20), max(1, o.Commands/5)}[r.IntN(3)]
	act.Pause = time.Duration(float64(o.Length) * float64(act.Burst) / float64(o.Commands))
	if len(k.each) > 0 {
		attacks := o.Attacks/2 + r.IntN(o.Attacks+1)
		if k.most > 0 {
			attacks = r.IntN(k.most + 1)
		}
		for range attacks {
			add(&act, between(r, 0, o.Length), k.each[r.IntN(len(k.each))](r, o.Lease))
		}
	}
	for _, once := range k.once {
		add(&act, between(r, 0, o.Length/2), once(r, o.Lease))
	}
	if k.paused {
		add(&act, 0, pauseOrganization(p.Handles[r.IntN(len(p.Handles))]))
	}
	return act
}

func add(act *arena.Act, after time.Duration, run attack) {
	act.Attacks = append(act.Attacks, arena.Attack{After: after, Run: run})
}
