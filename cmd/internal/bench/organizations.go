package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/deploy/workload"
	"connect-provider/messages"
)

// Every bridge has five numbers, and the last of fifty commands names an unknown
// one, as in the README's workload.
const (
	numbersOfABridge = 5
	unknownEvery     = 50
)

// namePattern is how the names of benchmarks look, with which the handles of all
// their organizations begin.
var namePattern = regexp.MustCompile(`^connectctl-bench-[0-9a-f]{8}$`)

// organizations are those that a benchmark makes, one workload's after another.
type organizations struct {
	name   string
	number int // of the first workload
	made   []workload.Workload
}

// NewName returns a benchmark's name that nobody has used.
func NewName() string { return fmt.Sprintf("connectctl-bench-%08x", rand.Uint32()) }

// IsName tells whether a text looks as benchmarks' names do.
func IsName(text string) bool { return namePattern.MatchString(text) }

func newOrganizations(name string) *organizations {
	return &organizations{name: name, number: rand.IntN(10_000)}
}

// next returns a workload that nobody has, of at least so many commands.
func (o *organizations) next(organizations, commands int) workload.Workload {
	each := organizations * numbersOfABridge
	w := workload.Workload{
		Prefix: fmt.Sprintf("%s-%d", o.name, len(o.made)+1),
		// a country code that nobody has; with the eight digits of the workload's
		// own these numbers are longer than the demo's
		Numbering:     fmt.Sprintf("+999%04d", (o.number+len(o.made))%10_000),
		Organizations: organizations, Bridges: (commands + each - 1) / each, Numbers: numbersOfABridge, UnknownEvery: unknownEvery,
	}
	o.made = append(o.made, w)
	return w
}

// settleLimit is how long the commands of a benchmark that is over may go without
// one of them being decided.
const settleLimit = 15 * time.Second

// remove takes the organizations and all that was made of their commands out of
// the database, and of their events all but each organization's last one, which a
// lane may expect to find. Commands that are still to be decided are awaited
// first. It returns what stays, in words.
//
// The commands stay in their stream: a lane whose cursor stands on a message that
// is gone takes the stream for cut back.
func (o *organizations) remove(ctx context.Context, s *System, class messages.Class) (stays []string, err error) {
	if len(o.made) == 0 {
		return nil, nil
	}
	stays = append(stays, fmt.Sprintf("the commands, in %s, until the workers' upkeep purges them", class.Stream()))
	published, err := o.published(ctx, s, class)
	if err != nil {
		return stays, err
	}
	undecided, err := o.settle(ctx, s.Database, published)
	if err != nil {
		return stays, err
	}
	if undecided > 0 {
		stays = append(stays, fmt.Sprintf("%d commands that are not decided: they will fail and leave a row each, to be removed with bench remove %s", undecided, o.name))
	}
	if err := o.purgeEvents(ctx, s.JetStream); err != nil {
		stays = append(stays, fmt.Sprintf("the events, in %s, until they are too old (%v)", messages.EventsStream, err))
	} else {
		stays = append(stays, fmt.Sprintf("the last event of each organization, in %s, on which its lane may count", messages.EventsStream))
	}
	for _, w := range o.made {
		err = errors.Join(err, w.Remove(ctx, s.Database))
	}
	return stays, err
}

// published is how many commands of the organizations are in the stream, which is
// more than was acknowledged where publishing was interrupted.
func (o *organizations) published(ctx context.Context, s *System, class messages.Class) (commands int, err error) {
	if err := s.NATS.FlushWithContext(ctx); err != nil {
		return 0, fmt.Errorf("NATS: %w", err)
	}
	stream, err := s.JetStream.Stream(ctx, class.Stream())
	if err != nil {
		return 0, fmt.Errorf("%s: %w", class.Stream(), err)
	}
	for _, token := range o.tokens() {
		// in the stream the lane stands before the organization
		stored := messages.CommandSubject(class, messages.Organization{Token: "*." + token}, "*")
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter(stored))
		if err != nil {
			return 0, fmt.Errorf("%s: %w", class.Stream(), err)
		}
		for _, n := range info.State.Subjects {
			commands += int(n)
		}
	}
	return commands, nil
}

// tokens are those of all organizations.
func (o *organizations) tokens() []string {
	var tokens []string
	for _, w := range o.made {
		for n := range w.Organizations {
			tokens = append(tokens, w.Organization(n).Token)
		}
	}
	return tokens
}

// settle waits until all commands that were published are decided and their
// events published, or until nothing has gone on for a while. It returns how many
// are not.
func (o *organizations) settle(ctx context.Context, db *pgxpool.Pool, published int) (undecided int, err error) {
	const sql = `select (select count(*) from connect_provider.inbox where org_token = any ($1::text[])),
	                    (select count(*) from connect_provider.outbox where split_part(subject, '.', 4) = any ($1::text[]))`
	tokens := o.tokens()
	var decided, unpublished int
	last, since := -1, time.Now()
	for {
		if err := db.QueryRow(ctx, sql, tokens).Scan(&decided, &unpublished); err != nil {
			return 0, fmt.Errorf("what is decided of the benchmark: %w", err)
		}
		if decided-unpublished >= published {
			return 0, nil
		}
		if decided-unpublished != last {
			last, since = decided-unpublished, time.Now()
		}
		if time.Since(since) > settleLimit {
			return published - last, nil
		}
		if err := sleepUntil(ctx, time.Now().Add(250*time.Millisecond)); err != nil {
			return published - last, err
		}
	}
}

func (o *organizations) purgeEvents(ctx context.Context, js jetstream.JetStream) error {
	stream, err := js.Stream(ctx, messages.EventsStream)
	if err != nil {
		return err
	}
	for _, token := range o.tokens() {
		subject := "telephony.events.*." + token + ".>"
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeKeep(1)); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes what a benchmark that was killed has left in the database: all
// organizations whose handles begin with its name. Their commands must be decided.
// It returns how many there were. It is an error if the name is none of a
// benchmark's.
func Remove(ctx context.Context, db *pgxpool.Pool, name string) (found int, err error) {
	if !IsName(name) {
		return 0, fmt.Errorf("%q is not the name of a benchmark, such as connectctl-bench-0123abcd", name)
	}
	rows, err := db.Query(ctx, `select regexp_replace(domain_handle, '-\d+$', ''), count(*) from telephony.organizations
		where starts_with(domain_handle, $1) group by 1`, name+"-")
	if err != nil {
		return 0, fmt.Errorf("organizations of the benchmark: %w", err)
	}
	left, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w workload.Workload, err error) {
		w = workload.Workload{Numbering: "+999", Bridges: 1, Numbers: 1}
		return w, row.Scan(&w.Prefix, &w.Organizations)
	})
	if err != nil {
		return 0, fmt.Errorf("organizations of the benchmark: %w", err)
	}
	for _, w := range left {
		if err := w.Remove(ctx, db); err != nil {
			return found, err
		}
		found += w.Organizations
	}
	return found, nil
}

// owns tells whether an organization is one of the benchmark's.
func (o *organizations) owns(token string) bool { return strings.HasPrefix(token, o.name+"-") }
