package arena

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"connect-provider/deploy/chaos/judge"
)

// watcher looks, for each event as it comes, whether its effect is in the
// database already: when all is over it would be there in any case.
type watcher struct {
	arena *Arena
	queue chan []*judge.Published
	busy  sync.WaitGroup

	mu    sync.Mutex
	early []*judge.Published
}

func (a *Arena) newWatcher(ctx context.Context) *watcher {
	w := &watcher{arena: a, queue: make(chan []*judge.Published, 100_000)}
	a.background.Go(func() { w.follow(ctx) })
	return w
}

// watch takes events that have come. After the database has gone back in time
// there are events whose effect it lacks, until it has caught up.
func (a *Arena) watch(events []*judge.Published) {
	if a.wentBack.Load() || a.watcher == nil {
		return
	}
	a.watcher.busy.Add(1)
	a.watcher.queue <- events
}

func (w *watcher) follow(ctx context.Context) {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case events := <-w.queue:
			_ = insist(ctx, func(ctx context.Context) (err error) { // fails when ctx ends
				if conn == nil || conn.IsClosed() {
					if conn, err = w.arena.Database.Connect(ctx); err != nil {
						conn = nil
						return err
					}
				}
				return w.look(ctx, conn, events)
			})
			w.busy.Done()
		}
	}
}

func (w *watcher) look(ctx context.Context, conn *pgx.Conn, events []*judge.Published) error {
	var tokens, ids []string
	for _, p := range events {
		if p.Unreadable == nil && p.Event.CommandID != "" {
			tokens, ids = append(tokens, p.Event.Organization.Token), append(ids, p.Event.CommandID)
		}
	}
	rows, err := conn.Query(ctx, `select org_token, key from connect_provider.inbox
		where (org_token, key) in (select * from unnest($1::text[], $2::text[]))`, tokens, ids)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	var token, id string
	if _, err := pgx.ForEachRow(rows, []any{&token, &id}, func() error { there[token+" "+id] = true; return nil }); err != nil {
		return err
	}
	if w.arena.wentBack.Load() {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range events {
		if p.Unreadable == nil && p.Event.CommandID != "" && !there[p.Event.Organization.Token+" "+p.Event.CommandID] {
			w.early = append(w.early, p)
		}
	}
	return nil
}

// take returns the events that came too early, once all that have come are
// looked at, or ctx has ended.
func (w *watcher) take(ctx context.Context) []*judge.Published {
	looked := make(chan struct{})
	go func() {
		w.busy.Wait()
		close(looked)
	}()
	select {
	case <-looked:
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	early := w.early
	w.early = nil
	return early
}
