package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/cmd/internal/connection"
	"connect-provider/cmd/internal/program"
	"connect-provider/messages"
)

type watchCommand struct {
	Org      string       `placeholder:"HANDLE" help:"Events of this organization only; one that has its own NATS user names itself."`
	Failed   bool         `help:"Failed commands only."`
	Code     []string     `placeholder:"CODE" help:"Commands that failed with this code only; may be given several times."`
	Phone    string       `placeholder:"NUMBER" help:"Commands for this phone number only, spelled as in the command."`
	Job      string       `placeholder:"NAME" help:"Commands whose metadata has this job only; bulk onboarding puts its job there."`
	Class    string       `placeholder:"CLASS" help:"Traffic class, interactive or bulk (default both)."`
	Command  string       `placeholder:"ID" help:"This command only."`
	Since    string       `placeholder:"WHEN" help:"Begin in the past: so long ago as 15m or 72h, at a time as 2026-11-23T10:00:00Z, or at the start of what is kept (default: what comes from now on)."`
	UntilNow bool         `help:"End at the last event there is, instead of waiting for more."`
	Count    int          `placeholder:"N" help:"End after so many events."`
	Consumer string       `placeholder:"NAME" help:"Read through this durable pull consumer, which is made if it does not exist. The server keeps its place: what was shown is acknowledged and does not come again. One reader for each."`
	JSON     bool         `name:"json" help:"Print each event as it is, phone number and all: a JSON document a line."`
	Reveal   bool         `help:"Show phone numbers in full."`
	NATS     natsSettings `embed:""`
	Log      program.Log  `embed:""`
}

func (c *watchCommand) log() program.Log { return c.Log }

func (c *watchCommand) problems(secrets *program.Secrets) []error {
	problems := c.NATS.problems(secrets)
	_, err := c.filter()
	problems = append(problems, err)
	from, err := c.begin(time.Now())
	problems = append(problems, err)
	if c.UntilNow && err == nil && from.policy == jetstream.DeliverNewPolicy && c.Consumer == "" {
		problems = append(problems, errors.New("--until-now: say with --since where to begin"))
	}
	if c.Count < 0 {
		problems = append(problems, fmt.Errorf("--count %d: give more than 0", c.Count))
	}
	if strings.ContainsAny(c.Consumer, " \t\r\n\f.*>/\\") {
		problems = append(problems, fmt.Errorf("--consumer %q: a consumer's name has no spaces, dots, slashes and wildcards", c.Consumer))
	}
	return problems
}

// begin reads --since.
func (c *watchCommand) begin(now time.Time) (start, error) {
	switch c.Since {
	case "":
		return start{policy: jetstream.DeliverNewPolicy}, nil
	case "start":
		return start{policy: jetstream.DeliverAllPolicy}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, c.Since)
	if err != nil {
		ago, err := time.ParseDuration(c.Since)
		if err != nil {
			return start{}, fmt.Errorf("--since %q is neither a duration as in 15m or 72h, nor a time as in 2026-11-23T10:00:00Z, nor the word start", c.Since)
		}
		at = now.Add(-ago)
	}
	if !at.Before(now) {
		return start{}, fmt.Errorf("--since %s is not in the past", c.Since)
	}
	return start{policy: jetstream.DeliverByStartTimePolicy, at: &at}, nil
}

func (c *watchCommand) filter() (eventFilter, error) {
	f := eventFilter{failed: c.Failed || len(c.Code) > 0, number: c.Phone, job: c.Job, command: c.Command}
	var problems []error
	if c.Org != "" {
		organization, err := messages.OrganizationFromHandle(c.Org)
		if err != nil {
			problems = append(problems, fmt.Errorf("--org: %w", err))
		}
		f.organization = organization.Token
	}
	if c.Class != "" {
		class, err := classOf(c.Class)
		problems = append(problems, err)
		f.class = class
	}
	for _, code := range c.Code {
		if !slices.Contains(messages.Codes(), messages.Code(code)) {
			problems = append(problems, fmt.Errorf("--code %q: choose of %s", code, strings.Trim(fmt.Sprint(messages.Codes()), "[]")))
		}
		f.codes = append(f.codes, messages.Code(code))
	}
	return f, errors.Join(problems...)
}

// lastWord is how long an event that is being printed may take when watching is
// ended. Who reads the output may have stopped reading.
const lastWord = time.Second

// run prints events until ctx ends, whoever reads the output stops, or there is
// to be no more; all of that is a good end.
func (c *watchCommand) run(ctx context.Context, p process) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	from, err := c.begin(time.Now())
	if err != nil {
		return err
	}
	nc, js, err := c.NATS.connect(p.secrets, connection.Lasting(p.logger)...)
	if err != nil {
		return err
	}
	defer nc.Close()
	// so that a pipe whose reader is gone is an error here and not the end
	signal.Ignore(syscall.SIGPIPE)
	reader := eventReader{js: js, logger: p.logger, from: from, far: reach(c.UntilNow), source: c.source(filter)}
	w := watch{filter: filter, printer: newEventPrinter(p, c.JSON, c.Reveal, c.Since != "" || c.Consumer != ""), count: c.Count}
	ended := make(chan error, 1)
	go func() { ended <- reader.read(ctx, w.take) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		select {
		case err = <-ended:
		case <-time.After(lastWord):
		}
	}
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// source reads only what is asked for, as far as the server can tell. A durable
// consumer is for whatever its organization gets: it may be used again with
// other filters.
func (c *watchCommand) source(filter eventFilter) eventSource {
	if c.Consumer != "" {
		filter.failed = false
		return &durableSource{name: c.Consumer, filter: filter.subject()}
	}
	if !filter.bySubject() {
		return &orderedSource{}
	}
	return &orderedSource{filters: []string{filter.subject()}}
}

// watch takes the events that are read.
type watch struct {
	filter  eventFilter
	printer *eventPrinter
	count   int // 0 is all
	printed int
}

func (w *watch) take(message jetstream.Msg, at *jetstream.MsgMetadata) (more bool, err error) {
	event, err := decodeEvent(message)
	if !w.filter.takes(&event, err == nil) {
		return true, nil
	}
	if err := w.printer.print(&event, message.Data(), at, err); err != nil {
		return false, err
	}
	w.printed++
	return w.printed != w.count, nil
}
