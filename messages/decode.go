package messages

import "fmt"

// Received is a message with what could be understood of it.
type Received struct {
	Message
	Lane         Lane
	Organization Organization
	Verb         string
	Command      Command
	Trace        Trace
	// Malformed is the failure of rule 1, nil if the command was understood.
	// Where it is not nil, Command holds as much as could be read: a member
	// that was at fault, or came after bytes that are no JSON, is empty.
	Malformed *Failure
}

// Decode reads a message from a command stream. It never fails: what cannot be
// understood is told by [Received.Malformed].
//
// It accepts the command as plain JSON, and as a CloudEvent in binary mode
// (ce- headers) or structured mode (Content-Type application/cloudevents+json).
// JSON is read strictly (RFC 8259; names compared exactly): invalid UTF-8 and
// duplicate, unknown or missing members are refused.
//
// A defect that makes reading one message panic becomes that message's own
// failure, internal_error: whoever reads a stream would meet it again and again.
func Decode(m Message) Received { return guarded(m, (*Received).read) }

func guarded(m Message, read func(*Received)) (r Received) {
	r.Message = m
	defer func() {
		if cause := recover(); cause != nil {
			if r.Organization == (Organization{}) {
				r.Organization = OrganizationFromToken("")
			}
			r.Command, r.Trace = Command{}, Trace{}
			r.Malformed = &Failure{Code: InternalError, Message: fmt.Sprintf("the message can't be read because of a defect: %v", clip(fmt.Sprint(cause)))}
		}
	}()
	read(&r)
	return r
}

func (r *Received) read() {
	m := r.Message
	subject, err := ParseStoredSubject(m.Subject)
	if err != nil {
		r.Organization = OrganizationFromToken("")
		r.fail(malformed("", "%v", err))
	} else {
		r.Lane, r.Organization, r.Verb = subject.Lane, subject.Organization, subject.Verb
		if r.Verb != VerbConnectProvider {
			r.fail(malformed("", "the verb %q (the subject's last token) is not known; use %q", clip(r.Verb), VerbConnectProvider))
		}
	}
	if len(m.Body) > MaxBody {
		r.fail(tooLarge(len(m.Body)))
		r.resolveID(envelope{})
		r.Trace = r.traceFrom(envelope{})
		return
	}
	e := r.readEnvelope()
	r.resolveID(e)
	r.Trace = r.traceFrom(e)
}

// fail keeps the first failure: the one to mend first.
func (r *Received) fail(f *Failure) {
	if r.Malformed == nil {
		r.Malformed = f
	}
}

// resolveID settles the command's id: the body's, else the CloudEvent's, else
// the Nats-Msg-Id header's, else one made from the message's position.
func (r *Received) resolveID(e envelope) {
	if e.isCloudEvent() {
		switch {
		case !validCommandID(e.id):
			r.fail(invalidID(e.idField))
		case r.Command.ID == "":
			r.Command.ID = e.id
		case r.Command.ID != e.id:
			r.fail(malformed("command_id", `"command_id" and the CloudEvent's id (%q) differ; give one of them, or both alike`, e.idField))
		}
		return
	}
	if e.commandIDGiven {
		return
	}
	if id, ok := r.header("Nats-Msg-Id"); ok && id != "" {
		if !validCommandID(id) {
			r.fail(invalidID("Nats-Msg-Id"))
			return
		}
		r.Command.ID = id
		return
	}
	if r.Malformed == nil {
		r.Command.ID = r.madeUpID()
	}
}

// Key is the message's inbox key if no earlier command claims it: the command
// id, or the position key of a message that could not be understood. (A reused
// id is stored under its [Message.PositionKey].)
func (r *Received) Key() string {
	if r.Malformed != nil {
		return r.PositionKey()
	}
	return r.Command.ID
}

// String returns the message's place and, where there is one, its command,
// with the phone number masked.
func (r Received) String() string {
	if r.Malformed != nil {
		return fmt.Sprintf("%v: %v", r.Message, r.Malformed)
	}
	return fmt.Sprintf("%v: %v", r.Message, r.Command)
}

// Format writes what [Received.String] returns, whatever the verb.
func (r Received) Format(f fmt.State, verb rune) { formatMasked(f, verb, r.String()) }
