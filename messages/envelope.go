package messages

import (
	"bytes"
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ContentTypeCloudEvents is the Content-Type of events, and of commands that
// come as CloudEvents in structured mode.
const ContentTypeCloudEvents = "application/cloudevents+json"

// ContentTypeJSON is the Content-Type of plain commands; they need not have one.
const ContentTypeJSON = "application/json"

// envelope is what stands around a command's members.
type envelope struct {
	// idField names where the CloudEvent's id stands; empty without a CloudEvent.
	idField, id             string
	traceParent, traceState string
	commandIDGiven          bool
}

func (e envelope) isCloudEvent() bool { return e.idField != "" }

// readEnvelope tells the three forms of a command apart and reads the one
// that it meets.
func (r *Received) readEnvelope() envelope {
	if r.structured() {
		return r.readStructured()
	}
	p := parse(r.Body)
	defer p.release()
	e := envelope{commandIDGiven: p.command(&r.Command)}
	p.end()
	_, versioned := r.header("ce-specversion")
	_, identified := r.header("ce-id")
	if versioned || identified {
		r.readBinary(&e)
	}
	if p.failure != nil {
		r.fail(p.failure)
	}
	return e
}

// structured reports whether a message says that it is a CloudEvent in
// structured mode.
func (m *Message) structured() bool {
	contentType, _ := m.header("Content-Type")
	mediaType, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), ContentTypeCloudEvents)
}

// readBinary reads the headers of a CloudEvent in binary mode. A ce-id alone is
// taken for one too: ignoring it would take the id away that makes the command
// idempotent.
func (r *Received) readBinary(e *envelope) {
	e.idField = "ce-id"
	for _, attribute := range []string{"ce-specversion", "ce-id", "ce-source", "ce-type"} {
		value, ok := r.header(attribute)
		if !ok || value == "" {
			r.fail(malformed(attribute, "the header %q is missing; a CloudEvent in binary mode needs it", attribute))
		}
		switch attribute {
		case "ce-specversion":
			if value != "" && value != "1.0" {
				r.fail(malformed(attribute, "the header %q is %q; only CloudEvents 1.0 is understood", attribute, clip(value)))
			}
		case "ce-id":
			e.id = value
		}
	}
	e.traceParent, _ = r.header("ce-traceparent")
	e.traceState, _ = r.header("ce-tracestate")
}

// readStructured reads a CloudEvent that holds the command in its data.
// Extension attributes are allowed and, except for the trace, not read.
func (r *Received) readStructured() envelope {
	p := parse(r.Body)
	defer p.release()
	e := envelope{idField: "id"}
	given := map[string]bool{}
	var specVersion, source, kind string
	p.object("the CloudEvent", func(name string) {
		given[name] = true
		switch name {
		case "specversion":
			p.text(name, &specVersion)
		case "id":
			p.text(name, &e.id)
		case "source":
			p.text(name, &source)
		case "type":
			p.text(name, &kind)
		case "traceparent":
			p.text(name, &e.traceParent)
		case "tracestate":
			p.text(name, &e.traceState)
		case "data":
			e.commandIDGiven = p.command(&r.Command)
		case "data_base64":
			e.commandIDGiven = p.base64Command(&r.Command)
		default:
			p.skip()
		}
	})
	p.end()
	for _, attribute := range []struct{ name, value string }{
		{"specversion", specVersion}, {"id", e.id}, {"source", source}, {"type", kind},
	} {
		if attribute.value == "" {
			p.fail(malformed(attribute.name, "the attribute %q is missing; a CloudEvent needs it", attribute.name))
		}
	}
	switch {
	case specVersion != "" && specVersion != "1.0":
		p.fail(malformed("specversion", "the attribute \"specversion\" is %q; only CloudEvents 1.0 is understood", clip(specVersion)))
	case given["data"] && given["data_base64"]:
		p.fail(malformed("data_base64", `"data" and "data_base64" are both given; give one of them`))
	case !given["data"] && !given["data_base64"]:
		p.fail(malformed("data", `"data" is missing; the command goes there`))
	}
	if p.failure != nil {
		r.fail(p.failure)
	}
	return e
}

// base64Command reads a command from the base64 text that is the next value.
func (p *parser) base64Command(c *Command) (idGiven bool) {
	var encoded string
	if !p.text("data_base64", &encoded) {
		return false
	}
	body, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		p.fail(malformed("data_base64", `"data_base64" is not base64: %v`, err))
		return false
	}
	inner := parse(body)
	defer inner.release()
	idGiven = inner.command(c)
	inner.end()
	if inner.failure != nil {
		p.fail(inner.failure)
	}
	return idGiven
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// checkStart gives the failures that a JSON parser would tell least clearly.
func checkStart(body []byte) *Failure {
	if bytes.HasPrefix(body, byteOrderMark) {
		return malformed("", "the body begins with a byte order mark; send UTF-8 without one")
	}
	if len(bytes.Trim(body, " \t\r\n")) == 0 {
		return malformed("", "the body is empty; it must be one JSON object")
	}
	return nil
}

// wholeNumber reports whether a JSON number is written without fraction and exponent.
func wholeNumber(number jsontext.Value) bool {
	return !bytes.ContainsAny(number, ".eE")
}
