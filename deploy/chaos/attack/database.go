package attack

import (
	"context"
	"math/rand/v2"
	"time"

	"connect-provider/deploy/chaos/arena"
	"connect-provider/deploy/chaos/load"
	"connect-provider/messages"
)

// restore puts a backup in the database's place that was made a while before.
func restore(r *rand.Rand, _ time.Duration) attack {
	later := between(r, 500*time.Millisecond, 3*time.Second)
	return func(ctx context.Context, a *arena.Arena) error {
		a.Database.Mu.Lock()
		defer a.Database.Mu.Unlock()
		backup, err := a.Database.Backup(ctx)
		if err != nil {
			return err
		}
		a.Journal.Say("a backup of the database is made")
		if err := arena.Rest(ctx, later); err != nil {
			return err
		}
		a.Journal.Say("the database is killed and the backup put in its place")
		a.Journal.Count("restores", 1)
		cameBack := a.GoesBack()
		err = a.Database.Restore(ctx, backup)
		cameBack()
		a.Journal.Say("the restored database is up")
		return err
	}
}

// failOver promotes a standby that lags.
func failOver(r *rand.Rand, _ time.Duration) attack {
	later := between(r, 300*time.Millisecond, 2*time.Second)
	return func(ctx context.Context, a *arena.Arena) error {
		a.Database.Mu.Lock()
		defer a.Database.Mu.Unlock()
		standby, err := a.Database.Follow(ctx)
		if err != nil {
			return err
		}
		if err := standby.Lag(ctx); err != nil {
			return err
		}
		a.Journal.Say("a standby lags from here on")
		if err := arena.Rest(ctx, later); err != nil {
			return err
		}
		a.Journal.Say("the database is killed and the standby promoted")
		a.Journal.Count("failovers to a standby that lags", 1)
		cameBack := a.GoesBack()
		err = standby.Promote(ctx)
		cameBack()
		a.Journal.Say("the promoted standby is in use")
		return err
	}
}

// pauseOrganization holds an organization's commands back, as an operator can,
// until everything is published: nothing of its lanes may be purged meanwhile.
func pauseOrganization(handle string) attack {
	return func(ctx context.Context, a *arena.Arena) error {
		a.Journal.Say("%s is paused", handle)
		for _, class := range messages.Classes() {
			if err := a.Tell(ctx, `insert into connect_provider.pauses (class, org_token, reason) values ($1, $2, 'chaos') on conflict do nothing`,
				class.Letter(), load.Token(handle)); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-a.Published():
		}
		if err := arena.Rest(ctx, 2*time.Second); err != nil {
			return err
		}
		a.Journal.Say("%s is resumed", handle)
		a.Journal.Count("organizations paused while others are purged", 1)
		return a.Tell(ctx, `delete from connect_provider.pauses`)
	}
}
