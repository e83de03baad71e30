package onboard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"connect-provider/messages"
)

// fakePlatform decides by a few rules, in order, each id once, and fails as the
// test wants it to. The rules are those of the worker as far as the tests need
// them: a bridge "none" does not exist, a number is on one bridge, and all are
// acme's but one.
type fakePlatform struct {
	chance func(percent int, what string) bool // of a fault

	mu                      sync.Mutex
	created                 time.Time
	stream                  []Message
	decided                 map[string]*messages.Decided // by subject and id
	onBridge                map[string]string
	cursor                  int
	applied                 map[string]int // how often a command was decided, by subject and id
	take                    func(*messages.Event)
	unread                  bool
	full                    bool
	away                    bool // the workers
	published, asked, calls int
	// fail is called before each call.
	fail func(call int) error
}

func newFake() *fakePlatform {
	return &fakePlatform{
		chance: func(int, string) bool { return false }, created: time.Unix(1700000000, 0).UTC(),
		decided: map[string]*messages.Decided{}, onBridge: map[string]string{}, applied: map[string]int{},
		fail: func(int) error { return nil },
	}
}

var errFault = errors.New("a fault that the test wants")

func (f *fakePlatform) call() error {
	f.calls++
	if err := f.fail(f.calls); err != nil {
		return err
	}
	if f.chance(10, "call fails") {
		return errFault
	}
	return nil
}

func (f *fakePlatform) Publish(_ context.Context, batch []Message) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call(); err != nil {
		return 0, err
	}
	if f.full {
		return 0, errors.New("full")
	}
	f.published += len(batch)
	f.stream = append(f.stream, batch...)
	last := uint64(len(f.stream))
	f.work()
	if f.chance(10, "acknowledgement lost") {
		return 0, errFault
	}
	return last, nil
}

// work decides some of what waits.
func (f *fakePlatform) work() {
	for !f.away && f.cursor < len(f.stream) && !f.chance(5, "worker rests") {
		f.decide(f.stream[f.cursor], uint64(f.cursor)+1)
		f.cursor++
	}
}

func (f *fakePlatform) decide(m Message, sequence uint64) {
	token := strings.Split(m.Subject, ".")[2]
	received := messages.Decode(messages.Message{
		Subject: "telephony.bulk.1." + token + ".connect-provider", Body: m.Body, Sequence: sequence, StreamCreated: f.created, Time: f.created,
	})
	if received.Malformed != nil {
		panic(received.Malformed.Message)
	}
	c := &received.Command
	key := token + " " + c.ID
	at := f.created.Add(time.Duration(sequence) * time.Second)
	outcome := messages.Outcome{Provider: "twilio", Changed: true, ConnectionVersion: 1, ConnectedAt: at}
	earlier := f.decided[key]
	said := row{bridge: c.BridgeSlug, config: c.ProviderConfigID, phone: c.PhoneNumber}
	switch {
	case earlier != nil && said.says(&earlier.Data):
		return
	case earlier != nil:
		outcome = messages.Outcome{Failure: reused()}
	case c.BridgeSlug == "none":
		outcome = messages.Outcome{Failure: &messages.Failure{Code: messages.BridgeNotFound, Message: "no bridge"}}
	case (token == "acme") == (c.PhoneNumber == "+15550004"):
		outcome = messages.Outcome{Failure: &messages.Failure{Code: messages.PhoneNumberNotLinked, Message: "not linked"}}
	case f.onBridge[c.PhoneNumber] != "" && f.onBridge[c.PhoneNumber] != c.BridgeSlug:
		outcome = messages.Outcome{Failure: &messages.Failure{Code: messages.PhoneNumberInUse, Message: "in use",
			Details: map[string]string{"current_bridge_slug": f.onBridge[c.PhoneNumber]}}}
	default:
		outcome.Changed = f.onBridge[c.PhoneNumber] == ""
		f.onBridge[c.PhoneNumber] = c.BridgeSlug
	}
	event := messages.NewEvent(&received, 1, outcome, c.ID, at)
	if earlier == nil {
		f.applied[key]++
		d := messages.Decided{Data: event.Data, DecidedAt: at, Lane: received.Lane, Sequence: sequence, Generation: 1}
		d.Data.Metadata = nil
		f.decided[key] = &d
	}
	if f.take != nil && !f.unread && !f.chance(10, "event lost") {
		f.take(&event)
	}
}

func (f *fakePlatform) Ask(_ context.Context, o messages.Organization, ids []string) (messages.OutcomesAnswer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call(); err != nil {
		return messages.OutcomesAnswer{}, err
	}
	if f.away {
		return messages.OutcomesAnswer{}, errors.New("no worker")
	}
	f.asked += len(ids)
	answer := messages.OutcomesAnswer{OrgHandle: o.Handle, Lanes: []messages.LaneCursor{
		{Lane: messages.Lane{Class: messages.Bulk, Number: 1}, StreamCreated: f.created, Generation: 1, Cursor: uint64(f.cursor)},
	}}
	for _, id := range ids {
		if d := f.decided[o.Token+" "+id]; d != nil {
			answer.Outcomes = append(answer.Outcomes, *d)
		} else {
			answer.Unknown = append(answer.Unknown, id)
		}
	}
	f.work()
	return answer, nil
}

func (f *fakePlatform) Preview(_ context.Context, o messages.Organization, q messages.PreviewRequest) (messages.PreviewAnswer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call(); err != nil {
		return messages.PreviewAnswer{}, err
	}
	// a copy decides, and is forgotten
	trial := newFake()
	trial.onBridge, trial.decided = maps.Clone(f.onBridge), maps.Clone(f.decided)
	for _, assumed := range q.Connections {
		trial.onBridge[assumed.PhoneNumber] = assumed.BridgeSlug
	}
	var answer messages.PreviewAnswer
	for i, body := range q.Commands {
		if i > 0 && f.chance(5, "no room") {
			break
		}
		var told *messages.Event
		trial.take = func(e *messages.Event) { told = e }
		trial.decide(Message{Subject: "telephony.bulk." + o.Token + ".connect-provider", Body: body}, uint64(i)+1)
		p := messages.Preview{Decided: told == nil}
		if told != nil {
			p.Error, p.Changed, p.Provider = told.Data.Error, told.Data.Changed, told.Data.Provider
		}
		answer.Previews = append(answer.Previews, p)
	}
	return answer, nil
}

func (f *fakePlatform) Events(ctx context.Context, _ []messages.Organization, ready func(), take func(*messages.Event)) error {
	f.mu.Lock()
	unread := f.unread
	f.take = take
	f.mu.Unlock()
	if unread {
		return ErrUnread
	}
	ready()
	<-ctx.Done()
	f.mu.Lock()
	f.take = nil
	f.mu.Unlock()
	return nil
}

// a run of a text as a file.
type testRun struct {
	t       testing.TB
	dir     string
	text    string
	form    Form
	options Options
}

func newTestRun(t testing.TB, dir, text string) *testRun {
	return &testRun{t: t, dir: dir, text: text, form: CSV, options: Options{
		Job: Job{Name: "job", Organization: "acme"}, StateFile: dir + "/state", MaxInFlight: 50, DrainTimeout: time.Second, Logger: zap.NewNop(),
	}}
}

func (r *testRun) input() (*Input, Survey, error) {
	in, err := openText(r.text, nil)
	if err != nil {
		return nil, Survey{}, err
	}
	survey, err := in.Survey(r.options.Job.Organization)
	return in, survey, err
}

// open makes the run without beginning it.
func (r *testRun) open(t *testing.T) *Run {
	t.Helper()
	in, survey, err := r.input()
	if err != nil {
		t.Fatal(err)
	}
	run, err := NewRun(in, survey, newFake(), r.options)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// openText is a file that holds a text.
func openText(text string, columns map[string]string) (*Input, error) {
	in := &Input{columns: columns, file: strings.NewReader(text), close: func() error { return nil }}
	return in, in.recognize()
}

// do runs it and returns what the report of all rows says, if it came to its end.
func (r *testRun) do(ctx context.Context, f *fakePlatform) (outcomes []reported, counts Counts, err error) {
	in, survey, err := r.input()
	if err != nil {
		return nil, counts, err
	}
	run, err := NewRun(in, survey, f, r.options)
	if err != nil {
		return nil, counts, err
	}
	defer run.Close() //nolint:errcheck // what is not written is asked for again
	run.pause, run.patience = time.Millisecond, 3*time.Millisecond
	if err := run.Do(ctx); err != nil {
		return nil, run.Progress().Counts, err
	}
	err = run.eachOutcome(func(record *Record, o *outcome) error {
		line := reported{number: record.Number, cells: strings.Join(record.cells, "|")}
		if o == nil {
			return fmt.Errorf("row %d has no outcome", record.Number)
		}
		line.outcome = "connected"
		if o.failure != nil {
			line.outcome = string(o.failure.Code)
		}
		outcomes = append(outcomes, line)
		return nil
	})
	return outcomes, run.Progress().Counts, err
}

type reported struct {
	number  int64
	cells   string
	outcome string
}

func outcomesOf(reports []reported) []string {
	var outcomes []string
	for _, r := range reports {
		outcomes = append(outcomes, r.outcome)
	}
	return slices.Clip(outcomes)
}
