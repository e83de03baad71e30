package messages

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Message is a command as the stream holds it.
type Message struct {
	// StreamCreated is when the stream was made, which tells it from another
	// stream of the same name.
	StreamCreated time.Time
	// Time and Sequence are those that the stream gave the message.
	Time     time.Time
	Sequence uint64
	Subject  string
	Header   nats.Header
	Body     []byte
}

// PositionKey names the message by its place in its stream:
// @<stream created>/<sequence>/<message time>, times in Unix nanoseconds. It is
// the inbox key of a message that has no id to go by. No command id can look
// like one, since '@' and '/' are not allowed there.
func (m *Message) PositionKey() string {
	return "@" + m.position('/')
}

// madeUpID is the id of a command that was given none. It protects against
// reading the message again, not against publishing it twice.
func (m *Message) madeUpID() string {
	return "stream:" + m.position(':')
}

func (m *Message) position(separator byte) string {
	b := make([]byte, 0, 64)
	b = append(strconv.AppendInt(b, m.StreamCreated.UnixNano(), 10), separator)
	b = append(strconv.AppendUint(b, m.Sequence, 10), separator)
	return string(strconv.AppendInt(b, m.Time.UnixNano(), 10))
}

// header returns the first value of a header whatever the case of its name,
// and whether there is one. Of several spellings the given one wins, then the
// first in byte order, so that reading a message again finds the same.
func (m *Message) header(name string) (string, bool) {
	if values := m.Header[name]; len(values) > 0 {
		return values[0], true
	}
	found := ""
	for other, values := range m.Header {
		if len(values) > 0 && strings.EqualFold(other, name) && (found == "" || other < found) {
			found = other
		}
	}
	if found == "" {
		return "", false
	}
	return m.Header[found][0], true
}

// DeadLetterHeader returns a copy of the header that can be kept: without
// credentials, which a producer may have passed on from an HTTP request.
func (m *Message) DeadLetterHeader() nats.Header {
	kept := make(nats.Header, len(m.Header))
	for name, values := range m.Header {
		if !credentialHeader(name) {
			kept[name] = slices.Clone(values)
		}
	}
	return kept
}

func credentialHeader(name string) bool {
	name = strings.ToLower(name)
	for _, hint := range []string{
		"authorization", "cookie", "token", "secret", "password", "passwd", "credential",
		"api-key", "api_key", "apikey", "access-key", "private-key", "signature", "session", "jwt",
	} {
		if strings.Contains(name, hint) {
			return true
		}
	}
	return false
}

// String says where the message stands, and nothing of its content.
func (m Message) String() string {
	return fmt.Sprintf("message %d on %q (%d bytes)", m.Sequence, clip(m.Subject), len(m.Body))
}

// Format writes what [Message.String] returns, whatever the verb: the body
// holds a phone number.
func (m Message) Format(f fmt.State, verb rune) { formatMasked(f, verb, m.String()) }
