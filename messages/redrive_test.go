package messages_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"connect-provider/messages"
)

const redriven = "redrive:c15.1.4711:1"

// again returns a message as it is stored when it has been redriven.
func again(m messages.Message, id string) (messages.Message, bool) {
	header, body, identified := m.Redrive(id)
	m.Header, m.Body = header, body
	return m, identified
}

// What every form of a command says is the same under the new id.
func TestRedriveKeepsWhatACommandSays(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/command/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m := readGolden(t, string(text))
			first := messages.Decode(m)
			stored, identified := again(m, redriven)
			second := messages.Decode(stored)
			if without := strings.Contains(file, "without-id"); identified == without {
				t.Errorf("identified: %t", identified)
			}
			if identified && second.Command.ID != redriven {
				t.Errorf("id %q, want %q\n%s", second.Command.ID, redriven, stored.Body)
			}
			if second.Malformed != nil || first.Digest() != second.Digest() || first.Trace != second.Trace || !maps.Equal(first.Command.Metadata, second.Command.Metadata) {
				t.Errorf("%v (%v) became %v (%v)", first, first.Trace, second, second.Trace)
			}
		})
	}
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	structured := []string{"content-type", "Application/CloudEvents+json; charset=utf-8"}
	binary := []string{"ce-specversion", "1.0", "CE-ID", "old", "ce-source", "/s", "ce-type", "t"}
	tests := []struct {
		name, body string
		header     []string
		want       string // body, "" for the same bytes
		identified bool
	}{
		{"an id in the body", ` { "command_id" : "old" ,"a":1}  `, nil, ` { "command_id" : "` + redriven + `" ,"a":1}  `, true},
		{"an id that is none", `{"command_id":{"a":[1]},"b":2}`, nil, `{"command_id":"` + redriven + `","b":2}`, true},
		{"an id with an escape in its name", `{"command\u005fid":"old"}`, nil, `{"command\u005fid":"` + redriven + `"}`, true},
		{"an id further in", `{"metadata":{"command_id":"old"}}`, nil, "", false},
		{"an id in the header", `{"bridge_slug":"b"}`, []string{"nats-msg-id", "old"}, `{"command_id":"` + redriven + `","bridge_slug":"b"}`, true},
		{"an id in the header of an empty object", ` {}`, []string{"Nats-Msg-Id", "old"}, ` {"command_id":"` + redriven + `"}`, true},
		{"an id in both", `{"command_id":"old"}`, []string{"Nats-Msg-Id", "other"}, `{"command_id":"` + redriven + `"}`, true},
		{"an id in the header of no object", `[1]`, []string{"Nats-Msg-Id", "old"}, "", false},
		{"cut off", `{"command_id":"old","b`, nil, "", false},
		{"something behind", `{"command_id":"old"} x`, nil, "", false},
		{"given twice", `{"command_id":"old","command_id":"old"}`, nil, "", false},
		{"no text", "\x00\xff\xfe", nil, "", false},
		{"nothing", "", nil, "", false},
		{"structured", `{"id":"old","data":{"command_id":"old"}}`, structured, `{"id":"` + redriven + `","data":{"command_id":"` + redriven + `"}}`, true},
		{"structured, the data first", `{"data":{"x":"é"},"id":"old"}`, structured, `{"data":{"x":"é"},"id":"` + redriven + `"}`, true},
		{"structured without an id", `{"data":{}}`, structured, "", false},
		{"structured, base64", `{"data_base64":"eyJjb21tYW5kX2lkIjoiYSJ9","id":"old"}`, structured,
			`{"data_base64":"eyJjb21tYW5kX2lkIjoicmVkcml2ZTpjMTUuMS40NzExOjEifQ==","id":"` + redriven + `"}`, true},
		{"structured, no base64", `{"data_base64":"~","id":"old"}`, structured, `{"data_base64":"~","id":"` + redriven + `"}`, true},
		{"binary", `{"bridge_slug":"b"}`, binary, "", true},
		{"binary with an id in the body", `{"command_id":"old"}`, binary, `{"command_id":"` + redriven + `"}`, true},
		{"binary without an id", `{"bridge_slug":"b"}`, []string{"ce-specversion", "1.0", "Nats-Msg-Id", "old"}, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := message(tt.body, tt.header...)
			before := maps.Clone(m.Header)
			stored, identified := again(m, redriven)
			want := tt.want
			if want == "" {
				want = tt.body
			}
			if string(stored.Body) != want || identified != tt.identified {
				t.Errorf("%q (identified: %t), want %q (%t)", stored.Body, identified, want, tt.identified)
			}
			if string(m.Body) != tt.body || !maps.EqualFunc(before, m.Header, slices.Equal) {
				t.Error("the message itself was changed")
			}
			if id := stored.Header["ce-id"]; slices.Contains(tt.header, "CE-ID") && (!slices.Equal(id, []string{redriven}) || stored.Header["CE-ID"] != nil) {
				t.Errorf("headers %v", stored.Header)
			}
		})
	}
}

// No header is sent that instructs the server which stores the message.
func TestRedriveSendsNoControlHeaders(t *testing.T) {
	t.Parallel()
	m := message(plain)
	m.Header = nats.Header{"traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "X-Own": {"a", "b"}}
	for _, name := range []string{"Nats-Msg-Id", "nats-msg-id", "Nats-Expected-Stream", "Nats-Expected-Last-Sequence", "Nats-Rollup", "Nats-TTL",
		"Nats-Schedule", "Nats-Batch-Id", "Nats-Batch-Commit", "Nats-Incr", "NATS-Marker-Reason"} {
		m.Header[name] = []string{"x"}
	}
	header, _, _ := m.Redrive(redriven)
	if len(header) != 2 || !slices.Equal(header["X-Own"], []string{"a", "b"}) || header.Get("traceparent") == "" {
		t.Errorf("%v", header)
	}
}

// Whatever a message is, where it was identified a worker finds the new id.
func TestRedrivenMessageHasTheNewID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		member := rapid.SampledFrom([]string{`"command_id":"old"`, `"command_id":7`, `"bridge_slug":"b"`, `"bridge_slug":null`, `"provider_config_id":42`,
			`"phone_number":"+1234567890"`, `"metadata":{"k":"v"}`, `"extra":[{}]`, `"id":"old"`, `"specversion":"1.0"`, `"type":"t"`, `"source":"s"`,
			`"data":{"command_id":"old","bridge_slug":"b","provider_config_id":1,"phone_number":"1"}`, `"data":{}`})
		body := "{" + strings.Join(rapid.SliceOfDistinct(member, rapid.ID).Draw(t, "members"), rapid.SampledFrom([]string{",", " ,\n"}).Draw(t, "comma")) + "}"
		m := message(body)
		m.Header = nats.Header{}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"ce-id", "Ce-Id", "ce-specversion", "ce-type", "ce-source", "Nats-Msg-Id", "Content-Type"}), rapid.ID).Draw(t, "headers") {
			m.Header[name] = []string{"old"}
			if known := map[string]string{"ce-specversion": "1.0", "Content-Type": "application/cloudevents+json"}[name]; known != "" {
				m.Header[name] = []string{known}
			}
		}
		stored, identified := again(m, redriven)
		before, after := messages.Decode(m), messages.Decode(stored)
		if identified && after.Malformed == nil && after.Command.ID != redriven {
			t.Errorf("%s %v became %s %v with the id %q", m.Body, m.Header, stored.Body, stored.Header, after.Command.ID)
		}
		if before.Malformed == nil && after.Malformed != nil {
			t.Errorf("%s %v was understood, %s %v is not: %v", m.Body, m.Header, stored.Body, stored.Header, after.Malformed)
		}
		if before.Malformed == nil && before.Command.ID == "old" && (!identified || before.Digest() != after.Digest()) {
			t.Errorf("%s %v became %s %v", m.Body, m.Header, stored.Body, stored.Header)
		}
	})
}
