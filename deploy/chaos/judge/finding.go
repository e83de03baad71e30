package judge

import (
	"fmt"

	"connect-provider/messages"
)

// Kind is a promise that was broken.
type Kind string

// The kinds of findings.
const (
	Lost       Kind = "lost"       // a message has no outcome
	Invented   Kind = "invented"   // an outcome has no message
	Doubled    Kind = "doubled"    // something was decided or told twice
	Disorder   Kind = "disorder"   // a lane's order is not the stream's
	Wrong      Kind = "wrong"      // an outcome is not the one that the rules give
	Effect     Kind = "effect"     // connections are not what the outcomes say
	Untold     Kind = "untold"     // an outcome has no event
	Unfounded  Kind = "unfounded"  // an event has no outcome, or came before it
	Mistold    Kind = "mistold"    // an event tells something else than the outcome
	DeadLetter Kind = "deadletter" // dead letters are not those that there must be
	Unsettled  Kind = "unsettled"  // something was not finished in time
	Misled     Kind = "misled"     // a producer was told what is not true
	Restless   Kind = "restless"   // a lane changed hands without a reason
	Ended      Kind = "ended"      // a process ended by itself
)

// Finding is something that must not be.
type Finding struct {
	Kind Kind
	Text string
	// Lane, Token, ID and Sequence say whom it concerns, as far as it concerns one
	// message.
	Lane     string
	Token    string
	ID       string
	Sequence uint64
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s", f.Kind, f.Text) }

// about is a finding that concerns a stored message.
func about(kind Kind, s *Stored, format string, args ...any) Finding {
	return Finding{Kind: kind, Lane: s.Lane.String(), Token: s.Organization.Token, ID: s.Command.ID, Sequence: s.Sequence,
		Text: fmt.Sprintf("%s: ", named(s)) + fmt.Sprintf(format, args...)}
}

// named says which message it is.
func named(s *Stored) string {
	name := fmt.Sprintf("message %d of lane %s, organization %s", s.Sequence, s.Lane, s.Organization.Token)
	if s.Command.ID != "" {
		name += ", command " + s.Command.ID
	}
	return name
}

func concerns(kind Kind, lane messages.Lane, token, id string, sequence uint64, format string, args ...any) Finding {
	return Finding{Kind: kind, Lane: lane.String(), Token: token, ID: id, Sequence: sequence,
		Text: fmt.Sprintf("lane %s, organization %s, command %s (message %d): ", lane, token, id, sequence) + fmt.Sprintf(format, args...)}
}
