package messages_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a message with its golden file, which shows it as a person
// would: the subject, the headers, an empty line, the body.
func golden(t *testing.T, file, subject string, header nats.Header, body []byte) messages.Message {
	t.Helper()
	path := filepath.Join("testdata", "golden", file)
	var text bytes.Buffer
	fmt.Fprintln(&text, subject)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, value := range header[name] {
			fmt.Fprintf(&text, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&text, "\n%s\n", body)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./messages -update writes it)", err)
	}
	if !bytes.Equal(want, text.Bytes()) {
		t.Errorf("%s is\n%s\nand the message now is\n%s", path, want, &text)
	}
	return readGolden(t, string(want))
}

func readGolden(t *testing.T, text string) messages.Message {
	t.Helper()
	head, body, ok := strings.Cut(text, "\n\n")
	if !ok {
		t.Fatalf("no empty line in %q", text)
	}
	lines := strings.Split(head, "\n")
	m := message(strings.TrimSuffix(body, "\n"))
	m.Subject = lines[0]
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if m.Header == nil {
			m.Header = nats.Header{}
		}
		m.Header[name] = append(m.Header[name], value)
	}
	return m
}

func TestGoldenCommands(t *testing.T) {
	t.Parallel()
	acme := "acme"
	short := messages.Command{ID: "order-7731-line-4", BridgeSlug: "sales-bridge-001", ProviderConfigID: 42, PhoneNumber: "+1234567890"}
	full := short
	full.OrgHandle, full.Metadata = &acme, map[string]string{"job": "friday", "row": "17"}
	madeUp := short
	madeUp.ID = fmt.Sprintf("stream:%d:4711:%d", created.UnixNano(), received.UnixNano())
	fromHeader := short
	fromHeader.ID = "order-7731"

	encode := func(c messages.Command) []byte {
		body, err := messages.EncodeCommand(c)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	anonymous := short
	anonymous.ID = ""
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	tests := []struct {
		file, subject string
		header        nats.Header
		body          []byte
		want          messages.Command
		trace         messages.Trace
	}{
		{file: "plain.txt", body: encode(short), want: short},
		{file: "full.txt", body: encode(full), want: full,
			header: nats.Header{"Content-Type": {"application/json"}, "traceparent": {trace}, "tracestate": {"vendor=abc"}},
			trace:  messages.Trace{Parent: trace, State: "vendor=abc"}},
		{file: "bulk.txt", subject: "telephony.bulk.6.example%2Ecom.connect-provider", body: encode(short), want: short},
		{file: "without-id.txt", body: encode(anonymous), want: madeUp},
		{file: "id-in-header.txt", body: encode(anonymous), want: fromHeader, header: nats.Header{"Nats-Msg-Id": {"order-7731"}}},
		{file: "cloudevent-binary.txt", body: encode(anonymous), want: fromHeader,
			header: nats.Header{
				"Content-Type": {"application/json"}, "ce-specversion": {"1.0"}, "ce-id": {"order-7731"}, "ce-source": {"/provisioning"},
				"ce-type": {"telephony.provider.connect.v1"}, "ce-traceparent": {trace},
			},
			trace: messages.Trace{Parent: trace}},
		{file: "cloudevent-structured.txt", want: fromHeader,
			header: nats.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}},
			body: []byte(`{"specversion":"1.0","id":"order-7731","source":"/provisioning","type":"telephony.provider.connect.v1",` +
				`"datacontenttype":"application/json","traceparent":"` + trace + `","tenantregion":"eu","data":` + string(encode(anonymous)) + `}`),
			trace: messages.Trace{Parent: trace}},
		{file: "cloudevent-base64.txt", want: fromHeader,
			header: nats.Header{"Content-Type": {"application/cloudevents+json"}},
			body: []byte(`{"specversion":"1.0","id":"order-7731","source":"/provisioning","type":"telephony.provider.connect.v1",` +
				`"data_base64":"eyJicmlkZ2Vfc2x1ZyI6InNhbGVzLWJyaWRnZS0wMDEiLCJwcm92aWRlcl9jb25maWdfaWQiOjQyLCJwaG9uZV9udW1iZXIiOiIrMTIzNDU2Nzg5MCJ9"}`)},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			if tt.subject == "" {
				tt.subject = "telephony.commands.15.acme.connect-provider"
			}
			m := golden(t, filepath.Join("command", tt.file), tt.subject, tt.header, tt.body)
			r := messages.Decode(m)
			if r.Malformed != nil {
				t.Fatal(r.Malformed)
			}
			if !reflect.DeepEqual(r.Command, tt.want) {
				t.Errorf("decoded %v, want %v", r.Command, tt.want)
			}
			if r.Trace != tt.trace {
				t.Errorf("trace %v, want %v", r.Trace, tt.trace)
			}
			if r.Lane.Number != messages.Partition(r.Organization.Token, 16) {
				t.Errorf("no server would store it as %s", m.Subject)
			}
			if err := against(commandSchema(), commandIn(t, m)); err != nil {
				t.Error(err)
			}
		})
	}
}

// commandIn returns the JSON of the command in a message of any form.
func commandIn(t *testing.T, m messages.Message) []byte {
	t.Helper()
	if !strings.HasPrefix(m.Header.Get("Content-Type"), messages.ContentTypeCloudEvents) {
		return m.Body
	}
	var event struct {
		Data    jsontext.Value `json:"data"`
		Encoded []byte         `json:"data_base64"`
	}
	if err := json.Unmarshal(m.Body, &event); err != nil {
		t.Fatal(err)
	}
	if event.Encoded != nil {
		return event.Encoded
	}
	return event.Data
}

func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	at := time.Date(2026, 11, 23, 11, 0, 0, 123456789, time.FixedZone("CET", 3600))
	understood := messages.Decode(message(with(`}`, `,"metadata":{"row":"17","job":"friday"}}`), "traceparent", trace, "tracestate", "vendor=abc"))
	connected := messages.Outcome{Provider: "twilio", Changed: true, ConnectionVersion: 1, ConnectedAt: at}
	unchanged := messages.Outcome{Provider: "twilio", ConnectionVersion: 1, ConnectedAt: at.Add(-time.Hour)}

	type event struct {
		file  string
		event messages.Event
	}
	of := func(r messages.Received, o messages.Outcome, key string) messages.Event {
		return messages.NewEvent(&r, 1, o, key, at)
	}
	failed := func(code messages.Code, field, text string, details map[string]string) messages.Event {
		r, key := understood, understood.Key()
		switch code {
		case messages.OrganizationUnknown:
			m := r.Message
			m.Subject = "telephony.commands.4.%61cme.connect-provider"
			r = messages.Decode(m)
		case messages.PhoneNumberInvalid:
			r = messages.Decode(message(with("+1234567890", "(123) 456-7890")))
		case messages.CommandIDReused:
			key = r.PositionKey()
		}
		return of(r, messages.Outcome{Failure: &messages.Failure{Code: code, Field: field, Message: text, Details: details}}, key)
	}
	undecodable := messages.Decode(message("\xff\xfe"))
	claiming := messages.Decode(message(with(`42`, `"42"`)))
	events := []event{
		{"connected.txt", of(understood, connected, understood.Key())},
		{"connected-unchanged.txt", of(understood, unchanged, understood.Key())},
		{"malformed_command.txt", of(claiming, messages.Outcome{Failure: claiming.Malformed}, claiming.Key())},
		{"undecodable.txt", of(undecodable, messages.Outcome{Failure: undecodable.Malformed}, undecodable.Key())},
		{"command_id_reused.txt", failed(messages.CommandIDReused, "command_id", "this command_id was used before with other content; send a new one", nil)},
		{"phone_number_invalid.txt", failed(messages.PhoneNumberInvalid, "phone_number", "not E.164", nil)},
		{"organization_unknown.txt", failed(messages.OrganizationUnknown, "", "there is no such organization", nil)},
		{"organization_mismatch.txt", failed(messages.OrganizationMismatch, "org_handle", "org_handle is not the subject's organization", nil)},
		{"bridge_not_found.txt", failed(messages.BridgeNotFound, "bridge_slug", "there is no such bridge", nil)},
		{"provider_config_not_found.txt", failed(messages.ProviderConfigNotFound, "provider_config_id", "there is no such provider configuration", nil)},
		{"provider_config_inactive.txt", failed(messages.ProviderConfigInactive, "provider_config_id", "the provider configuration is not active", nil)},
		{"phone_number_not_linked.txt", failed(messages.PhoneNumberNotLinked, "phone_number", "the number is not linked to the provider configuration", nil)},
		{"phone_number_in_use.txt", failed(messages.PhoneNumberInUse, "phone_number", "the number is on another bridge; disconnect it there first",
			map[string]string{"current_bridge_slug": "support-bridge-002"})},
		{"bridge_has_other_provider.txt", failed(messages.BridgeHasOtherProvider, "provider_config_id", "the bridge's other numbers run through another provider",
			map[string]string{"current_provider": "plivo"})},
		{"internal_error.txt", failed(messages.InternalError, "", "the command could not be processed; it was set aside for an operator", nil)},
	}
	first := events[0].event
	events = append(events, event{"correction.txt", failed(messages.BridgeNotFound, "bridge_slug", "there is no such bridge", nil).Correct(first)})

	seen := map[messages.Code]bool{}
	for _, tt := range events {
		if tt.event.Data.Error != nil {
			seen[tt.event.Data.Error.Code] = true
		}
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			body, err := tt.event.Encode()
			if err != nil {
				t.Fatal(err)
			}
			header := nats.Header{
				"Content-Type":              {messages.ContentTypeCloudEvents},
				messages.HeaderLanePosition: {messages.Position{Generation: 1, Sequence: 4711}.String()},
			}
			m := golden(t, filepath.Join("event", tt.file), tt.event.MessageSubject(), header, body)
			if err := against(eventSchemas()[tt.event.Type], m.Body); err != nil {
				t.Error(err)
			}
			decoded, err := messages.DecodeEvent(m.Body)
			if err != nil {
				t.Fatal(err)
			}
			lane, organization, kind, err := messages.ParseEventSubject(m.Subject)
			if err != nil || organization != decoded.Organization || kind != decoded.Type {
				t.Errorf("the subject tells %v %v (%v), the event %v %v", organization, kind, err, decoded.Organization, decoded.Type)
			}
			decoded.Lane = lane
			if !reflect.DeepEqual(decoded, tt.event) {
				t.Errorf("decoded %#v", decoded)
			}
			if decoded.OutcomeDigest() != tt.event.OutcomeDigest() {
				t.Error("decoding changes the outcome's digest")
			}
		})
	}
	for _, code := range messages.Codes() {
		if !seen[code] {
			t.Errorf("no golden file for %s", code)
		}
	}
}
