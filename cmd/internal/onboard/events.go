package onboard

import (
	"context"
	"errors"
	"sync"

	"go.uber.org/zap"

	"connect-provider/messages"
)

// follow begins to read events, so that none that is decided from now on is
// missed. Where they can't be read, the workers tell all.
func (r *Run) follow(ctx, working context.Context, stop context.CancelCauseFunc, group *sync.WaitGroup) error {
	organizations := r.survey.Organizations
	if len(organizations) != 1 || r.survey.More {
		organizations = nil // a consumer with many filters is slower than one with none
	}
	ready := make(chan struct{})
	ended := make(chan error, 1)
	group.Go(func() {
		ended <- r.platform.Events(working, organizations, func() { close(ready) }, r.take)
	})
	select {
	case <-ready:
		group.Go(func() {
			if err := <-ended; err != nil && working.Err() == nil {
				r.logger.Warn("events are not read any more, the workers are asked for each outcome", zap.Error(err))
				r.setUnread()
			}
		})
		return nil
	case err := <-ended:
		if err == nil {
			err = context.Cause(working)
		}
		if hopeless(err) {
			stop(err)
			return err
		}
		if !errors.Is(err, ErrUnread) {
			r.logger.Warn("events can't be read, the workers are asked for each outcome", zap.Error(err))
		}
		r.setUnread()
		return nil
	case <-ctx.Done():
		stop(nil)
		return ctx.Err()
	}
}

func (r *Run) setUnread() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unread = true
}

// take notes an event's outcome. It belongs to the flight that says what the
// event says: another command may claim the same id.
func (r *Run) take(e *messages.Event) {
	data := &e.Data
	if data.ProviderConfigID == nil || data.CommandID == "" {
		return
	}
	key := keyOf(e.Organization.Token, data.CommandID, data.BridgeSlug, *data.ProviderConfigID, data.PhoneNumber)
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.flights[key]
	if f == nil || e.Corrects != nil {
		return
	}
	o := outcome{failure: data.Error, changed: data.Changed, decidedAt: e.Time}
	if a := r.accounts[e.Organization.Token]; a != nil {
		decided := messages.Decided{Lane: e.Lane, Sequence: e.Sequence, Generation: e.Generation}
		o.earlier = a.began.before(&decided)
	}
	if o.earlier && o.failure != nil {
		return // another attempt may tell otherwise: the workers are asked
	}
	r.land(f, &o)
}
