package load

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

// Intent is what whoever made a message meant by it.
type Intent struct {
	// Malformed says that it is not to be understood; the rest is empty then.
	Malformed bool
	// ID is "" where the message has none.
	ID string
	// Token is the organization's, as the subject has it.
	Token string
	Content
	Metadata map[string]string
}

// Content is what makes two commands of one id the same.
type Content struct {
	OrgHandle     string // "" where it is left out
	Bridge        string
	Configuration int64
	Phone         string
}

// Command is a message to be brought into a command stream.
type Command struct {
	Class   messages.Class
	Subject string
	Header  nats.Header
	Body    []byte
	Intent  Intent
	// Refused says that the stream does not take it, for its size.
	Refused bool
	// Unheard says that nobody asks for an acknowledgement: it is published once.
	Unheard bool
	// REST says that it is a request to a gateway, with its id as key. Body is what
	// the gateway makes of it.
	REST bool
}

// repeatable is how many of the commands made last may be sent again.
const repeatable = 100_000

// Source draws commands.
type Source struct {
	random   *rand.Rand
	platform *Platform
	drawn    map[string]int // commands by handle
	made     []Command      // that may be published again
	recent   int            // where those of this act begin
	intents  map[string]Intent
}

// NewSource returns a source of commands for a platform.
func NewSource(r *rand.Rand, p *Platform) *Source {
	return &Source{random: r, platform: p, drawn: map[string]int{}, intents: map[string]Intent{}}
}

// Intent tells what was meant by a message that stands in a stream, false if
// it is none of this source's.
func (s *Source) Intent(m *messages.Message) (Intent, bool) {
	intent, ok := s.intents[fingerprint(m.Subject, m.Header, m.Body)]
	return intent, ok
}

// fingerprint tells messages of different intents apart: by organization and
// verb, which stand last in the subject, with the lane and without; and by the
// body, which carries the id or has it in a header.
func fingerprint(subject string, header nats.Header, body []byte) string {
	tokens := strings.Split(subject, ".")
	return strings.Join(tokens[max(0, len(tokens)-2):], ".") + "\x00" + header.Get("ce-id") + header.Get("Nats-Msg-Id") + "\x00" + string(body)
}

// Draw makes the commands of one act. Of a hundred, about 60 ask for something
// new; the others fail by a rule, repeat what was sent before (word for word,
// with other metadata, with other content, to the other class), have no id,
// come as CloudEvents, or are hostile. Some go to a gateway.
func (s *Source) Draw(n int) []Command {
	s.made = slices.Clone(s.made[max(0, len(s.made)-repeatable):])
	s.recent = len(s.made)
	drawn := make([]Command, 0, n)
	for range n {
		drawn = append(drawn, s.next())
	}
	return drawn
}

func (s *Source) next() Command {
	r := s.random
	switch kind := r.IntN(100); {
	case kind < 18 && len(s.made) > 0:
		return s.again()
	case kind < 24:
		return s.hostile()
	}
	return s.fresh()
}

// fresh asks for something under an id that the organization has not used.
func (s *Source) fresh() Command {
	r := s.random
	handle := s.platform.Handles[r.IntN(len(s.platform.Handles))]
	o := s.platform.Organizations[handle]
	s.drawn[handle]++
	// other organizations use the same ids
	intent := Intent{ID: fmt.Sprintf("order-%d", s.drawn[handle]), Token: Token(handle)}
	// the numbers that came last are those that are not connected yet
	recent := o.numbers[max(0, len(o.numbers)-40):]
	intent.Phone = recent[r.IntN(len(recent))]
	if r.IntN(5) == 0 {
		intent.Phone = o.numbers[r.IntN(len(o.numbers))]
	}
	// most numbers are asked for on one bridge each time
	slugs := o.slugs
	intent.Bridge = slugs[int(intent.Phone[len(intent.Phone)-1])%len(slugs)]
	if r.IntN(6) == 0 {
		intent.Bridge = slugs[r.IntN(len(slugs))]
	}
	intent.Configuration = s.platform.Numbers[intent.Phone].Configuration
	switch r.IntN(40) {
	case 0:
		intent.Configuration = inactive
	case 1:
		intent.Configuration = nobodys
	case 2:
		intent.Phone = "0" + intent.Phone[1:]
	case 3:
		intent.OrgHandle = "another.example"
	case 4:
		intent.OrgHandle = handle
	case 5:
		intent.Bridge = unknownSlug
	case 6:
		intent.Configuration = int64(firstTwilio + r.IntN(3))
	case 7:
		intent.Phone = s.platform.Known[r.IntN(len(s.platform.Known))] // perhaps another organization's
	}
	switch {
	case r.IntN(25) == 0:
		// its row number keeps the body apart from all others
		intent.Metadata = map[string]string{"row": fmt.Sprint(s.drawn[handle]), "of": intent.ID}
		intent.ID = ""
	case r.IntN(4) == 0:
		intent.Metadata = map[string]string{"row": fmt.Sprint(s.drawn[handle])}
	}
	return s.keep(s.class(), intent)
}

func (s *Source) class() messages.Class { return messages.Classes()[s.random.IntN(2)] }

// again sends what was sent before, mostly in this act.
func (s *Source) again() Command {
	r := s.random
	from := 0
	if s.recent < len(s.made) && r.IntN(4) > 0 {
		from = s.recent
	}
	c := s.made[from+r.IntN(len(s.made)-from)]
	switch kind := r.IntN(10); {
	case kind < 5:
		return c
	case kind < 7:
		// the same id in the other class: an operator's file has what a service
		// has sent
		return s.keep(s.class(), c.Intent)
	case kind < 8:
		intent := c.Intent
		intent.Metadata = map[string]string{"attempt": fmt.Sprint(r.IntN(1000)), "of": intent.ID}
		return s.keep(c.Class, intent)
	}
	intent := c.Intent
	switch r.IntN(5) {
	case 0:
		intent.Configuration++
	case 1:
		intent.Phone = s.platform.Known[r.IntN(len(s.platform.Known))]
	case 2:
		intent.OrgHandle = "yet-another.example"
	default:
		intent.Bridge = fmt.Sprintf("bridge-%d", r.IntN(bridgesEach))
	}
	return s.keep(c.Class, intent)
}

// keep makes a command of an intent, in one of the forms that are understood.
func (s *Source) keep(class messages.Class, intent Intent) Command {
	c := Command{Class: class, Subject: subject(class, intent.Token, messages.VerbConnectProvider), Intent: intent, Header: nats.Header{}}
	members := map[string]any{"bridge_slug": intent.Bridge, "provider_config_id": intent.Configuration, "phone_number": intent.Phone}
	if intent.OrgHandle != "" {
		members["org_handle"] = intent.OrgHandle
	}
	if intent.Metadata != nil {
		members["metadata"] = intent.Metadata
	}
	form := s.random.IntN(30)
	if intent.ID == "" {
		form = 9 // the first ones have an id
	}
	switch form {
	case 0: // CloudEvent in binary mode
		c.Header = nats.Header{"ce-id": {intent.ID}, "ce-source": {"/chaos"}, "ce-specversion": {"1.0"},
			"ce-type": {"telephony.connect-provider.v1"}, "Content-Type": {"application/json"}}
	case 1: // and in structured mode
		c.Header.Set("Content-Type", messages.ContentTypeCloudEvents)
		members = map[string]any{"specversion": "1.0", "id": intent.ID, "source": "/chaos", "type": "telephony.connect-provider.v1", "data": members}
	case 3: // JetStream's own header, by which another organization's message may go for this one for a moment
		c.Header.Set("Nats-Msg-Id", intent.ID)
	default:
		if intent.ID != "" {
			members["command_id"] = intent.ID
		}
	}
	if s.random.IntN(8) == 0 {
		c.Header.Set("traceparent", fmt.Sprintf("00-%016x%016x-%016x-01", s.random.Uint64()|1, s.random.Uint64(), s.random.Uint64()|1))
	}
	var err error
	if c.Body, err = json.Marshal(members); err != nil {
		panic(err) // strings and numbers
	}
	if form > 3 && class == messages.Interactive && intent.ID != "" && intent.OrgHandle == "" && intent.Metadata == nil && s.random.IntN(2) == 0 {
		c.REST, c.Body = true, request(intent)
	}
	s.remember(c)
	s.made = append(s.made, c)
	return c
}

// request is the command that a gateway makes of a request.
func request(intent Intent) []byte {
	body, err := messages.EncodeCommand(messages.Command{
		ID: intent.ID, BridgeSlug: intent.Bridge, ProviderConfigID: intent.Configuration, PhoneNumber: intent.Phone,
	})
	if err != nil {
		panic(err) // it is made here
	}
	return body
}

// remember notes what is meant by a message.
func (s *Source) remember(c Command) {
	s.intents[fingerprint(c.Subject, c.Header, c.Body)] = c.Intent
}

func subject(class messages.Class, token, verb string) string {
	return map[messages.Class]string{messages.Interactive: "telephony.commands.", messages.Bulk: "telephony.bulk."}[class] + token + "." + verb
}

// Token is a handle as it stands in subjects.
func Token(handle string) string {
	o, err := messages.OrganizationFromHandle(handle)
	if err != nil {
		panic(err) // they are made here
	}
	return o.Token
}
