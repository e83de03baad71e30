package onboard

import (
	"context"
	"errors"

	"connect-provider/messages"
)

// ask asks for outcomes, however long that takes. ok is false if the run ended
// meanwhile. The first answer about an organization tells what was decided before
// this run.
func (r *Run) ask(working context.Context, stop context.CancelCauseFunc, o messages.Organization, ids []string) (answer messages.OutcomesAnswer, ok bool) {
	pause := newBackOff()
	for {
		answer, err := r.platform.Ask(working, o, ids)
		if err == nil {
			err = r.heard(o, &answer)
		}
		if err == nil {
			r.waits(waitAsk, "")
			return answer, true
		}
		if hopeless(err) {
			stop(err)
			return answer, false
		}
		r.waits(waitAsk, err.Error())
		if !rest(working, working, pause.NextBackOff()) {
			return answer, false
		}
	}
}

// heard notes where an organization's lanes stand. A *Hopeless error is the state
// file's.
func (r *Run) heard(o messages.Organization, answer *messages.OutcomesAnswer) error {
	cursor, told := answer.Lane(messages.Bulk)
	if !told {
		return errors.New("the workers do not tell of the lane")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.accountOf(&flight{row: row{organization: o}})
	a.lane = r.laneAt(cursor)
	if a.asked {
		return nil
	}
	a.asked = true
	a.began = standing{token: o.Token, lanes: answer.Lanes}
	if err := r.journal.stand(a.began); err != nil && r.failure == nil {
		r.failure = err
	}
	if r.failure != nil {
		return &Hopeless{r.failure} // nothing more may be published
	}
	return nil
}

// laneAt returns a lane, of which it was heard where it stands. r.mu is held.
func (r *Run) laneAt(cursor messages.LaneCursor) *lane {
	l := r.lanes[cursor.Lane]
	if l == nil {
		l = &lane{}
		r.lanes[cursor.Lane] = l
	}
	if anotherStream(l.LaneCursor, cursor) {
		l.cursors = nil
	}
	l.LaneCursor = cursor
	return l
}

// resolve asks what is known of flights, gives those their outcome of which it is
// final, and returns the others, which are to be published.
//
// A row that failed earlier may have been sent again, by --retry-failed: its
// outcome is that of the last attempt. With --retry-failed now, the attempt after
// that is to be published.
func (r *Run) resolve(working context.Context, stop context.CancelCauseFunc, batch []*flight) []*flight {
	var publish []*flight
	for rest := batch; len(rest) > 0; {
		next, unknown, ok := r.resolveOnce(working, stop, rest)
		if !ok {
			return nil
		}
		publish = append(publish, unknown...)
		rest = next
	}
	return inOrder(publish, batch)
}

// inOrder returns the chosen ones of a batch as they stand in it.
func inOrder(chosen, batch []*flight) []*flight {
	if len(chosen) == len(batch) {
		return batch
	}
	is := make(map[*flight]bool, len(chosen))
	for _, f := range chosen {
		is[f] = true
	}
	ordered := make([]*flight, 0, len(chosen))
	for _, f := range batch {
		if is[f] {
			ordered = append(ordered, f)
		}
	}
	return ordered
}

// resolveOnce asks about the attempt at which each flight stands. It returns those
// of which the next attempt is to be asked for, and those to be published.
func (r *Run) resolveOnce(working context.Context, stop context.CancelCauseFunc, batch []*flight) (next, publish []*flight, ok bool) {
	for organization, flights := range byOrganization(batch) {
		ids := make([]string, len(flights))
		for i, f := range flights {
			ids[i] = attemptID(f.id, f.attempt)
		}
		answer, ok := r.ask(working, stop, organization, ids)
		if !ok {
			return nil, nil, false
		}
		decided := decidedByID(&answer)
		r.mu.Lock()
		a := r.accounts[organization.Token]
		for i, f := range flights {
			d, known := decided[ids[i]]
			switch {
			case f.landed:
			case !known && (f.known == nil || r.options.RetryFailed):
				publish = append(publish, f)
			case !known:
				f.attempt--
				r.land(f, f.known)
			default:
				if r.settled(a, f, d) {
					continue
				}
				if r.climb(f) {
					next = append(next, f)
				}
			}
		}
		r.mu.Unlock()
	}
	return next, publish, true
}

// settled gives a flight the outcome that was decided under its id, unless that
// is an earlier failure, after which there may be another attempt. r.mu is held.
func (r *Run) settled(a *account, f *flight, d *messages.Decided) bool {
	if !f.says(&d.Data) {
		o := outcome{failure: reused(), own: true}
		r.land(f, &o)
		return true
	}
	o := outcome{failure: d.Data.Error, changed: d.Data.Changed, decidedAt: d.DecidedAt, earlier: a.began.before(d)}
	if o.failure != nil && o.earlier {
		f.known = &o
		return false
	}
	r.land(f, &o)
	return true
}

// climb goes on to the next attempt. A row that says the same may be there
// already: then they go together, and it returns false. r.mu is held.
func (r *Run) climb(f *flight) bool {
	f.attempt++
	f.sequence = 0
	if r.flights[f.key] == f {
		delete(r.flights, f.key)
	}
	f.key = keyOf(f.organization.Token, attemptID(f.id, f.attempt), f.bridge, f.config, f.phone)
	other := r.flights[f.key]
	if other == nil {
		r.flights[f.key] = f
		return true
	}
	other.others = append(append(other.others, f.number), f.others...)
	f.landed = true
	r.undecided--
	r.bytes -= f.size()
	return false
}

func reused() *messages.Failure {
	return &messages.Failure{Code: messages.CommandIDReused, Field: "command_id",
		Message: "This command_id was used before with other content; send the command with a new id."}
}

func byOrganization(batch []*flight) map[messages.Organization][]*flight {
	groups := map[messages.Organization][]*flight{}
	for _, f := range batch {
		groups[f.organization] = append(groups[f.organization], f)
	}
	return groups
}

func decidedByID(answer *messages.OutcomesAnswer) map[string]*messages.Decided {
	decided := make(map[string]*messages.Decided, len(answer.Outcomes))
	for i := range answer.Outcomes {
		decided[answer.Outcomes[i].Data.CommandID] = &answer.Outcomes[i]
	}
	return decided
}
