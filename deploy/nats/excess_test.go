package nats_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// excesses are attempts to use more of the server than an organization's share.
func excesses() (all []attack) {
	for _, user := range []string{"producer@" + globex, "consumer@" + globex} {
		excess := func(what string, exceed func(ctx context.Context, w *world, c *client) error) {
			var result error
			all = append(all, attack{user: user, what: what,
				do:    func(ctx context.Context, w *world, c *client) { result = exceed(ctx, w, c) },
				wants: func(context.Context, *world, *client) error { return result }})
		}
		excess("connect more often than 64 times", func(_ context.Context, w *world, _ *client) error {
			for range 65 {
				another, err := w.second(user)
				if err != nil {
					return nil // it was refused, as it must be
				}
				defer another.Close()
			}
			return errors.New("65 connections are open")
		})
		excess("subscribe more often than 64 times", func(_ context.Context, w *world, _ *client) error {
			another, err := w.second(user)
			if err != nil {
				return err
			}
			defer another.Close()
			for i := range 65 {
				another.overhear(fmt.Sprintf("subject.%d", i))
			}
			if !errors.Is(another.LastError(), nats.ErrMaxSubscriptionsExceeded) {
				return errors.New("there are 65 subscriptions")
			}
			return nil
		})
		excess("send what is larger than any request", func(_ context.Context, w *world, _ *client) error {
			another, err := w.second(user, nats.NoReconnect())
			if err != nil {
				return err
			}
			defer another.Close()
			// the client refuses by itself once the server has told it the limit
			if errors.Is(another.Publish("subject", make([]byte, 300<<10)), nats.ErrMaxPayload) {
				return nil
			}
			if another.FlushTimeout(w.patience) == nil {
				return errors.New("300 KiB were taken")
			}
			return nil
		})
	}
	return all
}
