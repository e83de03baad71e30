package status

import (
	"context"
	"errors"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
	"connect-provider/worker"
)

// Waiting is a command that stands in its stream, not decided yet.
type Waiting struct {
	// Ahead is how many commands of the lane are decided before it, nil if that
	// is not known.
	Ahead *uint64 `json:"ahead"`
	// Lane is what it waits in: who owns it, whether it is held or paused. Nil if
	// the database is away.
	Lane *Lane `json:"lane"`
}

// findWaiting looks for the command among the organization's undecided ones,
// interactive ones first. Without the database it looks among all that the
// streams have, and does not know whether what it finds is decided.
func (d *Command) findWaiting(ctx context.Context, js jetstream.JetStream, infos map[string]*jetstream.StreamInfo) error {
	lanes := lanesThereAre(infos)
	for _, class := range messages.Classes() {
		info := infos[class.Stream()]
		if info == nil || lanes == 0 {
			continue
		}
		name := messages.Lane{Class: class, Number: messages.Partition(d.organization.Token, lanes)}
		lane, from := d.laneOf(name), uint64(1)
		if lane != nil {
			log := lane.logIn(info)
			lane.Log, from = &log, lane.undecided(log)
		}
		found, err := d.search(ctx, js, info, name, from)
		if ranOut(ctx, err) {
			return nil
		}
		if err != nil {
			return err
		}
		if found != nil {
			d.WaitingSearched = true
			d.Accepted = &Accepted{Stream: class.Stream(), Lane: name.String(), Sequence: found.Sequence, Time: utc(&found.Time)}
			d.Waiting = &Waiting{Lane: lane}
			if lane == nil {
				return nil
			}
			return d.countAhead(ctx, js, name, from, found.Sequence)
		}
	}
	d.WaitingSearched = true
	return nil
}

func (d *Command) laneOf(name messages.Lane) *Lane {
	for i := range d.lanes {
		if d.lanes[i].lane == name {
			return &d.lanes[i]
		}
	}
	return nil
}

// search returns the first message from a sequence on that is the command, nil
// if there is none.
func (d *Command) search(ctx context.Context, js jetstream.JetStream, info *jetstream.StreamInfo, lane messages.Lane, from uint64) (*worker.StoredMark, error) {
	r := worker.StoredRange{
		Stream: lane.Class.Stream(), From: from,
		Filter: commandsOf(lane, d.organization),
	}
	var found *worker.StoredMark
	err := worker.ReadStored(ctx, js, r, func(m messages.Message, _ uint64) bool {
		m.StreamCreated = info.Created
		received := messages.Decode(m)
		// what can't be understood is decided under its position, whatever id it claims
		if received.Command.ID == d.CommandID || m.PositionKey() == d.CommandID {
			found = &worker.StoredMark{Sequence: m.Sequence, Time: m.Time}
		}
		return found == nil
	})
	return found, err
}

// commandsOf selects an organization's commands in its lane.
func commandsOf(lane messages.Lane, organization messages.Organization) string {
	filter := lane.CommandFilter() // telephony.commands.7.>
	return filter[:len(filter)-1] + organization.Token + ".*"
}

// countAhead counts the lane's undecided commands before a sequence.
func (d *Command) countAhead(ctx context.Context, js jetstream.JetStream, lane messages.Lane, from, sequence uint64) error {
	var counts [2]uint64
	for i, first := range []uint64{from, sequence} {
		var err error
		counts[i], err = worker.CountStored(ctx, js, worker.StoredRange{Stream: lane.Class.Stream(), Filter: lane.CommandFilter(), From: first})
		if err != nil {
			return errors.New("commands ahead of sequence " + strconv.FormatUint(sequence, 10) + ": " + err.Error())
		}
	}
	// more may have come between the two answers, and only behind
	ahead := counts[0] - min(counts[0], counts[1])
	d.Waiting.Ahead = &ahead
	return nil
}
