package messages

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go"
)

// Redrive returns what to publish to have a message decided once more, as a
// command of its own: the outcome of the id that it has is final. Wherever the
// message carries an id (command_id in the body, a CloudEvent's id, a
// Nats-Msg-Id header) the new one takes its place, and every other byte of the
// body stays; identified tells whether there was such a place. id must be a
// valid command id.
//
// A Nats-Msg-Id becomes the body's command_id. That header, and all others that
// begin with Nats-, are left out: they instruct the server that stores the
// message (to drop it as a duplicate, to refuse it, to erase what came before,
// to let it expire, to publish it later, to count it to a batch), and were meant
// for the first time.
func (m *Message) Redrive(id string) (header nats.Header, body []byte, identified bool) {
	header = make(nats.Header, len(m.Header))
	for name, values := range m.Header {
		if !strings.HasPrefix(strings.ToLower(name), "nats-") {
			header[name] = slices.Clone(values)
		}
	}
	if m.structured() {
		body, identified = renameEvent(m.Body, id)
		return header, body, identified
	}
	body, identified = renameCommand(m.Body, id)
	_, versioned := m.header("ce-specversion")
	_, named := m.header("ce-id")
	if named {
		for name := range header {
			if strings.EqualFold(name, "ce-id") {
				delete(header, name)
			}
		}
		header["ce-id"] = []string{id}
		return header, body, true
	}
	if given, _ := m.header("Nats-Msg-Id"); given != "" && !versioned && !identified {
		body, identified = nameCommand(m.Body, id)
	}
	return header, body, identified
}

// place is where a member's value stands in a JSON text.
type place struct{ from, to int }

func (p place) in(text []byte) []byte { return text[p.from:p.to] }

// replaced returns a JSON text with another value in a place.
func (p place) replaced(text []byte, value []byte) []byte {
	return slices.Concat(text[:p.from], value, text[p.to:])
}

// membersOf returns where the values of an object's members stand; ok is false
// for what is not one JSON object as Decode reads it.
func membersOf(text []byte) (members map[string]place, ok bool) {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	if d.PeekKind() != '{' {
		return nil, false
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, false
	}
	members = map[string]place{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, false
		}
		key := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil, false
		}
		end := int(d.InputOffset())
		members[key] = place{end - len(value), end}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, false
	}
	return members, len(bytes.TrimSpace(text[d.InputOffset():])) == 0
}

// renameCommand gives a command another command_id, if it has one.
func renameCommand(body []byte, id string) (renamed []byte, identified bool) {
	members, ok := membersOf(body)
	if at, given := members["command_id"]; ok && given {
		return at.replaced(body, appendString(nil, id)), true
	}
	return body, false
}

// nameCommand gives a command that has none a command_id.
func nameCommand(body []byte, id string) (named []byte, identified bool) {
	members, ok := membersOf(body)
	if !ok {
		return body, false
	}
	member := appendString([]byte(`"command_id":`), id)
	if len(members) > 0 {
		member = append(member, ',')
	}
	begin := bytes.IndexByte(body, '{') + 1
	return place{begin, begin}.replaced(body, member), true
}

// renameEvent gives a CloudEvent in structured mode, and the command in it,
// another id.
func renameEvent(body []byte, id string) (renamed []byte, identified bool) {
	for _, name := range []string{"data", "data_base64", "id"} {
		members, ok := membersOf(body) // anew: each change moves the others
		at, given := members[name]
		if !ok || !given {
			continue
		}
		switch name {
		case "data":
			data, _ := renameCommand(at.in(body), id)
			body = at.replaced(body, data)
		case "data_base64":
			encoded, err := jsontext.AppendUnquote(nil, at.in(body))
			if err != nil {
				continue
			}
			if data, err := base64.StdEncoding.DecodeString(string(encoded)); err == nil {
				data, _ = renameCommand(data, id)
				body = at.replaced(body, appendString(nil, base64.StdEncoding.EncodeToString(data)))
			}
		case "id":
			body, identified = at.replaced(body, appendString(nil, id)), true
		}
	}
	return body, identified
}
