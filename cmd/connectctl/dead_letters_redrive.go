package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

type letterRedriveCommand struct {
	Selection letterSelection     `embed:""`
	Body      string              `placeholder:"FILE" help:"Publish this body in place of the one that died; - reads standard input. For one dead letter only."`
	Verb      string              `placeholder:"VERB" help:"Publish with this verb where the one that a message came with is not known."`
	Malformed bool                `help:"Publish also what this version can't understand."`
	Rate      int                 `default:"50" placeholder:"N" help:"Most publishes in a second (default 50)."`
	DryRun    bool                `help:"Tell what would be published, and publish nothing."`
	Wait      time.Duration       `placeholder:"DURATION" help:"Wait so long for the outcomes and tell them."`
	Yes       bool                `help:"Redrive several without being asked."`
	Reveal    bool                `help:"Show phone numbers in full."`
	Database  connection.Database `embed:""`
	NATS      natsSettings        `embed:""`
	Log       program.Log         `embed:""`
}

func (c *letterRedriveCommand) log() program.Log { return c.Log }

func (c *letterRedriveCommand) problems(secrets *program.Secrets) []error {
	problems := append(c.Database.Resolve(secrets), c.NATS.problems(secrets)...)
	problems = append(problems, c.Selection.problems(true)...)
	if c.Body != "" && len(c.Selection.IDs) != 1 {
		problems = append(problems, errors.New("--body is for one dead letter: give its id"))
	}
	if c.Verb != "" && c.Verb != messages.VerbConnectProvider {
		problems = append(problems, fmt.Errorf("--verb %q: %s is the only one there is", c.Verb, messages.VerbConnectProvider))
	}
	if c.Rate < 1 {
		problems = append(problems, fmt.Errorf("--rate %d: give 1 or more", c.Rate))
	}
	if c.Wait < 0 {
		problems = append(problems, fmt.Errorf("--wait %s: give more than 0", c.Wait))
	}
	return problems
}

// run publishes dead letters again, one after another. A letter is marked when
// the stream has accepted it; if that comes to nothing, redriving it again
// publishes the same command id, which is decided once.
func (c *letterRedriveCommand) run(ctx context.Context, p process) error {
	corrected, err := c.corrected()
	if err != nil {
		return err
	}
	pool, err := openDatabase(ctx, &c.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	letters, err := c.Selection.find(ctx, pool)
	if err != nil {
		return err
	}
	if len(letters) == 0 {
		fmt.Fprintln(p.stdout, "No dead letter matches.")
		return nil
	}
	if len(letters) > 1 && !c.DryRun {
		if err := p.confirm(c.Yes, fmt.Sprintf("%d dead letters would be published again as new commands", len(letters))); err != nil {
			return err
		}
	}
	run := redriveRun{command: c, process: p, pool: pool, corrected: corrected}
	if !c.DryRun {
		nc, js, err := c.NATS.connect(p.secrets)
		if err != nil {
			return err
		}
		defer nc.Close()
		run.js = js
		if err := pool.QueryRow(ctx, statement("clock")).Scan(&run.since); err != nil {
			return fmt.Errorf("the database's clock: %w", err)
		}
	}
	pace := rate.NewLimiter(rate.Limit(c.Rate), 1)
	for i := range letters {
		if !c.DryRun {
			if err := pace.Wait(ctx); err != nil {
				return fmt.Errorf("interrupted: %d of %d dead letters were not redriven", len(letters)-i, len(letters))
			}
		}
		run.one(ctx, &letters[i])
	}
	if c.Wait > 0 && !c.DryRun {
		run.await(ctx, c.Wait)
	}
	return run.result()
}

// corrected reads the body that is to be published, nil if none was given.
func (c *letterRedriveCommand) corrected() ([]byte, error) {
	var from io.Reader = os.Stdin
	switch c.Body {
	case "":
		return nil, nil
	case "-":
	default:
		file, err := os.Open(c.Body)
		if err != nil {
			return nil, fmt.Errorf("--body: %w", err)
		}
		defer file.Close() //nolint:errcheck // it was only read
		from = file
	}
	body, err := io.ReadAll(io.LimitReader(from, messages.MaxMessage+1))
	if err != nil {
		return nil, fmt.Errorf("--body: %w", err)
	}
	return append([]byte{}, body...), nil
}

// redriveRun is one run of the command over its letters.
type redriveRun struct {
	command   *letterRedriveCommand
	process   process
	pool      *pgxpool.Pool
	js        jetstream.JetStream
	corrected []byte
	since     time.Time // by the database's clock
	accepted  []redriven
	refused   int // not accepted
	failed    int // accepted, and failed as commands
	undecided int
}

// redriven is a letter that its stream has accepted again.
type redriven struct {
	letter   *letter
	as       string // its command id, empty if the bytes carry none
	sequence uint64
}

func (r *redriveRun) tell(word, format string, args ...any) {
	fmt.Fprintf(r.process.stdout, "%-10s %s\n", word, fmt.Sprintf(format, args...))
}

// one redrives one letter and reports it. Whatever goes wrong concerns this
// letter only.
func (r *redriveRun) one(ctx context.Context, l *letter) {
	held, err := l.content(ctx, r.pool)
	if err == nil {
		err = r.redrive(ctx, l, held)
	}
	if err != nil {
		r.refused++
		r.tell("refused", "%s: %s", l.id(), line(shownText(err.Error(), r.command.Reveal)))
	}
}

func (r *redriveRun) redrive(ctx context.Context, l *letter, held content) error {
	id := l.attempt(held.redrives + 1)
	message, identified, err := r.prepare(l, held, id)
	if err != nil {
		return err
	}
	as := "without an id of its own: published twice, it is decided twice"
	if identified {
		as = "as command " + id
	}
	if r.command.DryRun {
		r.tell("would do", "%s → %s, %d bytes, %s", l.id(), message.Subject, len(message.Data), as)
		return nil
	}
	sequence, err := republish(ctx, r.js, l.lane.Class, message)
	if err != nil {
		return err
	}
	if !identified {
		id = ""
	}
	r.accepted = append(r.accepted, redriven{letter: l, as: id, sequence: sequence})
	r.tell("accepted", "%s → sequence %d of %s %s", l.id(), sequence, l.lane.Class.Stream(), as)
	if _, err := r.pool.Exec(ctx, statement("mark_redriven"), l.lane.String(), l.streamCreated, l.sequence, l.messageTime, held.redrives+1, id); err != nil {
		r.tell("note", "%s was published and can't be marked as redriven (%v): redriving it again publishes the same command id, which is decided once", l.id(), err)
	}
	return nil
}

// prepare makes the message to publish, or says why it is of no use to publish
// one.
func (r *redriveRun) prepare(l *letter, held content, id string) (message *nats.Msg, identified bool, err error) {
	died := l.message(held)
	if r.corrected != nil {
		died.Body = r.corrected
	}
	subject, err := messages.ParseStoredSubject(held.subject)
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("it can't be published where it came from: %w", err)
	case !subject.Organization.Canonical():
		return nil, false, fmt.Errorf("its subject %q names no organization that can exist", held.subject)
	case subject.Verb != messages.VerbConnectProvider && r.command.Verb == "":
		return nil, false, fmt.Errorf("its verb %q is not known: give --verb %s if that was meant", subject.Verb, messages.VerbConnectProvider)
	}
	header, body, identified := died.Redrive(id)
	// decoded as its stream would have it, to see what would come of it
	stored := died
	stored.Header, stored.Body = header, body
	stored.Subject = fmt.Sprintf("%s%s", held.subject[:len(held.subject)-len(subject.Verb)], messages.VerbConnectProvider)
	if again := messages.Decode(stored); again.Malformed != nil && !r.command.Malformed {
		return nil, false, fmt.Errorf("it would die again: %w; correct it with --body, or give --malformed if the workers understand more than this program", again.Malformed)
	}
	return &nats.Msg{
		Subject: messages.CommandSubject(l.lane.Class, subject.Organization, messages.VerbConnectProvider), Header: header, Data: body,
	}, identified, nil
}

// republish publishes a message to its class's stream. After an error that does
// not say that it was refused, the stream may have it all the same.
func republish(ctx context.Context, js jetstream.JetStream, class messages.Class, message *nats.Msg) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	ack, err := js.PublishMsg(ctx, message)
	var refusal *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return 0, fmt.Errorf("no stream takes %s: check that this is the right server", message.Subject)
	case errors.As(err, &refusal):
		return 0, fmt.Errorf("stream %s has refused it: %w", class.Stream(), err)
	case err != nil:
		return 0, fmt.Errorf("not known whether stream %s has accepted it (%w): redrive it again", class.Stream(), err)
	case ack.Duplicate:
		return 0, fmt.Errorf("stream %s took it for a repeat of another message: redrive it again", ack.Stream)
	case ack.Stream != class.Stream():
		return 0, fmt.Errorf("stream %s has taken it, not %s: the streams are not connect-provider's", ack.Stream, class.Stream())
	}
	return ack.Sequence, nil
}

// result tells how it went and returns the error that ends the process with its
// code.
func (r *redriveRun) result() error {
	switch {
	case r.refused > 0 || r.failed > 0:
		return program.Quiet(exitFailed)
	case r.undecided > 0:
		return program.Quiet(exitUndecided)
	}
	return nil
}
