package messages_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

// Whatever arrives is decoded without a panic, to a command that could be sent
// again or to a failure, and its event can be published and read.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/golden/command/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		head, body, _ := strings.Cut(string(text), "\n\n")
		subject, headers, _ := strings.Cut(head, "\n")
		f.Add(subject, headers, []byte(body))
	}
	f.Add("telephony.commands.4.%61cme.connect-provider", "", []byte(plain))
	f.Add("telephony.commands.0.~\xff.no-verb", "Nats-Msg-Id: \x00\nContent-Type: application/cloudevents+json", []byte(structured("1.0", "0.3")))
	f.Add("", "", []byte("\xef\xbb\xbf{}"))
	f.Fuzz(func(t *testing.T, subject, headers string, body []byte) {
		m := messages.Message{StreamCreated: created, Time: received, Sequence: 1, Subject: subject, Body: body, Header: nats.Header{}}
		for line := range strings.SplitSeq(headers, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			m.Header[name] = append(m.Header[name], value)
		}
		r := messages.Decode(m)
		checkSafe(t, r.Organization)
		checkDecoded(t, r)
		outcome := messages.Outcome{Provider: "twilio", Changed: true, ConnectionVersion: 1, ConnectedAt: received}
		if _, err := messages.ParsePhoneNumber(r.Command.PhoneNumber); r.Malformed != nil || err != nil || !r.Organization.Canonical() {
			outcome = messages.Outcome{Failure: &messages.Failure{Code: messages.InternalError, Message: "m"}}
			if r.Malformed != nil {
				outcome.Failure = r.Malformed
			}
		}
		event := messages.NewEvent(&r, 1, outcome, r.Key(), received)
		text, err := event.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if int32(len(text)) > messages.EventsStreamConfig(messages.StreamOptions{}).MaxMsgSize/2 {
			t.Fatalf("the event of a body of %d bytes has %d", len(body), len(text))
		}
		if err := against(eventSchemas()[event.Type], text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		decoded, err := messages.DecodeEvent(text)
		if err != nil || decoded.Organization != r.Organization || decoded.OutcomeDigest() != event.OutcomeDigest() {
			t.Fatalf("%s\ncame back as %#v, %v", text, decoded, err)
		}
		if r.Lane != (messages.Lane{}) {
			if _, _, _, err := messages.ParseEventSubject(event.MessageSubject()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func checkDecoded(t *testing.T, r messages.Received) {
	t.Helper()
	if r.Malformed != nil {
		if r.Malformed.Code != messages.MalformedCommand || r.Malformed.Message == "" || len(r.Malformed.Error()) > 512 || r.Key() != r.PositionKey() {
			t.Fatalf("%q %v", r.Key(), r.Malformed)
		}
		return
	}
	again, err := messages.EncodeCommand(r.Command)
	if err != nil {
		t.Fatalf("accepted, but not to be sent: %v", err)
	}
	m := r.Message
	m.Header, m.Body = nil, again
	second := messages.Decode(m)
	if second.Malformed != nil || second.Digest() != r.Digest() || second.Key() != r.Key() {
		t.Fatalf("%s is another command than %s: %v", again, r.Body, second.Malformed)
	}
}

func FuzzParseStoredSubject(f *testing.F) {
	for _, subject := range []string{
		"telephony.commands.15.acme.connect-provider", "telephony.bulk.6.example%2Ecom.connect-provider",
		"telephony.commands.4.%61cme.connect-provider", "telephony.commands.0.~x~00.no-verb", "telephony.commands.0.\xff.\x00", "....",
	} {
		f.Add(subject)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		s, err := messages.ParseStoredSubject(subject)
		if err != nil {
			if s != (messages.StoredSubject{}) || len(err.Error()) > 512 {
				t.Fatalf("%+v, %v", s, err)
			}
			return
		}
		checkSafe(t, s.Organization)
		if s.Organization.Canonical() {
			stored := strings.TrimSuffix(s.Lane.CommandFilter(), ">") + s.Organization.Token + "." + s.Verb
			if stored != subject {
				t.Fatalf("%q was read as %q", subject, stored)
			}
		}
	})
}

// Whatever arrives as a question for outcomes is refused on one line, or read
// to ids that can be asked for again; an answer is read or refused.
func FuzzDecodeOutcomes(f *testing.F) {
	files, err := filepath.Glob("testdata/golden/outcomes/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), "\n\n")
		f.Add([]byte(body))
	}
	f.Add([]byte(`{"command_ids":["a","b\u0000",{"c":[1]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := messages.DecodeOutcomesRequest(body)
		switch {
		case err != nil:
			if len(err.Error()) > 512 || strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("%q", err)
			}
		default:
			again, err := messages.EncodeOutcomesRequest(q.CommandIDs)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := messages.DecodeOutcomesRequest(again); err != nil || !slices.Equal(back.CommandIDs, q.CommandIDs) || back.Jobs != nil {
				t.Fatalf("%+v came back as %+v, %v", q, back, err)
			}
			if q.Jobs == nil {
				break
			}
			if again, err = messages.EncodeJobsRequest(q.Jobs); err != nil {
				t.Fatal(err)
			}
			if back, err := messages.DecodeOutcomesRequest(again); err != nil || !slices.Equal(back.Jobs, q.Jobs) {
				t.Fatalf("%+v came back as %+v, %v", q, back, err)
			}
		}
		_, _ = messages.DecodeOutcomesAnswer(body)
	})
}

// FuzzPreviewRequest: a question is read or refused, and what was read can be asked.
func FuzzPreviewRequest(f *testing.F) {
	f.Add([]byte(`{"commands":[{"bridge_slug":"a"}],"connections":[{"phone_number":"+1","bridge_slug":"a","provider_config_id":1,"provider":"p"}],"bridges":[{"bridge_slug":"a","provider":"p","numbers":-1}]}`))
	f.Add([]byte(`{"commands":[1,"a",null]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = messages.DecodePreviewAnswer(body)
		q, err := messages.DecodePreviewRequest(body)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("%q", err)
			}
			return
		}
		again, err := messages.EncodePreviewRequest(q)
		if err != nil {
			t.Fatal(err)
		}
		back, err := messages.DecodePreviewRequest(again)
		if err != nil || !slices.EqualFunc(back.Commands, q.Commands, bytes.Equal) || !slices.Equal(back.Connections, q.Connections) || !slices.Equal(back.Bridges, q.Bridges) {
			t.Fatalf("%+v came back as %+v, %v", q, back, err)
		}
	})
}
