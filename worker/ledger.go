package worker

import (
	"maps"
	"time"

	"connect-provider/messages"
)

// Ledger decides commands on a state that it keeps in memory, with the function
// by which lanes decide. Whoever has the commands in the order in which the
// database serialized them can compute what must have come of each.
//
// It knows nothing of the database, of batches or of lanes, and is not safe for
// use from several goroutines.
type Ledger struct {
	state  *state
	broken map[string]bool // numbers
}

// NewLedger returns a ledger in which nothing exists.
func NewLedger() *Ledger { return &Ledger{state: newState(0), broken: map[string]bool{}} }

// Organization adds an organization, or changes its setting.
func (l *Ledger) Organization(handle string, oneProviderPerBridge bool) {
	l.state.organizations[handle] = organization{oneProviderPerBridge: oneProviderPerBridge}
}

// Bridge adds a bridge. One that exists stays as it is.
func (l *Ledger) Bridge(handle, slug string) {
	key := bridgeKey{handle, slug}
	if l.state.bridges[key] == nil {
		l.state.bridges[key] = &bridge{numbers: map[string]int{}}
	}
}

// Configuration adds a provider configuration, or changes it.
func (l *Ledger) Configuration(handle string, id int64, provider string, active bool) {
	l.state.configurations[configurationKey{handle, id}] = configuration{provider: provider, active: active}
}

// Number adds a phone number (E.164), or links it to another configuration.
func (l *Ledger) Number(number, handle string, configuration int64, active bool) {
	l.state.numbers[number] = phoneNumber{organization: handle, configuration: configuration, active: active}
}

// Connection puts a number on a bridge that exists, as an earlier command did.
func (l *Ledger) Connection(number, handle, slug string, configuration int64, provider string, version int64, at time.Time) {
	l.state.connections[number] = &connection{
		organization: handle, bridge: slug, configuration: configuration, provider: provider, version: version, connectedAt: at,
	}
	l.state.bridges[bridgeKey{handle, slug}].numbers[provider]++
}

// Decided says that a message was decided before: its organization's token, its
// key in the inbox, and the digest of its content.
func (l *Ledger) Decided(token, key string, digest [16]byte) { l.state.remember(token, key, digest) }

// Broken says that the database can't hold a connection of a number (a
// constraint that nobody foresaw, say): whoever would write one gets
// internal_error, as a lane arrives at it by isolation.
func (l *Ledger) Broken(number string) { l.broken[number] = true }

// Decided is what a Ledger says of one message.
type Decided struct {
	// Key is the message's in the inbox: its command id, or its position.
	Key string
	// Repeat says that nothing is written or published for the message, since it
	// was decided before. Outcome is empty then.
	Repeat  bool
	Outcome messages.Outcome
}

// Decide decides the next message. at is the time that a new or changed
// connection carries.
func (l *Ledger) Decide(received *messages.Received, at time.Time) Decided {
	number := received.Command.PhoneNumber
	undo := func() {}
	if l.broken[number] {
		undo = l.remember(received)
	}
	d := l.state.decideOne(received, nil, at)
	if l.broken[number] && d.outcome.Changed {
		undo()
		d = l.state.decideOne(received, map[uint64]string{received.Sequence: "broken"}, at)
	}
	return Decided{Key: d.key, Repeat: d.repeat, Outcome: d.outcome}
}

// remember returns what undoes the effects that deciding a message has.
func (l *Ledger) remember(received *messages.Received) (undo func()) {
	s, command := l.state, &received.Command
	key := inboxKey{received.Organization.Token, received.Key()}
	digest, decided := s.inbox[key]
	var before *connection
	if current := s.connections[command.PhoneNumber]; current != nil {
		copied := *current
		before = &copied
	}
	at := s.bridges[bridgeKey{received.Organization.Handle, command.BridgeSlug}]
	var numbers map[string]int
	if at != nil {
		numbers = maps.Clone(at.numbers)
	}
	return func() {
		delete(s.inbox, key)
		if decided {
			s.inbox[key] = digest
		}
		delete(s.connections, command.PhoneNumber)
		if before != nil {
			s.connections[command.PhoneNumber] = before
		}
		if at != nil {
			at.numbers = numbers
		}
	}
}
