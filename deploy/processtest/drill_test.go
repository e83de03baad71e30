package processtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// drill is one of the runbook's, done with the real programs: what is
// published, what its outcome must be, and what was seen of it.
type drill struct {
	*service
	random    *rand.Rand
	model     *model
	want      map[string]string   // code, by subject and command id
	order     map[string][]string // command ids, by subject
	published []command
	seen      []told // of events streams that are gone
}

// told is an event as consumers see it.
type told struct {
	subject string // of its command
	id      string
	code    string
	event   string // its own id
}

func (s *service) newDrill() *drill {
	s.t.Helper()
	s.loadPlatform()
	return &drill{service: s, random: seed(s.t), model: newModel(), want: map[string]string{}, order: map[string][]string{}}
}

// make makes commands under ids of their own, and has the model decide them in
// the order in which they are to be published.
func (d *drill) make(n int) []command {
	organizationOf := map[string]int{}
	for organization := range organizations {
		owner, err := messages.OrganizationFromHandle(handle(organization))
		if err != nil {
			d.t.Fatal(err)
		}
		organizationOf[owner.Token] = organization
	}
	var made []command
	for _, c := range makeCommands(d.random, fmt.Sprintf("drill-%d", len(d.published)), n, false) {
		key := c.subject + " " + c.id
		if c.id == "" || d.want[key] != "" {
			continue
		}
		token := strings.Split(c.subject, ".")[2]
		at := place{c.class, uint64(len(d.published) + len(made) + 1)}
		d.model.take(at, organizationOf[token], token, c.body)
		d.want[key] = d.model.verdicts[at].code
		d.order[c.subject] = append(d.order[c.subject], c.id)
		made = append(made, c)
	}
	d.published = append(d.published, made...)
	return made
}

// publish brings commands into their streams.
func (d *drill) publish(commands []command) {
	d.t.Helper()
	if err := <-d.publishMeanwhile(commands); err != nil {
		d.t.Fatalf("publish: %v", err)
	}
}

// publishMeanwhile publishes as publish does, and says when it has.
func (d *drill) publishMeanwhile(commands []command) (done <-chan error) {
	ended := make(chan error, 1)
	go func() { ended <- publishAll(d.js, commands, new(atomic.Int64)) }()
	return ended
}

// awaitDecided waits until every command published so far has an event.
func (d *drill) awaitDecided() {
	d.t.Helper()
	d.awaitGrowth(messages.EventsStream, len(d.published)-len(d.seen))
}

// events reads the events stream.
func (d *drill) events() (events []told) {
	d.t.Helper()
	d.read(messages.EventsStream, func(message jetstream.Msg, _ uint64) {
		event, err := messages.DecodeEvent(message.Data())
		if err != nil {
			d.t.Fatal(err)
		}
		lane, owner, _, err := messages.ParseEventSubject(message.Subject())
		if err != nil {
			d.t.Fatal(err)
		}
		e := told{subject: messages.CommandSubject(lane.Class, owner, messages.VerbConnectProvider), id: event.CommandID, code: "unchanged", event: event.ID.String()}
		if event.Data.Error != nil {
			e.code = string(event.Data.Error.Code)
		} else if event.Data.Changed {
			e.code = "connected"
		}
		events = append(events, e)
	})
	return events
}

// check demands that every command has its outcome once, that each
// organization's outcomes are in the order of its commands, and that the
// database holds what the model does.
func (d *drill) check() {
	d.t.Helper()
	order := map[string][]string{}
	codes := map[string]int{}
	for _, e := range slices.Concat(d.seen, d.events()) {
		order[e.subject] = append(order[e.subject], e.id)
		codes[e.code]++
		if want := d.want[e.subject+" "+e.id]; e.code != want {
			d.t.Errorf("command %s has the outcome %s, want %s", e.id, e.code, want)
		}
	}
	for subject, want := range d.order {
		if have := order[subject]; !slices.Equal(have, want) {
			d.t.Errorf("%s: %d outcomes of %d commands, or another order:\n%s\n%s", subject, len(have), len(want),
				strings.Join(have, " "), strings.Join(want, " "))
		}
	}
	d.checkDatabase(d.model)
	d.t.Logf("%d commands: %v", len(d.published), codes)
}

// forgetEvents notes what the events stream holds, before it is lost.
func (d *drill) forgetEvents() { d.seen = append(d.seen, d.events()...) }

// lanesReached returns each lane's generation.
func (s *service) lanesReached() map[string]int64 {
	s.t.Helper()
	generations := map[string]int64{}
	s.onDatabase(func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `select lane, generation from connect_provider.lanes`)
		if err != nil {
			return err
		}
		var lane string
		var generation int64
		_, err = pgx.ForEachRow(rows, []any{&lane, &generation}, func() error {
			generations[lane] = generation
			return nil
		})
		return err
	})
	return generations
}
