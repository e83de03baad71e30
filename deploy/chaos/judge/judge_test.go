package judge

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"connect-provider/deploy/chaos/load"
	"connect-provider/messages"
	"connect-provider/worker"
)

const lanes = 4

var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world makes what a faultless system leaves, without one.
type world struct {
	platform *load.Platform
	source   *load.Source
	changes  []load.Change
	ledger   *worker.Ledger
	sequence map[messages.Class]uint64
	rows     int
	e        *Evidence
	// destroyed says that a message is taken out of its stream undecided.
	destroyed func(s *Stored) bool
}

func newWorld() *world {
	r := rand.New(rand.NewPCG(7, 8))
	w := &world{platform: load.NewPlatform(6), sequence: map[messages.Class]uint64{}}
	w.changes = w.platform.Grow(r, 30)
	w.source = load.NewSource(r, w.platform)
	w.ledger = New(w.platform, lanes).ledger
	w.e = &Evidence{Connections: map[string]Connection{}}
	return w
}

// judge is one that has seen no act yet.
func (w *world) judge() *Judge {
	j := New(w.platform, lanes)
	j.Changed(w.changes)
	return j
}

// act stores and decides commands, in order.
func (w *world) act(n int) *Evidence {
	for _, c := range w.changes {
		w.ledger.Number(c.Phone, c.Handle, c.Configuration, c.Active)
		if c.Broken {
			w.ledger.Broken(c.Phone)
		}
	}
	for i, c := range w.source.Draw(n) {
		if c.Refused || c.Unheard {
			continue
		}
		w.store(i, c)
		if c.REST {
			w.answer(c)
		}
	}
	w.e.Inbox = w.rows
	for _, class := range messages.Classes() {
		for n := range lanes {
			w.e.Lanes = append(w.e.Lanes, w.rowOf(messages.Lane{Class: class, Number: n}))
		}
	}
	return w.e
}

func (w *world) store(i int, c load.Command) {
	w.sequence[c.Class]++
	tokens := strings.Split(c.Subject, ".")
	tokens = slices.Insert(tokens, 2, fmt.Sprint(messages.Partition(tokens[2], lanes)))
	at := begin.Add(time.Duration(i) * time.Millisecond)
	received := messages.Decode(messages.Message{
		StreamCreated: begin, Time: at, Sequence: w.sequence[c.Class], Subject: strings.Join(tokens, "."), Header: c.Header, Body: c.Body,
	})
	intent := c.Intent
	s := &Stored{Received: &received, Class: c.Class, Intent: &intent}
	w.e.Stored = append(w.e.Stored, s)
	w.e.Told = append(w.e.Told, Told{Class: c.Class, Sequence: s.Sequence, Subject: c.Subject, Body: c.Body, At: at})
	if s.Gone = w.destroyed != nil && w.destroyed(s); s.Gone {
		return
	}
	decided := w.ledger.Decide(s.Received, at)
	if decided.Repeat {
		return
	}
	w.rows++
	row := &Row{Token: s.Organization.Token, Key: decided.Key, Digest: s.Digest(), Lane: s.Lane, StreamCreated: begin.UnixNano(), Generation: 1,
		Sequence: s.Sequence, MessageTime: at.UnixNano(), Transaction: uint64(i), Committed: at, Outcome: decided.Outcome, Command: kept(s)}
	w.e.Rows = append(w.e.Rows, row)
	event := messages.NewEvent(s.Received, 1, decided.Outcome, decided.Key, at)
	body, err := event.Encode()
	if err != nil {
		panic(err)
	}
	p := &Published{Subject: event.MessageSubject(), Sequence: uint64(len(w.e.Events) + 1), Body: body, Seen: at, Header: nats.Header{
		"Content-Type": {messages.ContentTypeCloudEvents}, messages.HeaderLanePosition: {row.position().String()},
		"Nats-Expected-Last-Subject-Sequence": {"0"}, "Nats-Expected-Last-Subject-Sequence-Subject": {s.Lane.EventFilter()},
	}}
	p.Event, p.Unreadable = messages.DecodeEvent(body)
	p.Event.Lane, p.Event.Organization = s.Lane, s.Organization
	w.e.Events = append(w.e.Events, p)
	if f := decided.Outcome.Failure; f != nil && (f.Code == messages.MalformedCommand || f.Code == messages.InternalError) {
		w.e.Letters = append(w.e.Letters, Letter{Lane: s.Lane, StreamCreated: begin.UnixNano(), Sequence: s.Sequence, MessageTime: at.UnixNano(),
			Token: s.Organization.Token, Code: string(f.Code), Subject: s.Subject, Body: s.Body, Headers: headers(s)})
		w.e.AllLetters++
	}
	if decided.Outcome.Changed {
		w.e.Connections[s.Command.PhoneNumber] = Connection{Handle: s.Organization.Handle, Bridge: s.Command.BridgeSlug, Configuration: s.Command.ProviderConfigID,
			Provider: decided.Outcome.Provider, Version: decided.Outcome.ConnectionVersion, ConnectedAt: at}
	}
	w.e.Asked = append(w.e.Asked, Asked{Token: row.Token, ID: row.Key, Class: c.Class, Sequence: s.Sequence, Outcome: &messages.Decided{
		Lane: s.Lane, Sequence: s.Sequence, Generation: 1,
		Data: *row.data(),
	}})
}

// answer notes what a gateway answers to a request.
func (w *world) answer(c load.Command) {
	s := w.e.Stored[len(w.e.Stored)-1]
	a := Answered{Token: c.Intent.Token, ID: c.Intent.ID, Body: c.Body, Began: s.Time.Add(-time.Millisecond), At: s.Time.Add(time.Millisecond)}
	for _, r := range w.e.Rows {
		if r.Token == a.Token && r.Key == a.ID {
			a.Status, a.Code = told(r, a)
		}
	}
	if a.Status == 200 {
		a.Answer = []byte(connectedAnswer(a))
	}
	w.e.Answers = append(w.e.Answers, a)
}

func headers(s *Stored) (lines []byte) {
	for name, values := range s.Header {
		if name != "Authorization" {
			lines = fmt.Appendf(lines, "%s: %s\r\n", name, values[0])
		}
	}
	return lines
}

func withPosition(p *Published, at messages.Position) nats.Header {
	header := maps.Clone(p.Header)
	header.Set(messages.HeaderLanePosition, at.String())
	return header
}

func (r *Row) position() messages.Position {
	return messages.Position{Generation: r.Generation, Sequence: r.Sequence}
}

// rowOf is the row of a lane that has decided and told all.
func (w *world) rowOf(lane messages.Lane) LaneRow {
	row := LaneRow{Lane: lane, StreamCreated: begin.UnixNano(), Generation: 1}
	for _, s := range w.e.Stored {
		if s.Lane == lane && !s.Gone {
			row.Cursor, row.CursorTime = s.Sequence, s.Time.UnixNano()
		}
	}
	for _, p := range w.e.Events {
		if p.Event.Lane == lane {
			row.LastEvent = p.Sequence
		}
	}
	return row
}

func TestWhatIsAsItMustBe(t *testing.T) {
	w := newWorld()
	if found := w.judge().Act(w.act(3000)); len(found) > 0 {
		t.Fatalf("%d findings, the first: %s", len(found), found[0])
	}
	codes := map[string]bool{}
	for _, r := range w.e.Rows {
		codes[verdictOf(&r.Outcome).code] = true
	}
	for _, code := range messages.Codes() {
		if !codes[string(code)] {
			t.Errorf("nothing has the outcome %s", code)
		}
	}
}

// TestDamage: whatever is taken away from what must be, added to it or changed
// in it, is found, and called what it is.
func TestDamage(t *testing.T) {
	// pick returns the place of the first row that fits
	pick := func(e *Evidence, fits func(r *Row) bool) int { return slices.IndexFunc(e.Rows, fits) }
	failedWith := func(code messages.Code) func(*Row) bool {
		return func(r *Row) bool { return r.Outcome.Failure != nil && r.Outcome.Failure.Code == code }
	}
	connected := func(r *Row) bool { return r.Outcome.Changed }
	eventOf := func(e *Evidence, row int) *Published { return e.Events[row] }
	for name, test := range map[string]struct {
		kind   Kind
		damage func(e *Evidence)
	}{
		"a row is missing": {Lost, func(e *Evidence) {
			i := pick(e, connected)
			e.Rows, e.Inbox = slices.Delete(e.Rows, i, i+1), e.Inbox-1
		}},
		"a row of an earlier act is missing": {Lost, func(e *Evidence) { e.Inbox-- }},
		"a row without a message": {Invented, func(e *Evidence) {
			row := *e.Rows[0]
			row.Sequence += 100_000
			e.Rows, e.Inbox = append(e.Rows, &row), e.Inbox+1
		}},
		"a message of nobody": {Invented, func(e *Evidence) { e.Stored[7].Intent = nil }},
		"two rows of a message": {Doubled, func(e *Evidence) {
			row := *e.Rows[0]
			row.Key += "-again"
			e.Rows, e.Inbox = append(e.Rows, &row), e.Inbox+1
		}},
		"a row of another organization": {Wrong, func(e *Evidence) { e.Rows[0].Token = "somebody" }},
		"a row under another key":       {Wrong, func(e *Evidence) { e.Rows[pick(e, connected)].Key += "x" }},
		"a digest":                      {Wrong, func(e *Evidence) { e.Rows[5].Digest[3]++ }},
		"another outcome": {Wrong, func(e *Evidence) {
			e.Rows[pick(e, failedWith(messages.BridgeNotFound))].Outcome.Failure = &messages.Failure{Code: messages.PhoneNumberInUse}
		}},
		"details of a failure": {Wrong, func(e *Evidence) {
			e.Rows[pick(e, failedWith(messages.PhoneNumberInUse))].Outcome.Failure.Details = map[string]string{"current_bridge_slug": "another"}
		}},
		"a version":             {Wrong, func(e *Evidence) { e.Rows[pick(e, connected)].Outcome.ConnectionVersion++ }},
		"a provider":            {Wrong, func(e *Evidence) { e.Rows[pick(e, connected)].Outcome.Provider = "other" }},
		"a bridge in the inbox": {Wrong, func(e *Evidence) { e.Rows[pick(e, connected)].Command.BridgeSlug += "x" }},
		"a connection's time": {Effect, func(e *Evidence) {
			n := anyOf(e.Connections)
			c := e.Connections[n]
			c.ConnectedAt = c.ConnectedAt.Add(time.Microsecond)
			e.Connections[n] = c
		}},
		"a credential in a letter": {DeadLetter, func(e *Evidence) { e.Letters[0].Headers = []byte("Authorization: Token " + load.Credential) }},
		"a lane's order":           {Disorder, func(e *Evidence) { e.Rows[3].Transaction = 1_000_000 }},
		"no connection":            {Effect, func(e *Evidence) { delete(e.Connections, anyOf(e.Connections)) }},
		"one too many":             {Effect, func(e *Evidence) { e.Connections["+19999999"] = Connection{Version: 1} }},
		"another bridge": {Effect, func(e *Evidence) {
			n := anyOf(e.Connections)
			c := e.Connections[n]
			c.Bridge += "x"
			e.Connections[n] = c
		}},
		"an old version": {Effect, func(e *Evidence) { n := anyOf(e.Connections); c := e.Connections[n]; c.Version--; e.Connections[n] = c }},
		"no event":       {Untold, func(e *Evidence) { e.Events = slices.Delete(e.Events, 10, 11) }},
		"two events":     {Doubled, func(e *Evidence) { p := *eventOf(e, 10); e.Events = append(e.Events, &p) }},
		"events in disorder": {Disorder, func(e *Evidence) {
			slices.SortStableFunc(e.Events, func(a, b *Published) int { return strings.Compare(a.Event.CommandID, b.Event.CommandID) })
		}},
		"an event of nothing": {Unfounded, func(e *Evidence) {
			p := *eventOf(e, 10)
			p.Event.ID[3]++
			p.Event.Sequence += 1_000_000
			p.Header = withPosition(&p, messages.Position{Generation: 1, Sequence: p.Event.Sequence})
			e.Events = append(e.Events, &p)
		}},
		"an event that can't be read": {Unfounded, func(e *Evidence) { eventOf(e, 10).Unreadable = fmt.Errorf("no JSON") }},
		"an early event":              {Unfounded, func(e *Evidence) { e.Early = append(e.Early, eventOf(e, 10)) }},
		"another byte of an event":    {Mistold, func(e *Evidence) { p := eventOf(e, 10); p.Body = append(slices.Clone(p.Body), ' ') }},
		"an event that tells otherwise": {Mistold, func(e *Evidence) {
			eventOf(e, pick(e, connected)).Event.Data.ConnectionVersion++
		}},
		"an event on another subject": {Mistold, func(e *Evidence) { eventOf(e, 10).Subject += "x" }},
		"a correction without a reason": {Mistold, func(e *Evidence) {
			p := *eventOf(e, 10)
			p.Event.Corrects = &p.Event.ID
			e.Events = append(e.Events, &p)
		}},
		"a position": {Disorder, func(e *Evidence) {
			p := eventOf(e, 10)
			p.Header = withPosition(p, messages.Position{Generation: 1, Sequence: 1_000_000})
		}},
		"no letter": {DeadLetter, func(e *Evidence) { e.Letters = e.Letters[1:] }},
		"a letter too many": {DeadLetter, func(e *Evidence) {
			r := e.Rows[pick(e, connected)]
			e.Letters = append(e.Letters, Letter{Lane: r.Lane, StreamCreated: r.StreamCreated, Sequence: r.Sequence, MessageTime: r.MessageTime})
		}},
		"a letter's bytes": {DeadLetter, func(e *Evidence) { e.Letters[0].Body = []byte("other") }},
		"an outbox":        {Unsettled, func(e *Evidence) { e.Outbox = 3 }},
		"an acknowledged message is not there": {Lost, func(e *Evidence) {
			i := slices.IndexFunc(e.Stored, func(s *Stored) bool { return s.Malformed == nil })
			s := e.Stored[i]
			e.Stored = slices.Delete(e.Stored, i, i+1)
			r := slices.IndexFunc(e.Rows, func(r *Row) bool { return r.place() == s.place() })
			if r >= 0 {
				e.Rows, e.Inbox = slices.Delete(e.Rows, r, r+1), e.Inbox-1
				e.Events = slices.Delete(e.Events, r, r+1)
			}
		}},
		"a wrong answer":      {Misled, func(e *Evidence) { e.Asked[10].Outcome.Sequence++ }},
		"a made-up answer":    {Misled, func(e *Evidence) { e.Asked[10].ID = "nobody's" }},
		"never, but there is": {Misled, func(e *Evidence) { e.Asked[10].Outcome, e.Asked[10].Never, e.Asked[10].Generation = nil, true, 1 }},
		"200 for a failure": {Misled, func(e *Evidence) {
			a := answered(e, 404)
			a.Status, a.Code, a.Answer = 200, "", []byte(connectedAnswer(*a))
		}},
		"a failure for a connection": {Misled, func(e *Evidence) { a := answered(e, 200); a.Status, a.Code = 404, "bridge_not_found" }},
		"another failure":            {Misled, func(e *Evidence) { answered(e, 404).Code = "phone_number_in_use" }},
		"another status":             {Misled, func(e *Evidence) { answered(e, 404).Status = 400 }},
		"another number":             {Misled, func(e *Evidence) { a := answered(e, 200); a.Answer = append(a.Answer, ' ') }},
		"the outcome of other content": {Misled, func(e *Evidence) {
			a := answered(e, 400, messages.CommandIDReused)
			a.Status, a.Code = 404, "bridge_not_found"
		}},
		"503, and it was accepted": {Misled, func(e *Evidence) { a := answered(e, 200); a.Status, a.Code = 503, "unavailable" }},
		"503, and it was accepted before it was sent again": {Misled, func(e *Evidence) {
			a := answered(e, 200)
			first := *a
			first.Status, first.Code = 503, "unavailable"
			a.Began = a.At
			e.Answers = append(e.Answers, first)
		}},
		"202, and nothing came": {Misled, func(e *Evidence) {
			e.Answers = append(e.Answers, Answered{Token: "org-1", ID: "nobody's", Body: []byte("{}"), Status: 202, Code: "undecided"})
		}},
		"an outcome of nothing": {Misled, func(e *Evidence) {
			e.Answers = append(e.Answers, Answered{Token: "org-1", ID: "nobody's", Body: []byte("{}"), Status: 400, Code: "phone_number_in_use"})
		}},
		"no answer": {Unsettled, func(e *Evidence) { a := answered(e, 200); a.Status, a.Hung = 0, true }},
		"a repeat that says something else": {Lost, func(e *Evidence) {
			for _, s := range e.Stored {
				if s.Intent.ID != "" && !slices.ContainsFunc(e.Rows, func(r *Row) bool { return r.place() == s.place() }) {
					other := *s.Intent
					other.Configuration++
					s.Intent = &other
					return
				}
			}
		}},
		"a bridge in an answer": {Misled, func(e *Evidence) { e.Asked[pick(e, connected)].Outcome.Data.BridgeSlug += "x" }},
		"an event without expectation": {Mistold, func(e *Evidence) {
			p := eventOf(e, 10)
			p.Header = maps.Clone(p.Header)
			p.Header.Del("Nats-Expected-Last-Subject-Sequence")
		}},
		"an expectation otherwise spelled": {Mistold, func(e *Evidence) {
			p := eventOf(e, 10)
			p.Header = maps.Clone(p.Header)
			p.Header.Set("Nats-Expected-Last-Subject-Sequence-Subject", "telephony.events.>")
		}},
		"a cursor":             {Disorder, func(e *Evidence) { e.Lanes[1].Cursor++ }},
		"a last event":         {Disorder, func(e *Evidence) { e.Lanes[1].LastEvent-- }},
		"another lane":         {Disorder, func(e *Evidence) { s := e.Stored[9]; s.Subject = strings.Replace(s.Subject, ".org", ".xorg", 1) }},
		"a letter's subject":   {DeadLetter, func(e *Evidence) { e.Letters[0].Subject += "x" }},
		"a letter lost":        {DeadLetter, func(e *Evidence) { e.AllLetters-- }},
		"a lane that is taken": {Restless, func(e *Evidence) { e.Orderly, e.Taken = true, 1 }},
		"a lane that moves":    {Restless, func(e *Evidence) { e.Steady, e.EpochsRose = true, map[string]int64{"c1": 1} }},
		"a later message of a destroyed stream was decided": {Disorder, func(e *Evidence) {
			i := pick(e, connected)
			for _, s := range e.Stored {
				s.Gone = true
			}
			e.Rows, e.Inbox = slices.Delete(e.Rows, i, i+1), e.Inbox-1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			e := w.act(1500)
			test.damage(e)
			found := w.judge().Act(e)
			if !slices.ContainsFunc(found, func(f Finding) bool { return f.Kind == test.kind }) {
				t.Fatalf("no finding is called %s: %v", test.kind, found[:min(3, len(found))])
			}
		})
	}
}

// answered returns the first answer with a status, and with a code if one is
// given, to a command that was asked for once.
func answered(e *Evidence, status int, code ...messages.Code) *Answered {
	times := map[string]int{}
	for _, a := range e.Answers {
		times[a.Token+string(a.Body)]++
	}
	for i := range e.Answers {
		a := &e.Answers[i]
		if a.Status == status && times[a.Token+string(a.Body)] == 1 && (len(code) == 0 || a.Code == string(code[0])) {
			return a
		}
	}
	panic("no such answer: the test tests nothing")
}

func anyOf(connections map[string]Connection) (phone string) {
	for other := range connections {
		if phone == "" || other < phone {
			phone = other
		}
	}
	return phone
}

// TestWhatGatewaysMayAnswer: what promises nothing is no finding.
func TestWhatGatewaysMayAnswer(t *testing.T) {
	w := newWorld()
	e := w.act(1500)
	for i := range e.Answers {
		a := &e.Answers[i]
		switch i % 5 {
		case 0: // the connection broke
			a.Status, a.Code = 0, ""
		case 1:
			a.Status, a.Code = 202, "acceptance_unknown"
		case 2:
			a.Status, a.Code = 202, "undecided"
		case 3: // first it was not accepted
			first := *a
			first.Status, first.Code, first.Began = 503, "unavailable", a.Began.Add(-time.Second)
			e.Answers = append(e.Answers, first)
		}
	}
	if found := w.judge().Act(e); len(found) > 0 {
		t.Fatalf("%d findings, the first: %s", len(found), found[0])
	}
}

// TestWhatAnAttackExplains: what an attack destroyed may be missing, and no more.
func TestWhatAnAttackExplains(t *testing.T) {
	w := newWorld()
	// the end of a class's stream is destroyed before it is its turn
	w.destroyed = func(s *Stored) bool { return s.Class == messages.Bulk && s.Sequence > 400 }
	e := w.act(1500)
	if !slices.ContainsFunc(e.Stored, func(s *Stored) bool { return s.Gone }) {
		t.Fatal("nothing was destroyed: the test tests nothing")
	}
	if found := w.judge().Act(e); len(found) > 0 {
		t.Fatalf("%d findings, the first: %s", len(found), found[0])
	}
}
