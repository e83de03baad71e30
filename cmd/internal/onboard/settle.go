package onboard

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"connect-provider/messages"
)

const (
	// settlePause is how often it is looked for rows without an event.
	settlePause = 100 * time.Millisecond
	// eventPatience is how long an event may take once a command is decided.
	eventPatience = 500 * time.Millisecond
	// mostTries is how often a command is published that the stream takes and
	// nobody ever hears of.
	mostTries = 5
)

// settle asks for rows that were published and of which no event tells: decided
// before, missed, or lost by the stream.
func (r *Run) settle(working context.Context, stop context.CancelCauseFunc) {
	ticker := time.NewTicker(r.pause)
	defer ticker.Stop()
	for {
		for _, organizations := range r.overdue() {
			r.settleLane(working, stop, organizations)
		}
		select {
		case <-working.Done():
			return
		case <-ticker.C:
		}
	}
}

// overdue returns the organizations with commands whose event could be here, by
// lane. Each lane is looked at now and then only, the more lanes, the more seldom:
// while workers are behind, all of them are overdue, and questions take of their
// time.
func (r *Run) overdue() map[*lane][]messages.Organization {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	seldom := max(r.patience, time.Duration(len(r.lanes))*r.patience/25)
	late := map[*lane][]messages.Organization{}
	for _, a := range r.accounts {
		a.accepted = slices.DeleteFunc(a.accepted, func(f *flight) bool { return f.landed || f.sequence == 0 })
		switch {
		case len(a.accepted) == 0:
		case r.unread, now.Sub(a.accepted[0].since) > r.patience && now.Sub(a.lane.looked) > seldom:
			late[a.lane] = append(late[a.lane], a.organization)
		}
	}
	for l := range late {
		l.looked = now
	}
	return late
}

// due returns how far the lane had come long enough ago for its events to be
// here. r.mu is held.
func (r *Run) due(l *lane) uint64 {
	if r.unread {
		return l.Cursor
	}
	now := time.Now()
	l.cursors = append(l.cursors, heardCursor{now, l.Cursor})
	due := uint64(0)
	for len(l.cursors) > 1 && now.Sub(l.cursors[0].at) >= r.patience {
		due = l.cursors[0].cursor
		if now.Sub(l.cursors[1].at) < r.patience {
			break
		}
		l.cursors = l.cursors[1:]
	}
	return due
}

// settleLane asks where a lane stands, which costs little, for it may be far
// behind, and then for the rows that it has passed.
func (r *Run) settleLane(working context.Context, stop context.CancelCauseFunc, organizations []messages.Organization) {
	answer, err := r.platform.Ask(working, organizations[0], nil)
	if err == nil {
		err = r.heard(organizations[0], &answer)
	}
	if err != nil {
		r.unsettled(working, stop, err)
		return
	}
	r.mu.Lock()
	l := r.accounts[organizations[0].Token].lane
	cursor, due := l.LaneCursor, r.due(l)
	r.mu.Unlock()
	for _, organization := range organizations {
		r.settleOne(working, stop, organization, cursor, due)
	}
}

func (r *Run) settleOne(working context.Context, stop context.CancelCauseFunc, organization messages.Organization, lane messages.LaneCursor, due uint64) {
	for working.Err() == nil {
		flights := r.passed(organization, lane, due)
		if len(flights) == 0 {
			r.waits(waitAsk, "")
			return
		}
		ids := make([]string, len(flights))
		for i, f := range flights {
			ids[i] = attemptID(f.id, f.attempt)
		}
		answer, err := r.platform.Ask(working, organization, ids)
		if err != nil {
			r.unsettled(working, stop, err)
			return
		}
		earlier := r.conclude(organization, flights, &answer)
		for _, f := range r.resolve(working, stop, earlier) {
			r.publishAgain(f)
		}
	}
}

func (r *Run) unsettled(working context.Context, stop context.CancelCauseFunc, err error) {
	if hopeless(err) {
		stop(err)
	}
	if working.Err() == nil {
		r.waits(waitAsk, err.Error())
	}
}

// passed returns flights that the lane had passed at a cursor, or that were
// published when the stream was another one.
func (r *Run) passed(organization messages.Organization, lane messages.LaneCursor, due uint64) []*flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	var flights []*flight
	for _, f := range r.accounts[organization.Token].accepted {
		if f.landed || f.sequence == 0 || f.sequence > due && !anotherStream(f.lane, lane) {
			continue
		}
		if flights = append(flights, f); len(flights) == messages.MaxOutcomes {
			break
		}
	}
	return flights
}

// anotherStream reports whether a lane's cursors count in different streams, or
// the stream was cut back in between.
func anotherStream(earlier, later messages.LaneCursor) bool {
	return earlier.Generation != later.Generation || !earlier.StreamCreated.Equal(later.StreamCreated)
}

// conclude gives flights their outcome, and has those published again of which
// nothing is known though their lane has passed them. It returns those that
// failed before this run.
func (r *Run) conclude(organization messages.Organization, flights []*flight, answer *messages.OutcomesAnswer) (earlier []*flight) {
	decided := decidedByID(answer)
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.accounts[organization.Token]
	for _, f := range flights {
		if f.landed {
			continue
		}
		d, known := decided[attemptID(f.id, f.attempt)]
		if !known {
			r.launchAgain(f)
			continue
		}
		if d.Sequence != f.sequence {
			r.sawKnown = true
		}
		if !r.settled(a, f, d) && r.climb(f) {
			earlier = append(earlier, f)
		}
	}
	return earlier
}

// launchAgain has a command published again. r.mu is held.
func (r *Run) launchAgain(f *flight) {
	if f.tries++; f.tries == mostTries {
		r.logger.Error("a command was published again and again and is not known to the workers; its row stays undecided", zap.Int64("row", f.number))
		r.remove(f)
		return
	}
	f.sequence = 0
	r.again = append(r.again, f)
	r.notify()
}

func (r *Run) publishAgain(f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.sequence = 0
	r.again = append(r.again, f)
	r.notify()
}

// knownBefore reports, once, that commands were published whose outcome was known
// before: there may be more.
func (r *Run) knownBefore() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	saw := r.sawKnown
	r.sawKnown = false
	return saw
}
