package messages_test

import (
	"strconv"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"pgregory.net/rapid"

	"connect-provider/messages"
)

func TestSubjects(t *testing.T) {
	t.Parallel()
	o, err := messages.OrganizationFromHandle("example.com")
	if err != nil {
		t.Fatal(err)
	}
	lane := messages.Lane{Class: messages.Bulk, Number: 12}
	for what, pair := range map[string][2]string{
		"interactive command": {messages.CommandSubject(messages.Interactive, o, messages.VerbConnectProvider), "telephony.commands.example%2Ecom.connect-provider"},
		"bulk command":        {messages.CommandSubject(messages.Bulk, o, messages.VerbConnectProvider), "telephony.bulk.example%2Ecom.connect-provider"},
		"event":               {messages.EventSubject(lane, o, messages.EventConnected), "telephony.events.b12.example%2Ecom.provider-connected"},
		"command filter":      {lane.CommandFilter(), "telephony.bulk.12.>"},
		"event filter":        {lane.EventFilter(), "telephony.events.b12.>"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
		}
	}
}

func TestParseStoredSubject(t *testing.T) {
	t.Parallel()
	got, err := messages.ParseStoredSubject("telephony.bulk.12.example%2Ecom.disconnect-provider")
	want := messages.StoredSubject{
		Lane:         messages.Lane{Class: messages.Bulk, Number: 12},
		Organization: messages.Organization{Token: "example%2Ecom", Handle: "example.com"},
		Verb:         "disconnect-provider",
	}
	if err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for _, subject := range []string{
		"", "telephony.commands", "telephony.commands.7.acme", "telephony.commands.acme.connect-provider",
		"telephony.commands.07.acme.connect-provider", "telephony.commands.-1.acme.connect-provider",
		"telephony.commands.256.acme.connect-provider", "telephony.commands.c7.acme.connect-provider",
		"telephony.commands.7..connect-provider", "telephony.commands.7.acme.", "telephony.commands.7.acme.b.connect-provider",
		"telephony.events.7.acme.connect-provider", "Telephony.commands.7.acme.connect-provider",
		"telephony.commands.99999999999999999999.acme.connect-provider",
	} {
		if got, err := messages.ParseStoredSubject(subject); err == nil {
			t.Errorf("%q: read as %+v", subject, got)
		}
	}
}

func TestParseEventSubject(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{
		"", "telephony.events.c7.acme", "telephony.events.7.acme.provider-connected", "telephony.events.x7.acme.provider-connected",
		"telephony.events.c07.acme.provider-connected", "telephony.events.c7..provider-connected", "telephony.events.c7.acme.",
		"telephony.commands.c7.acme.provider-connected",
	} {
		if lane, o, kind, err := messages.ParseEventSubject(subject); err == nil {
			t.Errorf("%q: read as %v %v %v", subject, lane, o, kind)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		lane := messages.Lane{
			Class:  rapid.SampledFrom(messages.Classes()).Draw(t, "class"),
			Number: rapid.IntRange(0, messages.MaxLanes-1).Draw(t, "number"),
		}
		o := messages.OrganizationFromToken(rapid.String().Draw(t, "token"))
		gotLane, gotOrganization, kind, err := messages.ParseEventSubject(messages.EventSubject(lane, o, messages.EventConnectFailed))
		if err != nil || gotLane != lane || gotOrganization != o || kind != messages.EventConnectFailed {
			t.Fatalf("%v %+v came back as %v %+v %v, %v", lane, o, gotLane, gotOrganization, kind, err)
		}
	})
}

func TestParseLane(t *testing.T) {
	t.Parallel()
	for _, class := range messages.Classes() {
		for number := range messages.MaxLanes {
			lane := messages.Lane{Class: class, Number: number}
			if back, err := messages.ParseLane(lane.String()); err != nil || back != lane {
				t.Errorf("%v came back as %v, %v", lane, back, err)
			}
		}
	}
	for _, name := range []string{"", "c", "7", "x7", "C7", "c07", "c-1", "c+1", "c256", "c7 ", "c٣"} {
		if lane, err := messages.ParseLane(name); err == nil {
			t.Errorf("%q: read as %v", name, lane)
		}
	}
}

// The worker predicts lanes, so its hash must be the server's.
func TestPartitionIsTheServers(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 2, 3, 16, 48, messages.MaxLanes} {
		config := messages.CommandsStreamConfig(messages.Interactive, messages.StreamOptions{Lanes: lanes})
		transform, err := server.NewSubjectTransform(config.SubjectTransform.Source, config.SubjectTransform.Destination)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			o, err := messages.OrganizationFromHandle("org-" + strconv.Itoa(i) + ".example")
			if err != nil {
				t.Fatal(err)
			}
			stored, err := transform.Match(messages.CommandSubject(messages.Interactive, o, messages.VerbConnectProvider))
			if err != nil {
				t.Fatal(err)
			}
			subject, err := messages.ParseStoredSubject(stored)
			if err != nil {
				t.Fatal(err)
			}
			if subject.Lane.Number != messages.Partition(o.Token, lanes) || subject.Organization != o {
				t.Fatalf("the server stores %s, Partition says %d", stored, messages.Partition(o.Token, lanes))
			}
		}
	}
	if messages.Partition("acme", 0) != 0 {
		t.Error("no lanes give no lane 0")
	}
}
